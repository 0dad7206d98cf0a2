"""The rules of the house that a machine can hold (docs/architecture.md §4)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

SOURCE = Path(__file__).parents[2] / "src" / "healthbrain"
MODULES = [p for p in SOURCE.rglob("*.py") if "migrations" not in p.parts]
EDGE = {"cli", "desks"}  # commands and pages may ask what day it is
CLOCK_OWNERS = {SOURCE / "kernel" / "clock.py"}


def names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("path", [p for p in MODULES if "rules" in p.parts or p.name == "rules.py"], ids=str)
def test_rules_never_ask_the_clock(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"\b(?:datetime\.now|date\.today|utcnow|time\.time|clock\.(?:now|today))\(", text)
    assert not found


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_files_stay_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{path.name} has {lines} lines: split it by meaning"


def test_only_the_clock_asks_the_clock() -> None:
    offenders = []
    for path in MODULES:
        if path in CLOCK_OWNERS or EDGE & set(path.relative_to(SOURCE).parts[:1]):
            continue
        if re.search(r"\b(?:datetime\.now|date\.today|datetime\.utcnow)\(", path.read_text(encoding="utf-8")):
            offenders.append(str(path.relative_to(SOURCE)))
    assert not offenders


def _cut(value: object, where: str) -> list[str]:
    """Keys without a value beside a wording: `en: Hand, foot and mouth` unquoted ends at its comma."""
    if isinstance(value, list):
        return [found for one in value for found in _cut(one, where)]
    if not isinstance(value, dict):
        return []
    worded = "zh" in value or "en" in value
    own = [f"{where}/{key}" for key, one in value.items() if one is None and worded]
    return own + [found for key, one in value.items() for found in _cut(one, f"{where}/{key}")]


@pytest.mark.parametrize("path", sorted((SOURCE / "knowledge").rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_wording_is_cut_at_a_comma(path: Path) -> None:
    assert [found for document in yaml.safe_load_all(path.read_text("utf-8")) for found in _cut(document, "")] == []


def test_no_room_without_its_ten_lines() -> None:
    rooms = [p for p in SOURCE.iterdir() if p.is_dir() and (p / "__init__.py").exists()]
    for room in rooms:
        text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
        assert text, f"{room.name} does not say what it is"
