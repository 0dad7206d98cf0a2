"""Accounts, roles, audit. Sees no resident's record."""
