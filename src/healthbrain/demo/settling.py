"""The surroundings of the synthetic county, read into the installation: key places, classes, a year of reports."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from healthbrain.access.rules import Actor
from healthbrain.county import actions as county
from healthbrain.county import queries as places
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.db import select, select_dicts
from healthbrain.surveillance.actions import history

OPENS = dt.time(7, 50)  # the first class teacher has counted


def settle(folder: Path, *, by: Actor, now: dt.datetime, until: dt.date | None = None) -> dict[str, int]:
    """Load what `surroundings.write` wrote, as far as `until` (None: all of it). Counts by what was loaded."""
    out = folder / "surveillance"
    county.load_register(out, by=by)
    ids = places.organisation_ids_by_code()
    classes = pl.read_csv(out / "classes.csv", infer_schema=False)
    class_ids = history.load_places(_sites(classes), _classes(classes), by=by)
    last = until or now.date()
    lines = pl.read_parquet(out / "lines.parquet").filter(pl.col("day") <= last)
    loaded = {
        "sites": int(select("SELECT count(*) FROM surveillance_site")[0][0]),
        "classes": len(class_ids),
        "lines": history.load_lines(read_lines(lines, class_ids, now), by=by),
    }
    counts = pl.read_parquet(out / "counts.parquet").filter(pl.col("day") <= last)
    loaded["counts"] = history.load_counts(read_counts(counts, ids, now), by=by)
    loaded["pupils"] = _name_pupils(folder, class_ids, last)
    return loaded


def _sites(classes: pl.DataFrame) -> dict[str, tuple[str | None, int | None]]:
    """Key places with their township (by the centre they belong to) and how many people they hold."""
    pupils = dict(
        classes.group_by("organisation").agg(pl.col("pupils").cast(pl.Int64).sum()).iter_rows()
    )  # fmt: skip
    rows = select(
        """SELECT o.code, p.code, o.kind FROM county_organisation o
           LEFT JOIN county_place p ON p.organisation_id = o.parent_id AND length(p.code) = 9
           WHERE o.kind IN ('school', 'childcare', 'pharmacy', 'nursing-home', 'hospital')"""
    )
    return {code: (township, pupils.get(code)) for code, township, _ in rows}


def _classes(classes: pl.DataFrame) -> Iterator[tuple[str, str, str, int]]:
    for organisation, grade, name, pupils in classes.select("organisation", "grade", "name", "pupils").iter_rows():
        yield organisation, grade, name, int(pupils)


def read_lines(
    frame: pl.DataFrame, class_ids: list[int], now: dt.datetime
) -> Iterator[tuple[int, dt.date, dt.datetime, int, int, str, str]]:
    """Class lines as `load_lines` takes them; nothing is told after `now`."""
    columns = ("class", "day", "minutes", "absent_ill", "absent_other", "symptoms", "fresh")
    for row, day, minutes, ill, other, symptoms, fresh in frame.select(columns).iter_rows():
        at = dt.datetime.combine(day, OPENS, COUNTY_ZONE) + dt.timedelta(minutes=minutes)
        yield class_ids[row], day, min(at, now), ill, other, symptoms, fresh


def read_counts(
    frame: pl.DataFrame, ids: dict[str, int], now: dt.datetime
) -> Iterator[tuple[int, str, str, dt.date, int, dt.datetime]]:
    """A day's figure comes in the evening; today's is not in before."""
    for organisation, source, item, day, n in frame.iter_rows():
        at = dt.datetime.combine(day, dt.time(20), COUNTY_ZONE)
        if at <= now:
            yield ids[organisation], source, item, day, n, at


def _name_pupils(folder: Path, class_ids: list[int], last: dt.date) -> int:
    """The ill of the outbreak that is unfolding have names: residents of school age, with dormitory and canteen."""
    truth: dict[str, Any] = orjson.loads((folder / "truth" / "outbreaks.json").read_bytes())
    now = next((o for o in truth["outbreaks"] if o["unfolding"]), None)
    if now is None or dt.date.fromisoformat(now["first"]) > last:
        return 0
    lines = select_dicts(
        """SELECT l.id, l.day, l.fresh, l.school_class_id FROM surveillance_reportline l
           WHERE l.school_class_id = ANY(%s) AND l.day BETWEEN %s AND %s ORDER BY l.day, l.id""",
        [[class_ids[row] for row in truth["named"]], now["first"], min(last, dt.date.fromisoformat(now["last"]))],
    )
    pupils = select_dicts(
        """SELECT r.id, r.name, r.sex FROM residents_resident r JOIN county_place p ON p.code = r.division_code
           JOIN surveillance_site s ON s.township_id = p.parent_id
           JOIN surveillance_schoolclass c ON c.organisation_id = s.organisation_id AND c.id = %s
           WHERE r.birth_date BETWEEN %s AND %s AND r.deceased_on IS NULL ORDER BY r.id""",
        [class_ids[truth["named"][0]], last - dt.timedelta(days=12 * 365), last - dt.timedelta(days=7 * 365)],
    )
    rows, taken = [], 0
    for line in lines:
        for symptom in (s for s, n in orjson.loads(line["fresh"]).items() for _ in range(n)):
            if symptom not in {"vomiting", "diarrhoea"} or taken >= len(pupils):
                continue
            one = pupils[taken]
            rows.append(
                {
                    "line_id": line["id"], "resident_id": one["id"], "name": one["name"], "sex": one["sex"],
                    "symptoms": [symptom], "onset_on": line["day"] - dt.timedelta(days=taken % 3 == 0),
                    "dormitory": f"{taken % 2 + 1}号宿舍楼" if taken % 4 == 0 else "", "canteen": taken % 5 != 0,
                }
            )  # fmt: skip
            taken += 1
    return history.name_pupils(rows)
