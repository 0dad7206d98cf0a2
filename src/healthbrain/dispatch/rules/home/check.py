"""Does a day's plan keep every hard rule? Told from the definitions; for saving plans and for people."""

from __future__ import annotations

from collections.abc import Iterator

from healthbrain.dispatch.rules.darp.model import clock_text
from healthbrain.dispatch.rules.home.model import Day, DayPlan, Nurse, Tour

_EPS = 1e-6  # minutes


def violations(plan: DayPlan) -> list[str]:
    """One sentence per broken rule; empty when the plan holds."""
    nurses = {nurse.key: nurse for nurse in plan.day.nurses}
    found = [line for tour in plan.tours for line in _tour(plan.day, nurses[tour.nurse], tour)]
    return found + list(_visits(plan, nurses))


def _tour(day: Day, nurse: Nurse, tour: Tour) -> Iterator[str]:
    visits = {visit.key: visit for visit in day.visits}
    here, free = nurse.start, tour.leaves
    for call in tour.calls:
        place = here if call.visit is None else visits[call.visit].place
        if call.begin < free + float(day.minutes[here, place]) - _EPS:
            yield f"Nurse {nurse.key} cannot be at {call.visit} by {clock_text(call.begin)}."
        here, free = place, call.end
    if tour.leaves < nurse.shift.earliest - _EPS:
        yield f"Nurse {nurse.key} leaves before the shift begins."
    if max(tour.back, free + float(day.minutes[here, nurse.end])) > nurse.shift.latest + _EPS:
        yield f"Nurse {nurse.key} is back after the shift ends."
    rests = [call for call in tour.calls if call.visit is None]
    if nurse.rest is not None:
        window = nurse.rest.window
        if len(rests) != 1 or not window.earliest - _EPS <= rests[0].begin <= window.latest + _EPS:
            yield f"Nurse {nurse.key} has no break in its window."
        elif rests[0].end - rests[0].begin < nurse.rest.minutes - _EPS:
            yield f"Nurse {nurse.key} has too short a break."


def _visits(plan: DayPlan, nurses: dict) -> Iterator[str]:
    calls: dict = {}
    for tour in plan.tours:
        for call in tour.calls:
            if call.visit is not None:
                calls.setdefault(call.visit, []).append((tour.nurse, call))
    left = {one.visit for one in plan.uncovered}
    begins = plan.begins()
    for visit in plan.day.visits:
        made = calls.get(visit.key, [])
        if len(made) != (0 if visit.key in left else len(visit.needs)):
            yield f"Visit {visit.key} is made by {len(made)} nurses."
            continue
        if not made:
            continue
        if len({nurse for nurse, _ in made}) < len(made) or len({round(c.begin, 6) for _, c in made}) > 1:
            yield f"Visit {visit.key}: the nurses do not begin together."
        who = [nurses[nurse] for nurse, _ in made]
        if not _skilled([n.skills for n in who], list(visit.needs)):
            yield f"Visit {visit.key}: the nurses lack a skill."
        if any(n.key in visit.refused or (visit.nurses is not None and n.key not in visit.nurses) for n in who):
            yield f"Visit {visit.key}: a nurse who may not come."
        for _, call in made:
            if not visit.window.earliest - _EPS <= call.begin <= visit.window.latest + _EPS:
                yield f"Visit {visit.key} begins outside its window."
            if call.end - call.begin < visit.minutes - _EPS:
                yield f"Visit {visit.key} is too short."
        follow = visit.following
        if follow and follow.visit in begins:
            gap = begins[visit.key] - begins[follow.visit]
            if not follow.earliest - _EPS <= gap <= follow.latest + _EPS:
                yield f"Visit {visit.key} does not follow {follow.visit} as it must."


def _skilled(have: list[frozenset[str]], needs: list[frozenset[str]]) -> bool:
    """The persons can be matched to the needs, one to one."""
    if not needs:
        return True
    return any(needs[0] <= skills and _skilled(have[:i] + have[i + 1 :], needs[1:]) for i, skills in enumerate(have))
