"""What a visit form starts with: habits and drugs of the last visit, measured values shown beside the empty field."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from healthbrain.access.rules import Actor
from healthbrain.desks.forms import Field, Form
from healthbrain.desks.i18n import day, said, t
from healthbrain.records import queries as records

PURPOSE = "public-health"


@dataclass(frozen=True, slots=True)
class Start:
    """Values a form opens with, and where each came from, in words."""

    values: dict[str, Any]
    origins: dict[str, str]
    last: dict[str, float]  # last measured values by field, for the question about a large change
    visit: str = ""  # the batch of the last visit: another one later is a conflict for a form taken along


def start_of(form: Form, actor: Actor, resident_id: int, today: dt.date) -> Start:
    """Read the last visit and the last values of one resident."""
    return starts_of(form, actor, [resident_id], today)[resident_id]


def starts_of(form: Form, actor: Actor, resident_ids: Sequence[int], today: dt.date) -> dict[int, Start]:
    """The starts of several residents, by resident; as many queries as for one."""
    visits = {part: records.forms_of(actor, resident_ids, part, PURPOSE) for part in form.kept_as}
    codes = [item.code for item in form.fields if item.code]
    events = records.latest(actor, resident_ids, codes, PURPOSE)
    return {
        one: build(form, _last_visit(form, {p: v[one] for p, v in visits.items()}), events[one].values(), today)
        for one in resident_ids
    }


def _last_visit(form: Form, visits: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The last visit under this form's names; of a form for two conditions each answer from the newer of the two."""
    last = sorted((found[0] | {"part": part} for part, found in visits.items() if found), key=lambda v: v["at"])
    if not last:
        return []
    values, days = {}, {}
    for visit in last:
        for name, value in visit["values"].items():
            here = form.parts.get(visit["part"], {}).get(name, name)
            values[here], days[here] = value, visit["at"]
    return [{"at": last[-1]["at"], "batch_id": last[-1]["batch_id"], "values": values, "days": days}]


def build(form: Form, visits: Sequence[Any], events: Iterable[Any], today: dt.date) -> Start:
    """The start of a form from what is known. Measured values are never filled in: they must be measured again."""
    newest = _newest_by_code(events)
    before = visits[0] if visits else None
    start = Start({"visit_date": today.isoformat()}, {}, {}, str(before["batch_id"]) if before else "")
    for item in form.fields:
        known = newest.get(item.code) if item.code else None
        if known is not None and known.value is not None and not known.flag:
            start.last[item.id] = known.value
        if item.prefill == "carry" and before and before["values"].get(item.id) not in (None, "", []):
            start.values[item.id] = before["values"][item.id]
            start.origins[item.id] = t(
                "{day}随访", "visit of {day}", day=day(before.get("days", {}).get(item.id, before["at"]), today)
            )
        elif item.prefill == "carry" and known is not None and _carried(item, known) is not None:
            start.values[item.id] = _carried(item, known)
            start.origins[item.id] = f"{day(known.at, today)} {known.organisation}".strip()
        elif item.prefill == "show" and known is not None and known.value is not None:
            start.origins[item.id] = t(
                "上次 {value}（{day} {where}）", "last {value} ({day}, {where})",
                value=f"{known.value:.{item.digits}f}", day=day(known.at, today), where=known.organisation,
            )  # fmt: skip
        if item.id not in start.values and item.default is not None:
            start.values[item.id] = item.default
    return start


def _newest_by_code(events: Iterable[Any]) -> dict[str, Any]:
    newest: dict[str, Any] = {}
    for event in events:  # newest first
        if event.kind == "observation" and event.flag == 0:
            newest.setdefault(event.code, event)
    return newest


def _carried(item: Field, known: Any) -> Any:
    if item.kind == "number":
        return known.value
    return known.text if any(option.value == known.text for option in item.options) else None


def shown(item: Field, value: Any) -> str:
    """A value as the field shows it: 70 rather than 70.0."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def parts(form: Form, item: Field, months: int | None) -> str:
    """What the page needs to add a score up while it is filled in; the server decides."""
    score = item.score
    if score is None:
        return ""
    levels = [(level.start, said(level.words)) for level in score.levels]
    known = {} if months is None else {"age": months // 12}
    return json.dumps(
        {"of": score.of, "bands": dict(score.bands), "levels": levels, "known": known}, ensure_ascii=False
    )
