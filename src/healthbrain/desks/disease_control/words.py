"""Kinds and states of surveillance in words, badges and colours."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from healthbrain.desks.i18n import said, t
from healthbrain.surveillance import handbook
from healthbrain.surveillance.queries.exposures import Common
from healthbrain.surveillance.rules.clocks import Reading
from healthbrain.surveillance.rules.linelist import Suspect

LIVES = {
    "new": ("urgent", "新", "New"),
    "grown": ("overdue", "增多", "Grown"),
    "unchanged": ("due", "未变", "Unchanged"),
    "over": ("unknown", "已结束", "Over"),
}
LEVELS = {
    "watch": ("关注", "Watch"),
    "cluster": ("聚集", "Cluster"),
    "outbreak": ("暴发", "Outbreak"),
    "report": ("应报告", "Reportable"),
    "statistical": ("统计", "Statistical"),
}
METHODS = {
    "own": ("自有检测", "Own detector"),
    "scan": ("时空扫描", "Space-time scan"),
    "fusion": ("多源合并", "Sources together"),
}
ANSWERS = {"noise": ("排除", "Noise"), "watch": ("关注", "Watch"), "verify": ("核实", "Verify")}
STATUS = {
    "verifying": ("due", "核实中", "Verifying"),
    "confirmed": ("overdue", "已确认", "Confirmed"),
    "excluded": ("unknown", "已排除", "Excluded"),
    "closed": ("done", "已结案", "Closed"),
}
CLOCKS = {
    "waiting": ("unknown", "未开始", "Not begun"),
    "running": ("due", "计时中", "Running"),
    "soon": ("overdue", "快到时限", "Soon"),
    "late": ("urgent", "已超时", "Late"),
    "met": ("done", "按时", "Met"),
    "missed": ("urgent", "超时完成", "Missed"),
}
SOURCES = {
    "diagnosis": ("诊断", "Diagnoses"),
    "laboratory": ("检验", "Laboratory"),
    "fever-clinic": ("发热门诊", "Fever clinic"),
    "ems": ("120 呼救", "Ambulance"),
    "absence": ("晨检缺课", "School absence"),
    "morning-check": ("晨检", "Morning check"),
    "pharmacy": ("药店销售", "Pharmacy sales"),
    "nursing-home": ("养老机构", "Nursing homes"),
    "work-site": ("用人单位", "Work sites"),
    "hotel": ("住宿场所", "Lodging"),
    "card": ("传染病报卡", "Notifiable card"),
    "rumour": ("线索", "Rumour"),
    "other": ("其他", "Other"),
}
KINDS = {
    "school": ("学校", "Schools"),
    "childcare": ("托幼机构", "Childcare"),
    "pharmacy": ("药店", "Pharmacies"),
    "nursing-home": ("养老机构", "Nursing homes"),
    "workplace": ("用人单位", "Workplaces"),
    "lodging": ("住宿场所", "Lodging"),
    "hospital": ("医院", "Hospitals"),
    "township": ("卫生院", "Township centres"),
    "village": ("村卫生室", "Village stations"),
    "ems": ("急救中心", "Ambulance"),
    "other": ("其他", "Other"),
}
FEEDS = {
    "live": ("done", "正常", "Live"),
    "late": ("overdue", "迟到", "Late"),
    "silent": ("urgent", "静默", "Silent"),
    "falling": ("overdue", "下降", "Falling"),
}
STEPS = {
    "opened": ("立为事件", "Event opened"),
    "joined": ("并入新信号", "A signal joined"),
    "described": ("修改事件信息", "Described"),
    "confirmed": ("核实：确认", "Confirmed"),
    "excluded": ("核实：排除", "Excluded"),
    "verification-withdrawn": ("撤回核实结论", "Verdict withdrawn"),
    "graded": ("分级变化", "Graded"),
    "cases": ("病例入名单", "Cases added"),
    "classified": ("病例分类", "Case classified"),
    "case-corrected": ("更正病例", "Case corrected"),
    "person-decided": ("核对病例身份", "Person decided"),
    "investigated": ("个案调查", "Case investigated"),
    "linked": ("登记传播关系", "Link recorded"),
    "unlinked": ("取消传播关系", "Link removed"),
    "contacts": ("登记密切接触者", "Contacts added"),
    "follow-up": ("密切接触者随访", "Contact followed up"),
    "follow-up-ended": ("结束随访", "Follow-up ended"),
    "contact-ill": ("密切接触者发病", "Contact fell ill"),
    "sample": ("采样", "Sample taken"),
    "sample-result": ("检测结果", "Result"),
    "measure": ("部署措施", "Measure ordered"),
    "measure-done": ("措施完成", "Measure done"),
    "measure-cancelled": ("取消措施", "Measure cancelled"),
    "measure-reopened": ("措施重新打开", "Measure reopened"),
    "risk": ("风险研判", "Risk assessed"),
    "report-drafted": ("拟写报告", "Report drafted"),
    "report-edited": ("修改报告", "Report edited"),
    "reported": ("本人已在国家系统填报", "Entered in the national system"),
    "warning-formed": ("形成预警", "Warning formed"),
    "warning-sent": ("发送预警", "Warning sent"),
    "warning-answered": ("单位答复", "Warning answered"),
    "warning-fed-back": ("预警反馈", "Warning fed back"),
    "closed": ("结案", "Closed"),
    "reopened": ("重新打开", "Reopened"),
}
RESULTS = {
    "pending": ("due", "待结果", "Pending"),
    "positive": ("urgent", "阳性", "Positive"),
    "negative": ("done", "阴性", "Negative"),
    "invalid": ("unknown", "无效", "Invalid"),
}
FOLLOWING = {
    "following": ("due", "随访中", "Following"),
    "finished": ("done", "已解除", "Finished"),
    "case": ("urgent", "已转病例", "Became a case"),
    "lost": ("overdue", "失访", "Lost"),
}
ROMAN = {
    "I": ("特别重大", "Extraordinary"),
    "II": ("重大", "Major"),
    "III": ("较大", "Large"),
    "IV": ("一般", "Ordinary"),
}


def pair(table: dict[str, tuple[str, str]], key: str) -> str:
    """A word of a table, or the key itself."""
    return t(*table[key]) if key in table else key


def badge(table: dict[str, tuple[str, str, str]], key: str) -> tuple[str, str]:
    """Badge and words."""
    state, zh, en = table.get(key, ("unknown", key, key))
    return state, t(zh, en)


def word(kind: str, key: str) -> str:
    """A word of responding.yaml; unknown ones as they were written."""
    table: Any = handbook.words(kind)
    table = table.get("tiers", table) if kind == "risk" else table
    return said(table[key]) if key in table else key


def symptom(code: str) -> str:
    return word("symptoms", code)


def disease_options() -> list[tuple[str, str]]:
    return [("", t("未定", "Not known")), *((k, said(v["title"])) for k, v in handbook.diseases().items())]


def span(value: dt.timedelta | None) -> str:
    """2天3小时, 5小时20分, 12分钟."""
    if value is None:
        return "—"
    minutes = int(abs(value).total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return t("{d} 天", "{d} d", d=days) + (t(" {h} 小时", " {h} h", h=hours) if hours else "")
    if hours:
        return t("{h} 小时", "{h} h", h=hours) + (t(" {m} 分", " {m} min", m=minutes % 60) if minutes % 60 else "")
    return t("{m} 分钟", "{m} min", m=minutes)


def clock_words(reading: Reading) -> str:
    """还剩 2 小时 · 超时 3 小时 · 用时 12 分钟."""
    if reading.state == "waiting":
        return t("未开始", "not begun")
    if reading.state in {"met", "missed"}:
        return t("用时 {s}", "took {s}", s=span(reading.elapsed))
    left = reading.left
    if left is not None and left.total_seconds() < 0:
        return t("超时 {s}", "{s} over", s=span(left))
    return t("还剩 {s}", "{s} left", s=span(left))


def source_words(source: Any, verified: bool) -> str:
    """The document behind a number, and whether somebody has checked it."""
    parts = [str(source.get("document", "")), str(source.get("number", "") or source.get("clause", ""))]
    text = " · ".join(part for part in parts if part)
    return text if verified else text + t("（待核实）", " (not verified)")


def step_words(kind: str, detail: dict[str, Any]) -> str:
    """What a step of the timeline says beyond its title."""
    if kind == "cases":
        parts = [
            t("入库 {n}", "{n} stored", n=detail["stored"]),
            t("待核对 {n}", "{n} waiting", n=detail["waiting"]),
            t("重复 {n}", "{n} duplicate", n=detail["duplicates"]),
            t("退回 {n}", "{n} rejected", n=detail["rejected"]),
        ]
        return t("共 {n} 行：", "{n} rows: ", n=detail["rows"]) + t("，", ", ").join(parts)
    if kind == "classified":
        return t(
            "{n} 号：{a} → {b}",
            "No. {n}: {a} → {b}",
            n=detail["case"],
            a=word("classes", detail["before"]),
            b=word("classes", detail["after"]),
        )
    if kind in {"measure", "measure-done", "measure-cancelled", "measure-reopened"}:
        title = said(handbook.measures().get(detail.get("measure", ""), {}).get("title", ""))
        late = "" if detail.get("in_time", True) else t("（超期）", " (late)")
        return title + late
    if kind == "sample-result":
        return f"{detail['code']} {badge(RESULTS, detail['result'])[1]}"
    if kind == "risk":
        return word("risk", detail["tier"])
    if kind == "graded":
        return t("{g} 级", "grade {g}", g=detail["grade"])
    if kind == "follow-up":
        return t("异常", "abnormal") if detail["abnormal"] else t("正常", "normal")
    if kind == "linked":
        return t("{a} 号 → {b} 号", "No. {a} → No. {b}", a=detail["source"], b=detail["case"])
    if "case" in detail:
        return t("{n} 号", "No. {n}", n=detail["case"])
    if "added" in detail:
        return t("{n} 人", "{n} people", n=detail["added"])
    return str(detail.get("code") or detail.get("number") or "")


def exposure_name(common: Common) -> str:
    """三(2)班; 寝室 B-204; the question of the form."""
    if common.kind == "answer":
        labels = {i["id"]: i["label"] for form in handbook.forms().values() for i in form["items"]}
        return said(labels.get(common.name, common.name))
    return common.name if common.kind == "group" else t("寝室或家庭 {n}", "Dormitory {n}", n=common.name)


def ratio_words(found: Suspect) -> str:
    """7.6（2.4–24）, with ∞ where nobody else is ill."""
    low, ratio, high = (
        "∞" if value == math.inf else f"{value:.2g}" if value < 99.5 else f"{value:.0f}"
        for value in (found.low, found.risk_ratio, found.high)
    )  # fmt: skip
    return t("{r}（{a}–{b}）", "{r} ({a}–{b})", r=ratio, a=low, b=high)


def chance_words(found: Suspect) -> str:
    """The p-value after correction for the number of exposures."""
    return "p < 0.001" if found.adjusted < 0.001 else f"p = {found.adjusted:.2g}"


def exposure_words(common: Common) -> str:
    """The strongest exposure in one sentence: who fell ill, how much more often than the others, how sure."""
    found, table = common.found, common.found.table
    numbers = {
        "x": exposure_name(common), "a": table.exposed_ill, "n": table.exposed, "p": f"{table.attack_rate:.0%}",
        "b": table.other_ill, "m": table.others, "q": f"{table.other_rate:.0%}", "r": ratio_words(found),
        "e": f"{found.explained:.0%}", "k": chance_words(found),
    }  # fmt: skip
    if not found.speaks:
        return t(
            "还看不出共同的班级、寝室或餐食。最可疑的是“{x}”：{n} 人中 {a} 人发病，其他 {m} 人中 {b} 人，"
            "{k}（已按比较的项数校正）。",
            "No common class, dormitory or meal stands out yet. Most suspect is {x}: {a} of {n} ill, {b} of {m} others,"
            " {k} after correction for all comparisons.",
            **numbers,
        )
    return t(
        "可疑共同暴露：{x}。{n} 人中 {a} 人发病（{p}），其他 {m} 人中 {b} 人（{q}），相对危险度 {r}；"
        "{e} 的病例有这项暴露，{k}（已按比较的项数校正）。",
        "Suspected common exposure: {x}. {a} of {n} fell ill ({p}), of the {m} others {b} ({q}), risk ratio {r};"
        " {e} of the cases had it, {k} after correction for all comparisons.",
        **numbers,
    )


def exposure_cells(common: Common) -> list[object]:
    """A row of the workbook; open ends of an interval are words."""
    found, table = common.found, common.found.table
    numbers = [round(v, 3) if v < float("inf") else "∞" for v in (found.risk_ratio, found.low, found.high)]
    counts = [table.exposed_ill, table.exposed, table.other_ill, table.others]
    return [exposure_name(common), *counts, *numbers, round(found.adjusted, 4)]
