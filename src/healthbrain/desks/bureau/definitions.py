"""What each figure of the county page means: words, formula, source. Care's own words are taken from care."""

from __future__ import annotations

from dataclasses import dataclass

from healthbrain.care import queries as care
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
        ("今日入库", "Stored today"),
        ("县区时间零点以来，这个来源新入库的记录数。", "Entries of this source stored since midnight, county time."),
        ("入库时间在今天的记录数", "entries stored today"),
    ),
    "completeness": (
        ("完整度", "Completeness"),
        (
            "最近 7 个整天里发生的记录数，占平常的比例；按发生时间算，补传旧数据不会掩盖缺口。",
            "Entries that happened in the last 7 whole days against the usual number; by when they happened, so that "
            "a back-load hides no gap.",
        ),
        ("近 7 天发生数 ÷（此前 28 天发生数 × 7 ÷ 28）", "last 7 days ÷ (the 28 days before × 7 ÷ 28)"),
    ),
    "delay": (
        ("时延中位数", "Median delay"),
        (
            "从事情发生到入库的小时数，取近五周入库记录的中位数；接入之前发生的旧数据不算。",
            "Hours from happening to storage, median over five weeks; what happened before the source began to send "
            "is left out.",
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
        (
            "这个来源最近一条记录发生之后，已超过约定的间隔。",
            "More than the agreed interval since its newest entry happened.",
        ),
        ("现在 − 最近一条的发生时间 > 约定间隔", "now − newest happening > agreed interval"),
    ),
}
OURS = ("平台数据质量口径", "The platform's data-quality definitions")
NAMES = {
    "residents": ("在册居民", "Residents"), "enrolled": ("在管", "Enrolled"), "controlled": ("达标", "Controlled"),
    "uncontrolled": ("未达标", "Not controlled"), "unknown": ("无读数", "No reading"),
    "overdue": ("有逾期的人", "People overdue"),
    "overdue_tasks": ("逾期任务", "Overdue tasks"),
    "rate": ("控制率", "Control rate"),
    "standard": ("规范管理", "Managed to standard"),
    "substandard": ("未规范管理", "Below standard"),
    "standard_rate": ("规范管理率", "Standard-management rate"),
}  # fmt: skip
FORMULAS = {
    "rate": ("达标人数 ÷ 在管人数", "controlled ÷ enrolled"),
    "standard_rate": (
        "规范管理 ÷（规范管理 + 未规范管理），均为在管满一年者",
        "managed to standard ÷ (managed to standard + below standard), enrolled for a year or longer",
    ),
    "standard": ("近 12 个月随访天数 ≥ 规范的每年次数", "days seen in the last 12 months ≥ the visits a year asked"),
    "overdue_tasks": (
        "宽限日（无宽限即应完成日）< 今天 ≤ 失效日，且未完成",
        "grace day (due day where there is none) < today ≤ expiry, not done",
    ),
    "controlled": ("本年最近一次读数所在状态属于达标", "state of the last reading of this year counts as controlled"),
}


def name(key: str) -> str:
    return t(*NAMES[key])


def _document(programme: str, clause: str) -> str:
    """The document a clause like "N3 HTN-12" stands in, with its number."""
    found = next((one for one in care.programmes() if one.id == programme), None)
    source = found.sources.get(clause.split(" ")[0]) if found else None
    return "" if source is None else " · " + " ".join(filter(None, (source.document, source.number)))


def definition(key: str, programme: str, overview: Overview) -> Definition | None:
    """The definition behind one figure, None for an unknown key."""
    if key in FEEDS:
        title, meaning, formula = FEEDS[key]
        return Definition(t(*title), t(*meaning), t(*formula), t(*OURS))
    if key not in overview.definitions or key not in NAMES:
        return None
    source = t(*OURS)
    measure, clause = overview.sources.get(programme, ({}, ""))
    if "standard" in key:
        clause = next((one.standard_source for one in care.programmes() if one.id == programme), "")
    if clause:
        shown = name("standard_rate") if "standard" in key else said(measure)
        source = f"{shown} · {clause}{_document(programme, clause)}"
    counted = t(*FORMULAS[key]) if key in FORMULAS else t("按人计数", "a count of people")
    return Definition(name(key), said(overview.definitions[key]), counted, source)
