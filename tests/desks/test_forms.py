"""The two national record sheets as forms: nothing of the paper is missing, slips are asked about or refused."""

from __future__ import annotations

import datetime as dt

import pytest
from django.http import QueryDict

from healthbrain.care.knowledge import programmes
from healthbrain.care.rules.evidence import proofs
from healthbrain.desks import forms
from healthbrain.desks.i18n import until
from healthbrain.facts.knowledge import catalogue
from healthbrain.facts.rules.reference import EventRow, History, ResidentRow
from healthbrain.records.rules import ledger
from healthbrain.records.rules.forms import resources_of, responses_of, values_of, visit_of
from healthbrain.records.rules.r4 import check
from healthbrain.records.terms import answer_words

TODAY = dt.date(2026, 4, 1)

# Rows of the sheets as printed in 国家基本公共卫生服务规范（第三版）, read off the paper by hand.
PAPER = {
    "hypertension-follow-up": """随访日期 随访方式 症状 收缩压 舒张压 体重 心率 其他体征 日吸烟量 日饮酒量
        运动 每次运动 摄盐情况 心理调整 遵医行为 辅助检查 服药依从性 药物不良反应 用药情况 转诊原因 转诊机构及科别""",
    "type-2-diabetes-follow-up": """随访日期 随访方式 症状 收缩压 舒张压 体重 足背动脉搏动 其他体征
        日吸烟量 日饮酒量 运动 每次运动 主食 心理调整 遵医行为
        空腹血糖 糖化血红蛋白 糖化血红蛋白检查日期 其他检查 服药依从性 药物不良反应 低血糖反应
        用药情况 胰岛素种类、用法和用量 转诊原因 转诊机构及科别""",
}
JOINT = "hypertension-diabetes-follow-up"
SYMPTOMS = {
    "hypertension-follow-up": "无症状 头痛头晕 恶心呕吐 眼花耳鸣 呼吸困难 心悸胸闷 鼻衄出血不止 四肢发麻 下肢水肿",
    "type-2-diabetes-follow-up": "无症状 多饮 多食 多尿 视力模糊 感染 手脚麻木 下肢浮肿 体重明显下降",
}


def typed(**answers: str | list[str]) -> QueryDict:
    posted = QueryDict(mutable=True)
    for name, value in answers.items():
        posted.setlist(name, value if isinstance(value, list) else [value])
    return posted


def visit(form: str = "hypertension-follow-up", last: dict | None = None, **answers: str | list[str]) -> forms.Entry:
    whole = {
        "visit_date": "2026-04-01", "visit_mode": "AMB", "sbp": "132", "dbp": "84", "adherence": "regular",
        "adverse_reaction": "no", "new_complication": "no", "symptoms": ["none"],
    } | answers  # fmt: skip
    return forms.read_entry(forms.load(form), typed(**whole), today=TODAY, last=last)


@pytest.mark.parametrize("form_id", sorted(PAPER))
def test_every_row_of_the_paper_is_a_field(form_id):
    labels = {field.label["zh"] for field in forms.load(form_id).fields}
    assert set(PAPER[form_id].split()) <= labels


@pytest.mark.parametrize("form_id", forms.form_ids())
def test_an_answer_is_said_on_every_page_as_its_form_says_it(form_id):
    coded = [item for item in forms.load(form_id).fields if item.code]
    asked = [(item.code, option) for item in coded for option in item.options]
    assert all(answer_words(option.value, code) == dict(option.words) for code, option in asked)


@pytest.mark.parametrize("form_id", sorted(SYMPTOMS))
def test_symptoms_keep_the_numbers_of_the_paper(form_id):
    options = forms.load(form_id).field("symptoms").options
    assert [(o.number, o.words["zh"]) for o in options] == list(enumerate(SYMPTOMS[form_id].split(), start=1))


