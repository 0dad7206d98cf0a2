"""What a task, a state and a reason are called, in both languages, from the programme files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from healthbrain.care.knowledge import programme
from healthbrain.care.rules.programme import Programme, State, Task, Title

STATUS = {
    "active": Title("在管", "enrolled"),
    "suspected": Title("疑似", "suspected"),
    "ended": Title("已结束", "ended"),
    "upcoming": Title("未到期", "upcoming"),
    "due": Title("待办", "due"),
    "overdue": Title("逾期", "overdue"),
    "done": Title("已完成", "done"),
    "expired": Title("已过期", "missed"),
    "cancelled": Title("已取消", "cancelled"),
    "deferred": Title("已延期", "deferred"),
    "refused": Title("已拒绝", "refused"),
    "died": Title("死亡", "died"),
    "moved": Title("迁出", "moved away"),
    "no-longer-eligible": Title("不再符合", "no longer eligible"),
}
ANSWERS = {
    "positive": Title("阳性", "positive"),
    "negative": Title("阴性", "negative"),
    "weak-positive": Title("弱阳性", "weakly positive"),
    "light": Title("轻", "light"),
    "medium": Title("中", "medium"),
    "heavy": Title("重", "heavy"),
}
# key of `because` → what it is called and its unit, in the order shown
VALUES = (
    ("fpg", Title("空腹血糖", "fasting glucose"), "mmol/L"),
    ("spo2", Title("血氧", "SpO2"), "%"),
    ("fev1_fvc", Title("一秒率", "FEV1/FVC"), "%"),
    ("copd_sq", Title("COPD-SQ", "COPD-SQ"), ""),
    ("temperature", Title("体温", "temperature"), "℃"),
    ("fit", Title("粪便隐血", "FIT"), ""),
    ("fit_amount", Title("粪便隐血定量", "FIT"), "μg/g"),
    ("crc_questionnaire", Title("风险问卷", "questionnaire"), ""),
    ("bmi", Title("BMI", "BMI"), ""),
    ("salt", Title("摄盐", "salt"), ""),
    ("exacerbated_on", Title("急性加重", "exacerbation"), ""),
)


class Words(dict[str, str]):
    """A text in both languages. As plain text it is the Chinese one."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh=zh, en=en)

    def __str__(self) -> str:
        return self["zh"]

    __hash__ = None


def words(title: Title) -> Words:
    return Words(title.zh, title.en)


def state_title(programme_id: str, state_id: str) -> Words:
    """What a level is called; its id when the programme no longer knows it."""
    found = programme(programme_id)
    state = found.state(state_id) if found else None
    return words(state.title) if state else Words(state_id, state_id)


def programme_title(programme_id: str) -> Words:
    found = programme(programme_id)
    return words(found.title) if found else Words(programme_id, programme_id)


def task_title(programme_id: str, task_id: str, ordinal: int = 1) -> Words:
    """What a task is called; a visit of a series carries its age."""
    found = programme(programme_id)
    task = found.task(task_id) if found else None
    if task is None:
        return Words(task_id, task_id)
    # Of several versions of a row the newest names it: all are the same visit or dose.
    age = next((a for a in reversed(task.ages) if a.ordinal == ordinal and len(task.ages) > 1), None)
    if age is None:
        return words(task.title)
    return Words(f"{task.title.zh}（{age.title.zh}）", f"{task.title.en} ({age.title.en})")


def why(programme_id: str, task_id: str, reason: Mapping[str, Any]) -> Words:
    """One line: the values with their day, the level, the clause, what to do."""
    found = programme(programme_id)
    task = found.task(task_id) if found else None
    if found is None or task is None:
        return Words("", "")
    state = found.state(str(reason.get("state", "")))
    values = reason.get("because") or {}
    if task.kind in {"calendar", "ages", "series"}:
        return _by_schedule(found, task, values)
    return Words(*(_line(found, task, state, values, lang) for lang in ("zh", "en")))


def _by_schedule(found: Programme, task: Task, values: Mapping[str, Any]) -> Words:
    zh, en = "每年 1 次", "once a year"
    if task.kind == "ages" and task.anchor is not None:
        day = values.get("discharged")
        zh, en = f"{_day(day, 'zh')}出院", f"discharged on {_day(day, 'en')}"
        if day is None:
            zh, en = "出院日未知，按通常的住院天数推算", "day of discharge not known, counted from the usual stay"
    elif task.kind == "series":
        zh, en = "按程序该做下一次", "the next one of its schedule"
    elif task.kind == "ages" and task.counts_from is not None:
        zh, en = "到了规定时间", "its time has come"
    elif task.kind == "ages":
        zh, en = "到了规定月龄", "the age for it has come"
    return Words(f"{zh}（{_cited(found, task.source, 'zh')}）", f"{en} ({_cited(found, task.source, 'en')})")


def _cited(found: Programme, clause: str, lang: str) -> str:
    """The document of a clause as people call it; its number and section stand in the explanation."""
    source = found.sources.get(clause.partition(" ")[0])
    return str(getattr(source.short, lang)) if source else clause


def _line(found: Programme, task: Task, state: State | None, values: Mapping[str, Any], lang: str) -> str:
    shown = _values(values, lang)
    day = _day(values.get("reading"), lang)
    head = (f"{shown}（{day}）" if lang == "zh" else f"{shown} ({day})") if shown and day else shown
    if task.suspected:
        state_text, advice, clause = getattr(task.title, lang), "", found.suspect_source
    else:
        state_text = getattr(state.title, lang) if state else ""
        advice = getattr(state.advice, lang) if state and state.advice else ""
        clause = (state.source if state else "") or task.source
    parts = [part for part in (head, state_text) if part]
    text = ("，" if lang == "zh" else ", ").join(parts)
    cited = _cited(found, clause, lang)
    text += f"（{cited}）" if lang == "zh" else f" ({cited})"
    return text + (("：" if lang == "zh" else ": ") + advice if advice else "")


def _values(values: Mapping[str, Any], lang: str) -> str:
    parts = []
    if values.get("sbp") is not None and values.get("dbp") is not None:
        name = "血压" if lang == "zh" else "BP"
        parts.append(f"{name} {number(values['sbp'])}/{number(values['dbp'])}")
    for key, title, unit in VALUES:
        value = values.get(key)
        if value is not None:
            text = getattr(ANSWERS[value], lang) if value in ANSWERS else f"{number(value)}{' ' + unit if unit else ''}"
            parts.append(f"{getattr(title, lang)} {text}")
    return ("、" if lang == "zh" else ", ").join(parts)


def number(value: Any) -> str:
    """150.0 → 150, 7.25 → 7.2."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def _day(value: str | None, lang: str) -> str:
    if not value:
        return ""
    date = dt.date.fromisoformat(value)
    return f"{date.month}月{date.day}日" if lang == "zh" else f"{date.day} {date:%b}"
