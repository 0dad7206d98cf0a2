"""The line list: rows in (each stored, duplicate, rejected or waiting), classified, asked, and linked into a chain."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import charset_normalizer
from django.db import transaction
from django.db.models import Max
from python_calamine import CalamineError, CalamineWorkbook

from healthbrain.access.rules import Actor
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from healthbrain.residents import queries as residents
from healthbrain.residents.models import Resident
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import response, steps
from healthbrain.surveillance.models import CaseRow, Exposure, PublicHealthEvent, Transmission
from healthbrain.surveillance.rules import case_rows, chains
from healthbrain.surveillance.rules.case_rows import CaseInput, Read

MOST_ROWS = 5000
MOST_BYTES = 10 * 1024 * 1024
CLASSES = ("suspected", "probable", "confirmed", "excluded")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How each row ended; rows_in = stored + waiting + duplicates + rejected. A waiting row is in the list already,
    its person is not decided. `rejects`: (line, column, {zh, en})."""

    rows_in: int
    stored: int
    waiting: int
    duplicates: int
    rejected: int
    rejects: tuple[tuple[int, str, Mapping[str, str]], ...] = ()


def add_cases(*, by: Actor, event_id: int, rows: Sequence[CaseInput], at: dt.datetime, source: str = "hand") -> Outcome:
    """Rows into the line list. A person already there (by the index, identity number, or name with class and onset)
    is a duplicate and changes nothing."""
    return _add(by, event_id, [Read(n, row, ()) for n, row in enumerate(rows, 1)], at, source)


@transaction.atomic
def import_cases(*, by: Actor, event_id: int, name: str, data: bytes, at: dt.datetime) -> Outcome:
    """A sheet (XLSX or CSV) in the shape of the template. Raises Invalid when it cannot be read at all."""
    if len(data) > MOST_BYTES:
        raise Invalid("文件超过 10 MB The file is over 10 MB", hint="分成几份导入 Split it.")
    table = _table(name, data)
    try:
        read = case_rows.read_sheet(
            table, today=local(at).date(), symptoms=handbook.words("symptoms"), asked=_asked(by, event_id)
        )
    except ValueError as error:
        raise Invalid(
            "找不到“姓名”和“发病时间”两列 No columns “Name” and “Onset”", hint="请用下载的模板 Use the template."
        ) from error
    if len(read) > MOST_ROWS:
        raise Invalid(f"一次最多 {MOST_ROWS} 行 At most {MOST_ROWS} rows at once")
    return _add(by, event_id, read, at, "import")


def _asked(by: Actor, event_id: int) -> dict[str, Mapping[str, str]]:
    """The yes-or-no items of the event's investigation form: a sheet may bring them as columns."""
    form = handbook.form_of(steps.load(by, event_id).disease)
    return {item["id"]: item["label"] for item in form["items"] if item["kind"] == "answer"}


def _table(name: str, data: bytes) -> list[list[str]]:
    if name.lower().endswith(".csv"):
        import csv

        found = charset_normalizer.from_bytes(data, cp_isolation=["utf_8", "gb18030"]).best()
        text = str(found) if found is not None else data.decode("gb18030", errors="replace")
        return list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))
    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0)
    except (CalamineError, OSError, ValueError) as error:
        raise Invalid(
            "读不了这个文件 Not a readable sheet", hint="请用下载的模板（.xlsx 或 .csv） Use the template."
        ) from error
    return [[_text(cell) for cell in row] for row in sheet.to_python()]


