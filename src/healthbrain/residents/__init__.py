"""Residents: the master patient index. Who is who, over all sources.

Comes in: identities (what one source calls one person). Goes out: residents, links with their reasons, reviews.
Words: *identity* = one source's record of a person; *resident* = the person; *link* = identity → resident, the only
row a merge or an un-merge changes; *review* = a pair the matcher is unsure about, waiting for a person.
"""
