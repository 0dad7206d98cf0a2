"""The CSV/XLSX templates: their columns, the names people give them, and which template a header belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    zh: str
    also: tuple[str, ...] = ()  # other spellings of the header
    required: bool = False
    form: str = "text"  # text, date, moment, number, sex, value
    choices: tuple[str, ...] = ()  # drop-down of the template sheet


@dataclass(frozen=True, slots=True)
class Template:
    name: str
    zh: str
    resource: str  # the FHIR type its rows become
    kind: str  # the ledger's kind, "" for persons
    columns: tuple[Column, ...]
    example: tuple[str, ...]
    telling: tuple[str, ...] = ()  # columns without which a sheet is not this one, though their cells may be empty

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


SOURCE = Column("source", "来源", ("数据来源", "来源系统", "系统"), required=True)
SOURCE_ID = Column(
    "source_id", "人员编号", ("来源编号", "患者编号", "个人编号", "档案号", "patient_id", "person_id"), required=True
)
RECORD_ID = Column("record_id", "记录编号", ("流水号", "id", "单号"))
ORGANISATION = Column("organisation", "机构", ("机构代码", "医疗机构", "机构编码", "organization", "org"))
NAME = Column("display", "名称", ("项目名称", "诊断名称", "药品名称", "疫苗名称", "手术名称", "name"))

PERSONS = Template(
    "persons",
    "人员",
    "Patient",
    "",
    (
        SOURCE,
        SOURCE_ID,
        Column("name", "姓名", ("患者姓名", "居民姓名")),
        Column("sex", "性别", ("性别代码", "gender"), form="sex", choices=("1 男", "2 女", "0 未知", "9 未说明")),
        Column("birth_date", "出生日期", ("出生年月日", "生日", "birthdate", "dob"), form="date"),
        Column("id_number", "身份证号", ("身份证号码", "证件号码", "身份证", "公民身份号码")),
        Column("phone", "电话", ("联系电话", "手机", "手机号", "本人电话", "手机号码")),
        Column("address", "地址", ("住址", "现住址", "家庭住址", "居住地址")),
        Column("division_code", "区划代码", ("行政区划", "行政区划代码", "村居代码")),
        Column("deceased_on", "死亡日期", ("death_date",), form="date"),
        Column("moved_on", "迁出日期", ("迁出时间", "moved_date"), form="date"),
    ),
    ("jw01", "P0001", "王测试", "1", "1960-03-20", "", "13800000000", "安澜区示例村 1 号", "330197001101", "", ""),
    ("name",),
)
OBSERVATIONS = Template(
    "observations",
    "检查检验",
    "Observation",
    "observation",
    (
        SOURCE,
        SOURCE_ID,
        RECORD_ID,
        Column("code", "项目代码", ("项目", "检验项目", "代码", "loinc"), required=True),
        Column(
            "effective",
            "时间",
            ("检测时间", "检查时间", "测量时间", "日期", "检测日期", "检查日期", "date"),
            required=True,
            form="moment",
        ),
        Column("value", "结果", ("值", "结果值", "测量值", "检验结果"), required=True, form="value"),
        Column("unit", "单位", ("计量单位",), choices=("mm[Hg]", "mmol/L", "mg/dL", "umol/L", "kg", "cm", "%", "/min")),
        ORGANISATION,
        NAME,
    ),
    ("jw01", "P0001", "", "8480-6", "2026-03-20 08:30", "138", "mmHg", "H33019700001", "收缩压"),
)
CONDITIONS = Template(
    "conditions",
    "诊断",
    "Condition",
    "condition",
    (
        SOURCE,
        SOURCE_ID,
        RECORD_ID,
        Column("code", "诊断代码", ("疾病代码", "icd", "icd10", "icd-10", "ICD编码"), required=True),
        Column("onset", "诊断日期", ("确诊日期", "发病日期", "日期", "确诊时间", "date"), required=True, form="moment"),
        Column("status", "状态", ("临床状态",), choices=("active", "resolved", "inactive", "remission")),
        ORGANISATION,
        NAME,
    ),
    ("jw01", "P0001", "", "I10.x00x002", "2020-05-11", "active", "H33019700001", "原发性高血压"),
)
ENCOUNTERS = Template(
    "encounters",
    "就诊",
    "Encounter",
    "encounter",
    (
        SOURCE,
        SOURCE_ID,
        RECORD_ID,
        Column(
            "class",
            "就诊方式",
            ("就诊类别", "随访方式", "方式", "类别"),
            required=True,
            choices=("AMB", "HH", "PHONE", "VR", "IMP", "EMER"),
        ),
        Column(
            "start",
            "就诊时间",
            ("开始时间", "入院时间", "随访日期", "就诊日期", "日期", "date"),
            required=True,
            form="moment",
        ),
        Column("end", "结束时间", ("出院时间", "出院日期"), form="moment"),
        Column(
            "type", "就诊类型", ("服务类型", "类型"), choices=("follow-up", "examination", "screening", "consultation")
        ),
        ORGANISATION,
    ),
    ("jw01", "P0001", "", "AMB", "2026-03-20 08:20", "", "follow-up", "H33019700001"),
)
MEDICATIONS = Template(
    "medications",
    "用药",
    "MedicationStatement",
    "medication",
    (
        SOURCE,
        SOURCE_ID,
        RECORD_ID,
        Column("code", "药品代码", ("药品编码", "atc"), required=True),
        Column("start", "用药日期", ("开始日期", "开方日期", "处方日期", "日期", "date"), required=True, form="moment"),
        Column("end", "停药日期", ("结束日期",), form="moment"),
        Column("status", "状态", (), choices=("active", "completed", "stopped")),
        Column("dosage", "用法用量", ("用法", "剂量", "dose")),
        ORGANISATION,
        NAME,
    ),
    ("jw01", "P0001", "", "C08CA01", "2026-03-20", "", "active", "5 mg 每日一次", "H33019700001", "氨氯地平"),
)
IMMUNIZATIONS = Template(
    "immunizations",
    "接种",
    "Immunization",
    "immunization",
    (
        SOURCE,
        SOURCE_ID,
        RECORD_ID,
        Column("code", "疫苗", ("疫苗代码", "疫苗编码", "疫苗名称", "vaccine"), required=True),
        Column("date", "接种日期", ("接种时间", "日期", "occurrence", "effective"), required=True, form="moment"),
        Column("dose", "剂次", ("针次", "第几剂", "dose_number"), form="number"),
        Column("lot", "批号", ("疫苗批号", "lot_number")),
        ORGANISATION,
    ),
    ("jw01", "P0001", "", "HepB", "2026-03-20", "1", "", "H33019700001"),
)
PROCEDURES = Template(
    "procedures",
    "手术操作",
    "Procedure",
    "procedure",
    (
        SOURCE,
        SOURCE_ID,
        RECORD_ID,
        Column("code", "操作代码", ("手术代码", "操作编码", "icd9"), required=True),
        Column(
            "performed", "操作日期", ("手术日期", "手术时间", "操作时间", "日期", "date"), required=True, form="moment"
        ),
        Column("outcome", "结果", ("结论",)),
        ORGANISATION,
        NAME,
    ),
    ("jw01", "P0001", "", "45.2300", "2026-03-20", "", "H33019700001", "结肠镜检查"),
)
TEMPLATES = {t.name: t for t in (PERSONS, OBSERVATIONS, CONDITIONS, ENCOUNTERS, MEDICATIONS, IMMUNIZATIONS, PROCEDURES)}
_FILE_WORDS = {"person": "persons", "patient": "persons"} | {t.name.rstrip("s"): t.name for t in TEMPLATES.values()}
_FILE_WORDS |= {t.zh: t.name for t in TEMPLATES.values()} | {
    "检验": "observations",
    "随访": "encounters",
    "居民": "persons",
}
DATED = {
    "observations": "effective",
    "conditions": "onset",
    "encounters": "start",
    "medications": "start",
    "immunizations": "date",
    "procedures": "performed",
}
GENERIC_DATES = {"effective", "onset", "start", "date", "performed", "occurrence"}


def plain(text: str) -> str:
    """A header cell without what people decorate it with: spaces, stars, brackets with hints, letter case."""
    text = re.sub(r"[（(].*?[)）]", "", text.replace("\ufeff", ""))
    return re.sub(r"[\s*＊:：_-]", "", text).lower()


def names_of(template: Template) -> dict[str, str]:
    """Plain header spelling → column name."""
    found: dict[str, str] = {}
    for column in template.columns:
        for spelling in (column.name, column.zh, *column.also):
            found.setdefault(plain(spelling), column.name)
    if template.name in DATED:
        for spelling in GENERIC_DATES:
            found.setdefault(plain(spelling), DATED[template.name])
    return found


def mapping_of(template: Template, header: Sequence[str]) -> dict[int, str]:
    """Position → column for the cells of `header` we recognise; the first cell that names a column wins it."""
    names = names_of(template)
    found: dict[int, str] = {}
    for position, cell in enumerate(header):
        name = names.get(plain(cell))
        if name and name not in found.values():
            found[position] = name
    return found


def missing(template: Template, mapping: dict[int, str], given: Sequence[str] = ()) -> list[str]:
    """Columns the template needs and the mapping lacks, without the ones given otherwise."""
    present = {*mapping.values(), *given}
    return [c.name for c in template.columns if (c.required or c.name in template.telling) and c.name not in present]


def by_file_name(name: str) -> Template | None:
    """The template a file's name speaks of: persons.csv, jw01_observations_2026.csv, 人员.xlsx."""
    lowered = name.lower()
    for word, template in _FILE_WORDS.items():
        if word in lowered:
            return TEMPLATES[template]
    return None


def recognise(file_name: str, header: Sequence[str], given: Sequence[str] = ()) -> Template | None:
    """The template whose columns fit the header best; the one the file's name speaks of wins a near tie.

    When none fits, the one the name speaks of, so that its missing columns can be named; None when nothing does.
    """
    named = by_file_name(file_name)
    fits: dict[str, int] = {}
    for template in TEMPLATES.values():
        mapping = mapping_of(template, header)
        if not missing(template, mapping, given):
            fits[template.name] = len(mapping) + (2 if template is named else 0)
    best = max(fits, key=lambda name: fits[name], default=None)
    return TEMPLATES[best] if best else named
