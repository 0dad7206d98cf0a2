"""Question tree, timeline and positions: the pure rules."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthbrain.dispatch import knowledge
from healthbrain.dispatch.rules import timeline
from healthbrain.dispatch.rules.positions import Report, judge, silence
from healthbrain.dispatch.rules.triage import Given, check, triage
from healthbrain.kernel.errors import DefinitionError, Invalid

AT = dt.datetime(2026, 4, 1, 10, 0, tzinfo=dt.UTC)


def walk(*digits: int):
    """The tree as a call taker walks it: digits only."""
    tree, given_so_far = knowledge.tree(), []
    for digit in digits:
        asking = triage(tree, given_so_far).asking
        given_so_far.append(Given(asking.id, digit))
    return triage(tree, given_so_far)


# By hand from the guideline texts: digits pressed → type, priority, an instruction that must be read out.
CASES = [
    ((1,), "cardiac-arrest", 1, "cpr"),  # AHA 2020: unresponsive and not breathing normally is an arrest
    ((2,), "cardiac-arrest", 1, "cpr"),  # not sure counts as the worse
    ((4, 1, 1), "chest-pain", 1, "chest-pain"),
    ((4, 1, 2), "chest-pain", 2, "chest-pain"),
    ((4, 2, 3), "stroke", 2, "stroke"),
    ((4, 2, 4), "stroke", 1, "stroke"),
    ((4, 3, 3), "trauma", 3, "trauma"),
    ((4, 3, 1), "trauma", 1, "bleeding"),
    ((4, 4, 1), "obstetric", 1, "delivery"),
    ((4, 5, 4, 1), "fever", 3, None),  # a child with a fever, otherwise well: what surveillance wants to know
    ((4, 5, 4, 4), "newborn", 3, None),
    ((4, 5, 3), "breathing", 1, "child-choking"),
    ((4, 6, 1), "breathing", 1, "choking"),
    ((4, 7, 1), "poisoning", 1, "gas"),
    ((4, 8, 1), "trauma", 1, "tourniquet"),
    ((4, 9, 1), "convulsion", 1, "seizure"),
    ((4, 9, 3, 2), "vomiting", 2, None),
    ((4, 9, 3, 3), "rash", 2, None),
    ((4, 9, 3, 4), "other", 2, None),
    ((4, 9, 4), "other", 3, None),
    ((3, 9, 4), "other", 1, "recovery-position"),  # cannot be woken: nothing later makes it less urgent
    ((3, 3, 3), "trauma", 1, "recovery-position"),
]


@pytest.mark.parametrize(("digits", "kind", "priority", "instruction"), CASES)
def test_answers_lead_to_type_and_priority(digits, kind, priority, instruction) -> None:
    end = walk(*digits)
    assert end.asking is None
    assert (end.type, end.priority) == (kind, priority)
    assert instruction is None or instruction in end.instructions


def test_every_way_through_the_tree_ends_with_a_decision() -> None:
    tree, open_ways, ends = knowledge.tree(), [()], 0
    while open_ways:
        way = open_ways.pop()
        stands = triage(tree, way)
        if stands.asking is None:
            ends += 1
            assert stands.type in knowledge.types()
            assert stands.priority in knowledge.priorities()
            continue
        answers = range(1, len(stands.asking.answers) + 1)
        open_ways += [(*way, Given(stands.asking.id, digit)) for digit in answers]
    assert ends > 60


def test_instructions_have_words_and_a_source() -> None:
    for name, body in knowledge.instructions().items():
        assert body["source"] in knowledge.question_sources(), name
        assert isinstance(body["verified"], bool), name
        assert all(line["zh"] and line["en"] for line in body["say"]), name


def test_a_question_out_of_turn_and_a_digit_without_answer_are_refused() -> None:
    with pytest.raises(Invalid):
        triage(knowledge.tree(), [Given("complaint", 1)])
    with pytest.raises(Invalid):
        triage(knowledge.tree(), [Given("breathing", 9)])
    with pytest.raises(Invalid):
        triage(knowledge.tree(), [Given("breathing", 1), Given("complaint", 1)])


def test_a_broken_tree_is_refused_when_it_is_read() -> None:
    tree = knowledge.tree()
    first = tree.questions["breathing"]

    def with_answers(**change):
        answers = (*first.answers[:3], replace(first.answers[3], **change))
        return replace(tree, questions={**tree.questions, "breathing": replace(first, answers=answers)})

    for broken in (with_answers(next="breathing"), with_answers(next="nowhere"), with_answers(next="")):
        with pytest.raises(DefinitionError):
            check(broken, list(knowledge.types()), list(knowledge.instructions()))
    with pytest.raises(DefinitionError, match="type"):
        check(tree, ["other"], list(knowledge.instructions()))


# --- whose clock -----------------------------------------------------------------------------------------------------


@given(
    waited=st.integers(0, 7200),
    offset=st.integers(-90_000, 90_000),
    tolerance=st.just(120.0),
)
def test_a_wrong_clock_never_moves_a_press(waited: int, offset: int, tolerance: float) -> None:
    """Whatever the device believes the time is, a press `waited` s before the send was `waited` s ago."""
    device = dt.timedelta(seconds=offset)
    pressed, sent = AT - dt.timedelta(seconds=waited) + device, AT + device
    found = timeline.stamp(AT, pressed, sent, tolerance=tolerance)
    assert found.at == AT - dt.timedelta(seconds=waited)
    assert found.skew == offset
    assert found.doubtful == (abs(offset) > 120)


def test_a_clock_set_back_between_press_and_send_is_not_used() -> None:
    found = timeline.stamp(AT, AT + dt.timedelta(hours=1), AT, tolerance=120)
    assert (found.at, found.doubtful) == (AT, True)


def test_steps_go_forward_only_and_may_skip() -> None:
    assert timeline.next_step([]) == "acknowledged"
    assert timeline.allowed_steps(["acknowledged", "on-scene"]) == (
        "at-patient", "left-scene", "at-hospital", "handover", "available",
    )  # fmt: skip
    assert timeline.next_step(["available"]) == ""


def test_the_running_clock_is_the_first_stretch_not_ended() -> None:
    second = dt.timedelta(seconds=1)
    times = {"ring": AT, "answered": AT + 5 * second}
    clock = timeline.running_clock(times, AT + 80 * second, {"decide": 60})
    assert (clock.name, clock.seconds, clock.over) == ("decide", 75, True)
    times |= {"assigned": AT + 90 * second, "on-scene": AT + 600 * second}  # nobody pressed "rolling"
    assert timeline.running_clock(times, AT + 700 * second, {}).name == "scene"
    assert timeline.stretches(times)["response"] == 600


@pytest.mark.parametrize(
    ("late", "expected"), [(0, ""), (-100, ""), (-3600, "future"), (299, ""), (301, "ancient"), (86_400, "ancient")]
)
def test_positions_of_wrong_clocks(late: float, expected: str) -> None:
    report = Report(1, 0.0, 0.0, AT - dt.timedelta(seconds=late))
    assert judge(report, AT, ahead=120, oldest=300) == expected


def test_positions_without_numbers_are_nowhere_and_silence_has_two_degrees() -> None:
    assert judge(Report(1, float("nan"), 0.0, AT), AT, ahead=120, oldest=300) == "nowhere"
    degrees = [silence(age, silent_after=60, lost_after=300) for age in (5, 61, 301, None)]
    assert degrees == ["", "silent", "lost", "lost"]
