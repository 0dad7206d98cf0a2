"""The county's care on one page: by township how many are enrolled, controlled, unknown, overdue, and who they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from healthbrain.access.gate import require, scope_sql
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.care.knowledge import programme, programmes
from healthbrain.care.words import Words, task_title
from healthbrain.kernel.db import select, select_dicts
from healthbrain.kernel.errors import Invalid
from healthbrain.kernel.masking import mask_name

ORDERS = {  # of measure_list; age rises as the birth date falls
    "name": "r.name_pinyin", "age": "-(r.birth_date - DATE '2000-01-01')", "organisation": "o.name",
    "state": "e.risk_level", "since": "e.since", "resident": "e.resident_id",
}  # fmt: skip
TEAM_ORDERS = {"name": ORDERS["name"], "age": ORDERS["age"], "what": "t.programme, t.task", "due": "t.due"}
MEASURES = ("residents", "enrolled", "controlled", "uncontrolled", "unknown", "standard", "substandard", "overdue")
_DEFINITIONS = {
    "residents": Words("责任辖区内在册居民（未死亡、未迁出）", "residents of the area, alive and not moved away"),
    "enrolled": Words("评估日在管人数", "enrolled on the day"),
    "controlled": Words("本年最近一次读数达标的在管人数", "enrolled whose last reading of this year is controlled"),
    "uncontrolled": Words(
        "本年最近一次读数未达标的在管人数", "enrolled whose last reading of this year is not controlled"
    ),
    "unknown": Words(
        "本年无读数的在管人数；按规范计为未达标，此处单列",
        "enrolled without a reading this year; the specification counts them as not controlled, here they stand apart",
    ),
    "standard": Words(
        "在管满一年、近 12 个月随访次数达到规范要求的人数",
        "enrolled for a year or longer and seen as often in the last 12 months as the specification asks",
    ),
    "substandard": Words(
        "在管满一年、近 12 个月随访次数未达到规范要求的人数",
        "enrolled for a year or longer and seen less often in the last 12 months than the specification asks",
    ),
    "standard_rate": Words(
        "规范管理 /（在管满一年）；在管不满一年者次数尚不可比，不计入",
        "managed to standard / enrolled for a year or longer; for those enrolled later visits cannot be compared yet",
    ),
    "overdue": Words(
        "在管居民中，有任务已过应完成日（有宽限的过宽限日）、尚无完成证据的人数；一人几件只计一人",
        "enrolled who have a task past its due day, and grace where there is one, without evidence; each counted once",
    ),
    "overdue_tasks": Words(
        "已过应完成日（有宽限的过宽限日）、尚无完成证据的任务数；一人几件计几件",
        "tasks past their due day, and grace where there is one, without evidence",
    ),
    "rate": Words(
        "达标 / 在管（无读数者在分母中）", "controlled / enrolled (those without a reading stay in the denominator)"
    ),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """People of one programme in one township. Without a control measure the middle three mean nothing and are None."""

    enrolled: int = 0
    overdue: int = 0
    controlled: int | None = None
    uncontrolled: int | None = None
    unknown: int | None = None
    standard: int | None = None
    substandard: int | None = None

    @property
    def standard_rate(self) -> float | None:
        """Standardised-management rate (规范管理率); None where there is no standard or nobody is in for a year."""
        counted = (self.standard or 0) + (self.substandard or 0)
        return (self.standard or 0) / counted if counted else None

    @property
    def rate(self) -> float | None:
        """The official control rate; None where nobody is enrolled or the programme has no such measure."""
        return self.controlled / self.enrolled if self.enrolled and self.controlled is not None else None


@dataclass(frozen=True, slots=True)
class Township:
    organisation_id: int
    name: str
    residents: int
    programmes: dict[str, Figures]


@dataclass(frozen=True, slots=True)
class TeamLoad:
    """Open and overdue tasks of one responsible organisation."""

    organisation_id: int
    name: str
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Overview:
    as_of: dt.date
    townships: list[Township]
    teams: list[TeamLoad]
    definitions: dict[str, Words]
    sources: dict[str, tuple[Words, str]]  # programme → control rate's title and clause


@dataclass(frozen=True, slots=True)
class Person:
    """One resident behind a figure."""

    resident_id: int
    name: str  # masked
    sex: str
    birth_date: dt.date | None
    organisation: str
    programme: str
    risk_level: str
    since: dt.date | None  # enrolled since; None where all residents are listed


@dataclass(frozen=True, slots=True)
class TeamTask:
    """One open task of a responsible organisation."""

    resident_id: int
    name: str  # masked
    sex: str
    birth_date: dt.date | None
    title: Words
    due: dt.date
    overdue: bool


_ALIVE = "(r.deceased_on IS NULL OR r.deceased_on > %s) AND (r.moved_on IS NULL OR r.moved_on > %s)"
_EVERYBODY = (
    "(SELECT id AS resident_id, ''::text AS programme, ''::text AS risk_level, 'active' AS status, "
    "NULL::date AS since FROM residents_resident)"
)
_OPEN = "t.status IN ('upcoming', 'due', 'overdue') AND t.opens <= %s AND t.expires >= %s"
_LATE = (  # of an enrolment e
    "EXISTS (SELECT 1 FROM care_task t WHERE t.resident_id = e.resident_id AND t.programme = e.programme AND "
    "t.status IN ('upcoming', 'due', 'overdue') AND t.grace_until < %s AND t.expires >= %s)"
)
_TOWNSHIP = """
    (SELECT h.id AS home_id, h.path AS home_path, t.id AS township_id, t.name AS township
     FROM county_organisation h JOIN county_organisation t ON t.kind = 'township' AND starts_with(h.path, t.path))
