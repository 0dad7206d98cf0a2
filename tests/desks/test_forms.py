"""The two national record sheets as forms: nothing of the paper is missing, slips are asked about or refused."""

from __future__ import annotations

import datetime as dt

import pytest
from django.http import QueryDict

from healthbrain.desks import forms

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


@pytest.mark.parametrize("form_id", sorted(SYMPTOMS))
def test_symptoms_keep_the_numbers_of_the_paper(form_id):
    options = forms.load(form_id).field("symptoms").options
    assert [(o.number, o.words["zh"]) for o in options] == list(enumerate(SYMPTOMS[form_id].split(), start=1))


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
