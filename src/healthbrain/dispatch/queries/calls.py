"""What the dispatcher's desk shows of calls: the queue with its clocks, one call, its duplicates, who is near."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.models import Aed, Call, FirstAider, LandMark, Mission, TimelineEvent
from healthbrain.dispatch.rules.timeline import Clock, running_clock
from healthbrain.dispatch.rules.triage import Given, Triage, triage
from healthbrain.kernel import db
from healthbrain.kernel.errors import NotFound

DONE = ("closed", "merged", "cancelled")


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One running call. `since`: its ring. `clock`: the one that runs now."""

    id: int
    state: str
    place: str
    township: str
    phone: str
    priority: int | None
    suspected: str
    since: dt.datetime
    clock: Clock | None
    vehicles: tuple[str, ...]
    alarm: str  # "", silent, lost, destination-closed


def queue(actor: Actor, *, now: dt.datetime) -> list[QueueRow]:
    """Running calls: ringing first, then those that wait by urgency, then those with vehicles. Two statements."""
    gate.require(actor, "emergency.dispatch")
    rows = db.select_dicts(
        """SELECT c.id, c.state, c.place, c.township, c.phone, c.priority, c.suspected, c.ring_at, c.answered_at,
             coalesce(array_agg(v.code ORDER BY m.id) FILTER (WHERE m.ended_at IS NULL AND m.id IS NOT NULL), '{}')
               AS codes,
             coalesce(bool_or(m.destination_closed) FILTER (WHERE m.ended_at IS NULL), false) AS closed,
             coalesce(max(extract(epoch FROM %(now)s - greatest(p.received, m.assigned_at)))
                      FILTER (WHERE m.ended_at IS NULL), 0)::float8 AS quiet
           FROM dispatch_call c LEFT JOIN dispatch_mission m ON m.call_id = c.id
           LEFT JOIN dispatch_vehicle v ON v.id = m.vehicle_id
           LEFT JOIN dispatch_position p ON p.vehicle_id = m.vehicle_id
           WHERE c.state NOT IN ('closed', 'merged', 'cancelled')
           GROUP BY c.id ORDER BY c.ring_at""",
        {"now": now},
    )
    times = _times([row["id"] for row in rows])
    limits = knowledge.limits()
    found = [
        QueueRow(
            id=row["id"],
            state=row["state"],
            place=row["place"],
            township=row["township"],
            phone=row["phone"],
            priority=row["priority"],
            suspected=row["suspected"],
            since=row["ring_at"],
            clock=running_clock(times.get(row["id"], {"ring": row["ring_at"]}), now, limits),
            vehicles=tuple(row["codes"]),
            alarm=_alarm(row["closed"], row["quiet"]),
        )
        for row in rows
    ]
    order = {"ringing": 0, "open": 1, "waiting": 1, "running": 2}
    return sorted(found, key=lambda r: (order[r.state], r.priority or 2, r.since))


def _alarm(closed: bool, quiet: float) -> str:
    if closed:
        return "destination-closed"
    if quiet > knowledge.desk("lost_after"):
        return "lost"
    return "silent" if quiet > knowledge.desk("silence_after") else ""


def _times(call_ids: list[int]) -> dict[int, dict[str, dt.datetime]]:
    """The first moment of each kind, by call; missions that ended early do not count."""
    rows = db.select(
        """SELECT t.call_id, t.kind, min(t.at) FROM dispatch_timelineevent t
           LEFT JOIN dispatch_mission m ON m.id = t.mission_id
           WHERE t.call_id = ANY(%s) AND (m.id IS NULL OR m.outcome NOT IN ('cancelled', 'reassigned'))
           GROUP BY 1, 2""",
        (call_ids,),
    )
    found: dict[int, dict[str, dt.datetime]] = {}
    for call, kind, at in rows:
        found.setdefault(call, {})[kind] = at
    return found


@dataclass(frozen=True, slots=True)
class MissionRow:
    """One vehicle on a call, as the desk shows it. `alarm`: "", silent, lost; `unheard`: seconds without a sign."""

    id: int
    vehicle_id: int
    code: str
    step: str
    destination_id: int | None
    destination: str
    destination_closed: bool
    override: str
    ended: bool
    outcome: str
    alarm: str
    unheard: float


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One moment. `skew` seconds the device's clock was ahead; `doubtful`: it is shown and not trusted."""

    kind: str
    at: dt.datetime
    source: str
    vehicle: str
    note: str
    device_at: dt.datetime | None
    skew: float
    doubtful: bool


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call whole."""

    call: Call
    stands: Triage
    missions: tuple[MissionRow, ...]
    timeline: tuple[TimelineRow, ...]
    clock: Clock | None


def call(actor: Actor, call_id: int, *, now: dt.datetime) -> CallRow:
    """One call with its missions and its timeline. Raises NotFound, NotAllowed."""
    gate.require(actor, "emergency.dispatch")
    found = Call.objects.select_related("duplicate_of").filter(pk=call_id).first()
    if found is None:
        raise NotFound("没有这个呼救 No such call")
    missions = Mission.objects.filter(call=found).select_related("vehicle__position", "destination")
    stands = triage(knowledge.tree(), [Given(*pair) for pair in found.answers])
    clock = running_clock(_times([call_id]).get(call_id, {}), now, knowledge.limits())
    return CallRow(
        found, stands, tuple(_mission(m, now) for m in missions.order_by("ended_at", "id")), timeline(call_id), clock
    )


def _mission(m: Mission, now: dt.datetime) -> MissionRow:
    position = getattr(m.vehicle, "position", None)
    unheard = (now - max(position.received if position else m.assigned_at, m.assigned_at)).total_seconds()
    return MissionRow(
        m.pk, m.vehicle_id, m.vehicle.code, m.step, m.destination_id, m.destination.name if m.destination else "",
        m.destination_closed, m.override, m.ended_at is not None, m.outcome,
        "" if m.ended_at else _alarm(False, unheard), unheard,
    )  # fmt: skip


def timeline(call_id: int) -> tuple[TimelineRow, ...]:
    """Every moment of a call in order of time. The caller has opened the call through the gate."""
    rows = TimelineEvent.objects.filter(call_id=call_id).select_related("mission__vehicle").order_by("at", "id")
    return tuple(
        TimelineRow(
            r.kind, r.at, r.source, r.mission.vehicle.code if r.mission else "", r.note, r.device_at, r.skew, r.doubtful
        )
        for r in rows
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A call that may be of the same event: near in place and time."""

    id: int
    place: str
    metres: float
    seconds: float
    suspected: str
    vehicles: int


