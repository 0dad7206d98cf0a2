"""Several weak voices of one township in a whole pass: diagnoses, pharmacies, schools, ambulance calls together."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np

from healthbrain.kernel import db
from healthbrain.surveillance.rules.fusion import VOICE, correlation, fuse, smallest
from healthbrain.surveillance.rules.life import Finding, Place
from healthbrain.surveillance.rules.series import Floats

SOURCES = ("diagnosis", "pharmacy", "absence", "ems")
DAYS = 7  # the cases that a fused finding tells: of the last week, as the longest window of the detector


@dataclass(frozen=True)
class Joint:
    """Townships and families that several sources speak of. Days as in the detection.

    rows: source → rows of the detection. pvalues: (n, days, sources), NaN where a source is silent. fused: (n, days).
    """

    places: list[Place]
    families: list[str]
    rows: list[dict[str, list[int]]]
    pvalues: Floats
    fused: Floats


def join(places: list[Place], sources: list[str], families: list[str], pvalues: Floats) -> Joint:
    """pvalues (n_series, days) of the detector; the correlation of the sources is learnt from all days but the last."""
    groups = {key: rows for key, rows in _groups(places, sources, families).items() if len(rows) > 1}
    n_days = pvalues.shape[1]
    each = np.full((len(groups), n_days, len(SOURCES)), np.nan)
    for at, rows in enumerate(groups.values()):
        for source, own in rows.items():
            each[at, :, SOURCES.index(source)] = smallest(pvalues[own])
    matrix = correlation(each[:, :-1].reshape(-1, len(SOURCES)))
    fused = fuse(each.reshape(-1, len(SOURCES)), np.ones(len(SOURCES)), matrix).pvalue.reshape(len(groups), n_days)
    where = [Place("township", code=township) for township, _ in groups]
    return Joint(where, [family for _, family in groups], list(groups.values()), each, fused)


def _groups(
    places: list[Place], sources: list[str], families: list[str]
) -> dict[tuple[str, str], dict[str, list[int]]]:
    """(township, family) → source → rows. A school speaks for the township it stands in."""
    sites = {o: t for o, t in db.select("SELECT organisation_id, township_id FROM surveillance_site") if t}
    found: dict[tuple[str, str], dict[str, list[int]]] = {}
    for row, (place, source, family) in enumerate(zip(places, sources, families, strict=True)):
        township = sites.get(place.organisation_id, "") if place.organisation_id else place.code
        if source in SOURCES and len(township) == 9:
            found.setdefault((township, family), {}).setdefault(source, []).append(row)
    return found


def finding(
    joint: Joint, at: int, column: int, day: dt.date, share: float, counts: Floats, expected: Floats, least: float
) -> Finding | None:
    """What the sources of a township say together on a day; None where fewer than two raise their voice.

    counts, expected (n_series, days): newest day is `column`. share: the fused p-value after the budget's correction.
    """
    window = slice(max(0, column - DAYS + 1), column + 1)
    told: list[dict[str, Any]] = []
    for source, rows in joint.rows[at].items():
        pvalue = float(joint.pvalues[at, column, SOURCES.index(source)])
        seen, usual = float(counts[rows, window].sum()), float(expected[rows, window].sum())
        told.append({"source": source, "pvalue": pvalue, "observed": round(seen), "expected": round(usual, 1)})
    told.sort(key=lambda one: one["pvalue"])
    lead = told[0]
    loud = [one for one in told if one["pvalue"] <= VOICE]
    if len(loud) < 2 or float(lead["observed"]) < least:
        return None
    return Finding(
        joint.places[at], joint.families[at], joint.families[at], lead["source"], "fusion", "", "statistical",
        day - dt.timedelta(days=column - window.start), day, float(lead["observed"]),
        expected=lead["expected"], pvalue=share, recurrence_days=1 / max(share, 1e-12),
        detail={"days": column + 1 - window.start, "sources": told},
    )  # fmt: skip
