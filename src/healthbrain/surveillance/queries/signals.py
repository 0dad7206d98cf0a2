"""Signals: ranked, one with its evidence, the people behind it, charts and the map."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Count, Q

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.county.queries import PlaceTile
from healthbrain.kernel.db import select, select_dicts
from healthbrain.kernel.errors import NotFound
from healthbrain.kernel.masking import mask_name
from healthbrain.surveillance.knowledge import classifier
from healthbrain.surveillance.models import Signal, SignalStep
from healthbrain.surveillance.queries.late import Estimate, estimated
from healthbrain.surveillance.rules.syndromes import Words
from healthbrain.surveillance.watching import EXPOSED

PURPOSE = "public-health"
BASES = ("visit", "onset", "report")
STATES = ("waiting", "watch", "verify", "noise", "over")


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One line of the board."""

    id: int
    place: str
    place_kind: str
    organisation_id: int | None
    place_code: str
    syndrome: str
    title: Words
    disease: str
    level: str
    sources: tuple[str, ...]
    sentence: Words
    observed: float
    expected: float | None
    bound: float | None
    pvalue: float | None
    recurrence_days: float | None
    score: float
    life: str
    first_day: dt.date
    last_day: dt.date
    opened_at: dt.datetime
    updated_at: dt.datetime
    data_at: dt.datetime
    answer: str
    answered_at: dt.datetime | None
    answer_reason: str
    quiet_until: dt.date | None
    outbreak_id: int | None
    report_hours: int | None  # the shortest duty among the rules met


@dataclass(frozen=True, slots=True)
class Board:
    rows: list[SignalRow]
    total: int
    counts: dict[str, int]  # waiting, watch, verify, noise, over


@dataclass(frozen=True, slots=True)
class Step:
    at: dt.datetime
    kind: str
    observed: float | None
    note: str


@dataclass(frozen=True, slots=True)
class SignalDetail:
    row: SignalRow
    findings: list[dict[str, Any]]
    parts: dict[str, float]
    series_first: dt.date | None
    series: list[int]
    series_syndrome: str
    steps: list[Step] = field(default_factory=list)
    estimates: tuple[Estimate, ...] = ()  # of the last days of the series; none where the delays are not known
    known_cases: int = 0  # of its cases, how many already stand in an event's line list


@dataclass(frozen=True, slots=True)
class Member:
    """One person behind a signal. name is masked; the full one is asked for with a reason."""

    resident_id: int | None
    name: str
    sex: str
    birth_date: dt.date | None
    age: int | None
    where: str  # class, or village
    syndrome: str
    source: str
    onset_on: dt.date
    visit_on: dt.date | None
    report_on: dt.date
    organisation: str
    dormitory: str
    canteen: bool | None
    event_number: str  # of the event this person already belongs to


@dataclass(frozen=True, slots=True)
class Tile:
    """A township on the map."""

    code: str
    name: str
    x: int
    y: int
    signals: int  # open, not answered as noise
    worst: str  # level, "" none
    cases_7_days: int


def signals(
    actor: Actor,
    *,
    as_of: dt.date,
    state: str = "waiting",
    syndrome: str = "",
    level: str = "",
    place: str = "",
    text: str = "",
    days: int = 60,
    limit: int = 50,
    offset: int = 0,
) -> Board:
    """Signals of the last `days`, the most urgent first. state: waiting (no answer), watch, verify, noise, over, ""."""
    require(actor, "signals.read")
    rows = visible(Signal.objects.all(), actor, PURPOSE).filter(last_day__gt=as_of - dt.timedelta(days=days))
    if syndrome:
        rows = rows.filter(syndrome=syndrome)
    if level:
        rows = rows.filter(level=level)
    if place:
        rows = rows.filter(Q(place_code__startswith=place) | Q(organisation_id__in=_organisations_of(place)))
    if text:
        rows = rows.filter(Q(sentence_zh__icontains=text) | Q(sentence_en__icontains=text))
    counts = rows.aggregate(**{name: Count("pk", filter=_in_state(name)) for name in STATES}, every=Count("pk"))
    total = counts[state or "every"]
    chosen = rows.filter(_in_state(state)).select_related("organisation").order_by("-score", "-updated_at", "-pk")
    return Board([_row(r) for r in chosen[offset : offset + limit]], total, {name: counts[name] for name in STATES})


def _in_state(state: str) -> Q:
    if state == "over":
        return Q(life=Signal.Life.OVER, answer="")
    if state == "waiting":
        return Q(answer="") & ~Q(life=Signal.Life.OVER)
    return Q(answer=state) if state else Q()


def _organisations_of(code: str) -> list[int]:
    found = select("SELECT organisation_id FROM surveillance_site WHERE starts_with(township_id, %s)", [code])
    return [row[0] for row in found]


