"""Forms as data: a definition of `knowledge/forms`, and what was typed into it, read and checked."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from healthbrain.desks.i18n import said, t
from healthbrain.desks.scores import Score, body_mass_index, score_of, total
from healthbrain.kernel.errors import NotFound
from healthbrain.records import queries as records

__all__ = [
    "Entry", "Field", "Form", "Problem", "body_mass_index", "classify", "form_ids", "form_of", "load", "read_entry",
    "scored", "urgent_signs",
]  # fmt: skip

FOLDER = Path(__file__).parent.parent / "knowledge" / "forms"
Words = Any  # {zh, en} of a knowledge file, or plain text


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    number: int
    words: Mapping[str, str]
    urgent: bool = False
    points: float = 0.0


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form. `soft` asks, `hard` refuses; both ends of a pair may be open."""

    id: str
    kind: str  # number, choice, choices, text, date, medications, score
    label: Words
    unit_text: Words = ""
    required: bool | str = False  # "unless-phone": a telephone visit measures nothing
    prefill: str = ""  # carry, show
    default: Any = None
    soft: tuple[float, float] | None = None
    hard: tuple[float, float] | None = None
    digits: int = 0
    drift: float | None = None  # a change from the last value beyond this is asked about
    below: str = ""  # must be less than that field
    hint: Words = ""
    none: str = ""  # the option that excludes all others
    when: Mapping[str, str] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    rows: int = 0
    grid: bool = False
    code: str = ""
    months: tuple[int | None, int | None] = (None, None)  # asked of people from this age in months, below that
    score: Score | None = None

    def words_of(self, value: str) -> str:
        return next((said(option.words) for option in self.options if option.value == value), str(value))

    def number_of(self, value: Any) -> str:
        """The sheet's number of an option."""
        return next((str(option.number) for option in self.options if option.value == value), "")


