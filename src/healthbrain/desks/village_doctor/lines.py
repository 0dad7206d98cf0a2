"""Today's list in the shape the page shows: which state, what to press, where it leads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from healthbrain.access.rules import Actor
from healthbrain.care import queries as care
from healthbrain.desks import forms
from healthbrain.desks.i18n import said, t
from healthbrain.kernel.masking import mask_name as masked

FOLLOW_UP = "follow-up"
__all__ = ["Answer", "Line", "action_of", "form_path", "line_of", "masked", "today"]


@dataclass(frozen=True, slots=True)
class Line:
    """One task as the page shows it."""

    id: int
    resident_id: int
    name: str
    sex: str
    birth_date: dt.date | None
    programme: str
    what: str
    why: str
    due: dt.date
    state: str
    action: str
    action_url: str

    @property
    def record_url(self) -> str:
        return f"/today/residents/{self.resident_id}"

    @property
    def why_url(self) -> str:
        return f"/today/tasks/{self.id}/why"


@dataclass(frozen=True, slots=True)
class Answer:
    """The first line of the desk: how much there is, by state."""

    total: int
    counts: dict[str, int]


def action_of(programme: str, task: str, resident_id: int, task_id: int, also: Collection[str] = ()) -> tuple[str, str]:
    """The one main action of a task: its words and its address. `also`: programmes that wait for a follow-up, too."""
    name = forms.form_of(programme, task, also if task == FOLLOW_UP else ())
    if name is None:  # a county's own programme without a form yet
        return t("打开档案", "Open record"), f"/residents/{resident_id}"
    return _word(task, name), f"/today/residents/{resident_id}/visit/{name}?{urlencode({'task': task_id})}"


def _word(task: str, form_id: str) -> str:
    """What the button opens: the follow-up of the line's own programme, else the form by its name."""
    if task == FOLLOW_UP and not forms.load(form_id).parts:
        return t("记录随访", "Record visit")
    return t("记录{form}", "Record: {form}", form=said(forms.load(form_id).short))


def form_path(line: Line) -> str:
    """The address of the line's form without its question marks; empty when no form answers it."""
    path = urlsplit(line.action_url).path
    return path if "/visit/" in path else ""


def line_of(row: Any, also: Collection[str] = ()) -> Line:
    """A line of care.queries as the page shows it."""
    action, address = action_of(row.programme, row.task, row.resident_id, row.task_id, also)
    return Line(
        id=row.task_id,
        resident_id=row.resident_id,
        name=row.name,
        sex=row.sex,
        birth_date=row.birth_date,
        programme=row.programme,
        what=said(row.title),
        why=said(row.why),
        due=row.due,
        state=row.state,
        action=action,
        action_url=address,
    )


def today(actor: Actor, as_of: dt.date, **asked: Any) -> tuple[list[Line], int, Answer]:
    """One page of today's list (`asked`: as `care.queries.today`), how many fit the filter, the answer over all."""
    found = care.today(actor, as_of, **asked)
    counts = dict(found.counts)
    for_today = sum(count for name, count in counts.items() if name != "upcoming")
    together = care.waiting_together({row.resident_id for row in found.lines}, FOLLOW_UP, as_of)
    shown = [line_of(row, together.get(row.resident_id, ())) for row in found.lines]
    return shown, found.total, Answer(for_today, counts)