"""


_COMPARABLE = "e.standard IS NOT NULL AND e.since <= %s::date - INTERVAL '1 year'"


def overview(actor: Actor, as_of: dt.date) -> Overview:
    """By township and programme, within the actor's scope."""
    require(actor, "indicators.read")
    scope, values = scope_sql(actor, "quality", "a.home_path")
    residents = select(
        f"SELECT a.township_id, a.township, count(*) FROM residents_resident r JOIN {_TOWNSHIP} a ON a.home_id = "
        f"r.home_organisation_id WHERE {_ALIVE} AND {scope} GROUP BY 1, 2 ORDER BY 2",
        [as_of, as_of, *values],
    )
    standing = select(
        f"SELECT a.township_id, e.programme, {_bucket()} AS bucket, count(*) FROM care_enrolment e JOIN "
        f"residents_resident r ON r.id = e.resident_id JOIN {_TOWNSHIP} a ON a.home_id = r.home_organisation_id "
        f"WHERE e.status = 'active' AND {scope} GROUP BY 1, 2, 3",
        [_pairs("controlled"), as_of, _pairs("uncontrolled"), as_of, *values],
    )
    managed = select(
        f"SELECT a.township_id, e.programme, e.standard, count(*) FROM care_enrolment e JOIN "
        f"residents_resident r ON r.id = e.resident_id JOIN {_TOWNSHIP} a ON a.home_id = r.home_organisation_id "
        f"WHERE e.status = 'active' AND {_COMPARABLE} AND {scope} GROUP BY 1, 2, 3",
        [as_of, *values],
    )
    late = select(
        f"SELECT a.township_id, e.programme, count(*) FROM care_enrolment e JOIN "
        f"residents_resident r ON r.id = e.resident_id JOIN {_TOWNSHIP} a ON a.home_id = r.home_organisation_id "
        f"WHERE e.status = 'active' AND {_LATE} AND {scope} GROUP BY 1, 2",
        [as_of, as_of, *values],
    )
    rows, measured = [], _sources()
    for township_id, name, count in residents:
        mine = {
            p.id: Figures(
                enrolled=sum(n for t, q, _, n in standing if (t, q) == (township_id, p.id)),
                overdue=sum(n for t, q, n in late if (t, q) == (township_id, p.id)),
                **{
                    b: sum(n for t, q, c, n in standing if (t, q, c) == (township_id, p.id, b))
                    for b in ("controlled", "uncontrolled", "unknown")
                    if p.id in measured
                },
                **{
                    b: sum(n for t, q, s, n in managed if (t, q, s) == (township_id, p.id, kept))
                    for b, kept in (("standard", True), ("substandard", False))
                    if p.standard is not None
                },
            )
            for p in programmes()
        }
        rows.append(Township(township_id, name, count, mine))
    return Overview(as_of, rows, _teams(actor, as_of), _DEFINITIONS, measured)


