"""`repair`: the day goes on although a nurse is ill, nobody opened, somebody needs a nurse now, a visit took longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from healthbrain.dispatch.rules.darp.model import Key, Window
from healthbrain.dispatch.rules.home.model import (
    Call,
    Change,
    Day,
    DayPlan,
    Event,
    NoShow,
    Nurse,
    NurseOut,
    Overrun,
    Pin,
    Repair,
    Tour,
    Urgent,
    Visit,
    Weights,
)
from healthbrain.dispatch.rules.home.planner import plan_day
from healthbrain.dispatch.rules.home.prepare import Wish


def repair(
    plan: DayPlan,
    events: Sequence[Event],
    *,
    now: float,
    seconds: float,
    seed: int = 1,
    weights: Weights | None = None,
    known: Mapping[Key, frozenset[Key]] | None = None,
    pinned: Mapping[Key, Pin] | None = None,
) -> Repair:
    """The rest of the day from `now` on, as little changed as pays, and what changed for which visit and why.

    Visits begun before `now` stand and are not in the new plan; a nurse in one goes on from its end. Pinned visits
    keep their nurses and told windows; where that is impossible (the nurse is ill) they are in `uncovered`.
    """
    until = {e.visit: e.until for e in events if isinstance(e, Overrun)}
    out = {e.nurse: e.since for e in events if isinstance(e, NurseOut)}
    gone = {e.visit for e in events if isinstance(e, NoShow)}
    urgent = tuple(e.visit for e in events if isinstance(e, Urgent))
    begins, whose = plan.begins(), plan.nurses_of()
    begun = {key for key, begin in begins.items() if begin < now}
    tours = {tour.nurse: tour for tour in plan.tours}
    nurses = tuple(
        _going_on(nurse, tours.get(nurse.key), now, until) for nurse in plan.day.nurses if out.get(nurse.key, 1e9) > now
    )
    nurses = tuple(
        replace(n, shift=Window(n.shift.earliest, min(n.shift.latest, out.get(n.key, n.shift.latest)))) for n in nurses
    )
    rest = [v for v in plan.day.visits if v.key not in begun and v.key not in gone]
    visits = tuple(_loose(visit, begun, begins, now) for visit in (*rest, *urgent))
    wishes = {key: Wish(whose[key], begins[key]) for key in begins if key not in begun and key not in gone}
    day = Day(nurses, visits, plan.day.minutes)
    new = plan_day(day, seconds=seconds, seed=seed, weights=weights, known=known, pinned=pinned, wishes=wishes)
    reasons = _Reasons(out, gone, {v.key for v in urgent}, until)
    return Repair(new, tuple(_changes(plan, new, begun, reasons)))


class _Reasons:
    """Why a visit changed, in both languages."""

    def __init__(self, out: dict[Key, float], gone: set[Key], urgent: set[Key], until: dict[Key, float]) -> None:
        self.out, self.gone, self.urgent, self.until = out, gone, urgent, until

    def of(self, visit: Key, was: tuple[Key, ...]) -> tuple[str, str]:
        if visit in self.gone:
            return "患者不在或取消", "patient not at home or cancelled"
        if visit in self.urgent:
            return "临时加急上门", "urgent visit"
        if any(nurse in self.out for nurse in was):
            return "原护士不能上门", "the planned nurse is out"
        if self.until:
            return "前一次上门超时，顺延", "an earlier visit takes longer"
        return "为其他变动让路", "moved to make room for other changes"


def _going_on(nurse: Nurse, tour: Tour | None, now: float, until: Mapping[Key, float]) -> Nurse:
    """Where and from when this nurse is free again; a break already begun is not due any more."""
    start, free, rest = nurse.start, max(nurse.shift.earliest, now), nurse.rest
    for call in tour.calls if tour else ():
        if call.begin < now:
            start, free = call.place, max(now, _ends(call, until))
            rest = None if call.visit is None else rest
    if rest is not None and rest.window.latest < free:
        rest = replace(rest, window=Window(rest.window.earliest, free))  # late, but not lost
    return replace(nurse, start=start, shift=Window(free, nurse.shift.latest), rest=rest)


def _ends(call: Call, until: Mapping[Key, float]) -> float:
    return until.get(call.visit, call.end) if call.visit is not None else call.end


def _loose(visit: Visit, begun: set[Key], begins: Mapping[Key, float], now: float) -> Visit:
    """Not before now; a visit that follows one already begun gets its time as a window."""
    window = Window(max(visit.window.earliest, now), visit.window.latest)
    following = visit.following
    if following is not None and following.visit in begun:
        first = begins[following.visit]
        window = Window(max(window.earliest, first + following.earliest), min(window.latest, first + following.latest))
        following = None
    return replace(visit, window=window, following=following)


def _changes(old: DayPlan, new: DayPlan, begun: set[Key], reasons: _Reasons) -> list[Change]:
    was, now = old.nurses_of(), new.nurses_of()
    was_begin, now_begin = old.begins(), new.begins()
    found = []
    for key in dict.fromkeys([*was, *now]):
        if key in begun:
            continue
        before, after = was.get(key, ()), now.get(key, ())
        moved = abs((was_begin.get(key) or 0.0) - (now_begin.get(key) or 0.0))
        if set(before) != set(after) or moved > 0.5:
            why = reasons.of(key, before)
            found.append(Change(key, before, after, was_begin.get(key), now_begin.get(key), why))
    return sorted(found, key=_size, reverse=True)


def _size(change: Change) -> float:
    """Falling away or coming new first, then other hands, then minutes."""
    if change.was_begin is None or change.now_begin is None:
        return 1e6
    hands = 1e3 if set(change.was) != set(change.now) else 0.0
    return hands + abs(change.was_begin - change.now_begin)
