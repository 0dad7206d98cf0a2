"""A figure of the knowledge files in the reader's words: what it is, what stands there, what says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from healthbrain.desks.i18n import said, t
from healthbrain.kernel.figures import Figure, flattened

TOPICS = {  # in the order of the list
    "programmes": ("照护项目", "Care programmes"), "surveillance": ("传染病监测", "Surveillance"),
    "syndromes": ("症候群", "Syndromes"), "dispatch": ("院前急救", "Emergency"),
    "transport": ("非急救转运", "Patient transport"), "homecare": ("居家护理", "Home care"),
    "proxies": ("代办授权", "Proxies"), "forms": ("表单", "Forms"), "terms": ("参考值范围", "Reference ranges"),
    "facts": ("指标取值范围", "Facts"), "codes": ("检验项目取值范围", "Observations"), "units": ("单位换算", "Units"),
    "matching": ("身份匹配", "Identity matching"),
}  # fmt: skip
KEYS = {
    "plausible": ("可信范围", "plausible"), "soft": ("超出再问", "asked again outside"),
    "hard": ("超出拒收", "refused outside"), "drift": ("与上次相差", "change"), "hours": ("报告时限（小时）", "hours"),
    "cases": ("例数 ≥", "cases ≥"), "days": ("天数", "days"), "window_days": ("天数", "days"),
    "report_hours": ("报告时限（小时）", "report within hours"), "deaths": ("死亡 ≥", "deaths ≥"),
    "hospitalised": ("住院 ≥", "in hospital ≥"), "low": ("下限", "low"), "high": ("上限", "high"),
    "ages": ("年龄", "ages"), "sex": ("性别（1 男 2 女）", "sex (1 male, 2 female)"),
    "overdue": ("逾期后上报", "overdue, then upwards"),
    "range": ("可填范围", "accepted"), "opens": ("开始", "opens"), "due": ("到期", "due"), "until": ("截止", "until"),
    "incubation_days": ("最长潜伏期（天）", "longest incubation, days"), "months": ("月龄", "months of age"),
    "points": ("分值", "points"), "scores": ("分值", "scores"), "upto": ("最高分", "up to"), "from": ("从", "from"),
    "alarm": ("正常区间，之外报警", "alarm outside"), "price": ("价格（元）", "price, yuan"),
    "priority": ("优先级", "priority"), "target": ("时限（秒）", "target, s"),
    "tolerance": ("容许差（秒）", "tolerance, s"), "staff": ("人员", "people"), "vehicles": ("车辆", "vehicles"),
    "mean": ("均值", "mean"), "sd": ("标准差", "standard deviation"),
    "variation": ("变异系数", "coefficient of variation"), "factor": ("乘以", "times"),
    "divide": ("除以", "divided by"),
    "offset": ("加", "plus"), "within": ("以内", "within"), "when": ("当", "when"),
    "length_days": ("疗程（天）", "length, days"), "spreads_days": ("聚集天数", "days between"),
    "evidence_after": ("至少隔", "not before"), "return_after": ("治疗分钟数", "minutes of treatment"),
    "share": ("占比", "share"), "board": ("上车（分钟）", "boarding, min"),
    "alight": ("下车（分钟）", "alighting, min"),
    "max_ride": ("最长乘车（分钟）", "longest ride, min"),
    "places": ("座位、轮椅、担架", "seats, wheelchairs, stretchers"),
    "minutes": ("分钟", "minutes"), "behind": ("往前", "behind"), "ahead": ("往后", "ahead"),
    "least_cases": ("至少例数", "least cases"),
}  # fmt: skip
SPANS = {
    "second": "秒", "minute": "分钟", "hour": "小时", "day": "天", "week": "周", "month": "个月", "year": "年",
}  # fmt: skip
RANGES = frozenset({"plausible", "soft", "hard", "range", "alarm", "ages"})


def order(figure: Figure) -> int:
    return list(TOPICS).index(figure.topic) if figure.topic in TOPICS else len(TOPICS)


def topic(figure: Figure) -> str:
    return t(*TOPICS.get(figure.topic, (figure.topic, figure.topic)))


def what(figure: Figure) -> str:
    """The last two names that say something; a bare number of a list says nothing."""
    names = [said(one) if "zh" in one else one["key"] for one in figure.titles]
    spoken = [name for name in names if name and not name.isdigit()]
    named = [said(one) for one in figure.titles if "zh" in one]
    last = spoken[-1:] or [figure.file]
    return " · ".join([*(name for name in named[-2:] if name not in last), *last])


def values(figure: Figure) -> str:
    return "；".join(_one(key, value) for key, value in figure.values)


def unit(figure: Figure) -> str:
    return figure.unit.strip("{}") if isinstance(figure.unit, str) else said(figure.unit)


def _one(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return said(value)
    if isinstance(value, list):
        lists = [part if isinstance(part, list) else [part] for part in value]
        inside = " ".join if any(isinstance(part, list) for part in value) else "".join
        shown = ("–" if key in RANGES else "、").join(inside(map(_plain, flattened(part))) for part in lists)
    else:
        shown = _plain(value)
    return shown if key == "value" else f"{t(*KEYS.get(key, (key, key)))} {shown}"


def _plain(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:g}"
    text = " ".join(str(value).split())
    return re.sub(rf"(?<=\d )({'|'.join(SPANS)})s?\b", lambda found: t(SPANS[found[1]], found[0]), text)


def source(figure: Figure) -> str:
    return figure.document or t("没有写出处", "No source named")


def state(figure: Figure) -> tuple[str, str]:
    """Badge and word: the unverified ones stand out."""
    if figure.verified:
        return "done", t("已核实", "Verified")
    if figure.document:
        return "abnormal", t("待核实", "Not verified")
    return "failed", t("无出处", "No source")


def place(figure: Figure) -> str:
    """Where it stands, for whoever keeps the file."""
    mine = t("（本县）", " (the county's)") if figure.own else ""
    return f"{figure.file}{mine} › {' › '.join(figure.where)}"
