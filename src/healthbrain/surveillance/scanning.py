"""The space-time scan of a whole pass: neighbouring places too many together, one signal as long as it lasts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from healthbrain.county.models import Organisation
from healthbrain.county.models import Place as Division
from healthbrain.county.queries import township_tiles
from healthbrain.kernel import db
from healthbrain.surveillance.knowledge import classifier, read
from healthbrain.surveillance.models import Signal
from healthbrain.surveillance.rules.clusters import Change, Known, compare
from healthbrain.surveillance.rules.life import GAP_DAYS, Finding, Place
from healthbrain.surveillance.rules.own import OwnSettings, expect
from healthbrain.surveillance.rules.regions import Tile, neighbours, told_of
from healthbrain.surveillance.rules.scan import Cluster, scan_expected, scan_permutation
from healthbrain.surveillance.rules.series import SeriesSet

# Counted person by person and place by place. Sales are not: weather and offers move the shops of all places at once.
SOURCES = ("absence", "diagnosis", "ems")
WINDOWS = (1, 3, 7)  # days, of a window of 1, 2, 3 blocks
PERMUTED_DAYS = 28  # days of a new source that are compared with one another
YOUNGEST = 14  # days a new source must have spoken: two of the longest windows


@dataclass(frozen=True)
class Told:
    """The daily series of a pass and what each row speaks of."""

    series: SeriesSet
    places: list[Place]
    sources: list[str]
    syndromes: list[str]


@dataclass(frozen=True)
class Group:
    """One source and syndrome: rows of `Told`, and the township of each."""

    source: str
    syndrome: str
    rows: list[int]
    townships: list[str]


@dataclass(frozen=True)
class Found:
    group: Group
    cluster: Cluster
    members: list[Place]
    first: dt.date
    last: dt.date
    recurrence_days: float


def findings(told: Told, *, today: dt.date, settings: OwnSettings) -> list[Finding]:
    """Clusters of today that chance would not bring within the days of thresholds.yaml, whatever is scanned."""
    tiles = {tile.code: (tile.x, tile.y) for tile in township_tiles()}
    groups = list(_groups(told))
    found = [one for group in groups for one in _scan(told, group, tiles, today, settings, len(groups))]
    # Of one place alone the own detector speaks, within the budget.
    return _told([one for one in found if len(one.members) > 1 and _rare(one)], _before(today))


def fresh_findings(told: Told, *, today: dt.date) -> list[Finding]:
    """Clusters of today in sources without a past to be judged by: the space-time permutation scan needs none.

    It asks whether these places had more of the last days' cases than their share of all cases (Kulldorff 2005).
    """
    tiles = {tile.code: (tile.x, tile.y) for tile in township_tiles()}
    groups = list(_groups(told))
    found = [one for group in groups for one in _permute(told, group, tiles, today, len(groups))]
    return _told([one for one in found if _rare(one)], _before(today))


def _rare(one: Found) -> bool:
    limits = read("thresholds")["scan"]
    return bool(one.recurrence_days >= limits["recurrence_days"] and one.cluster.observed >= limits["least_cases"])


def _permute(told: Told, group: Group, tiles: dict[str, Tile], today: dt.date, scans: int) -> list[Found]:
    """Places that began to speak in the second half of the days are left out: their beginning is no outbreak."""
    counts = told.series.counts[group.rows]
    age = counts.shape[1] - int(np.argmax(counts.any(axis=0)))
    days = min(age, PERMUTED_DAYS)
    if age < YOUNGEST or not counts[:, -1].any():
        return []
    settled = [n for n, row in enumerate(counts[:, -days:]) if row[: days // 2].any()]
    places = [told.places[group.rows[n]] for n in settled]
    zones = neighbours([group.townships[n] for n in settled], tiles)
    if len(settled) < 2:
        return []
    clusters = scan_permutation(counts[settled, -days:], zones, longest=WINDOWS[-1], seed=today.toordinal())
    chosen = Group(
        group.source, group.syndrome, [group.rows[n] for n in settled], [group.townships[n] for n in settled]
    )
    return [
        Found(
            chosen, cluster, [places[s] for s in cluster.sites], today - dt.timedelta(days=cluster.periods - 1), today,
            cluster.recurrence / scans,
        )
        for cluster in clusters
    ]  # fmt: skip


def _groups(told: Told) -> Iterator[Group]:
    """Sources and syndromes that two places or more tell of."""
    sites = {o: t for o, t in db.select("SELECT organisation_id, township_id FROM surveillance_site") if t}
    found: dict[tuple[str, str], Group] = {}
    for row, (place, source, key) in enumerate(zip(told.places, told.sources, told.syndromes, strict=True)):
        township = sites.get(place.organisation_id, "") if place.organisation_id else place.code
        if source in SOURCES and len(township) == 9:
            group = found.setdefault((source, key), Group(source, key, [], []))
            group.rows.append(row)
            group.townships.append(township)
    return (group for group in found.values() if len(group.rows) > 1)


def _scan(
    told: Told, group: Group, tiles: dict[str, Tile], today: dt.date, settings: OwnSettings, scans: int
) -> list[Found]:
    picked = told.series.pick(group.rows)
    if not picked.counts[:, -1].any():
        return []  # no news today: what the days before said was judged with them
    blocks = expect(picked, from_index=picked.n_periods - 1, settings=settings)
    unit = blocks.scale[:, -1, None]
    counts, means = blocks.counts[:, -1, ::-1] * unit, blocks.means[:, -1, ::-1] * unit
    clusters = scan_expected(
        counts, means, blocks.sizes[:, -1, ::-1], neighbours(group.townships, tiles), seed=today.toordinal()
    )
    return [
        Found(
            group, cluster, [told.places[group.rows[s]] for s in cluster.sites],
            today - dt.timedelta(days=WINDOWS[cluster.periods - 1] - 1), today,
            cluster.recurrence / scans,  # a day scans so many syndromes and sources: each is a chance of a false one
        )
        for cluster in clusters
    ]  # fmt: skip


def _before(today: dt.date) -> list[tuple[Signal, dict[str, Any]]]:
    """Clusters on record that today's may continue, each with the signal that tells of it."""
    rows = Signal.objects.filter(last_day__gt=today - dt.timedelta(days=GAP_DAYS)).exclude(life=Signal.Life.OVER)
    return [(row, f) for row in rows.order_by("pk") for f in row.detail.get("findings", []) if f["method"] == "scan"]


