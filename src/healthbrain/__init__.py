"""Health Brain (健康大脑): a county's records in, one record per resident, today's work at the right desk.

One folder = one room = one noun of the field; `docs/architecture.md` is the map.
"""

__version__ = "0.1.0"
