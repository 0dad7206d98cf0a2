"""Counts by day from a file: pharmacies, nursing homes, hotels, work sites, fever clinics, ambulance calls, others.

One template for all of them. Every row ends stored, duplicate, rejected with its reason, or waiting for its place.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from python_calamine import CalamineError, CalamineWorkbook
from xlsxwriter import Workbook

from healthbrain.access.gate import require
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.county.models import Organisation
from healthbrain.kernel import db
from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance.knowledge import classifier, feed_of, places
from healthbrain.surveillance.models import CountImport

COLUMNS = {  # column → Chinese heading
    "organisation": "机构代码",
    "day": "日期",
    "source": "来源",
    "item": "药品组或症候群",
    "count": "数量",
    "denominator": "分母",
    "age_group": "年龄组",
}
SOURCES = ("fever-clinic", "ems", "pharmacy", "nursing-home", "hotel", "work-site", "other")
AGES = ("", "0-5", "6-17", "18-64", "65+")
OLDEST = dt.date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Row:
    organisation_id: int
    source: str
    syndrome: str
    age_group: str
    day: dt.date
    count: int
    denominator: int | None

    @property
    def key(self) -> tuple[int, str, str, str, dt.date]:
        return (self.organisation_id, self.source, self.syndrome, self.age_group, self.day)


def import_counts(path: Path | str, *, by: Actor, now: dt.datetime, data: bytes | None = None) -> CountImport:
    """Read a CSV (UTF-8 or GB 18030), XLSX or JSON of counts. A row sent again changes nothing; a changed one replaces.

    An officer sends any place's, others only those of their own unit, each under its kind's own source. A place that
    reports is watched from then on: its silence is told. Raises Invalid when the file is no table of the template's.
    """
    if not by.may("counts.write"):
        require(by, "places.report")
    path = Path(path)
    content = path.read_bytes() if data is None else data
    table = _table(path.name, content)
    with transaction.atomic():
        made = CountImport.objects.create(
            name=path.name, content_hash=hashlib.sha256(content).digest(), at=now, account_id=by.account_id
        )
        rows = _sort(made, table, now.date(), _places(by))
        _store(made, rows, now)
        _watch(rows)
        made.save()
        audit.record(
            by=by, action="counts.import", subject=f"counts/{made.pk}",
            detail={"rows": made.rows_in, "stored": made.stored, "rejected": made.rejected},
        )  # fmt: skip
    return made


def _table(name: str, content: bytes) -> list[dict[str, str]]:
    if name.lower().endswith(".json"):
        return _json(content)
    cells = _xlsx(content) if name.lower().endswith(".xlsx") else _csv(content)
    if not cells:
        raise Invalid("文件是空的 The file is empty")
    words = {heading: column for column, heading in COLUMNS.items()} | {column: column for column in COLUMNS}
    heads = [words.get(cell.strip().lstrip("﻿"), "") for cell in cells[0]]
    if missing := [COLUMNS[c] for c in ("organisation", "day", "source", "item", "count") if c not in heads]:
        raise Invalid(f"缺少列 Columns missing: {'、'.join(missing)}", hint="请用下载的模板 Use the template.")
    return [
        {head: cell.strip() for head, cell in zip(heads, row, strict=False) if head}
        for row in cells[1:]
        if any(cell.strip() for cell in row)
    ]


def _json(content: bytes) -> list[dict[str, str]]:
    """[{"organisation": …, "day": …, "source": …, "item": …, "count": …}, …], or the same under "rows"."""
    try:
        said = json.loads(content)
        rows = said["rows"] if isinstance(said, dict) else said
        return [{c: "" if row.get(c) is None else str(row[c]).strip() for c in COLUMNS} for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("不是 JSON 行的列表 Not a JSON list of rows", hint='[{"organisation": "…", …}]') from error


def _csv(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", errors="replace")
    return list(csv.reader(io.StringIO(text)))


def _xlsx(content: bytes) -> list[list[str]]:
    try:
        table = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    except (CalamineError, OSError, ValueError) as error:
        raise Invalid("读不了这个文件 Not a readable workbook (.xlsx)") from error
    return [[_text(cell) for cell in row] for row in table]


def _text(cell: Any) -> str:
    if isinstance(cell, dt.datetime | dt.date):
        return f"{cell:%Y-%m-%d}"
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else "" if cell is None else str(cell)


def _places(by: Actor) -> dict[str, tuple[int, str]]:
    """Code → (id, the only source it may report; "" any) of the places this actor speaks for."""
    rows = Organisation.objects.all() if by.county_wide else Organisation.objects.filter(path__startswith=by.path)
    return {
        code: (pk, "" if by.county_wide or kind not in places() else feed_of(kind))
        for pk, code, kind in rows.values_list("pk", "code", "kind")
    }


def _sort(
    made: CountImport, table: Sequence[dict[str, str]], today: dt.date, organisations: dict[str, tuple[int, str]]
) -> list[Row]:
    """Readable rows, the last of each key; the import's counts and problems are filled in."""
    registered = Organisation.objects.in_bulk([row.get("organisation", "") for row in table], field_name="code")
    kept: dict[tuple[Any, ...], Row] = {}
    for number, cells in enumerate(table, start=2):
        made.rows_in += 1
        column, problem, row = _row(cells, organisations, today)
        if row is None:
            waiting = problem == "waiting" and cells["organisation"] not in registered
            if problem == "waiting" and not waiting:
                problem = "不是本单位或下属单位 Not a place of yours"
            made.waiting += waiting
            made.rejected += not waiting
            words = "机构不在登记中，等数据管理员登记 Not in the register yet" if waiting else problem
            made.problems.append([number, COLUMNS[column], words, ",".join(cells.values())])
            continue
        made.duplicates += row.key in kept
        kept[row.key] = row
    return list(kept.values())


