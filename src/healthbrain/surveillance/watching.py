"""What the rules look at: counts of units, classes, villages, townships and the county as rows of one matrix."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from healthbrain.kernel import db
from healthbrain.surveillance.knowledge import chips, classifier, rules
from healthbrain.surveillance.rules import thresholds
from healthbrain.surveillance.rules.life import Finding, Place
from healthbrain.surveillance.rules.thresholds import Hit, Unit

EXPOSED = ("absence", "nursing-home", "work-site", "hotel")  # counted where people are exposed, not where they are seen
_UNITS = """
    SELECT 'unit:' || c.organisation_id, o.kind, c.syndrome, c.day, sum(c.count)
    FROM surveillance_dailycount c JOIN county_organisation o ON o.id = c.organisation_id
    WHERE c.day BETWEEN %(first)s AND %(last)s AND c.source = ANY(%(sources)s) AND c.count > 0
      AND (%(everywhere)s OR c.organisation_id = ANY(%(organisations)s))
    GROUP BY 1, 2, 3, 4
"""
_CLASSES = """
    SELECT 'class:' || r.organisation_id || ':' || k.grade || k.name, o.kind, w.syndrome, line.day, sum(f.value::int)
    FROM surveillance_reportline line JOIN surveillance_directreport r ON r.id = line.report_id
    JOIN surveillance_schoolclass k ON k.id = line.school_class_id
    JOIN county_organisation o ON o.id = r.organisation_id
    CROSS JOIN jsonb_each_text(line.fresh) AS f (key, value)
    JOIN unnest(%(chips)s::text[], %(keys)s::text[]) AS w (chip, syndrome) ON w.chip = f.key
    WHERE line.current AND line.day BETWEEN %(first)s AND %(last)s
      AND (%(everywhere)s OR r.organisation_id = ANY(%(organisations)s))
    GROUP BY 1, 2, 3, 4
"""
_RESIDENCE = """
    SELECT CASE length(place) WHEN 12 THEN 'village:' WHEN 9 THEN 'township:' ELSE 'county:' END || place, '', syndrome,
           day, sum(count)
    FROM surveillance_dailycount,
         LATERAL (VALUES (place_code), (substr(place_code, 1, 9)), (substr(place_code, 1, 6))) AS p (place)
    WHERE source = 'diagnosis' AND place_code <> '' AND day BETWEEN %(first)s AND %(last)s
      AND (%(everywhere)s OR syndrome = ANY(%(syndromes)s))
    GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a pass looks at: everything, or these institutions and these syndromes of residence."""

    everywhere: bool = False
    organisations: frozenset[int] = frozenset()
    syndromes: frozenset[str] = frozenset()

    def covers(self, place: Place, family: str) -> bool:
        """Was this place and family looked at, so that no finding means there is none?"""
        if self.everywhere:
            return True
        if place.kind == "organisation":
            return place.organisation_id in self.organisations
        return family in {classifier().family.get(s, s) for s in self.syndromes}


@dataclass(frozen=True)
class Matrix:
    """Rows: a unit and a syndrome; columns: days from `first`."""

    units: list[Unit]
    syndromes: list[str]
    counts: NDArray[np.int64]
    first: dt.date


def matrix_of(rows: Iterable[tuple[str, str, str, dt.date, int]], first: dt.date, last: dt.date) -> Matrix:
    """(unit key, kind, syndrome, day, count) as rows of day counts; several rows of one cell are added."""
    index: dict[tuple[str, str], int] = {}
    units: list[Unit] = []
    syndromes: list[str] = []
    where: list[tuple[int, int, int]] = []
    for key, kind, syndrome, day, count in rows:
        row = index.setdefault((key, syndrome), len(index))
        if row == len(units):
            units.append(Unit(key, key.partition(":")[0], kind))
            syndromes.append(syndrome)
        where.append((row, (day - first).days, int(count)))
    counts = np.zeros((len(units), (last - first).days + 1), np.int64)
    if where:
        at = np.array(where)
        np.add.at(counts, (at[:, 0], at[:, 1]), at[:, 2])
    return Matrix(units, syndromes, counts, first)


def watched(scope: Scope, first: dt.date, last: dt.date) -> Matrix:
    """Every unit within the scope that had a case in these days."""
    pairs = [(chip, key) for chip, row in chips().items() for key in row["counts_as"]]
    parameters = {
        "first": first, "last": last, "sources": list(EXPOSED), "everywhere": scope.everywhere,
        "organisations": list(scope.organisations), "syndromes": list(scope.syndromes),
        "chips": [chip for chip, _ in pairs], "keys": [key for _, key in pairs],
    }  # fmt: skip
    rows = []
    if scope.everywhere or scope.organisations:
        rows += db.select(_UNITS, parameters) + db.select(_CLASSES, parameters)
    if scope.everywhere or scope.syndromes:
        rows += db.select(_RESIDENCE, parameters)
    return matrix_of(rows, first, last)


def place_of(key: str) -> tuple[Place, str]:
    """The place a unit's key speaks of, and the part of it (a class)."""
    kind, _, rest = key.partition(":")
    if kind in {"unit", "class"}:
        organisation, _, part = rest.partition(":")
        return Place("organisation", int(organisation)), part
    return Place(kind, code=rest), ""


def threshold_findings(scope: Scope, test_from: dt.date, today: dt.date) -> list[Finding]:
    """Every threshold rule met on a day from `test_from` to today."""
    first = test_from - dt.timedelta(days=rules().longest - 1)
    matrix = watched(scope, first, today)
    hits = thresholds.evaluate(rules(), matrix.units, matrix.syndromes, matrix.counts, first, test_from)
    return [_finding(hit) for hit in hits]


def _finding(hit: Hit) -> Finding:
    place, part = place_of(hit.unit.key)
    source = "absence" if hit.unit.kind in thresholds.SCHOOLS else "diagnosis"
    if place.kind == "organisation" and source == "diagnosis":
        source = {"nursing-home": "nursing-home", "workplace": "work-site", "lodging": "hotel"}.get(
            hit.unit.kind, "other"
        )
    return Finding(
        place, classifier().family.get(hit.syndrome, hit.syndrome), hit.syndrome, source, "threshold", hit.rule.id,
        hit.rule.level, hit.first_day, hit.last_day, float(hit.observed), bound=float(hit.rule.cases), part=part,
        detail={"binding": hit.rule.binding, "met_on": hit.met_on.isoformat(), "most": hit.most, "days": hit.rule.days},
    )  # fmt: skip


def series(place: Place, keys: Sequence[str], source: str, first: dt.date, last: dt.date) -> list[int]:
    """Counts by day of a place: all of `keys` together, one source ("" = what the rules count there)."""
    column = "organisation_id = %s" if place.kind == "organisation" else "starts_with(place_code, %s)"
    wanted = [source] if source else list(EXPOSED) if place.kind == "organisation" else ["diagnosis"]
    rows = db.select(
        f"""SELECT day, sum(count) FROM surveillance_dailycount
            WHERE {column} AND syndrome = ANY(%s) AND source = ANY(%s) AND day BETWEEN %s AND %s GROUP BY day""",
        [place.organisation_id or place.code, list(keys), wanted, first, last],
    )
    by_day = {day: int(n) for day, n in rows}
    return [by_day.get(first + dt.timedelta(days=n), 0) for n in range((last - first).days + 1)]
