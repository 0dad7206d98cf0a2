"""Events: the list, and everything one event's room shows, as frozen rows through the gate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import NotFound
from healthbrain.kernel.masking import mask_name, mask_phone
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions.notify import moments_of
from healthbrain.surveillance.actions.response import owed, verdict_of
from healthbrain.surveillance.models import CaseRow, Contact, PublicHealthEvent
from healthbrain.surveillance.queries.exposures import Common, common
from healthbrain.surveillance.rules import advice, chains, clocks
from healthbrain.surveillance.rules import curve as epicurve
from healthbrain.surveillance.rules.clocks import Reading
from healthbrain.surveillance.rules.grading import Verdict

CLASSES = ("suspected", "probable", "confirmed", "excluded")


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a list. `title_of`: what it is about, {zh, en}; `cases`: not excluded."""

    id: int
    number: str
    title: str
    status: str
    grade: str
    disease: str
    title_of: Mapping[str, str]
    place: str
    place_code: str
    path: str
    cases: int
    signals: int
    opened_at: dt.datetime
    closed_at: dt.datetime | None
    clocks: tuple[Reading, ...]

    @property
    def pressing(self) -> Reading | None:
        """The running clock with least time left, late ones first."""
        running = [r for r in self.clocks if r.state in {"running", "soon", "late"}]
        return min(running, key=lambda r: r.left or dt.timedelta.max, default=None)


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A row of the line list, masked; `exposures`: item → yes, no, unknown or a value."""

    id: int
    number: int
    resident_id: int | None
    match: str
    candidates: tuple[tuple[int, str], ...]
    name: str
    phone: str
    sex: str
    age: int | None
    group: str
    household: str
    onset_at: dt.datetime | None
    visit_at: dt.datetime | None
    classification: str
    symptoms: tuple[str, ...]
    hospitalised: bool
    outcome: str
    source: str
    infected_by: int | None  # number of the infector
    exposures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ContactLine:
    """A contact, masked, with the days since the last contact: (day, state) where state is ok, abnormal, lost, none
    (not yet recorded, past) or future."""

    id: int
    name: str
    phone: str
    relation: str
    group: str
    last_contact_on: dt.date
    until: dt.date
    status: str
    days: tuple[tuple[dt.date, str], ...]
    today: str


@dataclass(frozen=True, slots=True)
class Room:
    """Everything on the screen of one event. Model rows stand for what holds no person's data."""

    row: EventRow
    event: PublicHealthEvent
    cases: tuple[CaseLine, ...]
    curve: tuple[epicurve.Bin, ...]
    bin_hours: int
    rates: tuple[epicurve.Rate, ...]
    common: tuple[Common, ...]
    chain: chains.Chain[int]
    contacts: tuple[ContactLine, ...]
    samples: tuple[Any, ...]
    measures: tuple[Any, ...]
    risks: tuple[Any, ...]
    reports: tuple[Any, ...]
    warnings: tuple[Any, ...]
    steps: tuple[Any, ...]
    signals: tuple[Any, ...]
    advice: tuple[advice.Advice, ...]
    verdict: Verdict
    owed: tuple[tuple[str, str], ...]

    @property
    def counted(self) -> tuple[CaseLine, ...]:
        return tuple(case for case in self.cases if case.classification != "excluded")


def _events(actor: Actor) -> QuerySet[PublicHealthEvent]:
    require(actor, "signals.read")
    rows = visible(PublicHealthEvent.objects.all(), actor, "public-health").select_related("organisation")
    return rows.annotate(
        counted=Count("cases", filter=~Q(cases__classification="excluded"), distinct=True),
        signalled=Count("signals", distinct=True),
    )


def _row(event: Any, now: dt.datetime) -> EventRow:
    return EventRow(
        id=event.pk, number=event.number, title=event.title, status=event.status, grade=event.grade,
        disease=event.disease, title_of=handbook.title(event.disease, event.syndrome),
        place=event.organisation.name if event.organisation else event.place_code, place_code=event.place_code,
        path=event.organisation.path if event.organisation else "", cases=event.counted, signals=event.signalled,
        opened_at=event.opened_at, closed_at=event.closed_at,
        clocks=clocks.read_clocks(handbook.clocks(), moments_of(event), event.closed_at or now),
    )  # fmt: skip