def _row(r: Signal) -> SignalRow:
    hours = [f["report_hours"] for f in r.detail.get("findings", []) if f.get("report_hours")]
    disease = r.detail.get("disease", "")
    return SignalRow(
        r.pk, r.detail.get("place", ""), r.place_kind, r.organisation_id, r.place_code, r.syndrome,
        classifier().title(disease or r.syndrome), disease, r.level, tuple(r.detail.get("sources", [r.source])),
        Words(r.sentence_zh, r.sentence_en), r.observed, r.expected, r.bound, r.pvalue, r.recurrence_days, r.score,
        r.life, r.first_day, r.last_day, r.opened_at, r.updated_at, r.data_at, r.answer, r.answered_at,
        r.answer_reason, r.quiet_until, r.outbreak_id, min(hours, default=None),
    )  # fmt: skip


def _own(actor: Actor, signal_id: int) -> Signal:
    require(actor, "signals.read")
    found = visible(Signal.objects.all(), actor, PURPOSE).filter(pk=signal_id).first()
    if found is None:
        raise NotFound("没有这个信号，或不在您的范围内 No such signal in your scope")
    return found


def signal(actor: Actor, signal_id: int) -> SignalDetail:
    """One signal with its evidence. Raises NotFound."""
    found = _own(actor, signal_id)
    told = found.detail.get("series", {})
    first = dt.date.fromisoformat(told["first"]) if told else None
    counts, syndrome = list(told.get("counts", [])), str(told.get("syndrome", ""))
    steps = SignalStep.objects.filter(signal=found).order_by("at", "pk").values_list("at", "kind", "observed", "note")
    people = [m["resident_id"] for m in ledger_members(found) if m["resident_id"]]
    known = select("SELECT count(DISTINCT resident_id) FROM surveillance_caserow WHERE resident_id = ANY(%s)", [people])
    return SignalDetail(
        _row(found), list(found.detail.get("findings", [])), dict(found.detail.get("parts", {})),
        first, counts, syndrome, [Step(*s) for s in steps], estimated(found.place_code, syndrome, first, counts),
        int(known[0][0]),
    )  # fmt: skip


def line_list(actor: Actor, signal_id: int) -> list[Member]:
    """Who is behind a signal: cases of the ledger and cards, pupils named in morning checks. Every look is audited."""
    found = _own(actor, signal_id)
    require(actor, "people.list")
    rows = [_ledger_member(row, found.last_day) for row in ledger_members(found)]
    if found.organisation_id:
        rows += [_pupil(row) for row in absent_pupils(found)]
    with transaction.atomic():
        audit.record(
            by=actor, action="signal.line_list", subject=f"signal/{signal_id}", purpose=PURPOSE,
            detail={"people": len(rows), "residents": sorted({m.resident_id for m in rows if m.resident_id})[:500]},
        )  # fmt: skip
    return sorted(rows, key=lambda m: (m.onset_on, m.where))


def _keys(found: Signal) -> list[str]:
    disease = found.detail.get("disease", "")
    if disease:
        return [disease]
    return [key for key, family in classifier().family.items() if family == found.syndrome]


def ledger_members(found: Signal) -> list[dict[str, Any]]:
    value: int | str
    if found.organisation_id:
        where, value = "(k.school_id = %(place)s OR c.organisation_id = %(place)s)", found.organisation_id
    else:
        where, value = "starts_with(r.division_code, %(place)s)", found.place_code
    return select_dicts(
        f"""SELECT DISTINCT ON (r.id) r.id AS resident_id, r.name, r.sex, r.birth_date, c.syndrome, c.source,
                   c.onset_on, c.visit_on, c.report_on,
                   COALESCE(o.name, '') AS organisation, COALESCE(p.name, '') AS village,
                   COALESCE((SELECT e.number FROM surveillance_caserow w JOIN surveillance_publichealthevent e
                             ON e.id = w.event_id WHERE w.resident_id = r.id ORDER BY e.opened_at DESC LIMIT 1), '')
                       AS event_number
            FROM surveillance_caserecord c
            LEFT JOIN surveillance_notifiablecard k ON k.id = c.card_id
            LEFT JOIN residents_link l ON l.identity_id = c.identity_id
            JOIN residents_resident r ON r.id = COALESCE(l.resident_id, c.resident_id)
            LEFT JOIN county_organisation o ON o.id = c.organisation_id
            LEFT JOIN county_place p ON p.code = r.division_code
            WHERE {where} AND c.syndrome = ANY(%(keys)s) AND c.visit_on BETWEEN %(first)s AND %(last)s
            ORDER BY r.id, c.visit_on""",
        {"place": value, "keys": _keys(found), "first": found.first_day, "last": found.last_day},
    )


def _ledger_member(row: dict[str, Any], day: dt.date) -> Member:
    return Member(
        row["resident_id"], mask_name(row["name"]), row["sex"], row["birth_date"], _age(row["birth_date"], day),
        row["village"], row["syndrome"], row["source"], row["onset_on"], row["visit_on"], row["report_on"],
        row["organisation"], "", None, row["event_number"],
    )  # fmt: skip


