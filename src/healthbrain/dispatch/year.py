"""A simulated year from a city, or from a county's own stations: puts roads, demand, homes and policies together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from healthbrain.dispatch.cities import City
from healthbrain.dispatch.rules.coverage import Coverage, make_coverage
from healthbrain.dispatch.rules.roads import Ints
from healthbrain.dispatch.rules.simulate import (
    Outcome,
    PlaySettings,
    Service,
    Stream,
    figure,
    make_policy,
    measures,
    simulate,
)
from healthbrain.dispatch.rules.simulation.network import FAR, Network, Places, make_network, make_places
from healthbrain.dispatch.rules.siting import mexclp
from healthbrain.dispatch.rules.travel import TravelTimes
from healthbrain.kernel.errors import Invalid
from healthbrain.kernel.knowledge import load


def _known() -> dict[str, Any]:
    return load("dispatch", "simulation.yaml")


def service() -> Service:
    """Durations where a county has none of its own."""
    rule = _known()["service"]
    chute, scene, handover = (
        (float(rule[k]["mean"]), float(rule[k]["variation"])) for k in ("chute", "scene", "handover")
    )
    return Service(chute, scene, handover, float(rule["transported"]["value"]))


def move_up_busy() -> float:
    """DMEXCLP's q: low, because only vehicles free now are counted and a gap is what costs."""
    return float(_known()["move_up"]["busy"]["value"])


def play(target_s: float, capacity: Mapping[int, int] | None = None) -> PlaySettings:
    """How policies play, by the knowledge file."""
    rule, move = _known(), _known()["move_up"]
    return PlaySettings(
        target_s=target_s,
        chute_moving_s=float(rule["chute_moving"]["value"]),
        tolerance_s={int(p): float(s) for p, s in rule["tolerance"]["value"].items()},
        slow=frozenset(int(p) for p in rule["slow"]["value"]),
        busy=move_up_busy(),
        minimum_gain=float(move["minimum_gain"]["value"]),
        longest_s=float(move["longest"]["value"]),
        per_shift=int(move["per_shift"]["value"]),
        shift_h=float(move["shift"]["value"]),
        capacity=dict(capacity or {}),
    )


@dataclass(frozen=True, eq=False)
class Ground:
    """Everything that stays when policies and vehicles change. `demand`: calls at each place of `places` [C]."""

    network: Network
    places: Places
    demand: Ints
    settings: PlaySettings
    durations: Service

    @property
    def stations(self) -> int:
        """Number of stations."""
        return len(self.network.stations)

    def coverage(self, busy: float) -> Coverage:
        """Coverage of a seeded sample of the calls within the target less turnout, from each station."""
        sample = np.random.default_rng(0).choice(
            len(self.demand), int(_known()["zones"]["value"]), p=self.demand / self.demand.sum()
        )
        zone, count = np.unique(sample, return_counts=True)
        target = int((self.settings.target_s - 60 * self.durations.chute[0]) * 1000)
        reach = target >= self.places.response_siren[zone, : self.stations].T
        return Coverage(self.places.nodes[zone], count / count.sum(), self.network.stations, reach, target, busy)

    def homes(self, vehicles: int, busy: float | None = None) -> tuple[int, ...]:
        """Optimal static homes: MEXCLP with the stations' places as capacity."""
        cover = self.coverage(float(_known()["homes_busy"]["value"]) if busy is None else busy)
        room = {s: places for s, places in self.settings.capacity.items() if places}
        most = sum(room.get(s, vehicles) for s in range(self.stations))
        if vehicles > most:
            raise Invalid(f"车站只有 {most} 个车位 the stations have only {most} places", hint=f"{vehicles} > {most}")
        return mexclp(cover.reach.T, cover.demand, vehicles, cover.busy, capacity=room).sites

    def run(
        self, policy: str, homes: Sequence[int], streams: Sequence[Stream], tell: Callable[[int], None]
    ) -> list[Outcome]:
        """One outcome per stream; `tell` hears how many are done."""
        rules = make_policy(policy, self.network, self.coverage(self.settings.busy), len(homes), self.settings)
        outcomes = []
        for number, stream in enumerate(streams):
            outcomes.append(simulate(self.network, self.places, stream, homes, rules))
            tell(number + 1)
        return outcomes