def events(actor: Actor, now: dt.datetime, *, status: str = "open", text: str = "") -> list[EventRow]:
    """Events of a status ("open" = verifying or confirmed, "" = all).

    Open ones by their most pressing clock, the others newest first.
    """
    rows = _events(actor)
    if status == "open":
        rows = rows.filter(status__in=("verifying", "confirmed"))
    elif status:
        rows = rows.filter(status=status)
    if text:
        rows = rows.filter(Q(title__icontains=text) | Q(number__icontains=text) | Q(organisation__name__icontains=text))
    found = [_row(event, now) for event in rows.order_by("-opened_at")[:500]]
    if status == "open":
        longest = dt.timedelta.max
        found.sort(key=lambda r: (r.pressing.left or longest) if r.pressing else longest)
    return found


def counts(actor: Actor) -> dict[str, int]:
    """How many events there are by status."""
    require(actor, "signals.read")
    rows = visible(PublicHealthEvent.objects.all(), actor, "public-health").values_list("status")
    return dict(rows.annotate(n=Count("pk")).order_by())


def room(actor: Actor, event_id: int, now: dt.datetime) -> Room:
    """One event, whole. Raises NotFound outside the actor's scope. A dozen indexed queries."""
    event = _events(actor).filter(pk=event_id).first()
    if event is None:
        raise NotFound("没有这个事件，或不在您的范围内 No such event in your scope")
    listed = list(_cases(event))
    cases = tuple(_case(case) for case in listed)
    counted = [case for case in cases if case.classification != "excluded"]
    moments = [(case.onset_at, case.classification) for case in counted if case.onset_at]
    hours = _bar_hours([at for at, _ in moments], event.disease)
    today = local(now).date()
    return Room(
        row=_row(event, now), event=event, cases=cases, curve=epicurve.epidemic_curve(moments, hours), bin_hours=hours,
        rates=_rates(event, counted), common=common(event, cases), chain=_chain(counted),
        contacts=tuple(_contact(contact, today) for contact in _contacts(event)),
        samples=tuple(event.samples.select_related("case").order_by("-taken_at", "code")),
        measures=tuple(event.measures.select_related("organisation").order_by("status", "deadline")),
        risks=tuple(event.risks.order_by("-at")), reports=tuple(event.reports.order_by("-drafted_at")),
        warnings=tuple(event.warnings.prefetch_related("recipients__organisation").order_by("-formed_at")),
        steps=tuple(event.steps.order_by("-at", "-id")[:200]),
        signals=tuple(event.signals.select_related("organisation").order_by("opened_at")),
        advice=tuple(_advice(event, counted, today)), verdict=verdict_of(event, listed), owed=tuple(owed(event)),
    )  # fmt: skip


def _bar_hours(moments: Sequence[dt.datetime], disease: str) -> int:
    """The width of a bar: a quarter of a usual incubation (about half the longest one); a day when no onset has an
    hour, because midnight would then only mean that nobody asked."""
    if not any(at.hour or at.minute for at in moments):
        return 24
    days = handbook.diseases().get(disease, {}).get("incubation_days")
    return epicurve.width_for(min(moments), max(moments), days * 12 if days else None)


def _cases(event: PublicHealthEvent) -> QuerySet[CaseRow]:
    return event.cases.select_related("infected_by__infector").prefetch_related("exposures").order_by("number")


def _case(case: CaseRow) -> CaseLine:
    link = getattr(case, "infected_by", None)
    return CaseLine(
        id=case.pk, number=case.number, resident_id=case.resident_id, match=case.match,
        candidates=tuple((int(i), str(g)) for i, g in case.candidates), name=mask_name(case.name),
        phone=mask_phone(case.phone), sex=case.sex, age=case.age, group=case.group, household=case.household,
        onset_at=case.onset_at, visit_at=case.visit_at, classification=case.classification,
        symptoms=tuple(case.symptoms), hospitalised=case.hospitalised, outcome=case.outcome, source=case.source,
        infected_by=link.infector.number if link else None,
        exposures={answer.item: answer.value for answer in case.exposures.all()},
    )  # fmt: skip


def _rates(event: PublicHealthEvent, counted: Sequence[CaseLine]) -> tuple[epicurve.Rate, ...]:
    cases: dict[str, int] = {}
    for case in counted:
        cases[case.group or "—"] = cases.get(case.group or "—", 0) + 1
    known = {group: size for group, size in event.groups.items() if group in cases} if event.groups else {}
    return epicurve.attack_rates(cases, known)


