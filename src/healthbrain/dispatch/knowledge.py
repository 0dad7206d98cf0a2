"""The knowledge of the room: question tree, priorities, norms. Read once a process; a county's folder overrides."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from healthbrain.dispatch.rules import triage
from healthbrain.kernel.knowledge import load

FOLDER = "dispatch"


@functools.cache
def tree() -> triage.Tree:
    """The question tree, checked: a broken one stops the start, not the call."""
    raw = load(FOLDER, "questions.yaml")
    questions = {name: _question(name, body) for name, body in raw["questions"].items()}
    made = triage.Tree(raw["first"], questions)
    triage.check(made, list(types()), list(raw["instructions"]))
    return made


def _question(name: str, body: Mapping[str, Any]) -> triage.Question:
    answers = tuple(
        triage.Answer(
            say=a["say"],
            type=a.get("type", ""),
            priority=a.get("priority"),
            instructions=tuple(a.get("instructions", ())),
            next=a.get("next", ""),
        )
        for a in body["answers"]
    )
    return triage.Question(name, body["ask"], body["source"], answers)


def instructions() -> dict[str, Any]:
    """What to tell the caller, by id: title, say, source, verified, aed."""
    return dict(load(FOLDER, "questions.yaml")["instructions"])


def question_sources() -> dict[str, Any]:
    return dict(load(FOLDER, "questions.yaml")["sources"])


def types() -> dict[str, Any]:
    """Suspected types: title, vehicle capabilities wanted, centre."""
    return dict(load(FOLDER, "priorities.yaml")["types"])


def priorities() -> dict[int, Any]:
    return dict(load(FOLDER, "priorities.yaml")["priorities"])


def vehicle_kinds() -> dict[str, Any]:
    return dict(load(FOLDER, "priorities.yaml")["vehicle_kinds"])


def capabilities() -> dict[str, Any]:
    return dict(load(FOLDER, "priorities.yaml")["capabilities"])


def overrides() -> dict[str, Any]:
    return dict(load(FOLDER, "priorities.yaml")["overrides"])


def mass_posts() -> dict[str, Any]:
    """The posts a plan begins with, by kind of event."""
    return dict(load(FOLDER, "mass.yaml")["posts"])


def norms() -> dict[str, Any]:
    return dict(load(FOLDER, "norms.yaml")["norms"])


def desk(name: str) -> float:
    """A figure the desk works with: seconds or metres, by its name in `norms.yaml`."""
    return float(load(FOLDER, "norms.yaml")["desk"][name]["value"])


def lines() -> dict[str, float]:
    """What the seat and line calculator starts from."""
    return {name: float(body["value"]) for name, body in load(FOLDER, "norms.yaml")["lines"].items()}


def limits() -> dict[str, float]:
    """Limits of the desk's clocks in seconds: answer, decide, turnout, handover."""
    return {
        "answer": float(norms()["answer"]["value"]),
        "decide": desk("decide_within"),
        "turnout": float(norms()["turnout"]["value"]),
        "handover": desk("handover_within"),
    }


def vitals() -> dict[str, Any]:
    """Vital signs by name: title, loinc, unit, plausible, alarm."""
    return dict(load(FOLDER, "vitals.yaml")["vitals"])


def simulation() -> dict[str, float]:
    """Durations a simulation falls back to: minutes, and the share taken to hospital."""
    return {name: float(body["value"]) for name, body in load(FOLDER, "norms.yaml")["simulation"].items()}
