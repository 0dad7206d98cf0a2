"""What the response knows: clocks, grades, diseases, measures, words and investigation forms of this installation."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from healthbrain.surveillance.knowledge import classifier
from healthbrain.surveillance.rules.clocks import Clock, parse_clocks
from healthbrain.surveillance.rules.grading import Criteria, parse_criteria

SHIPPED = Path(__file__).resolve().parents[1] / "knowledge" / "surveillance"


def _folders() -> list[Path]:
    """Later folders win, file by file: a county keeps its own beside ours."""
    own = os.environ.get("HEALTHBRAIN_KNOWLEDGE")
    return [SHIPPED, *([Path(own) / "surveillance"] if own else [])]


@functools.cache
def read(name: str) -> dict[str, Any]:
    """One knowledge file by its path below the folder."""
    path = [folder / name for folder in _folders() if (folder / name).exists()][-1]
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


@functools.cache
def clocks() -> tuple[Clock, ...]:
    return parse_clocks(read("clocks.yaml"))


@functools.cache
def criteria() -> Criteria:
    return parse_criteria(read("grades.yaml"))


def diseases() -> dict[str, Any]:
    found: dict[str, Any] = read("diseases.yaml")["diseases"]
    return found


def measures() -> dict[str, Any]:
    found: dict[str, Any] = read("measures.yaml")["measures"]
    return found


def words(kind: str) -> Mapping[str, Any]:
    """A list of responding.yaml: symptoms, classes, outcomes, specimens, departments, settings, surge, guidance …"""
    found: Mapping[str, Any] = read("responding.yaml")[kind]
    return found


@functools.cache
def forms() -> Mapping[str, Mapping[str, Any]]:
    """Investigation forms by id."""
    found: dict[str, Mapping[str, Any]] = {}
    for folder in _folders():
        for path in sorted((folder / "investigation").glob("*.yaml")):
            form = yaml.safe_load(path.read_text(encoding="utf-8"))
            found[form["id"]] = form
    return found


def form_of(disease: str) -> Mapping[str, Any]:
    """The investigation form of a disease; gastroenteritis is no guess for others, so unknown ones get respiratory."""
    return forms()[diseases().get(disease, {}).get("form", "respiratory")]


def title(disease: str, syndrome: str) -> Mapping[str, str]:
    """What the event is called: by disease when known, else by syndrome."""
    if disease in diseases():
        named: Mapping[str, str] = diseases()[disease]["title"]
        return named
    return asdict(classifier().title(syndrome)) if syndrome else {"zh": "待查", "en": "unknown"}


def document(file: str, key: str) -> Mapping[str, Any]:
    """The source a key of a file stands for."""
    found: Mapping[str, Any] = read(file)["sources"][key]
    return found
