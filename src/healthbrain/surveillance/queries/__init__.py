"""Reads of surveillance: `signals` and `feeds`, `response` (events and their rooms)."""