def duplicates(found: Call) -> list[Duplicate]:
    """Running calls near in place and time, or from the same number; nearest first."""
    if found.state in DONE:
        return []
    window = dt.timedelta(seconds=knowledge.desk("duplicate_window"))
    others = Call.objects.filter(ring_at__gte=found.ring_at - window, ring_at__lte=found.ring_at + window)
    others = others.exclude(state__in=(*DONE, "ringing")).exclude(pk=found.pk)
    near: list[Duplicate] = []
    rows = list(others.prefetch_related("missions"))
    placed = [o for o in rows if o.x is not None and o.y is not None]
    away = {o.pk: d for o, d in zip(placed, _metres(found, [(o.x, o.y) for o in placed]), strict=True)}
    for other in rows:
        same_number = bool(found.phone) and other.phone == found.phone
        metres = away.get(other.pk, 0.0 if same_number else float("inf"))
        if same_number or metres <= knowledge.desk("duplicate_distance"):
            seconds = abs((found.ring_at - other.ring_at).total_seconds())
            active = sum(m.ended_at is None for m in other.missions.all())
            near.append(Duplicate(other.pk, other.place, metres, seconds, other.suspected, active))
    return sorted(near, key=lambda d: d.metres)


def _metres(found: Call, others: list[Any]) -> list[float]:
    if found.x is None or found.y is None:
        return [float("inf")] * len(others)
    return network.metres(found.x, found.y, others)


@dataclass(frozen=True, slots=True)
class Nearby:
    """An AED or a first-aider near the patient."""

    kind: str
    label: str
    metres: float
    phone: str
    note: str


def helpers(found: Call, *, today: dt.date) -> list[Nearby]:
    """Working AEDs and certified, available first-aiders within the radius, nearest first; at most three of each."""
    if found.x is None or found.y is None:
        return []
    limit = knowledge.desk("aed_radius")
    box = _box(found.x, found.y, limit)
    aeds = list(Aed.objects.filter(working=True, **box))
    people = list(FirstAider.objects.filter(available=True, certified_until__gte=today, **box))
    rows = [Nearby("aed", a.place, m, "", a.hours) for a, m in zip(aeds, _metres(found, _xy(aeds)), strict=True)]
    rows += [
        Nearby("first-aider", p.name, m, p.phone, "") for p, m in zip(people, _metres(found, _xy(people)), strict=True)
    ]
    near = sorted((r for r in rows if r.metres <= limit), key=lambda r: r.metres)
    return [r for kind in ("aed", "first-aider") for r in [n for n in near if n.kind == kind][:3]]


def _xy(rows: list[Any]) -> list[tuple[float, float]]:
    return [(r.x, r.y) for r in rows]


def _box(x: float, y: float, metres: float) -> dict[str, tuple[float, float]]:
    """The square around a point as a filter: what lies outside is not even read."""
    across, up = network.scale()
    wide, tall = metres / across, metres / up
    return {"x__range": (x - wide, x + wide), "y__range": (y - tall, y + tall)}


@dataclass(frozen=True, slots=True)
class PlaceFound:
    """A named place. `why`: landmark, or "caller": where this number called from before."""

    name: str
    kind: str
    x: float
    y: float
    township: str


def places(text: str, limit: int = 8) -> list[PlaceFound]:
    """Landmarks whose name contains every word of `text`; names that begin with it first, shorter first."""
    words = [w for w in text.split() if w]
    if not words:
        return []
    found = LandMark.objects.all()
    for word in words:
        found = found.filter(name__icontains=word)
    rows = sorted(found[:200], key=lambda r: (not r.name.startswith(words[0]), len(r.name), r.name))
    return [PlaceFound(r.name, r.kind, r.x, r.y, r.township) for r in rows[:limit]]


def last_place_of(phone: str, *, before: int) -> PlaceFound | None:
    """Where the last call of this number was, or None. One indexed statement."""
    if not phone:
        return None
    last = Call.objects.filter(phone=phone, x__isnull=False).exclude(pk=before).order_by("-ring_at").first()
    if last is None or last.x is None or last.y is None:
        return None
    return PlaceFound(last.place, "caller", last.x, last.y, last.township)