def _chain(counted: Sequence[CaseLine]) -> chains.Chain[int]:
    """By case number; excluded cases and their links are left out."""
    onsets = {case.number: case.onset_at.date() if case.onset_at else None for case in counted}
    links = [(case.infected_by, case.number) for case in counted if case.infected_by and case.infected_by in onsets]
    linked = {number for link in links for number in link}
    return chains.layout({number: onset for number, onset in onsets.items() if number in linked}, links)


def _contacts(event: PublicHealthEvent) -> Iterable[Contact]:
    return event.contacts.prefetch_related("days").order_by("status", "until", "id")


def _contact(contact: Contact, today: dt.date) -> ContactLine:
    known = {day.day: "lost" if not day.reached else "abnormal" if day.abnormal else "ok" for day in contact.days.all()}
    span = (contact.until - contact.last_contact_on).days
    days = tuple(
        (day, known.get(day, "future" if day > today or contact.status != "following" else "none"))
        for day in (contact.last_contact_on + dt.timedelta(days=n) for n in range(1, span + 1))
    )
    return ContactLine(
        contact.pk, mask_name(contact.name), mask_phone(contact.phone), contact.relation, contact.group,
        contact.last_contact_on, contact.until, contact.status, days, known.get(today, "none"),
    )  # fmt: skip


def contact_list(actor: Actor, event_id: int, now: dt.datetime) -> tuple[EventRow, list[ContactLine]]:
    """The follow-up list of one event: those still owed today first."""
    event = _events(actor).filter(pk=event_id).first()
    if event is None:
        raise NotFound("没有这个事件，或不在您的范围内 No such event in your scope")
    lines = [_contact(contact, local(now).date()) for contact in _contacts(event)]
    order = {"none": 0, "lost": 1, "abnormal": 2, "ok": 3}
    return _row(event, now), sorted(lines, key=lambda c: (c.status != "following", order[c.today], c.until))


def _advice(event: PublicHealthEvent, counted: Sequence[CaseLine], today: dt.date) -> list[advice.Advice]:
    if event.setting not in {"school", "childcare"} or event.status not in {"verifying", "confirmed"}:
        return []
    onsets: dict[str, list[dt.date]] = {}
    for case in counted:
        if case.group and case.onset_at:
            onsets.setdefault(case.group, []).append(case.onset_at.date())
    return advice.suspension(
        handbook.read("measures.yaml")["suspension"], event.disease, onsets, event.groups, as_of=today
    )


def case_value(actor: Actor, event_id: int, case_id: int, field: str) -> tuple[CaseRow, str]:
    """One whole value of a case: name, phone or id_number. The caller audits the look."""
    require(actor, "signals.work")
    found = visible(CaseRow.objects.filter(event_id=event_id), actor, "public-health").filter(pk=case_id).first()
    if found is None or field not in {"name", "phone", "id_number"}:
        raise NotFound("没有这个病例 No such case")
    return found, str(getattr(found, field) or "—")


def contact_value(actor: Actor, event_id: int, contact_id: int, field: str) -> tuple[Contact, str]:
    """The same of a contact: name or phone."""
    require(actor, "signals.work")
    found = visible(Contact.objects.filter(event_id=event_id), actor, "public-health").filter(pk=contact_id).first()
    if found is None or field not in {"name", "phone"}:
        raise NotFound("没有这位密切接触者 No such contact")
    return found, str(getattr(found, field) or "—")


def whole_cases(actor: Actor, event_id: int) -> list[CaseRow]:
    """The line list with whole names, for the export an officer signs for. The caller audits it."""
    require(actor, "signals.work")
    rows = visible(CaseRow.objects.filter(event_id=event_id), actor, "public-health")
    return list(rows.prefetch_related("exposures").order_by("number"))


def onset_series(room: Room) -> tuple[dt.date | None, list[int]]:
    """Cases by day of onset from the first day, for the reproduction number and the forecast."""
    days = sorted(case.onset_at.date() for case in room.counted if case.onset_at)
    if not days:
        return None, []
    counts = [0] * ((days[-1] - days[0]).days + 1)
    for day in days:
        counts[(day - days[0]).days] += 1
    return days[0], counts