def _told(found: Sequence[Found], before: Sequence[tuple[Signal, dict[str, Any]]]) -> list[Finding]:
    names = _names({place for one in found for place in one.members})
    out = []
    for source, key in sorted({(one.group.source, one.group.syndrome) for one in found}):
        mine = [one for one in found if (one.group.source, one.group.syndrome) == (source, key)]
        theirs = [(s, f) for s, f in before if (f["source"], f["syndrome"]) == (source, key)]
        index: dict[str, int] = {}
        today = [
            Known(_sites(index, [p.key for p in one.members]), one.first, one.last, one.cluster.observed)
            for one in mine
        ]
        standing = [_known(index, f) for _, f in theirs]
        of = {id(known): signal for known, (signal, _) in zip(standing, theirs, strict=True)}
        for compared in compare(today, standing):
            if compared.change is Change.OVER:
                continue  # no finding tells of it: the life cycle closes it
            one = next(m for m, known in zip(mine, today, strict=True) if known is compared.cluster)
            signal = of[id(compared.before)] if compared.before is not None else None
            out.append(_finding(one, compared.change, signal, names))
    return out


def _sites(index: dict[str, int], keys: Sequence[str]) -> frozenset[int]:
    return frozenset(index.setdefault(key, len(index)) for key in keys)


def _known(index: dict[str, int], f: dict[str, Any]) -> Known:
    first, last = dt.date.fromisoformat(f["first"]), dt.date.fromisoformat(f["last"])
    return Known(_sites(index, f["members"]), first, last, float(f["observed"]))


def _finding(one: Found, change: Change, signal: Signal | None, names: dict[Place, str]) -> Finding:
    """A cluster that goes on keeps the place of its signal, so that the life cycle knows it again."""
    place = told_of(one.members, [one.group.townships[site] for site in one.cluster.sites])
    if signal is not None:
        place = Place(signal.place_kind, signal.organisation_id, signal.place_code)
    days = round(min(one.recurrence_days, 36_500.0))
    return Finding(
        place, classifier().family.get(one.group.syndrome, one.group.syndrome), one.group.syndrome, one.group.source,
        "scan", "", "statistical", one.first, one.last, float(round(one.cluster.observed)),
        expected=round(one.cluster.expected, 2), pvalue=min(1.0, 1.0 / one.recurrence_days),
        recurrence_days=float(days),
        detail={
            "members": [p.key for p in one.members], "member_names": [names.get(p, p.code) for p in one.members],
            "days": (one.last - one.first).days + 1, "change": change.value, "recurrence_days": days,
            "ratio": round(one.cluster.ratio, 2),
        },
    )  # fmt: skip


def _names(places: set[Place]) -> dict[Place, str]:
    organisations = dict(
        Organisation.objects.filter(pk__in=[p.organisation_id for p in places if p.organisation_id]).values_list(
            "pk", "name"
        )
    )
    divisions = dict(Division.objects.filter(pk__in=[p.code for p in places if p.code]).values_list("code", "name"))
    return {p: organisations.get(p.organisation_id or 0) or divisions.get(p.code, p.code) for p in places}
