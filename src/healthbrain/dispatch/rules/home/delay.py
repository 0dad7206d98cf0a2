"""When visits will really begin, seen from now: a tour that runs late pushes what follows. Pure."""

from __future__ import annotations

import itertools

from healthbrain.dispatch.rules.darp.model import Key
from healthbrain.dispatch.rules.home.model import DayPlan


def expected(plan: DayPlan, begun: frozenset[Key]) -> dict[Key, float]:
    """Visit → minute it begins at the earliest, as the tours stand; those begun keep the minute they began.

    `plan` holds begun visits with their real end and the others not before now (`homecare_day.load`). Nurses of a
    visit of two wait for each other. A break is not counted: what is expected is the best that can still happen.
    """
    begins = {key: begin for key, begin in plan.begins().items() if begin is not None}
    tours = [sorted((c for c in tour.calls if c.visit is not None), key=lambda c: c.begin) for tour in plan.tours]
    for _ in range(sum(len(tour) for tour in tours) + 1):
        moved = False
        for tour in tours:
            for before, call in itertools.pairwise(tour):
                if call.visit is None or before.visit is None or call.visit in begun:
                    continue
                length = before.end - before.begin
                free = before.end if before.visit in begun else begins[before.visit] + length
                at = free + float(plan.day.minutes[before.place, call.place])
                if at > begins[call.visit] + 1e-6:
                    begins[call.visit], moved = at, True
        if not moved:
            break
    return begins