def _age(born: dt.date | None, day: dt.date) -> int | None:
    return None if born is None else day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def absent_pupils(found: Signal) -> list[dict[str, Any]]:
    chips = [chip for chip, keys in classifier().symptoms.items() if set(keys) & {found.syndrome, *_keys(found)}]
    return select_dicts(
        """SELECT DISTINCT ON (k.id, a.name, a.onset_on) a.resident_id, a.name, a.sex, a.symptoms, a.onset_on, l.day,
                  r.day AS report_on, k.grade || k.name AS class_name, a.dormitory, a.canteen, o.name AS organisation
           FROM surveillance_absentpupil a JOIN surveillance_reportline l ON l.id = a.line_id AND l.current
           JOIN surveillance_directreport r ON r.id = l.report_id JOIN surveillance_schoolclass k
             ON k.id = l.school_class_id JOIN county_organisation o ON o.id = r.organisation_id
           WHERE r.organisation_id = %(organisation)s AND l.day BETWEEN %(first)s AND %(last)s
             AND a.symptoms && %(chips)s
           ORDER BY k.id, a.name, a.onset_on, l.day""",
        {"organisation": found.organisation_id, "first": found.first_day, "last": found.last_day, "chips": chips},
    )


def _pupil(row: dict[str, Any]) -> Member:
    return Member(
        row["resident_id"], mask_name(row["name"]), row["sex"], None, None, row["class_name"],
        ", ".join(row["symptoms"]), "absence", row["onset_on"] or row["day"], None, row["report_on"],
        row["organisation"], row["dormitory"], row["canteen"], "",
    )  # fmt: skip


def chart(
    actor: Actor,
    *,
    keys: Sequence[str],
    first: dt.date,
    last: dt.date,
    organisation_id: int | None = None,
    place_code: str = "",
    basis: str = "visit",
) -> list[int]:
    """Cases by day of a place, by the chosen date: onset, visit or report. Schools know only the day of the report."""
    require(actor, "signals.read")
    if organisation_id is not None and not actor.county_wide:
        raise NotFound("不在您的范围内 Not in your scope")
    if organisation_id is not None:
        rows = select(
            "SELECT day, sum(count) FROM surveillance_dailycount WHERE organisation_id = %s AND syndrome = ANY(%s)"
            " AND source = ANY(%s) AND day BETWEEN %s AND %s GROUP BY day",
            [organisation_id, list(keys), list(EXPOSED), first, last],
        )
    else:
        column = {"onset": "c.onset_on", "report": "c.report_on"}.get(basis, "c.visit_on")
        rows = select(
            f"""SELECT {column}, count(DISTINCT r.id) FROM surveillance_caserecord c
                LEFT JOIN residents_link l ON l.identity_id = c.identity_id
                JOIN residents_resident r ON r.id = COALESCE(l.resident_id, c.resident_id)
                WHERE starts_with(r.division_code, %s) AND c.syndrome = ANY(%s) AND {column} BETWEEN %s AND %s
                GROUP BY 1""",
            [place_code, list(keys), first, last],
        )
    by_day = {day: int(n) for day, n in rows}
    return [by_day.get(first + dt.timedelta(days=n), 0) for n in range((last - first).days + 1)]


def tiles(actor: Actor, townships: Sequence[PlaceTile], *, as_of: dt.date, syndrome: str = "") -> list[Tile]:
    """`townships` on the map: open signals, the worst level, cases of the last 7 days by residence."""
    require(actor, "signals.read")
    keys = [k for k, f in classifier().family.items() if f == syndrome] if syndrome else list(classifier().family)
    open_ones = visible(Signal.objects.all(), actor, PURPOSE).exclude(life=Signal.Life.OVER).exclude(answer="noise")
    if syndrome:
        open_ones = open_ones.filter(syndrome=syndrome)
    sites = dict(select("SELECT organisation_id, township_id FROM surveillance_site"))
    found: dict[str, list[tuple[float, str]]] = {}
    for organisation, code, level, score in open_ones.values_list("organisation_id", "place_code", "level", "score"):
        township = sites.get(organisation) or code[:9]
        found.setdefault(township, []).append((score, level))
    families = [s for s in keys if classifier().family.get(s) == s]
    cases = dict(
        select(
            "SELECT substr(place_code, 1, 9), sum(count) FROM surveillance_dailycount WHERE source = 'diagnosis'"
            " AND place_code <> '' AND syndrome = ANY(%s) AND day BETWEEN %s AND %s GROUP BY 1",
            [families, as_of - dt.timedelta(days=6), as_of],
        )
    )
    return [
        Tile(
            t.code, t.name, t.x, t.y, len(found.get(t.code, ())),
            max(found[t.code])[1] if t.code in found else "", int(cases.get(t.code, 0)),
        )
        for t in townships
    ]  # fmt: skip
