"""Notices: who was told what. Lines in inboxes, messages to phones and group robots, and the log of both.

Comes in: what happened, for whom, how urgent. Goes out: a line in each inbox; queued messages, quiet at night, retried.
Words: *notification* = a line in somebody's inbox; *channel* = a phone or group robot somebody registered;
*delivery* = one message to one channel, or to one resident's phone, with what became of it.
"""
