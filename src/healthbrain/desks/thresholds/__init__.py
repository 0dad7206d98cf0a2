"""Desk of whoever answers for the numbers the house works with: each with its source, and whether it was checked."""
