"""Every number of the knowledge stands in the list, with the source its file names: known rows, and none left out."""

from __future__ import annotations

import yaml

from healthbrain.kernel import figures

WORDLESS = {"version", "digits", "number", "date", "in_force"}  # of an edition, a rounding, a sheet or a document


def the(file: str, *where: str) -> figures.Figure:
    (found,) = [one for one in figures.figures() if (one.file, one.where) == (file, where)]
    return found


def cited(file: str, *where: str) -> tuple:
    one = the(file, *where)
    return dict(one.values), one.document, one.date, one.verified


def test_a_rule_has_the_source_it_names_and_its_mark():
    values, document, date, verified = cited("surveillance/thresholds.yaml", "rules", "6")
    assert values == {"days": 7, "cases": 5, "report_hours": 24}
    assert (document, date, verified) == ("手足口病聚集性和暴发疫情处置工作规范（2012版）", "2012-06-21", True)
    ili = the("surveillance/thresholds.yaml", "rules", "3")
    assert ili.titles[-1] == {"key": "ili-school-7-days"}
    assert not ili.verified


def test_the_hours_of_a_disease_are_not_vouched_for_by_the_law_that_lists_it():
    values, document, _, verified = cited("surveillance/notifiable.yaml", "diseases", "measles")
    assert (values, document, verified) == ({"hours": 24}, "传染病信息报告管理规范（2026年版）", False)


def test_a_parameter_says_its_clause_and_its_own_mark_comes_first():
    one = the("programmes/hypertension.yaml", "parameters", "urgent_sbp")
    assert (dict(one.values), one.unit, one.verified) == ({"value": 180}, "mm[Hg]", True)
    assert one.clause == "国卫基层发〔2017〕13号；HTN-05"
    doubted = the("programmes/hypertension.yaml", "parameters", "with_child")
    assert doubted.document == one.document
    assert not doubted.verified
    assert "取最近一次妊娠" in doubted.note


def test_what_the_document_does_not_say_has_no_source():
    values, *source = cited("programmes/hypertension.yaml", "tasks", "1", "escalate", "1")
    assert (values, source) == ({"overdue": "14 days"}, ["", "", False])
    field = next(one for one in figures.figures() if one.file == "forms/hypertension-follow-up.yaml"
                 and one.titles[-1]["zh"] == "收缩压")  # fmt: skip
    assert dict(field.values)["hard"] == [40, 300]
    assert (field.document, field.verified) == ("", False)


def test_a_number_in_a_sentence_counts():
    one = the("dispatch/questions.yaml", "instructions", "cpr", "say", "4")
    assert "100–120 次" in one.values[0][1]["zh"]
    assert one.document.startswith("AHA Guidelines")
    assert one.verified


def test_a_countys_file_stands_in_the_place_of_ours(tmp_path, monkeypatch):
    own = tmp_path / "surveillance" / "feeds.yaml"
    own.parent.mkdir()
    own.write_text("silent_after: {value: 9, unit: days, source: 本县规定}\n", encoding="utf-8")
    monkeypatch.setenv("HEALTHBRAIN_KNOWLEDGE", str(tmp_path))
    figures.figures.cache_clear()
    try:
        (one,) = [one for one in figures.figures() if one.file == "surveillance/feeds.yaml"]
    finally:
        figures.figures.cache_clear()
    assert (dict(one.values), one.unit, one.document, one.verified, one.own) == (
        {"value": 9}, "days", "本县规定", False, True,
    )  # fmt: skip


def numbers(node, key=""):
    """All numbers below, found the dull way."""
    if isinstance(node, dict):
        return [n for name, value in node.items() if name not in WORDLESS for n in numbers(value, str(name))]
    if isinstance(node, list):
        return [n for value in node for n in numbers(value, key)]
    return [node] if isinstance(node, int | float) and not isinstance(node, bool) else []


def test_no_number_is_left_out():
    for name, path in figures.files().items():
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        listed = [dict(one.values) for one in figures.figures() if one.file == name]
        assert sorted(numbers(loaded)) == sorted(numbers(listed)), name
