"""A row of a line list as people send it: columns, their names, and what makes a row unusable. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CLASSES = {"疑似": "suspected", "临床诊断": "probable", "确诊": "confirmed", "排除": "excluded"}
SEXES = {"男": "1", "女": "2", "m": "1", "f": "2", "male": "1", "female": "2", "1": "1", "2": "2"}
OUTCOMES = {"治疗中": "ill", "痊愈": "recovered", "死亡": "dead"}
ANSWERS = {
    "是": "yes",
    "否": "no",
    "不知道": "unknown",
    "yes": "yes",
    "no": "no",
    "unknown": "unknown",
    "1": "yes",
    "0": "no",
}
YES = {"是": True, "否": False, "yes": True, "no": False, "1": True, "0": False, "": False}
# key → Chinese and English heading; the first line of the template
COLUMNS: dict[str, tuple[str, str]] = {
    "name": ("姓名", "Name"),
    "sex": ("性别", "Sex"),
    "age": ("年龄", "Age"),
    "birth_date": ("出生日期", "Date of birth"),
    "id_number": ("身份证号", "ID number"),
    "phone": ("电话", "Phone"),
    "group": ("班级或部门", "Class or unit"),
    "household": ("寝室或家庭", "Dormitory or household"),
    "role": ("身份", "Role"),
    "onset_at": ("发病时间", "Onset"),
    "visit_at": ("就诊时间", "Visit"),
    "classification": ("病例分类", "Classification"),
    "symptoms": ("症状", "Symptoms"),
    "hospitalised": ("住院", "In hospital"),
    "outcome": ("转归", "Outcome"),
}
_DATE = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[T\s]+(\d{1,2})[:：时](\d{1,2})?)?")


@dataclass(frozen=True, slots=True)
class CaseInput:
    """One case as entered. Times are naive county time; an onset without an hour is noon-less: 00:00."""

    name: str = ""
    sex: str = "0"
    age: int | None = None
    birth_date: dt.date | None = None
    id_number: str | None = None
    phone: str | None = None
    group: str = ""
    household: str = ""
    role: str = ""
    onset_at: dt.datetime | None = None
    visit_at: dt.datetime | None = None
    report_at: dt.datetime | None = None
    classification: str = "suspected"
    symptoms: tuple[str, ...] = ()
    hospitalised: bool = False
    outcome: str = ""
    resident_id: int | None = None
    answers: Mapping[str, str] = field(default_factory=dict)  # item of the investigation form → yes, no or unknown


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row was refused: the column and the words, {zh, en}."""

    column: str
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Read:
    """A line of a sheet: its number as the sender counts (heading = 1), and a case or its problems."""

    line: int
    case: CaseInput | None
    problems: tuple[Problem, ...] = field(default=())
    raw: tuple[str, ...] = field(default=())


def parse_moment(text: str) -> dt.datetime | None:
    """2026-3-9, 2026/03/09 14:30, 2026年3月9日 14时; None when it is no moment that exists."""
    found = _DATE.fullmatch(text.strip())
    if not found:
        return None
    year, month, day, hour, minute = (int(part) if part else 0 for part in found.groups())
    try:
        return dt.datetime(year, month, day, hour, minute)  # noqa: DTZ001  county time, as the ledger keeps it
    except ValueError:
        return None


def columns_of(heading: Sequence[str], asked: Mapping[str, Mapping[str, str]] | None = None) -> dict[int, str]:
    """Which column of a sheet is which, by either language's heading or by key; unknown ones are left out."""
    known = COLUMNS | {key: (label["zh"], label["en"]) for key, label in (asked or {}).items()}
    words = {name.lower(): key for key, names in known.items() for name in (key, *names)}
    return {n: words[text.strip().lower()] for n, text in enumerate(heading) if text.strip().lower() in words}


def _is_heading(row: Sequence[str]) -> bool:
    named = set(columns_of(row).values())
    return "onset_at" in named and bool(named & {"name", "id_number"})


