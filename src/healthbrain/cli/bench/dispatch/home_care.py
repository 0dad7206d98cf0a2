"""bench dispatch home-care: 60 visits, 6 nurses, 2 skills, 10 of them by two; the plain part against PyVRP."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np

from healthbrain.cli.output import Advance
from healthbrain.dispatch.rules.darp.model import Window
from healthbrain.dispatch.rules.home.model import PLAIN, Day, Nurse, Visit

SECONDS = 5.0


def made_up_day(seed: int = 7, pairs: int = 10) -> Day:
    """60 visits in a county 40 minutes across; every fourth needs the second skill; the first `pairs` need two."""
    draw = np.random.default_rng(seed)
    spots = np.vstack([[20.0, 20.0], draw.uniform(0.0, 40.0, (60, 2))])
    ways = np.hypot(*(spots[:, None] - spots[None]).transpose(2, 0, 1))
    basic, wound = frozenset({"basic"}), frozenset({"wound"})
    nurses = tuple(Nurse(k, 0, 0, Window(480.0, 1020.0), basic | wound if k < 3 else basic) for k in range(6))
    visits = []
    for i in range(60):
        opens = 480.0 + 30.0 * int(draw.integers(0, 14))
        minutes = float(draw.choice([15.0, 20.0, 30.0]))
        first = wound if i % 4 == 0 else basic
        needs = (first, basic) if i < pairs else (first,)
        visits.append(Visit(i, i, i + 1, Window(opens, opens + 120.0), minutes, needs))
    return Day(nurses, tuple(visits), ways)


def run(residents: int | None, advance: Advance) -> dict[str, Any]:
    """Driving minutes of both, SECONDS each; the whole day is checked rule by rule."""
    from healthbrain.dispatch.rules.home import plan_day
    from healthbrain.dispatch.rules.home.check import violations

    day = made_up_day()
    whole = plan_day(day, seconds=SECONDS)
    advance(1, 3, "whole")
    plain = Day(day.nurses, tuple(v for v in day.visits if len(v.needs) == 1), day.minutes)
    ours = plan_day(plain, seconds=SECONDS, weights=PLAIN)
    advance(2, 3, "plain")
    figures: dict[str, Any] = {
        "visits": len(day.visits),
        "two_person": sum(len(v.needs) > 1 for v in day.visits),
        "seconds": round(whole.seconds, 2),
        "cpu_s": round(whole.cpu_seconds, 2),
        "uncovered": len(whole.uncovered),
        "broken_rules": len(violations(whole)),
        "driving": round(whole.driving, 1),
        "plain_driving": round(ours.driving, 2),
        "plain_cpu_s": round(ours.cpu_seconds, 2),
    }
    if importlib.util.find_spec("pyvrp"):
        before = time.process_time()
        figures["plain_driving_pyvrp"] = round(_pyvrp(plain, SECONDS), 2)
        figures["plain_cpu_s_pyvrp"] = round(time.process_time() - before, 2)
    return figures


def _pyvrp(day: Day, seconds: float) -> float:
    """Driving minutes of PyVRP's tours: a routing profile per set of skills, ways to visits beyond them forbidden."""
    from pyvrp import Model
    from pyvrp.stop import MaxRuntime

    scale, never = 1000, 10**9
    model = Model()
    spots = [model.add_location(0, 0) for _ in range(len(day.visits) + 1)]
    places = [0, *(visit.place for visit in day.visits)]
    depot = model.add_depot(spots[0])
    for spot, visit in zip(spots[1:], day.visits, strict=True):
        early, late = (round(scale * minute) for minute in visit.window)
        model.add_client(spot, service_duration=round(scale * visit.minutes), tw_early=early, tw_late=late)
    for skills in {nurse.skills for nurse in day.nurses}:
        profile = model.add_profile()
        same = [nurse for nurse in day.nurses if nurse.skills == skills]
        early, late = (round(scale * minute) for minute in same[0].shift)
        model.add_vehicle_type(
            len(same), start_depot=depot, end_depot=depot, tw_early=early, tw_late=late, profile=profile
        )
        for a, one in enumerate(spots):
            for b, two in enumerate(spots):
                way = int(np.ceil(scale * day.minutes[places[a], places[b]])) if a != b else 0
                able = a == b or b == 0 or day.visits[b - 1].needs[0] <= skills
                model.add_edge(one, two, way if able else never, way if able else never, profile)
    result = model.solve(stop=MaxRuntime(seconds), display=False)
    return float(result.cost()) / scale
