"""County: who and where. Organisations, places, staff teams, sources of data.

Comes in: the county's registers. Goes out: organisation trees by path, place → responsible organisations, sources.
Words: *path* = "/1/5/42/", the ids from the county down to the organisation; *place* = a division of GB/T 2260.
"""