def ground(
    travel: Mapping[str, TravelTimes],
    stations: ArrayLike,
    hospitals: ArrayLike,
    calls: ArrayLike,
    settings: PlaySettings,
    *,
    all_sirens: bool = False,
) -> tuple[Ground, Ints]:
    """The ground for calls at nodes [N], and the place number of each call. `stations`, `hospitals`: coordinates."""
    siren, normal = travel["siren"], travel["normal"]
    network = make_network(siren, normal, siren.snap(stations).node, siren.snap(hospitals).node)
    nodes, place, count = np.unique(np.asarray(calls, dtype=np.int64), return_inverse=True, return_counts=True)
    rules = replace(settings, slow=frozenset()) if all_sirens else settings
    places = make_places(network, nodes, both=bool(rules.slow))
    return Ground(network, places, count, rules, service()), place


def city_coverage(city: City, siren: TravelTimes, settings: PlaySettings) -> Coverage:
    """Coverage for ranking without a history: a seeded sample of places where trips begin, all alike."""
    nodes = np.random.default_rng(0).choice(city.graph.doors, int(_known()["zones"]["value"]))
    target = settings.target_s - 60 * service().chute[0]
    stations = siren.snap([(s.x, s.y) for s in city.stations]).node
    return make_coverage(siren, nodes, np.ones(len(nodes)), stations, target_s=target, busy=settings.busy)


def summary(outcomes: Sequence[Outcome], streams: Sequence[Stream], target_s: float) -> dict[str, Any]:
    """Figures over replications, each with its 95 % interval: all calls, by priority, and what it cost."""
    priorities = sorted({int(p) for s in streams for p in np.unique(s.priority)})
    days = [max(1.0, float(s.time[-1]) / 86_400_000) if len(s.time) else 1.0 for s in streams]
    moves = [o.moves.sum() / d for o, d in zip(outcomes, days, strict=True)]
    reached = [float((o.waited > 0).mean()) for o in outcomes]
    return {
        "calls": int(np.mean([len(s.time) for s in streams])),
        "unreached": int(sum((o.response < 0).sum() for o in outcomes)),
        **_figures(outcomes, streams, target_s, None),
        "by_priority": {p: _figures(outcomes, streams, target_s, p) for p in priorities},
        "waited_for_a_vehicle": _rounded(figure(reached)),
        "utilisation": _rounded(figure([float(o.busy.mean()) for o in outcomes])),
        "moves_per_day": _rounded(figure(moves)),
    }


def _figures(
    outcomes: Sequence[Outcome], streams: Sequence[Stream], target_s: float, priority: int | None
) -> dict[str, Any]:
    found = [
        measures(o, s, target_s, None if priority is None else s.priority == priority)
        for o, s in zip(outcomes, streams, strict=True)
    ]
    names = {"late": "late", "mean": "mean_minutes", "p90": "p90_minutes"}
    return {names[key]: _rounded(figure([one[key] for one in found])) for key in names}


def _rounded(one: Any) -> dict[str, float | None]:
    return {
        k: None if v is None else round(v, 4)
        for k, v in zip(("mean", "low", "high"), (one.mean, one.low, one.high), strict=True)
    }


def by_station(
    ground_: Ground, outcomes: Sequence[Outcome], streams: Sequence[Stream], target_s: float
) -> list[dict[str, Any]]:
    """The same figures by the area nearest to each station."""
    nearest = ground_.places.response_siren[:, : ground_.stations].argmin(axis=1)
    nearest[ground_.places.response_siren[:, : ground_.stations].min(axis=1) >= FAR] = -1
    rows = []
    for station in range(ground_.stations):
        found = [measures(o, s, target_s, nearest[s.place] == station) for o, s in zip(outcomes, streams, strict=True)]
        calls = float(np.mean([(nearest[s.place] == station).sum() for s in streams]))
        rows.append(
            {
                "station": station,
                "calls": round(calls),
                **{k: round(figure([f[k] for f in found]).mean, 4) for k in found[0]},
            }
        )
    return rows
