"""Desks: the web, and all of it. A folder per role with its pages and templates; no rules here.

Comes in: a person in a role. Goes out: pages that say what to do next, why, and by when.
Words: *page* = a view with a declared permission; *component* = a Jinja macro shared by all desks.
"""
