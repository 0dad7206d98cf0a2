"""A wrong definition is refused when it is loaded, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthbrain.facts.knowledge import SHIPPED, catalogue
from healthbrain.facts.rules.catalogue import load_catalogue
from healthbrain.facts.rules.language import parse
from healthbrain.facts.rules.located import load_yaml
from healthbrain.kernel.errors import DefinitionError
from healthbrain.records.rules import codes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lastest(sbp) > 140", "did you mean 'latest'"),
        ("latest(spb) > 140", "unknown name 'spb'"),
        ("sbp > 140", "'sbp' is a fact"),
        ("latest(sbp) > latest(fpg)", "units differ: mm[Hg] and mmol/L"),
        ("latest(fit) = 'positiv'", "no possible answer"),
        ("latest(bp) > 140", "do not go together"),
        ("latest(face_to_face_visit) is null", "has no value"),
        ("latest(sbp, within => '3 moons') > 1", "not a duration"),
        ("latest(sbp, inside => '3 days') > 1", "does not know 'inside'"),
        ("latest(ever(sbp)) > 1", "inside another call"),
        ("count_days(sbp > 1 and fpg > 1) > 1", "are not one pair"),
        ("(select 1) > 1", "not part of the language"),
        ("pg_sleep(10) is null", "unknown function 'pg_sleep'"),
        ("age::int > 3", "conversion is not part"),
        ("age > 1; drop table x", "not part of the language"),
        ("age > 1 -- or so", "comment"),
        ("latest(sbp) >=", "cannot be read"),
        ("age + 1", "boolean is needed"),
        ("sex > '1'", "has no order"),
        ("birth_date > 3", "do not go together"),
        ("previous(bp, 1).sbp > 3", "from 2 on"),
        ("streak_at(sbp > 140, 0) = as_of", "from 1 on"),
        ("streak_at(bp, 2) = as_of", "takes a condition"),
        ("count(bmi) > 3", "is derived"),
    ],
)
def test_refused(text: str, says: str) -> None:
    from healthbrain.facts.rules.types import BOOLEAN

    with pytest.raises(DefinitionError, match=_literally(says)):
        parse(text, catalogue(), expects=BOOLEAN)


def test_the_error_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "hypertension.yaml"
    file.write_text("id: hypertension\npopulation:\n  when: age >= 35 and latest(spb) > 140\n", encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"hypertension\.yaml:3: unknown name 'spb', did you mean 'sbp'"):
        parse(load_yaml(file)["population"]["when"], catalogue())


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            "a: {title: {zh: 甲}, kind: observation, codes: [8480-6], unit: kg, plausible: [1, 2], source: x}",
            "system|code",
        ),
        ("a: {title: {zh: 甲}, kind: observation, codes: [loinc|1], unit: kg, source: x}", "plausible range"),
        ("a: {title: {zh: 甲}, kind: observation, codes: [loinc|1], answers: [yes]}", "needs a source"),
        ("a: {title: {zh: 甲}, kind: wish, source: x}", "is none of"),
        ("a: {title: {zh: 甲}, kind: condition, codes: [icd10|I13..I10], source: x}", "code range"),
        ("a: {title: {zh: 甲}, pair: [a, b]}", "cannot be part"),
        ("a: {kind: condition, source: x}", "title"),
        ("a: {title: {zh: 甲}, kind: condition, colour: red, source: x}", "unknown key 'colour'"),
        ("a: {title: {zh: 甲}, kind: condition, source: x}\na: {}", "defined twice"),
    ],
)
def test_a_wrong_catalogue_is_refused(entry: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "facts.yaml").write_text(entry, encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"^facts\.yaml:\d+: .*" + _literally(says)):
        load_catalogue(tmp_path)


def test_a_county_file_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "conditions.yaml").write_text(
        "hypertension: {title: {zh: 高血压}, kind: condition, codes: [icd10|I10], source: 本县}", encoding="utf-8"
    )
    own = load_catalogue(SHIPPED, tmp_path)
    assert [code.text for code in own["hypertension"].codes] == ["icd10|I10"]
    assert "sbp" in own


def test_every_shipped_fact_can_be_asked() -> None:
    for name, fact in catalogue().facts.items():
        parse(f"latest_at({name}) is not null", catalogue())
        if fact.value in {"number", "text"}:
            parse(f"latest({name}) is not null", catalogue())


def _literally(text: str) -> str:
    import re

    return re.escape(text)


def test_every_measured_fact_is_an_item_feeds_can_name() -> None:
    measured = [(f, c.text) for f in catalogue().facts.values() if f.kind == "observation" for c in f.codes]
    assert len(measured) > 30
    assert [code for _, code in measured if code not in codes.catalogue()] == []
    other = [(f.name, code) for f, code in measured if f.unit and codes.catalogue()[code].unit != f.unit]
    assert other == []