def _text(cell: Any) -> str:
    if isinstance(cell, dt.datetime):
        return f"{cell:%Y-%m-%d}" if cell.time() == dt.time() else f"{cell:%Y-%m-%d %H:%M}"
    if isinstance(cell, dt.date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


@transaction.atomic
def _add(by: Actor, event_id: int, read: Sequence[Read], at: dt.datetime, source: str) -> Outcome:
    event = steps.load(by, event_id)
    known = [_as_input(case) for case in event.cases.all()]
    number = event.cases.aggregate(n=Max("number"))["n"] or 0
    made: list[CaseRow] = []
    answers: list[Mapping[str, str]] = []
    duplicates, rejects = 0, []
    for line in read:
        if line.case is None:
            rejects += [(line.line, p.column, p.words) for p in line.problems]
            continue
        resident_id, match, candidates = _person(line.case)
        case = replace(line.case, resident_id=resident_id)
        if any(case_rows.same_person(case, other) for other in known):
            duplicates += 1
            continue
        known.append(case)
        number += 1
        made.append(_row(event, number, case, match, candidates, at, source))
        answers.append(case.answers)
    CaseRow.objects.bulk_create(made)
    form = handbook.form_of(event.disease)["id"]
    Exposure.objects.bulk_create(
        Exposure(case=row, form=form, item=item, value=value, at=at, account_id=by.account_id)
        for row, told in zip(made, answers, strict=True)
        for item, value in told.items()
    )
    waiting = sum(row.match == "waiting" for row in made)
    rejected = sum(line.case is None for line in read)
    outcome = Outcome(len(read), len(made) - waiting, waiting, duplicates, rejected, tuple(rejects))
    if read:
        steps.write(
            event, by, at, "cases", handling=source != "signal", source=source, rows=len(read), stored=outcome.stored,
            waiting=waiting, duplicates=duplicates, rejected=rejected,
        )  # fmt: skip
        response.settle(event, by, at)
    return outcome


def _person(case: CaseInput) -> tuple[int | None, str, list[list[Any]]]:
    """Who it is by the master index: linked when certain, waiting when a person must choose, else nobody."""
    if case.resident_id is not None:
        return case.resident_id, "linked", []
    if not (case.id_number or case.phone or case.birth_date):
        return None, "none", []  # a name alone is nobody's proof
    found = residents.match_candidates(
        name=case.name, sex=case.sex, birth_date=case.birth_date, number=case.id_number, phone=case.phone, limit=5
    )
    certain = [c for c in found if c.grade == "certain"]
    if len(certain) == 1:
        return certain[0].resident_id, "linked", []
    likely = [c for c in found if c.grade in {"certain", "probable"}]
    return None, "waiting" if likely else "none", [[c.resident_id, c.grade] for c in likely]


def _row(
    event: PublicHealthEvent, number: int, case: CaseInput, match: str, candidates: list[list[Any]], at: dt.datetime,
    source: str,
) -> CaseRow:  # fmt: skip
    person = Resident.objects.filter(pk=case.resident_id).first() if case.resident_id else None
    return CaseRow(
        event=event, number=number, resident=person, match=match, candidates=candidates,
        name=case.name or (person.name if person else ""),
        sex=case.sex if case.sex != "0" or person is None else person.sex, age=case.age,
        birth_date=case.birth_date or (person.birth_date if person else None),
        id_number=case.id_number or (person.id_number if person else None),
        phone=case.phone or (person.phone if person else None), group=case.group, household=case.household,
        role=case.role, onset_at=case.onset_at, visit_at=case.visit_at, report_at=case.report_at or local(at),
        classification=case.classification, symptoms=list(case.symptoms), hospitalised=case.hospitalised,
        outcome=case.outcome, source=source, added_at=at,
    )  # fmt: skip


def _as_input(case: CaseRow) -> CaseInput:
    return CaseInput(
        name=case.name, sex=case.sex, birth_date=case.birth_date, id_number=case.id_number, phone=case.phone,
        group=case.group, onset_at=case.onset_at, resident_id=case.resident_id,
    )  # fmt: skip


def case_of(by: Actor, case_id: int, *, any_state: bool = False) -> CaseRow:
    """A case with its event locked. Raises NotFound."""
    case = CaseRow.objects.filter(pk=case_id).first()
    if case is None:
        raise NotFound("没有这个病例 No such case")
    case.event = steps.load(by, case.event_id, any_state=any_state)
    return case


@transaction.atomic
def classify_case(*, by: Actor, case_id: int, classification: str, at: dt.datetime, reason: str = "") -> str:
    """Suspected, probable, confirmed or excluded; returns what it was, for undo."""
    case = case_of(by, case_id)
    if classification not in CLASSES:
        raise Invalid("没有这种病例分类 No such classification")
    before, case.classification = case.classification, classification
    case.save(update_fields=["classification"])
    steps.write(
        case.event, by, at, "classified", note=reason, handling=True, resident_id=case.resident_id, case=case.number,
        before=before, after=classification,
    )  # fmt: skip
    response.settle(case.event, by, at)
    return before


@transaction.atomic
def correct_case(*, by: Actor, case_id: int, at: dt.datetime, **changes: Any) -> None:
    """Change what is known of a case: onset, class, symptoms, outcome … The step names the columns, not the values."""
    case = case_of(by, case_id)
    allowed = {*case_rows.COLUMNS, "report_at"} - {"classification"}
    if not changes or set(changes) - allowed:
        raise Invalid("没有可以修改的内容 Nothing that can be changed")
    for name, value in changes.items():
        setattr(case, name, value)
    case.save(update_fields=list(changes))
    steps.write(
        case.event, by, at, "case-corrected", handling=True, resident_id=case.resident_id, case=case.number,
        columns=sorted(changes),
    )  # fmt: skip
    response.settle(case.event, by, at)


@transaction.atomic
def decide_person(*, by: Actor, case_id: int, resident_id: int | None, at: dt.datetime) -> None:
    """Who a waiting row is: one of its candidates, or None of them. Raises Conflict when that person is in the list."""
    case = case_of(by, case_id)
    if case.match != "waiting":
        raise Conflict("这一行不用核对身份 This row does not wait")
    if resident_id is not None and resident_id not in {c[0] for c in case.candidates}:
        raise Invalid("不在候选人里 Not one of the candidates")
    if resident_id is not None and case.event.cases.filter(resident_id=resident_id).exists():
        raise Conflict("这位居民已在名单里 This resident is in the list already", hint="把这一行排除 Exclude this row.")
    case.resident_id, case.match = resident_id, "linked" if resident_id is not None else "none"
    case.save(update_fields=["resident", "match"])
    steps.write(
        case.event, by, at, "person-decided", resident_id=resident_id, case=case.number, linked=resident_id is not None
    )


@transaction.atomic
def record_answers(*, by: Actor, case_id: int, form: str, answers: Mapping[str, str], at: dt.datetime) -> int:
    """Answers of an investigation form; empty ones are not stored. Raises Invalid for an unknown item or bad value."""
    case = case_of(by, case_id)
    items = {item["id"]: item for item in handbook.forms()[form]["items"]} if form in handbook.forms() else {}
    filled = {key: value.strip() for key, value in answers.items() if value.strip()}
    if not items or set(filled) - set(items):
        raise Invalid("没有这份调查表或这一项 No such form or item")
    for key, value in filled.items():
        _check_answer(items[key], value)
        Exposure.objects.update_or_create(
            case=case, form=form, item=key, defaults={"value": value, "at": at, "account_id": by.account_id}
        )
    steps.write(
        case.event, by, at, "investigated", handling=True, resident_id=case.resident_id, case=case.number, form=form,
        answers=len(filled),
    )  # fmt: skip
    return len(filled)


def _check_answer(item: Mapping[str, Any], value: str) -> None:
    label = item["label"]
    if item["kind"] == "answer" and value not in {"yes", "no", "unknown"}:
        raise Invalid(f"{label['zh']}：只能答是、否、不知道 {label['en']}: yes, no or unknown")
    if item["kind"] == "number":
        try:
            number = float(value)
        except ValueError as error:
            raise Invalid(f"{label['zh']}要填数字 {label['en']} must be a number") from error
        if not item["low"] <= number <= item["high"]:
            raise Invalid(f"{label['zh']}只收 {item['low']}–{item['high']} {label['en']}: out of range")


@transaction.atomic
def link_cases(
    *, by: Actor, infectee_id: int, infector_id: int | None, at: dt.datetime, kind: str = "", sure: bool = False
) -> None:
    """Who infected whom; None takes the link away. Raises Conflict for a circle."""
    case = case_of(by, infectee_id)
    Transmission.objects.filter(infectee=case).delete()
    if infector_id is None:
        steps.write(case.event, by, at, "unlinked", case=case.number)
        return
    other = case.event.cases.filter(pk=infector_id).first()
    if other is None:
        raise NotFound("传染源不在这个事件的名单里 The source is not in this line list")
    links = list(case.event.transmissions.values_list("infector_id", "infectee_id"))
    if chains.closes_a_circle(links, other.pk, case.pk):
        raise Conflict("这样会绕成一圈：自己不能经他人传染自己 A case cannot infect itself through others")
    Transmission.objects.create(event=case.event, infector=other, infectee=case, kind=kind, sure=sure, at=at)
    steps.write(case.event, by, at, "linked", handling=True, case=case.number, source=other.number, how=kind)
