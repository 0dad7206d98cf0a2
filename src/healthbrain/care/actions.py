"""Writes: publish programmes, evaluate, think, wake up, defer and refuse."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import yaml
from django.db import transaction

from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.care.knowledge import folders, programmes
from healthbrain.care.models import Deferral, ProgrammeVersion, Quarantine, Task
from healthbrain.care.months import write_months
from healthbrain.care.online import evaluate_batch
from healthbrain.care.what_if import Diff, compare
from healthbrain.care.whole_county import evaluate_lake
from healthbrain.care.write import Changes, announce
from healthbrain.facts import actions as facts
from healthbrain.kernel import db
from healthbrain.kernel.errors import Invalid, NotFound

__all__ = [
    "Diff", "Summary", "catch_up", "defer", "evaluate", "publish_programmes", "refuse", "run_wakeups", "think",
    "what_if", "write_months",
]  # fmt: skip

BATCH = 1000
SMALL_COUNTY = 300  # below this the lake is not worth its start; at 2,000 it is eight times faster


@dataclass(frozen=True, slots=True)
class Summary:
    """What an evaluation did."""

    residents: int = 0
    enrolled: int = 0
    tasks_opened: int = 0
    tasks_closed: int = 0
    tasks_changed: int = 0
    quarantined: int = 0
    seconds: float = 0.0


def evaluate(
    resident_ids: Iterable[int] | None = None, *, as_of: dt.date, by: Actor | None = None, lake: bool | None = None
) -> Summary:
    """Enrolments and tasks as of a day. None: the whole county, `lake` says by which engine: over the lake, or in
    PostgreSQL batch by batch; None: by its size. A resident whose data break a rule goes to quarantine and stops
    nobody else."""
    begun = time.monotonic()
    if lake is None:
        lake = db.select("SELECT count(*) FROM residents_resident")[0][0] > SMALL_COUNTY
    if resident_ids is None and lake:
        count, changes, failed = evaluate_lake(as_of, _in_batches)
    else:
        ids = sorted(set(resident_ids)) if resident_ids is not None else _everyone()
        count = len(ids)
        changes, failed = _in_batches(ids, as_of)
    return Summary(
        count, changes.enrolled, changes.opened, changes.closed, changes.changed, failed,
        round(time.monotonic() - begun, 3),
    )  # fmt: skip


def think(as_of: dt.date, limit: int = 500) -> int:
    """Re-think the residents that wait longest; how many they were. One transaction: taken, thought, cleared."""
    with transaction.atomic():
        waiting = facts.take_dirty(limit)
        if waiting:
            _in_batches([resident_id for resident_id, _ in waiting], as_of)
            facts.clear_dirty(waiting)
    return len(waiting)


def catch_up(as_of: dt.date) -> Summary:
    """Think about everybody who waits: through the lake when they are a good part of the county, else one by one."""
    waiting = db.select("SELECT (SELECT count(*) FROM facts_dirty), (SELECT count(*) FROM residents_resident)")
    dirty, everyone = waiting[0]
    if dirty > SMALL_COUNTY and dirty * 10 > everyone:
        taken = db.select("SELECT resident_id, mark FROM facts_dirty")
        with transaction.atomic():
            summary = evaluate(as_of=as_of, lake=True)
            facts.clear_dirty(taken)
        return summary
    begun, total = time.monotonic(), Summary()
    while True:
        with transaction.atomic():
            found = facts.take_dirty(BATCH)
            if not found:
                return replace(total, seconds=round(time.monotonic() - begun, 3))
            one = evaluate([resident_id for resident_id, _ in found], as_of=as_of)
            facts.clear_dirty(found)
        total = Summary(*(getattr(total, name) + getattr(one, name) for name in asdict(total)))


def run_wakeups(as_of: dt.date) -> int:
    """Mark whom a date has reached: a task's boundary, a value leaving its window, a birthday of a programme."""
    ages = sorted({age.months for p in programmes() for age in p.ages if age.months % 12 == 0})
    latest = db.select("SELECT max(evaluated_on) FROM care_enrolment WHERE evaluated_on < %s", [as_of])[0][0]
    since = latest or as_of - dt.timedelta(days=1)
    found = db.select(
        "SELECT resident_id FROM care_enrolment WHERE next_evaluation_at <= %(as_of)s AND status <> 'ended' UNION "
        "SELECT r.id FROM residents_resident r CROSS JOIN unnest(%(ages)s::int[]) AS a (months) "
        "WHERE (r.birth_date + make_interval(months => a.months))::date BETWEEN %(since)s AND %(as_of)s",
        {"as_of": as_of, "ages": ages, "since": since},
    )
    return facts.mark_dirty([row[0] for row in found])


