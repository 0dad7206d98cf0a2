"""The statistical side of a pass: daily series of the county, our own detector, and the budget of false signals."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np

from healthbrain.kernel import db
from healthbrain.surveillance import completeness, fusing, reporters, scanning
from healthbrain.surveillance.knowledge import calendar, classifier, read
from healthbrain.surveillance.models import Signal
from healthbrain.surveillance.reporters import Row
from healthbrain.surveillance.rules import budget
from healthbrain.surveillance.rules.completeness import BEGUN, UNHEARD, Voice
from healthbrain.surveillance.rules.life import Finding, Place
from healthbrain.surveillance.rules.own import OwnSettings, detect_own, expect
from healthbrain.surveillance.rules.own.design import Calendar
from healthbrain.surveillance.rules.series import Bools, Detection, Floats, Frequency, SeriesSet
from healthbrain.surveillance.watching import EXPOSED, Scope

HISTORY_DAYS = 400
UNTOLD_DAYS = 7  # the newest days teach nothing yet
LEARN_DAYS = 28  # quiet days whose p-values teach the budget how often small ones really come
SHORTEST = 56  # days since a series began to speak, below which its own past does not judge it
WINDOWS = (1, 3, 7)  # days: the nested windows of the detector
_PLACE = """CASE WHEN c.source = ANY(%(exposed)s) THEN 'organisation:' || c.organisation_id
                WHEN c.source = 'pharmacy' THEN 'township:' || s.township_id
                ELSE 'county:' || %(county)s END"""
_TOLD = """
    FROM surveillance_dailycount c LEFT JOIN surveillance_site s ON s.organisation_id = c.organisation_id
    WHERE c.organisation_id IS NOT NULL AND c.source <> ALL(ARRAY['diagnosis', 'laboratory', 'rumour'])
      AND c.day BETWEEN %(first)s AND %(last)s AND (c.source <> 'pharmacy' OR s.township_id IS NOT NULL) AND {scope}
"""
_ROWS = f"""
    SELECT {_PLACE} AS place, c.source, c.syndrome, c.day, sum(c.count)
    {_TOLD} AND c.syndrome = ANY(%(keys)s) GROUP BY 1, 2, 3, 4
"""
_VOICES = completeness.VOICES.format(place=_PLACE, from_where=_TOLD)
_RESIDENCE = """
    SELECT CASE length(place_code) WHEN 6 THEN 'county:' ELSE 'township:' END || substr(place_code, 1, 9), source,
           syndrome, day, sum(count)
    FROM surveillance_dailycount
    WHERE source IN ('diagnosis', 'ems') AND place_code <> '' AND syndrome = ANY(%(families)s)
      AND day BETWEEN %(first)s AND %(last)s GROUP BY 1, 2, 3, 4
"""


@dataclass
class Learnt:
    """What the last whole pass of this process taught: how many series there are, how their p-values behave."""

    series: int = 0
    calibration: budget.Calibration | None = None
    day: dt.date | None = field(default=None)


_learnt = Learnt()


@dataclass(frozen=True)
class Named:
    """Daily series with what each speaks of."""

    places: list[Place]
    sources: list[str]
    syndromes: list[str]
    counts: Floats
    heard: Floats  # share of each day's count that has reached us, like counts
    first: dt.date


def findings(scope: Scope, *, test_from: dt.date, today: dt.date) -> list[Finding]:
    """Series whose newest days are rarer than the budget allows. A whole pass also learns, fuses and scans."""
    named, young = _series(scope, today)
    fresh = scanning.fresh_findings(_series_set(young, today), today=today) if scope.everywhere and young else []
    return fresh if named is None else fresh + _judged(named, scope, test_from=test_from, today=today)


def _judged(named: Named, scope: Scope, *, test_from: dt.date, today: dt.date) -> list[Finding]:
    """Of the sources that are of age."""
    settings = OwnSettings(min_cases=float(read("thresholds")["budget"]["least_cases"]), calendar=_calendar())
    columns = len(named.counts[0])
    start = max(columns - LEARN_DAYS - 1 if scope.everywhere else 0, columns - 1 - (today - test_from).days)
    told = _series_set(named, today)
    series = told.series
    from_index = min(start, columns - LEARN_DAYS - 1) if scope.everywhere else start
    detection = detect_own(series, from_index=from_index, settings=settings)
    joint = fusing.join(named.places, named.sources, _families(named), detection.pvalue) if scope.everywhere else None
    if joint is not None:
        _learn(
            [*named.places, *joint.places], [*_families(named), *joint.families],
            np.concatenate([detection.pvalue, joint.fused]), today,
        )  # fmt: skip
    share = budget.corrected(detection.pvalue[:, start - from_index :], _learnt.calibration)
    level = _level(len(named.places))
    able = detection.observed[:, start - from_index :] > 0
    rows, days = np.nonzero((share <= level) & able)
    newest = {int(row): int(day) for row, day in zip(rows, days, strict=True)}  # the last day of each series
    found = _told(series, named, newest, start, share, settings)
    if joint is not None:
        found += _fused(joint, named, detection, level, start - from_index)
        found += scanning.findings(told, today=today, settings=settings)
    return found


def _series_set(named: Named, today: dt.date) -> scanning.Told:
    series = SeriesSet(
        tuple(f"{p.key}|{s}|{k}" for p, s, k in zip(named.places, named.sources, named.syndromes, strict=True)),
        named.counts, Frequency.DAILY, np.arange(np.datetime64(named.first), np.datetime64(today) + 1),
        population=np.maximum(named.heard, UNHEARD),
    )  # fmt: skip
    return scanning.Told(series, named.places, named.sources, named.syndromes)


def _level(series: int) -> float:
    """How rare a day of one series must be, so that all of them together keep the county's budget."""
    limits = read("thresholds")["budget"]
    return float(min(limits["false_signals_a_week"] / 7 / max(_learnt.series, series), limits["at_most"]))


