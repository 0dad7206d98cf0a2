"""Life in the synthetic county's 120 centre: vehicles drive, crews press, lines ring. Only in a synthetic installation.

What a person at a desk has touched is left to that person: calls answered by an account, and the vehicle whose phone is
bound to an account (it drives, but its crew presses). A waiting call is taken over only after a minute and a half.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np

from healthbrain.access.rules import SYSTEM
from healthbrain.dispatch import network
from healthbrain.dispatch.actions import calls, missions, patients, positions
from healthbrain.dispatch.models import Call, HospitalState, LandMark, Mission, Station, Vehicle
from healthbrain.dispatch.queries import recommend
from healthbrain.dispatch.rules.positions import Report
from healthbrain.dispatch.rules.travel import Route
from healthbrain.kernel.errors import HealthBrainError

TICK = 5.0  # seconds between two reports, as the real trackers
PATIENCE = 90.0  # seconds a person at the desk has before the made-up seat takes over
STAYS = {  # seconds at a step before the next press
    "assigned": ("acknowledged", 12), "acknowledged": ("rolling", 55), "on-scene": ("at-patient", 70),
    "at-patient": ("left-scene", 420), "at-hospital": ("handover", 360), "handover": ("available", 150),
}  # fmt: skip
TYPES = ("chest-pain", "trauma", "stroke", "breathing", "other", "trauma")


@dataclass
class Traffic:
    """Which way each vehicle drives, and since when."""

    random: np.random.Generator
    ways: dict[tuple[int, str], tuple[Route, dt.datetime]] = field(default_factory=dict)

    def tick(self, now: dt.datetime) -> None:
        """Five seconds of the county: positions, presses, and now and then a new call."""
        self._move(now)
        for mission in list(Mission.objects.filter(ended_at=None).select_related("call", "vehicle")):
            self._press(mission, now)
        self._seat(now)
        missions.watch(by=SYSTEM, now=now)

    # --- vehicles ----------------------------------------------------------------------------------------------------

    def _move(self, now: dt.datetime) -> None:
        reports = []
        for vehicle in Vehicle.objects.exclude(status__in=["off"]).select_related("station", "position"):
            reports.append(self._where(vehicle, now))
        positions.record_positions(reports, now=now)

    def _where(self, vehicle: Vehicle, now: dt.datetime) -> Report:
        here = getattr(vehicle, "position", None)
        x, y = (here.x, here.y) if here else (vehicle.station.x, vehicle.station.y)
        target = self._target(vehicle)
        if target is None:
            return Report(vehicle.pk, x, y, now)
        key = (vehicle.pk, f"{vehicle.status} {target}")
        if key not in self.ways:
            self.ways = {k: w for k, w in self.ways.items() if k[0] != vehicle.pk}
            travel = network.times("siren" if vehicle.status != "returning" else "normal")
            start, end = travel.snap([(x, y)], on_road=True).node[0], travel.snap([target]).node[0]
            way = travel.path(int(start), int(end))
            if way is None:
                return Report(vehicle.pk, x, y, now)
            self.ways[key] = (way, now)
        way, since = self.ways[key]
        gone = (now - since).total_seconds() * 1000
        if gone >= way.ms:
            return Report(vehicle.pk, target[0], target[1], now)
        graph = network.graph()
        along = [float(np.interp(gone, way.at_ms, axis[way.nodes])) for axis in (graph.x, graph.y)]
        return Report(vehicle.pk, along[0], along[1], now)

    def _target(self, vehicle: Vehicle) -> tuple[float, float] | None:
        if vehicle.status == "returning":
            return vehicle.station.x, vehicle.station.y
        if vehicle.status not in {"rolling", "transporting"}:
            return None
        mission = vehicle.missions.filter(ended_at=None).select_related("call").first()
        if mission is None:
            return None
        if mission.step == "rolling" and mission.call.x is not None and mission.call.y is not None:
            return mission.call.x, mission.call.y
        if mission.step == "left-scene" and mission.destination_id:
            state = HospitalState.objects.get(pk=mission.destination_id)
            return state.x, state.y
        return None

    # --- crews -------------------------------------------------------------------------------------------------------

    def _press(self, mission: Mission, now: dt.datetime) -> None:
        if mission.vehicle.crew_id is not None or mission.step not in STAYS:
            return
        following, stay = STAYS[mission.step]
        last = mission.timeline.order_by("-at").values_list("at", flat=True).first()
        if last is None or (now - last).total_seconds() < stay:
            return
        if following == "left-scene" and (mission.destination_id is None or mission.destination_closed):
            best = recommend.hospitals_for_mission(mission)[0]
            missions.send_to(by=SYSTEM, now=now, mission_id=mission.pk, organisation_id=int(best.hospital))
            values = {"systolic": float(self.random.integers(85, 170)), "pulse": float(self.random.integers(55, 130))}
            patients.send_vitals(by=SYSTEM, now=now, mission_id=mission.pk, values=values)
        if following == "handover":
            patients.hand_over(by=SYSTEM, now=now, mission_id=mission.pk)
        else:
            missions.step(by=SYSTEM, now=now, mission_id=mission.pk, kind=following)

    # --- seats -------------------------------------------------------------------------------------------------------

    def _seat(self, now: dt.datetime) -> None:
        """Keep a few calls going; take over what nobody at a desk has answered or sent in time."""
        busy = Call.objects.exclude(state__in=["closed", "merged", "cancelled"])
        fleet = Vehicle.objects.filter(fleet="emergency").exclude(status="off").count()
        if busy.count() < max(2, fleet // 5) and self.random.random() < TICK / 40:
            calls.ring(phone=f"154{self.random.integers(10**8):08}", now=now)
        late = now - dt.timedelta(seconds=PATIENCE)
        for call in busy.filter(state="ringing", ring_at__lt=late + dt.timedelta(seconds=PATIENCE * 2 / 3)):
            self._take(call, now)
        for call in busy.filter(state="waiting", answered_by=None, answered_at__lt=late):
            self._send(call, now)

    def _take(self, call: Call, now: dt.datetime) -> None:
        marks = LandMark.objects.filter(kind="village").order_by("id")
        mark = marks[int(self.random.integers(marks.count()))]
        x, y = mark.x + self.random.normal(0, 0.2), mark.y + self.random.normal(0, 0.2)
        calls.take_call(by=SYSTEM, now=now, call_id=call.pk)
        calls.locate(by=SYSTEM, now=now, call_id=call.pk, place=mark.name, x=x, y=y, how="address")
        kind = TYPES[int(self.random.integers(len(TYPES)))]
        urgent = int(self.random.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
        calls.set_priority(by=SYSTEM, now=now, call_id=call.pk, priority=urgent, suspected=kind)

    def _send(self, call: Call, now: dt.datetime) -> None:
        listed = recommend.recommend(SYSTEM, call.pk, now=now).vehicles
        for rank, choice in enumerate(listed[:3], 1):
            try:
                missions.assign(
                    by=SYSTEM, now=now, call_id=call.pk, vehicle_id=choice.vehicle_id, rank=rank,
                    promised_seconds=choice.option.eta_s, from_mission=choice.from_mission,
                )  # fmt: skip
            except HealthBrainError:
                continue  # taken meanwhile by somebody at a desk: the next one
            return


def start() -> Traffic:
    """The traffic of a county that is there already."""
    return Traffic(np.random.default_rng())


def begin(now: dt.datetime, seed: int) -> Traffic:
    """A few calls on the demo's day, some with vehicles, so that no desk is empty at the first look."""
    traffic = Traffic(np.random.default_rng(seed))
    stations = Station.objects.count()
    for ago in (540, 300, 130, 20)[: max(2, min(4, stations))]:
        moment = now - dt.timedelta(seconds=ago)
        call = Call.objects.get(pk=calls.ring(phone=f"154{traffic.random.integers(10**8):08}", now=moment))
        traffic._take(call, moment + dt.timedelta(seconds=8))
        if ago > PATIENCE:
            traffic._send(call, moment + dt.timedelta(seconds=45))
    for back in range(240, 0, -30):
        traffic.tick(now - dt.timedelta(seconds=back))
    return traffic
