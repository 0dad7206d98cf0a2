"""Programme files: spans of time, sources, and what is refused with file and line; the what-if."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from healthbrain.care import actions
from healthbrain.care.rules.loader import load_programme, load_programmes
from healthbrain.care.rules.programme import span
from healthbrain.facts.knowledge import catalogue
from healthbrain.facts.rules.duration import Duration
from healthbrain.kernel.errors import DefinitionError
from tests.care.engines import SHIPPED, programmes

HYPERTENSION = (SHIPPED / "hypertension.yaml").read_text(encoding="utf-8")


def changed(tmp_path: Path, old: str, new: str) -> Path:
    assert old in HYPERTENSION
    path = tmp_path / "hypertension.yaml"
    path.write_text(HYPERTENSION.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14 days", Duration(days=14)),
        ("2 weeks", Duration(days=14)),
        ("same day", Duration()),
        ("3 months 29 days", Duration(months=3, days=29)),
        ("7 years", Duration(months=84)),
    ],
)
def test_spans(text: str, expected: Duration) -> None:
    assert span(text) == expected


@pytest.mark.parametrize("text", ["soon", "14", "3 months or so", "-2 days"])
def test_no_span(text: str) -> None:
    with pytest.raises(DefinitionError):
        span(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("age >= adult_age}", "age >= grown_up}", r"hypertension.yaml:\d+: .*grown_up"),
        ("states: [urgent]", "states: [emergency]", r"hypertension.yaml:\d+: .*unknown state 'emergency'"),
        ("evidence: referred", "evidence: sent_away", r"hypertension.yaml:\d+: .*unknown evidence 'sent_away'"),
        ("{fact: referral_accepted}", "{fact: letter}", r"hypertension.yaml:\d+: .*unknown fact 'letter'"),
        ("kind: calendar", "kind: sometimes", r"hypertension.yaml:\d+: .*'sometimes'"),
        ("exit: [died, moved", "exit: [died, cured", r"hypertension.yaml:\d+: exit 'cured': write died, moved"),
        ("{date: 2017-02-28,", "{date: spring 2017,", r"hypertension.yaml:\d+: begins: 'spring 2017' is not a date"),
        ("source: N3 issued}", "source: N4 issued}", r"hypertension.yaml:\d+: begins: source 'N4' is not among"),
        (
            "opens_before: open_before\n    quota",
            "mercy: open_before\n    quota",
            r"hypertension.yaml:\d+: task: unknown key 'mercy'",
        ),
        ("refer_within: {value: 7 days, source: LOCAL,", "refer_within: {value: 7 days,", "needs a source"),
        ("value: 90 days, source: LOCAL", "value: 90 days, source: HEARSAY", "not among the sources"),
    ],
)
def test_refused_with_file_and_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        load_programme(changed(tmp_path, old, new), catalogue())


def test_every_threshold_has_a_document() -> None:
    for programme in programmes():
        for parameter in programme.parameters.values():
            source = programme.sources[parameter.source.split()[0]]
            assert source.verified or not parameter.verified, (
                f"{programme.id}.{parameter.name} cites an unverified source"
            )


def test_the_shipped_programmes() -> None:
    assert {p.id for p in load_programmes([SHIPPED], catalogue())} == {
        "hypertension", "hypertension-risk", "hypertension-screening", "type-2-diabetes", "copd", "copd-screening",
        "elderly", "colorectal-screening", "child-0-6",
    }  # fmt: skip


def test_what_if_tells_who_moves_and_which_work_and_writes_nothing(county, tmp_path: Path) -> None:
    for reading in (128, 134, 138, 146):
        resident = county.resident("1976-02-01")
        county.diagnosis(resident, "I10", "2025-01-01")
        county.pressure(resident, "2026-03-30", reading, 78)
    county.lake()
    path = changed(
        tmp_path,
        'value: 140\n    unit: "mm[Hg]"\n    source: N3 HTN-06',
        'value: 130\n    unit: "mm[Hg]"\n    source: N3 HTN-06',
    )
    diff = actions.what_if(path, dt.date(2026, 4, 1))
    assert (diff.enters, diff.leaves) == (0, 0)
    assert diff.moves == {"controlled → uncontrolled": 2}
    assert sum(diff.work.values()) == diff.tasks_more - diff.tasks_less == 2  # two weeks instead of three months
    from healthbrain.care.models import Enrolment, Task

    assert not Enrolment.objects.exists()
    assert not Task.objects.exists()