def _families(named: Named) -> list[str]:
    return [classifier().family.get(key, key) for key in named.syndromes]


def _fused(joint: fusing.Joint, named: Named, detection: Detection, level: float, skip: int) -> list[Finding]:
    """Townships whose sources are rare together on one of the newest days; the last such day of each."""
    share = budget.corrected(joint.fused, _learnt.calibration)
    rows, days = np.nonzero(share[:, skip:] <= level)
    newest = {int(row): int(day) + skip for row, day in zip(rows, days, strict=True)}
    first = named.first + dt.timedelta(days=len(named.counts[0]) - share.shape[1])
    least = float(read("thresholds")["budget"]["least_cases"])
    found = [
        fusing.finding(
            joint, row, column, first + dt.timedelta(days=column), float(share[row, column]), detection.observed,
            detection.expected, least,
        )
        for row, column in newest.items()
    ]  # fmt: skip
    return [one for one in found if one is not None]


def _told(
    series: SeriesSet, named: Named, newest: dict[int, int], start: int, share: Floats, settings: OwnSettings
) -> list[Finding]:  # fmt: skip
    if not newest:
        return []
    picked = list(newest)
    blocks = expect(series.pick(picked), from_index=start, settings=settings)
    found = []
    for position, (row, column) in enumerate(newest.items()):
        unit = blocks.scale[position, column]
        seen = np.cumsum(blocks.counts[position, column]) * unit
        usual = np.cumsum(blocks.means[position, column]) * unit
        window = int(np.argmax((seen - usual) / np.sqrt(usual + 1)))
        day = named.first + dt.timedelta(days=start + column)
        if seen[window] < settings.min_cases:
            continue
        pvalue = float(share[row, column])
        days = slice(start + column - WINDOWS[window] + 1, start + column + 1)
        family = classifier().family.get(named.syndromes[row], named.syndromes[row])
        found.append(
            Finding(
                named.places[row], family, named.syndromes[row], named.sources[row], "own", "", "statistical",
                day - dt.timedelta(days=WINDOWS[window] - 1), day, float(round(seen[window])),
                expected=float(round(usual[window], 2)), pvalue=pvalue, recurrence_days=1 / max(pvalue, 1e-12),
                detail={"days": WINDOWS[window], "heard": round(float(named.heard[row, days].mean()), 2)},
            )
        )  # fmt: skip
    return found


def _calendar() -> Calendar:
    table = calendar()
    return Calendar(
        frozenset(np.datetime64(d) for d in table.holidays), frozenset(np.datetime64(d) for d in table.workdays)
    )


def _series(scope: Scope, today: dt.date) -> tuple[Named | None, Named | None]:
    """The series of the sources that are of age, and of those that began too late to have a past to be judged by."""
    known = classifier()
    families = sorted({f for f in known.family.values() if known.family.get(f) == f and f in read_families()})
    first = today - dt.timedelta(days=HISTORY_DAYS - 1)
    county = db.select("SELECT code FROM county_place WHERE length(code) = 6 ORDER BY code LIMIT 1")
    if not county:
        return None, None
    parameters = {
        "exposed": list(EXPOSED), "county": county[0][0], "keys": [*families, *known.drugs], "families": families,
        "first": first, "last": today, "organisations": list(scope.organisations),
    }  # fmt: skip
    rows: list[Row] = []
    spoken: list[Voice] = []
    near = "TRUE" if scope.everywhere else _NEAR
    if scope.everywhere or scope.organisations:
        rows += db.select(_ROWS.format(scope=near), parameters)
        rhythm = {"longest": completeness.limits().longest_delay, "rhythm": completeness.RHYTHM_DAYS}
        spoken = completeness.voices(db.select(_VOICES.format(scope=near), parameters | rhythm))
    changed: dict[str, Floats] = {}
    if scope.everywhere or scope.syndromes & set(families):
        found = db.select(_RESIDENCE, parameters)
        rows += found
        spoken += _residents_voices(found)
        changed = reporters.heard(found, families, first, today)
    named = _named(rows, spoken, families, first, today, changed)
    return (None, None) if named is None else _by_age(named, today)


