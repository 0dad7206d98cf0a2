"""The people behind a signal as rows of a line list: where an event's list begins."""

from __future__ import annotations

import datetime as dt

from healthbrain.surveillance.models import Signal
from healthbrain.surveillance.queries.signals import absent_pupils, ledger_members
from healthbrain.surveillance.rules.case_rows import CaseInput

SPOKEN = {"ili": "fever", "red-eye": "conjunctivitis"}  # chips of the morning check in the line list's terms


def as_cases(signal: Signal) -> list[CaseInput]:
    """Pupils named in morning checks and cases of the ledger, whole. Pupils nobody named are not rows."""
    rows = [_pupil(row) for row in absent_pupils(signal)] if signal.organisation_id else []
    rows += [_ledger(row) for row in ledger_members(signal)]
    return [row for row in rows if row.name]


def _pupil(row: dict[str, object]) -> CaseInput:
    return CaseInput(
        name=str(row["name"]), sex=str(row["sex"]), group=str(row["class_name"]), household=str(row["dormitory"]),
        role="学生", onset_at=_midnight(row["onset_on"] or row["day"]), report_at=_midnight(row["report_on"]),
        symptoms=tuple(SPOKEN.get(s, s) for s in row["symptoms"]), resident_id=row["resident_id"],  # type: ignore[arg-type,attr-defined]
    )  # fmt: skip


def _ledger(row: dict[str, object]) -> CaseInput:
    return CaseInput(
        name=str(row["name"]), sex=str(row["sex"]), birth_date=row["birth_date"], group=str(row["village"]),  # type: ignore[arg-type]
        onset_at=_midnight(row["onset_on"]), visit_at=_midnight(row["visit_on"]), report_at=_midnight(row["report_on"]),
        resident_id=row["resident_id"],  # type: ignore[arg-type]
    )  # fmt: skip


def _midnight(day: object) -> dt.datetime | None:
    return dt.datetime.combine(day, dt.time()) if isinstance(day, dt.date) else None
