"""What each figure of the county page means: words, formula, source. Care's own words are taken from care."""

from __future__ import annotations

from dataclasses import dataclass

from healthbrain.care.queries import Overview
from healthbrain.desks.i18n import said, t


@dataclass(frozen=True, slots=True)
class Definition:
    title: str
    meaning: str
    formula: str
    source: str
    verified: bool = True


FEEDS = {  # key → title, meaning, formula: each {zh, en}
    "rows_today": (
        ("今日收到", "Received today"),
        (
            "县区时间零点以来这个来源送来的行数，撤销的批次不算。",
            "Rows this source sent since midnight, county time; rolled-back batches left out.",
        ),
        ("今日各批次行数之和", "sum of the rows of today's batches"),
    ),
    "completeness": (
        ("完整度", "Completeness"),
        (
            "今天到这个时刻为止，收到的行数占平常的比例。",
            "Rows so far today against what this source usually sent by this hour.",
        ),
        (
            "今日行数 ÷（前 28 天有数据日的日均行数 × 今天已过的比例）",
            "rows today ÷ (mean rows of the days with data in the last 28 × share of today gone)",
        ),
    ),
    "delay": (
        ("时延中位数", "Median delay"),
        (
            "从事情发生到进入平台的小时数，取最近 20 万条的中位数；补传超过 30 天的旧数据不算。",
            "Hours from the event to its arrival, median of the newest 200,000; loads older than 30 days left out.",
        ),
        ("median(入库时间 − 发生时间)", "median(stored − happened)"),
    ),
    "errors": (
        ("退回率", "Rejected"),
        (
            "最近 28 天和今天收到的行里，因不合规范退回的比例。",
            "Share of rows rejected, over the last 28 days and today.",
        ),
        ("退回行数 ÷ 收到行数", "rejected rows ÷ received rows"),
    ),
    "silent": (
        ("静默", "Silent"),
        ("超过该来源约定的间隔没有任何数据。", "Nothing for longer than the interval agreed for this source."),
        ("现在 − 最后一批的时间 > 约定间隔", "now − time of the last batch > agreed interval"),
    ),
}
OURS = ("平台数据质量口径", "The platform's data-quality definitions")
NAMES = {
    "residents": ("在册居民", "Residents"), "enrolled": ("在管", "Enrolled"), "controlled": ("达标", "Controlled"),
    "uncontrolled": ("未达标", "Not controlled"), "unknown": ("无读数", "No reading"),
    "overdue": ("逾期任务", "Overdue tasks"),
    "rate": ("控制率", "Control rate"),
}  # fmt: skip
FORMULAS = {
    "rate": ("达标人数 ÷ 在管人数", "controlled ÷ enrolled"),
    "overdue": ("应完成日 < 今天 ≤ 失效日，且未完成", "due day < today ≤ expiry, not done"),
    "controlled": ("本年最近一次读数所在状态属于达标", "state of the last reading of this year counts as controlled"),
}


def name(key: str) -> str:
    return t(*NAMES[key])


def definition(key: str, programme: str, overview: Overview) -> Definition | None:
    """The definition behind one figure, None for an unknown key."""
    if key in FEEDS:
        title, meaning, formula = FEEDS[key]
        return Definition(t(*title), t(*meaning), t(*formula), t(*OURS))
    if key not in overview.definitions or key not in NAMES:
        return None
    measure, clause = overview.sources.get(programme, ({}, ""))
    source = f"{said(measure)} · {clause}" if clause else t(*OURS)
    counted = t(*FORMULAS[key]) if key in FORMULAS else t("按人计数", "a count of people")
    return Definition(name(key), said(overview.definitions[key]), counted, source)
