"""Surveillance measured: the published designs, a whole county's pass, equality with R, speed."""

from __future__ import annotations

from healthbrain.cli.bench.surveillance import county_pass, daily, equality, noufaily, speed

PARTS = {
    "noufaily": noufaily.run,
    "daily": daily.run,
    "county-pass": county_pass.run,
    "r-equality": equality.equality,
    "farrington-speed": speed.farrington_speed,
}