@dataclass(frozen=True, slots=True)
class Section:
    title: Words
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Form:
    id: str
    version: str
    title: Words
    short: Words
    answers: Mapping[str, tuple[str, ...]]  # programme → its tasks that this form records
    sections: tuple[Section, ...]
    urgent_values: Mapping[str, tuple[float | None, float | None]]
    urgent_text: Words
    urgent_source: str
    classification: tuple[Mapping[str, Any], ...]
    parts: Mapping[str, Mapping[str, str]]  # of a form for two conditions: part → its field → the field here

    @property
    def programme(self) -> str:
        """The programme whose record sheet this is; of a form that serves several, the first."""
        return next(iter(self.answers))

    @property
    def kept_as(self) -> tuple[str, ...]:
        """The forms an entry is kept as, and printed as."""
        return tuple(self.parts) or (self.id,)

    def values_for(self, part: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Of the values of an entry those of one of the forms it is kept as, under its own names."""
        names = self.parts.get(part)
        return dict(values) if names is None else {n: values[here] for n, here in names.items() if here in values}

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(f for section in self.sections for f in section.fields)

    @property
    def grid_fields(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.grid)

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.id == name)

    def has(self, name: str) -> bool:
        return any(f.id == name for f in self.fields)

    def at_age(self, months: int | None) -> Form:
        """The form as it is asked of somebody of this age in months; of an unknown age everything is asked."""
        if months is None:
            return self
        asked = (Section(s.title, tuple(f for f in s.fields if _between(months, *f.months))) for s in self.sections)
        return replace(self, sections=tuple(s for s in asked if s.fields))


@dataclass(frozen=True, slots=True)
class Problem:
    field: str
    text: str
    soft: bool = False  # asks; a hard one refuses


@dataclass(frozen=True, slots=True)
class Entry:
    """What was typed: `raw` as it stands in the fields, `values` as it goes into the record, `problems` in order."""

    raw: dict[str, Any]
    values: dict[str, Any]
    problems: tuple[Problem, ...]

    @property
    def refused(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if not p.soft)

    @property
    def asked(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.soft)

    def of(self, name: str) -> Problem | None:
        return next((p for p in self.problems if p.field == name), None)


class Posted(Protocol):
    """A Django QueryDict, or anything that reads like one."""

    def get(self, key: str, default: Any = None) -> Any: ...
    def getlist(self, key: str) -> list[Any]: ...


def _between(months: int, low: int | None, high: int | None) -> bool:
    return (low is None or months >= low) and (high is None or months < high)


def _section(row: dict[str, Any]) -> Section:
    months = row.get("months", (None, None))
    return Section(row["title"], tuple(_field({"months": months} | item) for item in row["fields"]))


def _field(row: dict[str, Any]) -> Field:
    known = {k: v for k, v in row.items() if k in Field.__dataclass_fields__}
    options = tuple(
        Option(str(o["value"]), int(o["number"]), {"zh": o["zh"], "en": o["en"]}, bool(o.get("urgent")),
               float(o.get("points", 0)))
        for o in row.get("options", ())
    )  # fmt: skip
    for pair in ("soft", "hard", "months"):
        if pair in known:
            known[pair] = tuple(known[pair])
    known["score"] = score_of(row) if row["kind"] == "score" else None
    return Field(**(known | {"options": options}))


@functools.cache
def load(form_id: str) -> Form:
    """The definition of a form. Raises NotFound for an unknown id."""
    if form_id not in form_ids():
        raise NotFound(t("没有这张表", "No such form"))
    read = records.form_definition(form_id)
    urgent = read.get("urgent", {})
    source = urgent.get("source", {})
    return Form(
        id=read["id"],
        version=str(read["version"]),
        title=read["title"],
        short=read["short"],
        answers={programme: tuple(tasks) for programme, tasks in read["answers"].items()},
        sections=tuple(_section(row) for row in read["sections"]),
        urgent_values={name: tuple(pair) for name, pair in urgent.get("values", {}).items()},
        urgent_text=urgent.get("text", ""),
        urgent_source=f"{source.get('document', '')} {source.get('part', '')}".strip(),
        classification=tuple(read.get("classification", ())),
        parts={part: names for part, names in records.form_parts(form_id).items() if part != form_id},
    )


@functools.cache
def form_ids() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def form_of(programme: str, task: str, also: Collection[str] = ()) -> str | None:
    """The form whose entry is the evidence a task waits for. `also`: programmes that wait for the same task of the same
    resident; where one form serves them together, that one."""
    found = [name for name in form_ids() if task in load(name).answers.get(programme, ())]
    joint = [name for name in found if load(name).parts and set(load(name).answers) <= set(also)]
    return next(iter(joint or [name for name in found if not load(name).parts]), None)


def read_entry(
    form: Form,
    posted: Posted,
    *,
    today: dt.date,
    last: Mapping[str, float] | None = None,
    prefix: str = "",
    only: tuple[Field, ...] = (),
    months: int | None = None,
) -> Entry:
    """Read and check what was typed. `last`: the last measured values, for the question about a large change.

    `months`: the resident's age, which counts in some scores.
    """
    raw: dict[str, Any] = {}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for item in only or form.fields:
        if item.score is not None:
            continue
        raw[item.id], value, problem = _read_one(item, posted, prefix)
        if value not in (None, "", []):
            values[item.id] = value
        if problem:
            problems.append(problem)
    problems += _required(only or form.fields, values, {p.field for p in problems})
    problems += _between_fields(form, values, today, last or {})
    known = values if months is None else values | {"age": months // 12}
    for item in form.fields:
        if (points := scored(form, item, known)) is not None and item.score:
            values[item.id] = item.score.level(points).value or points
    return Entry(raw, values, tuple(problems))


def scored(form: Form, item: Field, values: Mapping[str, Any]) -> float | None:
    """The points of a score field; None for another kind of field, and while an answer is missing."""
    if item.score is None:
        return None
    points = {name: {o.value: o.points for o in form.field(name).options} for name in item.score.of}
    return total(item.score, points, values)


def _read_one(item: Field, posted: Posted, prefix: str) -> tuple[Any, Any, Problem | None]:
    name = prefix + item.id
    if item.kind == "choices":
        chosen = [v for v in posted.getlist(name) if any(v == o.value for o in item.options)]
        if item.none and item.none in chosen and len(chosen) > 1:
            none = item.words_of(item.none)
            text = t("“{none}”不能和其他选项同时选", "“{none}” excludes the others", none=none)
            return chosen, chosen, Problem(item.id, text)
        return chosen, chosen, None
    if item.kind == "medications":
        rows = _medications(item, posted, name)
        return rows, rows, None
    text = str(posted.get(name) or "").strip()
    if not text:
        return "", None, None
    if item.kind == "number":
        return _number(item, text)
    if item.kind == "date":
        return _date(item, text)
    if item.kind == "choice" and not any(text == o.value for o in item.options):
        wrong = t("{label}：请从列出的选项里选", "{label}: choose one of the options", label=said(item.label))
        return text, None, Problem(item.id, wrong)
    return text, text, None


def _medications(item: Field, posted: Posted, name: str) -> list[dict[str, str]]:
    rows = []
    for index in range(item.rows):
        row = {part: str(posted.get(f"{name}-{index}-{part}") or "").strip() for part in ("name", "times", "dose")}
        if row["name"]:
            rows.append(row)
    return rows


def _number(item: Field, text: str) -> tuple[str, float | None, Problem | None]:
    plain = text.replace("，", ".").replace("。", ".").replace("．", ".")
    plain = plain.translate(str.maketrans("０１２３４５６７８９", "0123456789"))
    label = said(item.label)
    try:
        value = float(plain)
    except ValueError:
        wrong = t("{label}要填数字，现在是“{text}”", "{label} must be a number, not “{text}”", label=label, text=text)
        return text, None, Problem(item.id, wrong)
    low, high = item.hard or (float("-inf"), float("inf"))
    if not low <= value <= high:  # also refuses "nan"
        return text, None, Problem(item.id, t(
            "{label} {value} 不可能：只收 {low}–{high}，请核对是否输错",
            "{label} {value} cannot be: only {low}–{high} is accepted; check for a slip",
            label=label, value=text, low=f"{low:g}", high=f"{high:g}"))  # fmt: skip
    if item.soft and not item.soft[0] <= value <= item.soft[1]:
        return (
            text,
            value,
            Problem(
                item.id,
                t(
                    "{label} {value} 少见，没有输错吗？",
                    "{label} {value} is unusual. Is it right?",
                    label=label,
                    value=text,
                ),
                soft=True,
            ),
        )
    return text, value, None


def _date(item: Field, text: str) -> tuple[str, str | None, Problem | None]:
    try:
        return text, dt.date.fromisoformat(text).isoformat(), None
    except ValueError:
        return text, None, Problem(item.id, t("{label}不是有效日期", "{label} is not a date", label=said(item.label)))


def _required(fields: tuple[Field, ...], values: Mapping[str, Any], already: set[str]) -> list[Problem]:
    by_phone = values.get("visit_mode") == "PHONE"
    found = []
    for item in fields:
        needed = item.required is True or (item.required == "unless-phone" and not by_phone)
        if needed and item.id not in values and item.id not in already:
            found.append(Problem(item.id, t("请填{label}", "Fill in: {label}", label=said(item.label))))
    return found


def _between_fields(form: Form, values: Mapping[str, Any], today: dt.date, last: Mapping[str, float]) -> list[Problem]:
    found = []
    for item in form.fields:
        value = values.get(item.id)
        if value is None:
            continue
        if item.below and item.below in values and value >= values[item.below]:
            other = said(form.field(item.below).label)
            found.append(
                Problem(
                    item.id,
                    t("{label}必须低于{other}", "{label} must be below {other}", label=said(item.label), other=other),
                )
            )
        if item.kind == "date" and dt.date.fromisoformat(value) > today:
            found.append(
                Problem(item.id, t("{label}不能晚于今天", "{label} cannot be in the future", label=said(item.label)))
            )
        if item.drift is not None and item.id in last and abs(value - last[item.id]) > item.drift:
            found.append(Problem(item.id, t(
                "{label}上次是 {last:g}，这次 {value:g}，变化很大，没有输错吗？",
                "{label} was {last:g} and is now {value:g}. Is it right?",
                label=said(item.label), last=last[item.id], value=value), soft=True))  # fmt: skip
    return found


def urgent_signs(form: Form, values: Mapping[str, Any]) -> list[str]:
    """What on this form asks for an urgent referral, in words, by the source the definition names."""
    found = []
    for name, (low, high) in form.urgent_values.items():
        value, item = values.get(name), form.field(name)
        if value is not None and ((high is not None and value >= high) or (low is not None and value <= low)):
            sign = f"≥ {high:g}" if high is not None and value >= high else f"≤ {low:g}"
            found.append(f"{said(item.label)} {value:g} {said(item.unit_text)} {sign}")
    for item in form.fields:
        if item.kind == "choices":
            found += [said(o.words) for o in item.options if o.urgent and o.value in values.get(item.id, ())]
    return found


def classify(form: Form, values: Mapping[str, Any], state: str) -> Mapping[str, Any] | None:
    """此次随访分类 of the sheet: the doctor's own answers first (most serious first), else the programme's state."""
    for row in form.classification:
        answers = row.get("when")
        if answers and all(values.get(name) == value for name, value in answers.items()):
            return row
        if state in row.get("states", ()):
            return row
    return None
