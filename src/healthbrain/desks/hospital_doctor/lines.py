"""One line a result: the latest value in words, ready for a table on screen or on paper."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from healthbrain.desks.hospital_doctor import charts
from healthbrain.desks.i18n import said, t
from healthbrain.records.queries import LedgerEvent
from healthbrain.records.queries.longitudinal import Entry, Panel, Series
from healthbrain.records.terms import Term, answer_words, term, unit_words

READ_TOGETHER = {"blood-pressure"}  # one reading of two numbers: 152/94
KINDS = {  # ledger kind → icon and words
    "encounter": ("building-2", "就诊", "Visit"),
    "condition": ("stethoscope", "诊断", "Diagnosis"),
    "observation": ("test-tube", "结果", "Result"),
    "medication": ("pill", "用药", "Medication"),
    "immunization": ("syringe", "接种", "Vaccination"),
    "procedure": ("activity", "操作", "Procedure"),
    "referral": ("send", "转诊", "Referral"),
}


@dataclass(frozen=True, slots=True)
class ResultLine:
    key: str  # of the panel: the address of its trend
    title: str
    value: str
    unit: str
    judgement: str
    interval: str
    at: dt.datetime
    organisation: str
    times: int


def _line(key: str, title: str, series: Sequence[Series]) -> ResultLine:
    first = series[0]
    judgements = (charts.judgement(one.latest) for one in series)
    return ResultLine(
        key=key,
        title=title,
        value="/".join(charts.value(one.latest, one.term) for one in series),
        unit=charts.unit(first),
        judgement=next((words for words in judgements if words), ""),
        interval=" / ".join(filter(None, (charts.interval(one) for one in series))),
        at=first.latest.at,
        organisation=first.latest.organisation,
        times=len(first.points),
    )


def results(panels: Sequence[Panel]) -> list[ResultLine]:
    """The latest of every item; systolic and diastolic of the same moment as one reading."""
    found = []
    for panel in panels:
        together = panel.key in READ_TOGETHER and len({series.latest.at for series in panel.series}) == 1
        if together:
            found.append(_line(panel.key, charts.panel_title(panel), panel.series))
        else:
            found += [_line(panel.key, charts.title(series), [series]) for series in panel.series]
    return found


@dataclass(frozen=True, slots=True)
class TimelineLine:
    icon: str
    kind: str
    items: tuple[tuple[str, LedgerEvent], ...]


def _words(event: LedgerEvent) -> str:
    known: Term = term(event.code)
    name = t(known.zh, known.en)
    if event.kind != "observation":
        return name
    if event.value is None:
        return f"{name} {said(answer_words(event.text, event.code))}"
    shown = f"{event.value:.{known.digits}f}" if known.digits is not None else f"{event.value:g}"
    wrong = t("（不合理）", " (implausible)") if event.flag else ""
    return f"{name} {shown} {said(unit_words(event.unit))}{wrong}"


PRESSURES = ("loinc|8480-6", "loinc|8462-4")


def _pressures(events: Sequence[LedgerEvent]) -> list[tuple[str, LedgerEvent]]:
    """Systolic and diastolic of one moment as one reading: 血压 152/94 mmHg."""
    by_moment: dict[dt.datetime, dict[str, LedgerEvent]] = {}
    for event in events:
        if event.code in PRESSURES and event.value is not None and not event.flag:
            by_moment.setdefault(event.at, {})[event.code] = event
    unit = said(unit_words("mm[Hg]"))
    return [
        (
            f"{t('血压', 'Blood pressure')} {both[PRESSURES[0]].value:.0f}/{both[PRESSURES[1]].value:.0f} {unit}",
            both[PRESSURES[0]],
        )
        for both in by_moment.values()
        if len(both) == len(PRESSURES)
    ]


def day_lines(entry: Entry) -> list[TimelineLine]:
    """What happened on one day at one institution, a line a kind, each item once, in the order it was recorded."""
    found = []
    for kind, (icon, zh, en) in KINDS.items():
        events = sorted(entry.of(kind), key=lambda event: (event.at, event.id))
        together = _pressures(events)
        paired = {event.at for _, event in together}
        rest = [e for e in events if not (e.code in PRESSURES and e.at in paired and not e.flag)]
        items = dict(together) | {_words(event): event for event in rest}
        if items:
            found.append(TimelineLine(icon, t(zh, en), tuple(items.items())))
    return found
