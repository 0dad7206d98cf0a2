"""Surveillance measured: the published designs, a whole county's pass."""

from __future__ import annotations

from healthbrain.cli.bench.surveillance import county_pass, daily, noufaily

PARTS = {"noufaily": noufaily.run, "daily": daily.run, "county-pass": county_pass.run}
