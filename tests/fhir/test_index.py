# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""Search tokens, from a table a person can check."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthbrain.records.rules import index

LOINC = "http://loinc.org"
OBSERVATION = {
    "resourceType": "Observation",
    "identifier": [{"system": "urn:lis", "value": "77"}],
    "status": "final",
    "category": [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
    ],
    "code": {"coding": [{"system": LOINC, "code": "14771-0"}]},
    "subject": {"reference": "Patient/p"},
    "encounter": {"reference": "Encounter/e"},
    "performer": [{"reference": "Organization/o"}],
}

TABLE = [
    (OBSERVATION, {"identifier=77", "identifier=urn:lis|77", "status=final", "category=obscat|laboratory", "code=loinc|14771-0",
                   "subject=Patient/p", "encounter=Encounter/e", "performer=Organization/o"}),
    ({"resourceType": "Patient", "gender": "female", "birthDate": "1950-03-07", "active": True,
      "name": [{"text": "张小明", "family": "张", "given": ["小明"]}],
      "telecom": [{"system": "phone", "value": "13800000000"}, {"system": "email", "value": "a@b.cn"}]},
     {"gender=female", "active=true", "birthdate=1950", "birthdate=1950-03", "birthdate=1950-03-07", "phone=13800000000",
      "email=a@b.cn", "name^张", "name^张小", "name^张小明", "name^小", "name^小明", "family^张", "given^小", "given^小明"}),
    ({"resourceType": "Encounter", "status": "finished", "subject": {"reference": "Patient/p"},
      "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
      "serviceProvider": {"type": "Organization", "identifier": {"system": "urn:org", "value": "H1"}}},
     {"status=finished", "subject=Patient/p", "class=act|AMB", "service-provider:identifier=H1",
      "service-provider:identifier=urn:org|H1"}),
    ({"resourceType": "Condition", "code": {"coding": [{"system": "urn:own", "code": "A1"}]}, "subject": {"reference": "Patient/p"}},
     {"code=A1", "code=urn:own|A1", "subject=Patient/p"}),
    ({"resourceType": "Flag", "status": "active", "identifier": [{"value": "1"}], "subject": {"reference": "Patient/p"}},
     {"identifier=1", "subject=Patient/p"}),
    ({"resourceType": "Organization", "name": "Château Élan"}, {"name^c", "name^ch", "name^cha", "name^chat", "name^chate",
                                                              "name^chatea", "name^chateau", "name^chateau "}),
    ({"resourceType": "Unheard"}, set()),
    ({}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), TABLE)
def test_tokens(resource, expected):
    found = index.tokens(resource)
    assert set(found) == expected
    assert len(found) == len(expected)


def test_an_observation_stays_within_eight_tokens():
    assert len(index.tokens(OBSERVATION)) == 8


def test_a_very_long_token_is_clipped_and_stays_distinct():
    long = [index.tokens({"resourceType": "Patient", "identifier": [{"value": "9" * 5000 + end}]})[0] for end in "ab"]
    assert all(len(token) <= index.LONGEST for token in long)
    assert long[0] != long[1]


shapes = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4),
                      lambda c: st.lists(c, max_size=3) | st.dictionaries(
                          st.sampled_from(["code", "coding", "system", "value", "subject", "reference", "name", "family", "status",
                                           "identifier", "telecom", "birthDate", "component"]), c, max_size=4), max_leaves=12)  # fmt: skip


@given(st.sampled_from(["Patient", "Observation", "Encounter", "Task", "Basic"]), shapes)
@settings(max_examples=300, deadline=None)
def test_no_shape_breaks_the_index(kind, content):
    resource = (
        {"resourceType": kind, **content} if isinstance(content, dict) else {"resourceType": kind, "code": content}
    )
    assert all(isinstance(token, str) for token in index.tokens(resource))


def test_a_result_is_indexed_in_under_twenty_five_microseconds():
    """40,000 Observations a second and core."""
    started = time.process_time()
    for _ in range(5000):
        index.tokens(OBSERVATION)
    assert time.process_time() - started < 5000 * 25e-6