def _row(
    cells: dict[str, str], organisations: dict[str, tuple[int, str]], today: dt.date
) -> tuple[str, str, Row | None]:
    """(column, reason, None), or ("", "", the row)."""
    known = classifier()
    source, item = cells.get("source", ""), cells.get("item", "")
    organisation, only = organisations.get(cells.get("organisation", ""), (0, ""))
    day, count = _day(cells.get("day", "")), _whole(cells.get("count", ""))
    denominator = cells.get("denominator", "")
    checks = (
        ("source", source in SOURCES, f"来源只能是 Source is one of {'、'.join(SOURCES)}"),
        ("item", item in known.words, "没有这个药品组或症候群 No such drug group or syndrome"),
        ("day", day is not None and OLDEST <= day <= today, "日期不对 The date cannot be"),
        ("count", count is not None, "数量要填 0 或正整数 A whole number, 0 or more"),
        ("denominator", not denominator or _whole(denominator) is not None, "分母要填整数 A whole number"),
        ("age_group", cells.get("age_group", "") in AGES, f"年龄组只能是 Age group is one of {'、'.join(AGES[1:])}"),
        ("organisation", organisation != 0, "waiting"),
        ("source", only in ("", source), f"这个单位的来源只能是 {only} This place reports {only} only"),
    )
    for column, fine, problem in checks:
        if not fine:
            return column, problem, None
    if day is None or count is None:  # said above
        raise AssertionError
    return "", "", Row(
        organisation, source, item, cells.get("age_group", ""), day, count, _whole(denominator)
    )  # fmt: skip


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text.replace("/", "-")[:10])
    except ValueError:
        return None


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() and len(text) < 8 else None


def _store(made: CountImport, rows: Iterable[Row], now: dt.datetime) -> None:
    kept = list(rows)
    written = db.select(
        """WITH came AS (
               SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::date[], %s::int[], %s::int[])
                   AS r (organisation_id, source, syndrome, age_group, day, count, denominator)
           ), stored AS (
               INSERT INTO surveillance_dailycount AS d (organisation_id, place_code, source, syndrome, age_group, day,
                                                    basis, count, denominator, arrived, batch_id)
               SELECT organisation_id, '', source, syndrome, age_group, day, 'report', count, denominator, %s, %s
               FROM came
               ON CONFLICT (source, syndrome, organisation_id, place_code, day, age_group, basis) DO UPDATE
               SET count = EXCLUDED.count, denominator = EXCLUDED.denominator, arrived = EXCLUDED.arrived,
                   batch_id = EXCLUDED.batch_id
               WHERE (d.count, d.denominator) IS DISTINCT FROM (EXCLUDED.count, EXCLUDED.denominator)
               RETURNING organisation_id, syndrome, day
           ), marked AS (
               INSERT INTO surveillance_dirtycount (source, syndrome, organisation_id, day, since)
               SELECT DISTINCT 'count', syndrome, organisation_id, day, %s::timestamptz FROM stored
           )
           SELECT count(*) FROM stored""",
        [
            [r.organisation_id for r in kept], [r.source for r in kept], [r.syndrome for r in kept],
            [r.age_group for r in kept], [r.day for r in kept], [r.count for r in kept], [r.denominator for r in kept],
            now, made.pk, now,
        ],
    )  # fmt: skip
    made.stored = int(written[0][0])
    made.duplicates += len(kept) - made.stored


def _watch(rows: Iterable[Row]) -> None:
    """Key places that report are on the list of those whose silence is told."""
    db.execute(
        """INSERT INTO surveillance_site
               (organisation_id, kind, township_id, workdays_only, due_hour, national_front_end)
           SELECT o.id, o.kind, (SELECT min(p.code) FROM county_place p
                                 WHERE p.organisation_id = o.parent_id AND length(p.code) = 9), FALSE, 20, FALSE
           FROM county_organisation o WHERE o.id = ANY(%s) AND o.kind = ANY(%s)
           ON CONFLICT (organisation_id) DO NOTHING""",
        [list({row.organisation_id for row in rows}), list(places())],
    )


def template() -> bytes:
    """An empty workbook with headings, drop-down lists and one example row."""
    out = io.BytesIO()
    book = Workbook(out, {"in_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet("counts")
    bold = book.add_format({"bold": True})
    for position, heading in enumerate(COLUMNS.values()):
        sheet.write_string(0, position, heading, bold)
    sheet.set_column(0, len(COLUMNS) - 1, 18)
    sheet.data_validation(1, 2, 5000, 2, {"validate": "list", "source": list(SOURCES)})
    sheet.data_validation(1, 6, 5000, 6, {"validate": "list", "source": list(AGES[1:])})
    book.close()
    return out.getvalue()
