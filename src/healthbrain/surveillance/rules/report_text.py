"""The text of a report as it is typed into the national system: Chinese, numbers first, nobody named. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KINDS = {"initial": ("初次报告", "Initial report"), "progress": ("进程报告", "Progress report"),
         "closing": ("结案报告", "Closing report")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """An event in numbers. Times are naive county time; `by_class`, `symptoms`: Chinese words → persons."""

    number: str
    title: str
    disease: str
    place: str
    where: str
    population: int | None
    grade: str
    by_class: Mapping[str, int]
    cases: int
    deaths: int
    in_hospital: int
    first_onset: dt.datetime | None
    last_onset: dt.datetime | None
    groups: int
    symptoms: Sequence[tuple[str, int]]
    samples: int
    positive: int
    tests: Sequence[str]
    measures: Sequence[tuple[str, bool]]
    opened: dt.datetime
    verified: dt.datetime | None
    reason: str


def when(moment: dt.datetime) -> str:
    """3月9日14时; without an hour 3月9日."""
    day = f"{moment.month}月{moment.day}日"
    return day if moment.hour == moment.minute == 0 else f"{day}{moment.hour}时"


def draft(kind: str, facts: Facts, at: dt.datetime) -> str:
    """A whole draft: place and time, cases, laboratory, measures, judgement. Empty parts are said, not left out."""
    head = facts.title if facts.place in facts.title else facts.place + facts.title
    lines = [
        f"{head}（{KINDS[kind][0]}，{facts.number}，截至{at.year}年{at.month}月{at.day}日{at.hour}时）",
        f"一、概况：{_overview(facts)}",
        f"二、病例：{_cases(facts)}",
        f"三、检测：{_laboratory(facts)}",
        f"四、已采取措施：{_measures(facts, done=True)}",
    ]
    if kind != "closing":
        lines.append(f"五、下一步：{_measures(facts, done=False)}")
    return "\n".join(lines)


def _overview(facts: Facts) -> str:
    verified = f"，{when(facts.verified)}核实" if facts.verified else "，核实中"
    grade = f"，拟定{facts.grade}级" if facts.grade else "，未达到分级标准"
    exposed = f"，暴露人数{facts.population}人" if facts.population else ""
    where = f"{facts.where}，" if facts.where else ""
    reason = f"依据：{facts.reason}。" if facts.reason else ""
    return f"{where}{when(facts.opened)}由监测信号发现{verified}，初步判断为{facts.disease}{grade}{exposed}。{reason}"


def _cases(facts: Facts) -> str:
    if not facts.cases:
        return "暂无病例登记。"
    classes = "、".join(f"{word}{count}例" for word, count in facts.by_class.items())
    rate = f"，罹患率{facts.cases / facts.population:.2%}" if facts.population else ""
    span = (
        f"首例发病{when(facts.first_onset)}，末例发病{when(facts.last_onset)}。"
        if facts.first_onset and facts.last_onset
        else "发病时间待查。"
    )
    groups = f"分布在{facts.groups}个班级或部门。" if facts.groups else ""
    signs = "主要症状：" + "、".join(f"{w}{n}例（{n / facts.cases:.0%}）" for w, n in facts.symptoms[:5]) + "。"
    serious = f"住院{facts.in_hospital}例，死亡{facts.deaths}例。"
    return f"累计{facts.cases}例（{classes}）{rate}。{span}{groups}{signs if facts.symptoms else ''}{serious}"


def _laboratory(facts: Facts) -> str:
    if not facts.samples:
        return "尚未采样。"
    found = f"，检出{'、'.join(facts.tests)}" if facts.tests else ""
    return f"采样{facts.samples}份，阳性{facts.positive}份{found}。"


def _measures(facts: Facts, *, done: bool) -> str:
    chosen = [text for text, finished in facts.measures if finished == done]
    if not chosen:
        return "暂无。" if done else "继续监测新发病例。"
    return "；".join(chosen) + "。"
