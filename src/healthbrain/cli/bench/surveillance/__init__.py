"""Surveillance measured: the published designs, a whole county's pass, equality with R, speed, a planted year."""

from __future__ import annotations

from healthbrain.cli.bench.surveillance import (
    county_pass,
    daily,
    equality,
    late_reports,
    latency,
    noufaily,
    planted_year,
    speed,
)

PARTS = {
    "noufaily": noufaily.run,
    "daily": daily.run,
    "county-pass": county_pass.run,
    "r-equality": equality.equality,
    "farrington-speed": speed.farrington_speed,
    "planted-year": planted_year.run,
    "late-reports": late_reports.run,
    "latency": latency.run,
}
