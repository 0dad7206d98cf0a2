"""Benches: each module has `run(residents, advance) -> dict`, prints only what it measured, and says its conditions.

Each works in a folder of its own below the data folder, never on the installation's data.
"""