def test_the_form_for_two_conditions_asks_each_thing_once_and_fills_both_sheets():
    form, labels = forms.load(JOINT), [field.id for field in forms.load(JOINT).fields]
    assert len(labels) == len(set(labels))
    entry = forms.read_entry(
        form,
        typed(
            **filled(form),
            diabetes_symptoms=["polyuria"],
            symptoms=["nausea-vomiting"],
            staple_food="250",
            salt="heavy",
        ),
        today=TODAY,
    )
    assert entry.problems == ()
    ours = {"id": "v", "subject": {"reference": "Patient/1"}, "at": dt.datetime.combine(TODAY, dt.time(9))}
    seen = visit_of(JOINT, entry.values, **ours)
    assert [r["resourceType"] for r in resources_of(seen)].count("Encounter") == 1
    hypertension, diabetes = (values_of(one) for one in responses_of(seen, JOINT, entry.values))
    assert (hypertension["symptoms"], diabetes["symptoms"]) == (["nausea-vomiting"], ["polyuria"])
    assert (hypertension["salt"], diabetes["staple_food"]) == ("heavy", 250)
    assert "staple_food" not in hypertension
    assert "salt" not in diabetes
    assert hypertension["sbp"] == diabetes["sbp"]
    assert any("恶心呕吐" in sign for sign in forms.urgent_signs(form, entry.values | {"glucose": 17.0}))
    assert any("17" in sign for sign in forms.urgent_signs(form, entry.values | {"glucose": 17.0}))
    for part, names in form.parts.items():
        assert set(names.values()) <= set(labels), f"{part}: a field of the sheet is not asked"


def test_two_conditions_share_a_form_only_when_both_wait():
    both = {"hypertension", "type-2-diabetes"}
    assert (
        forms.form_of("hypertension", "follow-up", both) == forms.form_of("type-2-diabetes", "follow-up", both) == JOINT
    )
    assert forms.form_of("hypertension", "follow-up", {"hypertension"}) == "hypertension-follow-up"
    assert forms.form_of("hypertension", "follow-up", {"hypertension", "copd"}) == "hypertension-follow-up"


AGES = {"child-0-6": (0, 1, 3, 6, 8, 12, 18, 24, 30, 36, 48, 60, 72), "elderly": (780,)}  # months; else an adult of 50
TASKS = [(p.id, t.id, months) for p in programmes() for t in p.tasks for months in AGES.get(p.id, (600,))]


def filled(form: forms.Form) -> dict[str, str | list[str]]:
    """What must be answered, answered: the middle of the usual range, the first option."""
    answers: dict[str, str | list[str]] = {"visit_date": TODAY.isoformat()}
    for field in form.fields:
        if field.required and field.kind == "number":
            answers[field.id] = f"{sum(field.soft) / 2:.0f}"
        elif field.required and field.kind in {"choice", "choices"}:
            answers[field.id] = [field.options[0].value]
        elif field.required and field.kind == "text":
            answers[field.id] = "县人民医院"
    return answers


@pytest.mark.parametrize(("programme", "task", "months"), TASKS)
def test_every_task_is_closed_by_one_form_with_only_what_must_be_answered(programme, task, months):
    name = forms.form_of(programme, task)
    assert name, "no form records this"
    form = forms.load(name).at_age(months)
    entry = forms.read_entry(form, typed(**filled(form)), today=TODAY, months=months)
    assert entry.problems == ()
    at = dt.datetime.combine(TODAY, dt.time(9))
    visit = visit_of(name, entry.values, id="v", subject={"reference": "Patient/1"}, at=at, organisation="V1")
    resources = resources_of(visit)
    assert [check(one) for one in resources] == [[]] * len(resources)
    rows = [row for one in resources for row in ledger.events(one, {"Encounter/v": "V1"})]
    history = History(
        ResidentRow(1, dt.date(1970, 1, 1), "1", None, None, 1, None),
        tuple(EventRow(i, r.kind, r.code, r.at, r.value, r.unit, r.text, r.flag, 1) for i, r in enumerate(rows)),
    )
    definition = next(p for p in programmes() if p.id == programme)
    evidence = definition.evidence[definition.task(task).evidence]
    assert [proof.day for proof in proofs(evidence, history, catalogue(), TODAY)] == [TODAY]


