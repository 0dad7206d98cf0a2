"""The knowledge of this installation: shipped files, and the county's own folder over them, file by file."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import yaml

from healthbrain.surveillance.rules.calendar import Calendar
from healthbrain.surveillance.rules.syndromes import Classifier
from healthbrain.surveillance.rules.syndromes import classifier as build
from healthbrain.surveillance.rules.thresholds import Rules, rules_of

SHIPPED = Path(__file__).resolve().parents[1] / "knowledge"


def _files(topic: str) -> dict[str, Path]:
    own = os.environ.get("HEALTHBRAIN_KNOWLEDGE")
    folders = [SHIPPED, *([Path(own)] if own else [])]
    return {path.name: path for folder in folders for path in sorted((folder / topic).glob("*.yaml"))}


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@functools.cache
def read(name: str) -> dict[str, Any]:
    """One file of knowledge/surveillance, by its name without ending."""
    found: dict[str, Any] = _read(_files("surveillance")[f"{name}.yaml"])
    return found


@functools.cache
def syndromes() -> dict[str, dict[str, Any]]:
    """knowledge/syndromes by id."""
    rows = [_read(path) for path in _files("syndromes").values()]
    return {row["id"]: row for row in rows}


@functools.cache
def classifier() -> Classifier:
    return build(syndromes().values(), read("notifiable"), read("absence"), read("drug_groups"))


@functools.cache
def rules() -> Rules:
    return rules_of(read("thresholds"))


@functools.cache
def calendar() -> Calendar:
    return Calendar.of([_read(path) for path in _files("calendar").values()])


def places() -> dict[str, dict[str, Any]]:
    """What a key place tells each day, by its kind."""
    found: dict[str, dict[str, Any]] = read("places")["places"]
    return found


def feed_of(kind: str) -> str:
    """The source under which a key place's counts stand."""
    return "absence" if kind in {"school", "childcare"} else str(places().get(kind, places()["other"])["feed"])


def chips() -> dict[str, dict[str, Any]]:
    """What a morning check can tell: symptoms first, then diagnoses told."""
    tree = read("absence")
    found: dict[str, dict[str, Any]] = tree["symptoms"] | tree["diagnosed"]
    return found


def spreads_days(family: str) -> int:
    """One usual generation of the disease, in days: after so long without a case a signal is over."""
    row = syndromes().get(family)
    return int(row["spreads_days"]) if row else 14