def _residents_voices(rows: list[Row]) -> list[Voice]:
    """Residents are told of from the day on which their source first told of anybody in the county."""
    begun: dict[str, dt.date] = {}
    for _, source, _, day, _ in rows:
        begun[source] = min(begun.get(source, day), day)
    places = {(place, source) for place, source, _, _, _ in rows}
    return [
        Voice(f"{place}|{source}", begun[source], 1.0, regular=False, lately=frozenset()) for place, source in places
    ]


# A pharmacy's series is its township's, so all pharmacies of that township are read with it.
_NEAR = """(c.organisation_id = ANY(%(organisations)s)
    OR (c.source = 'pharmacy' AND s.township_id IN (SELECT township_id FROM surveillance_site
                                                    WHERE organisation_id = ANY(%(organisations)s)))
    OR (c.source IN ('fever-clinic', 'ems', 'other') AND EXISTS (
        SELECT FROM county_organisation o WHERE o.id = ANY(%(organisations)s) AND o.kind IN ('hospital', 'ems'))))"""


def read_families() -> frozenset[str]:
    """Syndromes that are tested statistically: the five, and what schools tell apart."""
    return frozenset(read("thresholds")["budget"]["families"])


def _named(
    rows: list[Row], spoken: list[Voice], families: list[str], first: dt.date, today: dt.date,
    changed: dict[str, Floats],
) -> Named | None:  # fmt: skip
    """Rows as a matrix of days, from the first day on which anybody spoke. changed: see `reporters.heard`."""
    index: dict[tuple[str, str, str], int] = {}
    cells = [(index.setdefault((p, s, k), len(index)), (day - first).days, int(n)) for p, s, k, day, n in rows]
    if not cells:
        return None
    at = np.array(cells)
    counts = np.zeros((len(index), (today - first).days + 1))
    np.add.at(counts, (at[:, 0], at[:, 1]), at[:, 2])
    begun = int(at[:, 1].min())
    since = first + dt.timedelta(days=begun)
    places = []
    for key, _, _ in index:
        kind, _, rest = key.partition(":")
        places.append(Place(kind, int(rest)) if kind == "organisation" else Place(kind, code=rest))
    keys = [(place, source) for place, source, _ in index]
    heard = completeness.exposure(keys, spoken, families, since, today)
    for row, (place, source) in enumerate(keys):
        if source == "diagnosis" and place in changed:
            heard[row] *= changed[place][begun:]
    return Named(places, [s for _, s, _ in index], [k for _, _, k in index], counts[:, begun:], heard, since)


def _by_age(named: Named, today: dt.date) -> tuple[Named | None, Named | None]:
    """Series that are of age, and those that began to speak too late to be judged by their past: old, young."""
    begun = np.argmax(named.heard >= BEGUN, axis=1)
    of_age = named.heard.shape[1] - begun >= SHORTEST
    return _only(named, of_age), _only(named, ~of_age)


def _only(named: Named, wanted: Bools) -> Named | None:
    """These rows, from the first day on which one of them spoke."""
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return None
    since = int((named.heard[rows] >= BEGUN).any(axis=0).argmax())
    return Named(
        [named.places[r] for r in rows], [named.sources[r] for r in rows], [named.syndromes[r] for r in rows],
        named.counts[rows, since:], named.heard[rows, since:], named.first + dt.timedelta(days=since),
    )  # fmt: skip


def _learn(places: list[Place], families: list[str], pvalues: Floats, today: dt.date) -> None:
    """p-values of quiet series and days teach the budget.

    Left out are the last days, in which an outbreak may have begun that nobody has told of, and the families of signals
    in their township and county: an outbreak that taught what is usual would hide itself and the next one.
    """
    quiet = pvalues[:, :-UNTOLD_DAYS].copy()
    townships = dict(db.select("SELECT organisation_id, township_id FROM surveillance_site"))
    known: dict[str, list[str]] = {}
    for organisation, code, family in Signal.objects.filter(
        last_day__gte=today - dt.timedelta(days=LEARN_DAYS)
    ).values_list("organisation_id", "place_code", "syndrome"):
        known.setdefault(family, []).append((townships.get(organisation) if organisation else code) or "-")
    for row, (place, family) in enumerate(zip(places, families, strict=True)):
        here = (townships.get(place.organisation_id) if place.organisation_id else place.code) or "-"
        if any(code.startswith(here) or here.startswith(code) for code in known.get(family, ())):
            quiet[row] = np.nan
    _learnt.series, _learnt.calibration, _learnt.day = len(places), budget.calibrate(quiet), today
