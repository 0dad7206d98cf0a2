"""bench surveillance planted-year: a year of the demo county day by day; which of its outbreaks are found, and when.

Every school day at 09:05 what the schools told, every evening at 20:30 all else that has come by then: diagnoses and
figures of places with the delays of knowledge/demo/surveillance.yaml. Nobody answers a signal. An outbreak is found by
a signal of its syndrome at its place, or at the township or county around it, opened while it runs or within a week
after. What fits no outbreak is a false event; watch lines (three pupils of one class) are a duty of the school norm and
are counted apart. Outbreaks large enough to show the correction for late reports stand beside it: `late_reports`.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from healthbrain.cli.bench.place import own_home, percentile
from healthbrain.cli.bench.surveillance import late_reports
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance

FULL_SIZE = 10_000
AS_OF = dt.date(2026, 11, 20)  # a Friday
DAYS = 365
SEED = 1
LATE_DAYS = 7


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Outbreaks found, hours from the first case to the signal, false events a week, what the decoys did."""
    size = residents or FULL_SIZE
    place = own_home(f"planted-{size}", keep=False)
    boot()
    folder = _county(place, size, advance)
    truth: dict[str, Any] = orjson.loads((folder / "truth" / "outbreaks.json").read_bytes())
    _replay(folder, truth, advance)
    return {"residents": size, **_score(truth), "late_reports": late_reports.measure(advance)}


def _county(place: Path, size: int, advance: Advance) -> Path:
    from healthbrain.access.rules import SYSTEM
    from healthbrain.county import actions as county
    from healthbrain.demo import generate, surroundings
    from healthbrain.records import actions as records
    from healthbrain.surveillance import knowledge

    folder = place / "demo"
    school_day = knowledge.calendar().is_school_day
    advance(0, DAYS, "generate")
    generate(folder, residents=size, as_of=AS_OF)
    surroundings.write(folder, residents=size, seed=1, as_of=AS_OF, is_school_day=school_day)
    county.load_register(folder / "register", by=SYSTEM)
    records.ingest([folder / "feeds"], by=SYSTEM, as_of=AS_OF)
    return folder


def _moment(day: dt.date, hour: int, minute: int) -> dt.datetime:
    from healthbrain.kernel.clock import COUNTY_ZONE

    return dt.datetime.combine(day, dt.time(hour, minute), COUNTY_ZONE)


def _replay(folder: Path, truth: dict[str, Any], advance: Advance) -> None:
    from healthbrain.access.rules import SYSTEM
    from healthbrain.cli.bench.surveillance import arriving
    from healthbrain.county.queries import organisation_ids_by_code
    from healthbrain.demo import settling
    from healthbrain.surveillance.actions import history, signals
    from healthbrain.surveillance.models import DirtyCount, SchoolClass

    start = AS_OF - dt.timedelta(days=DAYS)
    settling.settle(folder, by=SYSTEM, now=_moment(start, 21, 0), until=start)
    ids = organisation_ids_by_code()
    classes = pl.read_csv(folder / "surveillance" / "classes.csv", infer_schema=False)
    keys = {(c.organisation.code, c.grade, c.name): c.pk for c in SchoolClass.objects.select_related("organisation")}
    class_ids = [keys[row] for row in classes.select("organisation", "grade", "name").iter_rows()]
    lines = pl.read_parquet(folder / "surveillance" / "lines.parquet").partition_by("day", as_dict=True)
    wrong = {dt.date.fromisoformat(e["day"]): e for e in truth["errors"]}
    counts = _with_errors(pl.read_parquet(folder / "surveillance" / "counts.parquet"), truth["errors"])
    evenings = arriving.by_evening(
        counts.filter(pl.col("day") > start), SEED, {(e["organisation"], day) for day, e in wrong.items()}
    )
    arriving.hold_back(start, SEED)
    for number in range(1, DAYS + 1):
        day = start + dt.timedelta(days=number)
        advance(number, DAYS, "replay")
        if (day,) in lines:
            morning = _moment(day, 9, 5)
            history.load_lines(settling.read_lines(lines[day,], class_ids, morning), by=SYSTEM)
            schools = {c.organisation_id for c in SchoolClass.objects.only("organisation_id")}
            DirtyCount.objects.bulk_create(
                [DirtyCount(source="school", organisation_id=o, day=day, since=morning) for o in schools]
            )
            arriving.come(morning)
            signals.run_pass(now=morning)
        evening = _moment(day, 20, 30)
        arriving.come(evening)
        history.load_counts(settling.read_counts(evenings[day], ids, evening), by=SYSTEM)
        if yesterday := wrong.get(day - dt.timedelta(days=1)):
            _send_again(yesterday, evening, signals.import_counts)
        signals.run_pass(now=evening, everything=True)