def measure_list(
    actor: Actor,
    measure: str,
    place: int | None = None,
    *,
    as_of: dt.date,
    limit: int | None = None,
    offset: int = 0,
    order: str = "",
) -> tuple[list[Person], int]:
    """The people behind a figure, a page of them and how many there are. `measure` is "programme.controlled" and the
    like, `place` a township, `order` a key of ORDERS, "-" before it for descending. Each look is audited."""
    require(actor, "people.list")
    name, _, kind = measure.partition(".")
    everybody = kind == "residents"
    if (programme(name) is None and not everybody) or kind not in MEASURES:
        raise Invalid(f"没有指标 {measure}", hint="写成 hypertension.uncontrolled")
    scope, values = scope_sql(actor, "quality", "a.home_path")
    picked = f"{_bucket()} = %s" if kind in {"controlled", "uncontrolled", "unknown"} else "TRUE"
    parameters: list[object] = ["" if everybody else name, *values]
    if picked != "TRUE":
        parameters += [_pairs("controlled"), as_of, _pairs("uncontrolled"), as_of, kind]
    if kind == "overdue":
        picked = _LATE
        parameters += [as_of, as_of]
    if everybody:
        picked = _ALIVE
        parameters += [as_of, as_of]
    if kind in {"standard", "substandard"}:
        picked = f"e.standard IS {'TRUE' if kind == 'standard' else 'FALSE'} AND {_COMPARABLE}"
        parameters += [as_of]
    where = "TRUE" if place is None else "a.township_id = %s"
    parameters += [] if place is None else [place]
    rows = select_dicts(
        "SELECT count(*) OVER () AS total, e.resident_id, r.name, r.sex, r.birth_date, o.name AS organisation, "
        "e.programme, e.risk_level, e.since "
        f"FROM {_EVERYBODY if everybody else 'care_enrolment'} e JOIN residents_resident r ON r.id = e.resident_id "
        f"JOIN {_TOWNSHIP} a ON a.home_id = r.home_organisation_id "
        "JOIN county_organisation o ON o.id = r.home_organisation_id "
        f"WHERE e.programme = %s AND e.status = 'active' AND {scope} AND {picked} AND {where} "
        f"ORDER BY {_order(order)} e.resident_id LIMIT %s OFFSET %s",
        [*parameters, limit, offset],
    )
    _looked(actor, measure, place, len(rows))
    total = rows[0]["total"] if rows else 0
    people = []
    for row in rows:
        del row["total"]
        people.append(Person(**{**row, "name": mask_name(row["name"])}))
    return people, total


def team_list(
    actor: Actor,
    organisation_id: int,
    *,
    late: bool,
    as_of: dt.date,
    limit: int | None = None,
    offset: int = 0,
    order: str = "",
) -> tuple[list[TeamTask], int]:
    """The open tasks of one organisation, or only those past grace, the latest first; how many there are. Audited."""
    require(actor, "people.list")
    scope, values = scope_sql(actor, "quality", "o.path")
    rows = select(
        "SELECT count(*) OVER (), t.resident_id, r.name, r.sex, r.birth_date, t.programme, t.task, t.key, t.due, "
        "t.grace_until < %s FROM care_task t JOIN residents_resident r ON r.id = t.resident_id "
        "JOIN county_organisation o ON o.id = t.organisation_id "
        f"WHERE {_OPEN} AND t.organisation_id = %s AND (t.grace_until < %s OR NOT %s) AND {scope} "
        f"ORDER BY {_order(order, TEAM_ORDERS)} t.due, t.resident_id LIMIT %s OFFSET %s",
        [as_of, as_of, as_of, organisation_id, as_of, late, *values, limit, offset],
    )
    _looked(actor, "team.overdue" if late else "team.open", organisation_id, len(rows))
    tasks = [
        TeamTask(
            one, mask_name(name), sex, born, task_title(programme_id, task, int(key.rsplit(":", 1)[1])), due, overdue
        )
        for _, one, name, sex, born, programme_id, task, key, due, overdue in rows
    ]
    return tasks, rows[0][0] if rows else 0


def _looked(actor: Actor, measure: str, place: int | None, rows: int) -> None:
    with transaction.atomic():
        audit.record(
            by=actor,
            action="measure.list",
            subject=f"measure/{measure}",
            purpose="quality",
            detail={"place": place, "rows": rows},
        )


def _order(wanted: str, columns: Mapping[str, str] = ORDERS) -> str:
    column = columns.get(wanted.removeprefix("-"), "")
    return f"{column} {'DESC' if wanted.startswith('-') else 'ASC'}," if column else ""


def _bucket() -> str:
    """controlled, uncontrolled or unknown, by the last reading of the year."""
    level = "e.programme || '/' || e.risk_level"
    this_year = "e.state_since >= date_trunc('year', %s::date)"
    return (
        f"CASE WHEN {level} = ANY(%s) AND {this_year} THEN 'controlled' "
        f"WHEN {level} = ANY(%s) AND {this_year} THEN 'uncontrolled' ELSE 'unknown' END"
    )


def _pairs(kind: str) -> list[str]:
    """programme/state of every state that counts so in a control rate."""
    return [f"{p.id}/{state}" for p in programmes() for m in p.measures.values() for state in m.get(kind, ())]


def _teams(actor: Actor, as_of: dt.date) -> list[TeamLoad]:
    scope, values = scope_sql(actor, "quality", "o.path")
    rows = select(
        "SELECT o.id, o.name, count(*), count(*) FILTER (WHERE t.grace_until < %s) FROM care_task t "
        "JOIN county_organisation o ON o.id = t.organisation_id "
        f"WHERE {_OPEN} AND {scope} GROUP BY 1, 2 ORDER BY 4 DESC, 1",
        [as_of, as_of, as_of, *values],
    )
    return [TeamLoad(*row) for row in rows]


def _sources() -> dict[str, tuple[Words, str]]:
    return {
        p.id: (Words(str(m["title"]["zh"]), str(m["title"]["en"])), str(m["source"]))
        for p in programmes()
        for m in p.measures.values()
    }