def read_sheet(
    table: Sequence[Sequence[str]],
    *,
    today: dt.date,
    symptoms: Mapping[str, Mapping[str, str]],
    asked: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Read]:
    """Every line under the heading that is not empty. ValueError without a heading.

    symptoms: code → {zh, en}. asked: items answered yes or no (meals eaten …) that may have a column, → {zh, en}.
    """
    start = next((n for n, row in enumerate(table[:10]) if _is_heading(row)), None)
    if start is None:
        raise ValueError("no heading")
    places = columns_of(table[start], asked)
    found = []
    for number, row in enumerate(table[start + 1 :], start=start + 2):
        cells = {key: str(row[n]).strip() for n, key in places.items() if n < len(row)}
        if any(cells.values()):
            case, problems = read_case(cells, today=today, symptoms=symptoms, asked=tuple(asked or ()))
            found.append(Read(number, case, tuple(problems), tuple(str(cell) for cell in row)))
    return found


def read_case(
    cells: Mapping[str, str],
    *,
    today: dt.date,
    symptoms: Mapping[str, Mapping[str, str]],
    asked: Sequence[str] = (),
) -> tuple[CaseInput | None, list[Problem]]:
    """One case from texts; either the case or at least one problem."""
    problems: list[Problem] = []

    def refuse(column: str, zh: str, en: str) -> None:
        problems.append(Problem(column, {"zh": zh, "en": en}))

    def moment(column: str) -> dt.datetime | None:
        text = cells.get(column, "")
        value = parse_moment(text)
        if text and value is None:
            refuse(column, f"日期不存在或认不出：{text}", f"not a date: {text}")
        elif value is not None and value.date() > today:
            refuse(column, f"日期在今天之后：{text}", f"in the future: {text}")
        return value

    def known(column: str, words: Mapping[str, Any], default: Any) -> Any:
        text = cells.get(column, "")
        if not text:
            return default
        if text.lower() in words or text in set(words.values()):
            return words.get(text.lower(), text)
        refuse(column, f"认不出：{text}", f"not known: {text}")
        return default

    onset, visit, born = moment("onset_at"), moment("visit_at"), moment("birth_date")
    if onset and visit and visit.date() < onset.date():
        refuse("visit_at", "就诊早于发病", "the visit is before the onset")
    if not (cells.get("name") or cells.get("id_number")):
        refuse("name", "没有姓名也没有身份证号", "neither a name nor an ID number")
    age_text = cells.get("age", "").removesuffix("岁")
    if age_text and not (age_text.isdigit() and int(age_text) <= 130):
        refuse("age", f"年龄不对：{age_text}", f"not an age: {age_text}")
    spoken = _symptoms(cells.get("symptoms", ""), symptoms)
    made = CaseInput(
        name=cells.get("name", ""), sex=known("sex", SEXES, "0"),
        age=int(age_text) if age_text.isdigit() else None,
        birth_date=born.date() if born else None, id_number=cells.get("id_number") or None,
        phone=cells.get("phone") or None, group=cells.get("group", ""), household=cells.get("household", ""),
        role=cells.get("role", ""), onset_at=onset, visit_at=visit,
        classification=known("classification", CLASSES, "suspected"), symptoms=spoken,
        hospitalised=bool(known("hospitalised", YES, False)), outcome=known("outcome", OUTCOMES, ""),
        answers={key: known(key, ANSWERS, "") for key in asked if cells.get(key)},
    )  # fmt: skip
    return (None, problems) if problems else (made, [])


def _symptoms(text: str, known: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Codes of the symptoms named; words nobody knows stay as they were written, so that nothing is lost."""
    by_word = {word.lower(): code for code, words in known.items() for word in (code, *words.values())}
    parts = [part for part in re.split(r"[,，、;；/\s]+", text) if part]
    return tuple(dict.fromkeys(by_word.get(part.lower(), part) for part in parts))


def same_person(a: CaseInput, b: CaseInput) -> bool:
    """Do two rows of one event speak of one person? By identity number, else name, sex, group, onset in a week."""
    if a.resident_id is not None and a.resident_id == b.resident_id:
        return True
    if a.id_number and b.id_number:
        return a.id_number.upper() == b.id_number.upper()
    if not a.name or a.name != b.name or (a.phone and b.phone and a.phone != b.phone):
        return False
    if a.sex != b.sex and "0" not in (a.sex, b.sex):
        return False
    if a.group != b.group and a.group and b.group:
        return False
    if a.birth_date and b.birth_date and a.birth_date != b.birth_date:
        return False
    return a.onset_at is None or b.onset_at is None or abs((a.onset_at - b.onset_at).days) <= 7
