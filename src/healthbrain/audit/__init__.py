"""Audit: who saw and who changed what, append-only and hash-chained.

Comes in: one event per action or per opened record, written in the same transaction as the change.
Goes out: a resident's "who looked" list, an administrator's search, a verification of the chain.
Words: *lane* = one of 64 independent chains, so that writers do not wait for each other.
"""
