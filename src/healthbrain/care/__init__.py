"""Care: programmes over the whole county. Who is in, at which risk, what is due, which team, why.

Comes in: `knowledge/programmes/*.yaml`, facts. Goes out: enrolments, tasks with four dates, explanations, diffs.
Words: *occurrence* = one time a task falls due, one key each; *evidence* = the event that closes it;
*reflex* = a task opened by a result; *quarantine* = residents whose data broke an evaluation, shown, never hidden.
"""