def test_every_measured_value_has_a_soft_and_a_hard_limit():
    for form_id in forms.form_ids():
        for field in forms.load(form_id).fields:
            if field.kind == "number":
                assert field.hard[0] <= field.soft[0] < field.soft[1] <= field.hard[1], (form_id, field.id)


# COPD-SQ: the most of everything is 38; 70 years, nothing else and a BMI of 23 is 15; with a relative 18.
SQ = {"smoking": "never", "height": "160", "weight": "58.9", "cough": "no", "breathless": "none", "biomass": "no"}
SQ |= {"family": "no"}
SQ_MOST = {"smoking": "from-30", "weight": "46", "cough": "yes", "breathless": "level", "biomass": "yes"}
SQ_MOST |= {"family": "yes"}


@pytest.mark.parametrize(
    ("years", "answers", "points"),
    [(70, SQ_MOST, 38), (70, {}, 15), (70, {"family": "yes"}, 18), (49, {"weight": "72"}, 0), (50, {"weight": "71"}, 5),
     (60, {"weight": "47.4", "smoking": "under-15"}, 14), (69, {"weight": "47.3", "smoking": "under-30"}, 19)],
)  # fmt: skip
def test_the_copd_questionnaire_adds_up(years, answers, points):
    posted = typed(visit_date="2026-04-01", **(SQ | answers))
    entry = forms.read_entry(forms.load("copd-questionnaire"), posted, today=TODAY, months=12 * years)
    assert entry.values["copd_sq"] == points


@pytest.mark.parametrize(
    ("major", "minor", "result"),
    [(["none"], ["none"], "negative"), (["none"], ["blood"], "negative"), (["none"], ["blood", "appendix"], "positive"),
     (["relative"], ["none"], "positive")],
)  # fmt: skip
def test_the_colorectal_questionnaire_is_positive_by_one_grave_or_two_lesser_answers(major, minor, result):
    posted = typed(visit_date="2026-04-01", major=major, minor=minor)
    assert forms.read_entry(forms.load("crc-questionnaire"), posted, today=TODAY).values["crc_questionnaire"] == result


@pytest.mark.parametrize(
    ("answers", "points", "level"),
    [({}, 0, "可自理"), ({"eating": "some-help"}, 3, "可自理"),
     ({"eating": "some-help", "washing": "bath-help"}, 4, "轻度依赖"),
     ({"toilet": "often", "moving": "much-help"}, 10, "中度依赖"),
     ({"toilet": "full-help", "moving": "bedridden"}, 20, "不能自理")],
)  # fmt: skip
def test_self_care_of_the_elderly_adds_up(answers, points, level):
    form = forms.load("yearly-examination").at_age(780)
    entry = forms.read_entry(form, typed(**(filled(form) | answers)), today=TODAY, months=780)
    score = form.field("self_care").score
    assert entry.values["self_care"] == points
    assert score.level(points).words["zh"] == level


def test_what_a_form_asks_depends_on_the_age():
    form = forms.load("child-visit")
    assert form.at_age(7).has("signs_6")
    assert not form.at_age(7).has("signs_8")
    assert form.at_age(7).has("length")
    assert not form.at_age(25).has("length")
    assert not forms.load("yearly-examination").at_age(779).has("eating")


def test_every_word_exists_in_both_languages():
    for form_id in forms.form_ids():
        form = forms.load(form_id)
        for field in form.fields:
            assert {"zh", "en"} <= set(field.label), field.id
            assert all(option.words["en"] for option in field.options), field.id


