"""What can be done in an event's room: each name a form over the event, built when asked for."""

from __future__ import annotations

from collections.abc import Callable

from healthbrain.desks.disease_control import case_sheets, event_sheets, field_sheets
from healthbrain.desks.disease_control.asked import Asked
from healthbrain.desks.disease_control.forms import Sheet

SHEETS: dict[str, Callable[[Asked], Sheet]] = {
    "verify": event_sheets.verify, "describe": event_sheets.describe, "risk": event_sheets.risk,
    "edit-report": event_sheets.edit_report, "entered": event_sheets.entered, "warning": event_sheets.warning,
    "close": event_sheets.close, "reopen": event_sheets.reopen,
    "case": case_sheets.case, "import": case_sheets.import_cases, "correct": case_sheets.correct,
    "answers": case_sheets.answers, "link": case_sheets.link,
    "contacts": field_sheets.contacts, "sample": field_sheets.sample, "result": field_sheets.result,
    "measure": field_sheets.measure, "finish": field_sheets.finish, "cancel": field_sheets.cancel,
}  # fmt: skip
