"""The national record sheets as data: `knowledge/sheets`, one file a sheet, and what stands in each cell of it.

A sheet is Chinese whatever language the page has: it is the form the country prints.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from healthbrain.desks import forms
from healthbrain.desks.i18n import t
from healthbrain.kernel.errors import NotFound

FOLDER = Path(__file__).parents[2] / "knowledge" / "sheets"
BLANK = "　　"
CLASSIFICATION = "classification"
_PLACE = re.compile(r"\{([^{}]+)\}")
_AMONG = re.compile(r"(\w+)\?([\w-]+):([^:]*):([^:]*)")
_MEDICINE = re.compile(r"medicine (\d+)(\+?)")


@dataclass(frozen=True, slots=True)
class Row:
    """`cells`: one text a column, or one for all."""

    group: str
    label: tuple[str, ...]
    cells: tuple[str, ...]

    def of(self, column: int) -> str:
        return self.cells[column if len(self.cells) > 1 else 0]


@dataclass(frozen=True, slots=True)
class Sheet:
    id: str
    form: str
    title: str
    columns: int
    ages: tuple[tuple[str, int, int], ...]  # a column is an age: its name, from and below in months
    months: tuple[int, int]  # for people from this age on, below that
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A printed row: `span` rows have this group, told at the first of them."""

    group: str
    span: int
    label: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


@functools.cache
def sheets() -> Mapping[str, Sheet]:
    """Every sheet, by its id."""
    return {path.stem: _sheet(path) for path in sorted(FOLDER.glob("*.yaml"))}


def sheet(sheet_id: str) -> Sheet:
    """Raises NotFound for an unknown id."""
    if sheet_id not in sheets():
        raise NotFound(t("这张表没有打印格式", "This form has no printed sheet"))
    return sheets()[sheet_id]


def for_forms(form_ids: Sequence[str], months: int | None) -> list[Sheet]:
    """The sheets of these forms for somebody of this age."""
    found = [one for one in sheets().values() if one.form in form_ids]
    return [one for one in found if months is None or one.months[0] <= months < one.months[1]]


def _sheet(path: Path) -> Sheet:
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    ages = tuple((str(a["title"]), *a["months"]) for a in read.get("ages", ()))
    rows = (
        Row(str(row.get("group", "")), tuple(row["label"].split("<br>")), tuple(row.get("cells") or [row["cell"]]))
        for row in read["rows"]
    )
    months = tuple(read.get("months", (0, 10_000)))
    return Sheet(path.stem, read["form"], read["title"], len(ages) or read["columns"], ages, months, tuple(rows))


def lines(one: Sheet, visits: Sequence[Mapping[str, Any] | None], known: Mapping[str, str]) -> list[Line]:
    """The sheet filled in. `visits`: by column, None for an empty one, each with its `values` and what is `told` of it;
    `known`: what the record says of the person, "=code" for its newest result."""
    form, printed = forms.load(one.form), []
    for group, rows in groupby(one.rows, key=lambda row: row.group):
        of_group = list(rows)
        for place, row in enumerate(of_group):
            cells = tuple(_cell(row.of(n), form, visit, known) for n, visit in enumerate(visits))
            printed.append(Line(group, 0 if place else len(of_group), row.label, cells))
    return printed


def _cell(text: str, form: forms.Form, visit: Mapping[str, Any] | None, known: Mapping[str, str]) -> tuple[str, ...]:
    filler = _filler(form, visit or {"values": {}, "told": {}}, known)
    return tuple(_PLACE.sub(lambda found: filler(found[1]), part) for part in text.split("<br>"))


def _filler(form: forms.Form, visit: Mapping[str, Any], known: Mapping[str, str]) -> Callable[[str], str]:
    values, told = visit["values"], visit["told"]

    def fill(mark: str) -> str:
        if match := _AMONG.fullmatch(mark):
            return _among(values.get(match[1]), *match.groups()[1:])
        if match := _MEDICINE.fullmatch(mark):
            return _medicines(values.get("medications", []), int(match[1]) - 1, match[2] == "+")
        if mark == CLASSIFICATION:
            return told.get(mark) or " ".join(f"{r['number']} {r['zh']}" for r in _by_number(form.classification))
        if mark in told or mark in known:
            return told.get(mark) or known.get(mark) or ""
        names = [name for name in mark.rstrip("=~").split("|") if form.has(name)]
        if not names:  # nobody knows it: for the pen
            return BLANK
        item = form.field(next((name for name in names if values.get(name) not in (None, "", [])), names[0]))
        value = values.get(item.id)
        if value in (None, "", []) and mark.endswith("="):
            return known.get(f"={item.code}") or _empty(item)
        return _said(form, item, value, values, words_only=mark.endswith("~"))

    return fill


def _by_number(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda row: int(row["number"]))


def _among(chosen: Any, wanted: str, present: str, absent: str) -> str:
    if chosen in (None, "", []):
        return f"{absent}／{present}"
    return present if wanted in chosen else absent


def _medicines(rows: Sequence[Mapping[str, str]], place: int, rest: bool) -> str:
    shown = rows[place:] if rest else rows[place : place + 1]
    told = (f"{m['name']} 每日 {m.get('times', BLANK)} 次 每次 {m.get('dose', BLANK)}" for m in shown)
    return "；".join(told) or f"每日{BLANK}次 每次{BLANK}"


def _said(form: forms.Form, item: forms.Field, value: Any, values: Mapping[str, Any], *, words_only: bool) -> str:
    """An answer as the paper has it; an empty choice shows what there is to choose."""
    if item.score is not None:
        return _score(form, item, values)
    if value in (None, "", []):
        return "/".join(o.words["zh"] for o in item.options) if words_only else _empty(item)
    if item.kind in {"choice", "choices"}:
        chosen = [o for o in item.options if o.value in (value if isinstance(value, list) else [value])]
        return "/".join(o.words["zh"] if words_only or not o.number else f"{o.number} {o.words['zh']}" for o in chosen)
    return f"{value:.{item.digits}f}" if item.kind == "number" else str(value)


def _empty(item: forms.Field) -> str:
    if item.kind in {"choice", "choices"}:
        return " ".join(f"{o.number} {o.words['zh']}" for o in item.options if o.number)
    return BLANK if item.kind == "number" else ""


def _score(form: forms.Form, item: forms.Field, values: Mapping[str, Any]) -> str:
    assert item.score is not None  # noqa: S101  the caller looked
    points = forms.scored(form, item, values)
    numbered = [(f"{n} {level.words['zh']}", level) for n, level in enumerate(item.score.levels, 1)]
    if points is None:
        return " ".join(text for text, _ in numbered)
    reached = item.score.level(points)
    return next(f"{text}（{points:g} 分）" for text, level in numbered if level == reached)


def date(day: dt.date | dt.datetime | None) -> str:
    return "" if day is None else f"{day.year}年{day.month}月{day.day}日"