def _with_errors(frame: pl.DataFrame, errors: list[dict[str, Any]]) -> pl.DataFrame:
    for error in errors:
        hit = (pl.col("organisation") == error["organisation"]) & (pl.col("item") == error["item"])
        hit &= pl.col("day") == dt.date.fromisoformat(error["day"])
        frame = frame.with_columns(pl.when(hit).then(error["wrong"]).otherwise("count").alias("count"))
    return frame


def _send_again(error: dict[str, Any], now: dt.datetime, import_counts: Any) -> None:
    """The corrected figure, sent twice: the second time changes nothing."""
    from healthbrain.access.rules import SYSTEM

    row = f"{error['organisation']},{error['day']},{error['source']},{error['item']},{error['right']}\n"
    for _ in range(2):
        import_counts("corrected.csv", by=SYSTEM, now=now, data=f"organisation,day,source,item,count\n{row}".encode())


def _score(truth: dict[str, Any]) -> dict[str, Any]:
    from healthbrain.kernel.db import select_dicts

    rows = select_dicts(
        """SELECT s.id, s.place_kind, s.place_code, s.syndrome, s.level, s.method, s.first_day, s.last_day, s.opened_at,
                  o.code AS organisation, t.township_id, s.sentence_zh
           FROM surveillance_signal s LEFT JOIN county_organisation o ON o.id = s.organisation_id
           LEFT JOIN surveillance_site t ON t.organisation_id = s.organisation_id ORDER BY s.opened_at"""
    )
    townships = {r["organisation"]: r["township_id"] for r in rows if r["organisation"]}
    found: dict[str, float] = {}
    explained: set[int] = set()
    for outbreak in truth["outbreaks"]:
        mine = [row for row in rows if _fits(row, outbreak, townships)]
        explained |= {row["id"] for row in mine}
        first = _moment(dt.date.fromisoformat(outbreak["first"]), 8, 0)
        if mine:
            found[outbreak["id"]] = round((mine[0]["opened_at"] - first).total_seconds() / 3600, 1)
    false = [row for row in rows if row["id"] not in explained]
    events = [row for row in false if row["level"] != "watch"]
    weeks = DAYS / 7
    hours = list(found.values())
    return {
        "outbreaks": len(truth["outbreaks"]),
        "found": len(found),
        "missed": sorted({o["id"] for o in truth["outbreaks"]} - found.keys()),
        "hours_to_signal": dict(sorted(found.items(), key=lambda item: item[1])),
        "hours_median": percentile(hours, 0.5) if hours else None,
        "signals": len(rows),
        "false_events_a_week": round(len(events) / weeks, 2),
        "false_watch_lines_a_week": round((len(false) - len(events)) / weeks, 2),
        "false_by_level": {
            level: sum(r["level"] == level for r in false) for level in sorted({r["level"] for r in false})
        },
        "false_examples": [row["sentence_zh"] for row in events[:5]],
    }


def _fits(row: dict[str, Any], outbreak: dict[str, Any], townships: dict[str, str]) -> bool:
    first, last = dt.date.fromisoformat(outbreak["first"]), dt.date.fromisoformat(outbreak["last"])
    opened = row["opened_at"].date()
    if row["syndrome"] != outbreak["family"] or not first <= opened <= last + dt.timedelta(days=LATE_DAYS):
        return False
    place = outbreak["place"]
    if row["organisation"]:
        return bool(row["organisation"] == place)
    code = place if place.isdigit() else townships.get(place) or ""
    return bool(code) and (code.startswith(row["place_code"]) or row["place_code"].startswith(code))
