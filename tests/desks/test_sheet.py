"""The national record sheet, from what was really stored: on the screen and as PDF; and what may not be seen."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.test import Client

from healthbrain.access.queries import actor_of
from healthbrain.county.models import Organisation
from healthbrain.desks import forms
from healthbrain.desks.village_doctor import papers
from healthbrain.desks.village_doctor.visit import save_visits
from healthbrain.records.models import Event
from healthbrain.residents.models import Identity, Link, Resident

from .conftest import event

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "hypertension-follow-up"
AS_OF = dt.date(2026, 4, 1)


@pytest.fixture
def client(station) -> Client:
    made = Client()
    made.force_login(station.doctor)
    return made


def record(station, name: str, **values) -> int:
    whole = {
        "visit_date": "2026-04-01",
        "visit_mode": "HH",
        "sbp": 136.0,
        "dbp": 84.0,
        "adherence": "irregular",
    } | values
    return save_visits(actor_of(station.doctor), forms.load(FORM), {station.people[name].pk: whole}, AS_OF)[0]


def test_the_sheet_shows_the_visit_as_it_was_recorded(station, client):
    drug = {"name": "氨氯地平片", "times": "1", "dose": "5mg"}
    record(station, "李建国", symptoms=["headache-dizziness"], medications=[drug], weight=68.5, height=170.0)
    person = station.people["李建国"].pk
    page = client.get(f"/today/residents/{person}/sheet/{FORM}").content.decode()
    for words in (
        "2026年4月1日",
        "2 家庭",
        "136／84",
        "2 头痛头晕",
        "2 间断",
        "氨氯地平片",
        "23.7",
        "1 控制满意",
        "2026年7月1日",
    ):
        assert words in page
    assert "李建国" not in page  # masked on the screen; the paper bears the name
    pdf = client.get(f"/today/residents/{person}/sheet/{FORM}.pdf")
    assert pdf.content[:5] == b"%PDF-"


# The rows of each sheet as printed in the norms, read off the paper by hand.
PAPERS = {
    "yearly-examination": """体检日期 症状 老年人健康状态自我评估* 老年人生活自理能力自我评估* 老年人认知功能*
        老年人情感状态* 体育锻炼 饮食习惯 吸烟情况 饮酒情况 职业病危害因素接触史 口腔 视力 听力 运动功能 眼底* 皮肤 巩膜
        淋巴结 肺 心脏 腹部 下肢水肿 足背动脉搏动* 血常规* 尿常规* 空腹血糖* 心电图* 尿微量白蛋白* 大便潜血*
        糖化血红蛋白* 乙型肝炎表面抗原* 肝功能* 肾功能* 血脂* 胸部X线片* B超* 宫颈涂片* 脑血管疾病 肾脏疾病
        心脏疾病 住院治疗情况 主要用药情况 非免疫规划预防接种史 健康评价 健康指导""",
    "newborn-visit": """目前体重 喂养方式 前囟 外生殖器 脐带 转诊建议 指导 本次访视日期 随访医生签名""",
    "child-1-8": """随访日期 体重/kg 身长/cm 头围/cm 面色 皮肤 前囟 颈部包块 眼睛 耳 听力 口腔 胸部 腹部 脐部 四肢
        可疑佝偻病症状 可疑佝偻病体征 肛门/外生殖器 血红蛋白值 户外活动 服用维生素D 发育评估
        两次随访间患病情况 转诊建议 指导 下次随访日期 随访医生签名""",
    "child-12-30": """身长(高)/cm 面色 皮肤 前囟 眼睛 耳外观 听力 出牙/龋齿数（颗） 胸部 腹部 四肢 步态 可疑佝偻病体征
        血红蛋白值 户外活动 服用维生素D 发育评估""",
    "child-3-6": """体重/身高
        体格发育评价 视力 听力 牙数（颗）/龋齿数 胸部 腹部 血红蛋白值* 其他 发育评估""",
    "copd-follow-up": """随访方式 症状 口唇紫绀 外周水肿 呼吸频率 心率 体质指数 合并症 日吸烟量（支） 运动 心理调整
        遵医行为 疫苗免疫史 SpO2 服药依从性 药物不良反应 家庭氧疗 无创呼吸机使用 此次随访分类 原因 机构及科别
        下次随访日期 随访医生签名""",
}


def test_no_row_of_the_papers_is_missing_and_no_answer_has_no_place():
    for name, rows in PAPERS.items():
        assert set(rows.split()) <= {"".join(row.label) for row in papers.sheet(name).rows}, name
    for sheet in papers.sheets().values():
        told = papers.lines(sheet, [None] * sheet.columns, {})
        assert not [cell for line in told for cells in line.cells for cell in cells if "{" in cell], sheet.id
    # What a form asks stands on one of its sheets: a field nobody prints would be written twice.
    elsewhere = (
        "height weight new_complication inhaler exacerbation flares exposure visit_date visit_mode spo2 waist length"
    )
    elsewhere += " signs_other eating washing dressing toilet moving medications referral_reason referral_to"
    for form_id in {sheet.form for sheet in papers.sheets().values()}:
        printed = " ".join(
            cell for s in papers.sheets().values() if s.form == form_id for r in s.rows for cell in r.cells
        )
        fields = {field.id for field in forms.load(form_id).fields} - set(elsewhere.split())
        missing = {name for name in fields if not re.search(rf"[{{|]{name}[}}?|=~]", printed)}
        assert not missing, (form_id, missing)


def test_the_examination_sheet_is_filled_from_the_form_and_from_the_record(station, client):
    person, village = station.people["王秀英"], station.organisation
    identity = person.link_set.get().identity
    Event.objects.bulk_create([
        event(identity, village, "observation", "loinc|777-3", dt.datetime(2026, 2, 3, 9), 182, "10*9/L"),  # noqa: DTZ001
        event(identity, village, "observation", "loinc|1742-6", dt.datetime(2026, 2, 3, 9), 31, "U/L"),  # noqa: DTZ001
        event(identity, village, "observation", "loinc|2823-3", dt.datetime(2024, 2, 3, 9), 4.4, "mmol/L"),  # noqa: DTZ001
    ])  # fmt: skip
    values = {
        "visit_date": "2026-04-01", "visit_mode": "AMB", "sbp": 138.0, "dbp": 82.0, "height": 156.0, "weight": 58.0,
        "waist": 82.0, "abnormal": ["hearing"], "abnormal_text": "右耳听力差", "eating": "alone",
        "washing": "bath-help", "dressing": "alone", "toilet": "alone", "moving": "stick", "cognition": "negative",
        "guidance": ["recheck"],
        "creatinine": 71.0,
    }  # fmt: skip
    save_visits(actor_of(station.doctor), forms.load("yearly-examination"), {person.pk: values}, AS_OF)
    page = client.get(f"/today/residents/{person.pk}/sheet/yearly-examination").content.decode()
    for words in (
        "左侧 138/82 mmHg", "体质指数 23.8 kg/m²", "1 可自理（2 分）", "2 听不清或无法听见", "1 可顺利完成",
        "右耳听力差",
        "血小板 182 ×10⁹/L", "血清谷丙转氨酶 31 U/L", "血清肌酐 71 μmol/L", "2 建议复查", "粗筛：1 阴性",
        "高血压",
    ):  # fmt: skip
        assert words in page, words
    assert "血钾浓度 4.4" not in page, "two years old"
    assert client.get(f"/today/residents/{person.pk}/sheet/yearly-examination.pdf").content[:5] == b"%PDF-"


def test_a_visit_typed_elsewhere_stands_on_the_sheet_with_what_was_measured(station, client):
    record(station, "张小明")
    page = client.get(f"/today/residents/{station.people['张小明'].pk}/sheet/{FORM}").content.decode()
    row = page[page.index("血压（mmHg）</th>") :]
    cells = re.findall(r"<td>(.*?)</td>", row[: row.index("</tr>")])
    assert cells == ["132／84", "152／94", "136／84", "　　／　　"]
    assert "2026年3月20日" in page
    assert "湖山村卫生室" in page, "who saw him signs"


def test_a_child_s_visits_stand_in_the_column_of_their_age(station, client):
    born = dt.date(2025, 6, 20)
    child = Resident.objects.create(name="李小宝", sex="1", birth_date=born, home_organisation=station.organisation)
    link = station.people["李建国"].link_set.get()
    identity = Identity.objects.create(source=link.identity.source, source_key="child", name="李小宝", birth_date=born)
    Link.objects.create(identity=identity, resident=child, rule="new")
    for day, weight, sign in (("2025-09-25", 6.4, "signs_3"), ("2025-12-28", 7.9, "signs_6")):
        form = forms.load("child-visit")
        values = {
            "visit_date": day,
            "visit_mode": "AMB",
            "weight": weight,
            "length": 62.0,
            sign: ["none"],
            "head": 41.2,
        }
        save_visits(actor_of(station.doctor), form, {child.pk: values}, AS_OF)
    page = client.get(f"/today/residents/{child.pk}/sheet/child-1-8").content.decode()
    row = page[page.index('<th colspan="2">体重/kg</th>') :]
    cells = re.findall(r"<td>(.*?)</td>", row[: row.index("</tr>")])
    assert cells == ["　　　上 中 下", "6.40　上 中 下", "7.90　上 中 下", "　　　上 中 下"]
    assert "4.不会独坐" not in page
    assert "4 不会独坐" in page, "the eight-month column is still to be asked: its signs stand there"
    panel = client.get(f"/today/residents/{child.pk}").content.decode()
    assert "1～8月龄儿童健康检查记录表" in panel
    assert "3～6岁儿童健康检查记录表" not in panel


def test_the_next_visit_starts_from_this_one(station, client):
    record(station, "李建国", cigarettes=12.0)
    page = client.get(f"/today/residents/{station.people['李建国'].pk}/visit/{FORM}").content.decode()
    assert 'name="cigarettes" value="12"' in page
    assert "上次 136" in page


def test_a_resident_of_another_village_stays_closed(station, client):
    county = Organisation.objects.get(code="C")
    other = Organisation.objects.create(
        code="W", name="西塘村卫生室", kind="village", parent=county, path=f"{county.path}9/"
    )
    stranger = Resident.objects.create(name="外村人", home_organisation=other)
    for path in (f"/today/residents/{stranger.pk}", f"/today/residents/{stranger.pk}/visit/{FORM}"):
        assert client.get(path).status_code in {403, 404}
    posted = {"visit_date": "2026-04-01", "visit_mode": "AMB", "sbp": "136", "dbp": "84", "adherence": "regular",
              "adverse_reaction": "no", "new_complication": "no", "symptoms": "none", "key": "k"}  # fmt: skip
    assert client.post(f"/today/residents/{stranger.pk}/visit/{FORM}", posted).status_code in {403, 404}


def test_the_same_send_twice_saves_once(station, client):
    person = station.people["李建国"].pk
    posted = {"visit_date": "2026-04-01", "visit_mode": "AMB", "sbp": "136", "dbp": "84", "adherence": "regular",
              "adverse_reaction": "no", "new_complication": "no", "symptoms": "none", "key": "k1"}  # fmt: skip
    first = client.post(f"/today/residents/{person}/visit/{FORM}", posted)
    again = client.post(f"/today/residents/{person}/visit/{FORM}", posted)
    assert first.headers["Location"] == again.headers["Location"]


def test_why_tells_values_days_institutions_and_the_document(station, client):
    from healthbrain.care.models import Task

    task = Task.objects.get(resident=station.people["张小明"], programme="hypertension", task="follow-up")
    page = client.get(f"/today/tasks/{task.pk}/why").content.decode()
    for words in ("152", "3月20日", "湖山村卫生室", "国家基本公共卫生服务规范", "首次未达标", "4月3日"):
        assert words in page