def publish_programmes(by: Actor | None = None) -> list[str]:
    """Keep each programme file whose content is new as a version; "programme version" of those published now."""
    published = []
    with transaction.atomic():
        for path in {p.name: p for folder in folders() for p in sorted(folder.glob("*.yaml"))}.values():
            definition = _plain(yaml.safe_load(path.read_text(encoding="utf-8")))
            name, version = str(definition["id"]), str(definition["version"])
            newest = ProgrammeVersion.objects.filter(programme=name).order_by("-published", "-pk").first()
            if newest is not None and newest.definition == definition:
                continue
            if newest is not None and newest.version == version:
                # The author forgot to name a new version; content decides, so it gets one.
                taken = ProgrammeVersion.objects.filter(programme=name, version__startswith=version).count()
                version = f"{version}.{taken}"
            account = by.account_id if by else None
            ProgrammeVersion.objects.create(
                programme=name, version=version, definition=definition, published_by=account
            )
            audit.record(by=by, action="programme.publish", subject=f"programme/{name}", detail={"version": version})
            published.append(f"{name} {version}")
    return published


def what_if(path: Path, as_of: dt.date) -> Diff:
    """A changed programme file against the published one over the whole county. Nothing is written."""
    return compare(path, as_of)


def defer(*, by: Actor, task_id: int, reason: str, until: dt.date, as_of: dt.date) -> None:
    """Not now: the task waits until a day."""
    _hold(by, task_id, "deferred", reason, until, as_of)


def refuse(*, by: Actor, task_id: int, reason: str, as_of: dt.date, until: dt.date | None = None) -> None:
    """No: the resident does not want it. It expires, by default after a year, and the task stands again."""
    _hold(by, task_id, "refused", reason, until or as_of + dt.timedelta(days=365), as_of)


def contraindicate(*, by: Actor, task_id: int, reason: str, until: dt.date, as_of: dt.date) -> None:
    """Not for this resident, on medical grounds, until a day."""
    _hold(by, task_id, "contraindicated", reason, until, as_of)


def resume(*, by: Actor, task_id: int, as_of: dt.date) -> None:
    """What held a task back no longer does: it ends with the day before, and stays on record."""
    with transaction.atomic():
        task = _own_task(by, task_id)
        held = Deferral.objects.filter(
            resident_id=task.resident_id, programme=task.programme, task__in=["", task.task], until__gte=as_of
        )
        held.update(until=as_of - dt.timedelta(days=1))
        audit.record(by=by, action="task.resumed", resident_id=task.resident_id, subject=f"task/{task_id}")
        _in_batches([task.resident_id], as_of)


def _own_task(by: Actor, task_id: int) -> Task:
    from healthbrain.access.gate import require, visible

    require(by, "care.work")
    task = visible(Task.objects.all(), by, "public-health").filter(pk=task_id).first()
    if task is None:
        raise NotFound("没有这项任务，或不在您的范围内 No such task in your scope")
    return task


def _hold(by: Actor, task_id: int, kind: str, reason: str, until: dt.date, as_of: dt.date) -> None:
    if not reason.strip() or until < as_of:
        raise Invalid("请写明原因和今天以后的日期 Give a reason and a date not in the past")
    with transaction.atomic():
        task = _own_task(by, task_id)
        Deferral.objects.create(
            resident_id=task.resident_id, programme=task.programme, task=task.task, kind=kind, reason=reason,
            from_date=as_of, until=until, account_id=by.account_id,
        )  # fmt: skip
        audit.record(
            by=by, action=f"task.{kind}", resident_id=task.resident_id, subject=f"task/{task_id}",
            detail={"until": until.isoformat(), "reason": reason},
        )  # fmt: skip
        _in_batches([task.resident_id], as_of)


def _everyone() -> list[int]:
    return [row[0] for row in db.select("SELECT id FROM residents_resident ORDER BY id")]


def _in_batches(ids: Sequence[int], as_of: dt.date) -> tuple[Changes, int]:
    """Batch by batch; the sum of the changes and how many residents went to quarantine."""
    total, failed = Changes(), 0
    for start in range(0, len(ids), BATCH):
        with transaction.atomic():
            changes, bad = _bisect(ids[start : start + BATCH], as_of)
            announce(changes)
        total, failed = total + changes, failed + bad
    return total, failed


def _bisect(ids: Sequence[int], as_of: dt.date) -> tuple[Changes, int]:
    """Evaluate; when it fails, halve until the one resident is found whose data break a rule."""
    try:
        with transaction.atomic():
            changes = evaluate_batch(ids, as_of)
            db.execute(
                "UPDATE care_quarantine SET resolved = now() WHERE resolved IS NULL AND resident_id = ANY(%s)",
                [list(ids)],
            )
            return changes, 0
    except psycopg.DataError as error:  # a value no rule can take; an error of ours is not the resident's and goes up
        return _failed(ids, as_of, error)


def _failed(ids: Sequence[int], as_of: dt.date, error: Exception) -> tuple[Changes, int]:
    if len(ids) > 1:
        middle = len(ids) // 2
        (first, a), (second, b) = _bisect(ids[:middle], as_of), _bisect(ids[middle:], as_of)
        return first + second, a + b
    if not Quarantine.objects.filter(resident_id=ids[0], resolved=None).exists():
        Quarantine.objects.create(resident_id=ids[0], programme="", error=str(error).strip()[:2000])
    return Changes(), 1


def _plain(value: Any) -> Any:
    """YAML's dates as text, so that the definition is JSON."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, dt.date) else value