@pytest.mark.parametrize(
    ("answers", "refused", "asked"),
    [
        ({}, [], []),
        ({"sbp": "1320"}, ["sbp"], []),  # a slip of the hand: no such pressure
        ({"sbp": "13a"}, ["sbp"], []),
        ({"sbp": "nan"}, ["sbp"], []),
        ({"sbp": "84", "dbp": "132"}, ["dbp"], ["dbp"]),  # the two swapped
        ({"sbp": "230", "dbp": "120"}, [], ["sbp"]),  # possible and rare
        ({"sbp": "１３２"}, [], []),  # full-width digits of a Chinese keyboard
        ({"sbp": ""}, ["sbp"], []),
        ({"visit_mode": "PHONE", "sbp": "", "dbp": ""}, [], []),  # nothing is measured by telephone
        ({"visit_mode": "5"}, ["visit_mode"], []),
        ({"visit_date": "2026-04-02"}, ["visit_date"], []),  # tomorrow
        ({"visit_date": "20260230"}, ["visit_date"], []),
        ({"adherence": ""}, ["adherence"], []),
        ({"symptoms": ["none", "dyspnoea"]}, ["symptoms"], []),
    ],
)
def test_slips_are_refused_and_rare_values_are_asked_about(answers, refused, asked):
    entry = visit(**answers)
    assert sorted({p.field for p in entry.refused}) == refused
    assert sorted({p.field for p in entry.asked}) == asked


def test_a_large_change_of_weight_is_asked_about():
    assert [p.field for p in visit(weight="76", last={"weight": 62.0}).asked] == ["weight"]
    assert not visit(weight="66", last={"weight": 62.0}).problems


def test_medicines_and_numbers_arrive_typed():
    answers = {
        "weight": "62.5",
        "medications-0-name": "氨氯地平",
        "medications-0-times": "1",
        "medications-0-dose": "5mg",
    }
    values = visit(**answers).values
    assert values["weight"] == 62.5
    assert values["medications"] == [{"name": "氨氯地平", "times": "1", "dose": "5mg"}]
    assert "height" not in values


@pytest.mark.parametrize(
    ("form_id", "values", "urgent"),
    [
        ("hypertension-follow-up", {"sbp": 179, "dbp": 109}, 0),
        ("hypertension-follow-up", {"sbp": 180, "dbp": 90}, 1),
        ("hypertension-follow-up", {"sbp": 150, "dbp": 110}, 1),
        ("hypertension-follow-up", {"sbp": 150, "dbp": 90, "symptoms": ["dyspnoea"]}, 1),
        ("hypertension-follow-up", {"sbp": 150, "dbp": 90, "symptoms": ["numb-limbs"]}, 0),
        ("type-2-diabetes-follow-up", {"glucose": 16.6}, 0),
        ("type-2-diabetes-follow-up", {"glucose": 16.7}, 1),
        ("type-2-diabetes-follow-up", {"glucose": 3.9}, 1),
        ("type-2-diabetes-follow-up", {"glucose": 4.0}, 0),
    ],
)
def test_urgent_signs_of_the_specification(form_id, values, urgent):
    assert len(forms.urgent_signs(forms.load(form_id), values)) == urgent


@pytest.mark.parametrize(
    ("values", "state", "number"),
    [
        ({}, "controlled", 1),
        ({}, "uncontrolled", 2),
        ({}, "urgent", 2),
        ({"adverse_reaction": "yes"}, "controlled", 3),
        ({"adverse_reaction": "yes", "new_complication": "yes"}, "controlled", 4),  # the most serious one is written
        ({}, "no-reading", None),
    ],
)
def test_classification_of_the_sheet(values, state, number):
    row = forms.classify(forms.load("hypertension-follow-up"), values, state)
    assert (row["number"] if row else None) == number


def test_body_mass_index():
    assert forms.body_mass_index({"weight": 70.0, "height": 175.0}) == 22.9
    assert forms.body_mass_index({"weight": 70.0}) is None


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        ("2026-04-03", "还剩 2 天"), ("2026-04-01", "今天"), ("2026-03-31", "逾期 1 天"), ("2025-04-02", "逾期 364 天"),
        ("2025-04-01", "逾期 1 年"), ("2024-10-11", "逾期 1 年 5 个月"), ("1975-07-10", "逾期 50 年 8 个月"),
    ],
)  # fmt: skip
def test_how_late_in_words_a_person_would_use(due: str, expected: str) -> None:
    assert until(dt.date.fromisoformat(due), dt.date(2026, 4, 1)) == expected
