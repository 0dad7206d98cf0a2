"""The bureau's page of surveillance: warning time, handling, clusters, absence, coverage; each opens its meaning."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.access.rules import Actor
from healthbrain.desks.bureau import workbook
from healthbrain.desks.bureau.definitions import Definition
from healthbrain.desks.bureau.workbook import Sheet
from healthbrain.desks.disease_control.words import span
from healthbrain.desks.i18n import number, said, t
from healthbrain.desks.shell import as_of, render
from healthbrain.kernel import clock
from healthbrain.kernel.errors import NotFound
from healthbrain.surveillance import handbook
from healthbrain.surveillance.queries import figures, response
from healthbrain.surveillance.queries.figures import Figures

OURS = {"zh": "县区口径", "en": "the county's own definition"}
PERIODS = {"30": ("近 30 天", "30 days"), "90": ("近 90 天", "90 days"), "365": ("近一年", "A year")}
MEANINGS = {
    "clusters": (
        ("10 人以上聚集", "Clusters of 10 or more"),
        (
            "本期立案、未排除、名单上不少于 10 例的事件数。",
            "Events opened in the period, not excluded, with at least 10 cases.",
        ),
        ("count(事件, 病例 ≥ 10)", "count(events with ≥ 10 cases)"),
    ),
    "events": (
        ("事件", "Events"),
        (
            "本期立案且没有排除的事件数，去年同期为同样天数前移 365 天。",
            "Events opened and not excluded; last year: the same days 365 days before.",
        ),
        ("count(事件)", "count(events)"),
    ),
    "absence": (
        ("因病缺课", "Absence by illness"),
        (
            "学校和托幼机构晨检报告里，因病缺课人数占应到人数的千分数。",
            "Pupils absent because of illness per 1,000 enrolled pupils and day.",
        ),
        ("1000 × Σ 因病缺课 ÷ Σ 应到", "1000 × Σ absent ill ÷ Σ enrolled"),
    ),
    "coverage": (
        ("重点场所覆盖", "Key places covered"),
        (
            "在自己约定的间隔里有报告的重点场所，占登记的重点场所。",
            "Key places that spoke within their rhythm, of those on file.",
        ),
        ("在线 ÷ 登记", "live ÷ on file"),
    ),
    "answered": (
        ("信号答复率", "Signals answered"),
        ("本期信号里已答复（排除、关注、核实）的比例。", "Signals of the period that were answered."),
        ("已答复 ÷ 信号", "answered ÷ signals"),
    ),
}


def _period(request: HttpRequest) -> tuple[str, dt.date, dt.date]:
    key = request.GET.get("days", "365")
    key = key if key in PERIODS else "365"
    last = as_of(request)
    return key, last - dt.timedelta(days=int(key) - 1), last


def change(value: float | None, before: float | None) -> str:
    """↓ 50 % against last year, or that there is no comparison."""
    if value is None or before is None:
        return t("去年同期无数据", "no data last year")
    if before == 0:
        return t("去年同期 0", "0 last year")
    moved = (value - before) / before
    arrow = "↓" if moved < 0 else "↑" if moved > 0 else "="
    return t("同比 {a} {p}", "{a} {p} on last year", a=arrow, p=f"{abs(moved):.0%}")


def _stats(found: Figures, key: str) -> list[dict[str, str]]:
    def stat(name: str, value: str, unit: str = "", note: str = "", href: str = "") -> dict[str, str]:
        title = _title(name)
        return {
            "label": title,
            "value": value,
            "unit": unit,
            "note": note,
            "href": href,
            "definition": f"/county/outbreaks/definition/{name}?days={key}",
        }

    shown = [
        stat(
            s.clock.key,
            span(s.median),
            "",
            t("{a}/{b} 次在 {l} 内", "{a} of {b} within {l}", a=s.within, b=s.counted, l=span(s.clock.limit)),
            "/outbreaks?status=closed",
        )
        for s in found.speeds
        if s.clock.key in {"data-to-signal", "signal-to-handling"}
    ]
    return [
        *shown,
        stat("clusters", number(found.clusters), t("起", ""), change(found.clusters, found.clusters_before), "#events"),
        stat("absence", number(found.absence, 1), "‰", change(found.absence, found.absence_before), "#absence"),
        stat("coverage", f"{found.live} / {found.places}", t("家", "places"), "", "/signals"),
        stat("answered", number(found.answered), f"/ {number(found.signals)}", "", "/signals?state=verify"),
    ]


def _title(name: str) -> str:
    if name in MEANINGS:
        return t(*MEANINGS[name][0])
    found = next((c for c in handbook.clocks() if c.key == name), None)
    if found is None:
        raise NotFound(t("没有这个指标", "No such figure"))
    return said(found.title)


def meaning(name: str) -> Definition:
    """Words, formula and source of a figure; a clock brings its own document."""
    title = _title(name)
    if name in MEANINGS:
        return Definition(title, t(*MEANINGS[name][1]), t(*MEANINGS[name][2]), said(OURS))
    found = next(c for c in handbook.clocks() if c.key == name)
    source = " · ".join(str(found.source[k]) for k in ("document", "clause", "date") if found.source.get(k))
    note = "" if found.verified else t("（待核实）", " (not verified)")
    if name == "data-to-signal":
        words = t(
            "从触发数据到达本系统到信号出现的时间，取本期所有信号的中位数。",
            "From the arrival of the data to the signal; median over all signals.",
        )
    else:
        words = t(
            "本期事件里这一段已走完的用时，取中位数；时限 {l}。",
            "Median of the events whose stretch has ended; limit {l}.",
            l=span(found.limit),
        )
    return Definition(title, words, f"median({found.end} − {found.start})", source + note, found.verified)


@page(permission="signals.read")
@require_GET
def outbreaks(request: HttpRequest) -> HttpResponse:
    """The page."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    now = clock.now()
    key, first, last = _period(request)
    found = figures.figures(actor, first, last, now)
    begun = figures.midnight(first)
    events = [row for row in response.events(actor, now, status="") if row.opened_at >= begun]
    context = {
        "found": found,
        "at": now,
        "stats": _stats(found, key),
        "speeds": found.speeds,
        "span": span,
        "events": events,
        "chart": _absence_chart(first, last),
        "key": key,
        "title": _title,
        "chips": [
            {"label": t(*words), "href": f"/county/outbreaks?days={days}", "on": days == key}
            for days, words in PERIODS.items()
        ],
    }
    return render(request, "bureau/outbreaks.html", context)


def _absence_chart(first: dt.date, last: dt.date) -> dict[str, Any] | None:
    """Absence by month, this period and the same months a year before."""
    now = dict(figures.absence_by_month(first, last))
    if not now:
        return None
    before = {
        month.replace(year=month.year + 1): rate
        for month, rate in figures.absence_by_month(first - figures.YEAR, last - figures.YEAR)
    }
    months = sorted(now)
    series = [{"name": t("本期", "This period"), "type": "bar", "data": [round(now[m], 2) for m in months]}]
    if before:
        old = [round(before[m], 2) if m in before else None for m in months]
        series.append({"name": t("去年同期", "A year before"), "type": "line", "data": old})
    option = {
        "grid": {"left": 40, "right": 12, "top": 28, "bottom": 28},
        "legend": {"top": 0, "right": 0},
        "xAxis": {"type": "category", "data": [f"{m.year}-{m.month:02d}" for m in months]},
        "yAxis": {"type": "value"},
        "series": series,
    }
    rows = [[f"{m.year}-{m.month:02d}", round(now[m], 2), round(before[m], 2) if m in before else None] for m in months]
    return {"option": option, "rows": rows}


@page(permission="signals.read")
@require_GET
def define(request: HttpRequest, name: str) -> HttpResponse:
    """What one figure means, in the side panel."""
    return render(request, "bureau/definition.html", {"definition": meaning(name)})


@page(permission="signals.read")
@require_GET
def export(request: HttpRequest) -> HttpResponse:
    """Figures and events as a workbook; no person in it."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    now = clock.now()
    _, first, last = _period(request)
    found = figures.figures(actor, first, last, now)
    begun = figures.midnight(first)
    rows: list[list[Any]] = [
        [_title(s.clock.key), span(s.median), f"{s.within}/{s.counted}", span(s.clock.limit)] for s in found.speeds
    ]
    rows += [
        [_title("events"), found.events, found.events_before, ""],
        [_title("clusters"), found.clusters, found.clusters_before, ""],
        [_title("absence"), found.absence, found.absence_before, "‰"],
        [_title("coverage"), found.live, found.places, ""],
        [_title("answered"), found.answered, found.signals, ""],
    ]
    heads = [t("指标", "Figure"), t("本期", "This period"), t("对照", "Against"), t("时限或单位", "Limit or unit")]
    events = [
        [e.number, e.title, said(e.title_of), e.cases, e.status, e.grade, f"{clock.local(e.opened_at):%Y-%m-%d %H:%M}"]
        for e in response.events(actor, now, status="")
        if e.opened_at >= begun
    ]
    event_heads = [
        t("编号", "Number"),
        t("事件", "Event"),
        t("病种", "Disease"),
        t("病例", "Cases"),
        t("状态", "State"),
        t("分级", "Grade"),
        t("立案", "Opened"),
    ]
    notes = [f"{first} – {last}"]
    sheets = [Sheet(t("指标", "Figures"), heads, rows, notes), Sheet(t("事件", "Events"), event_heads, events, notes)]
    unit = request.user.organisation.name  # type: ignore[union-attr]
    return workbook.response(workbook.workbook(sheets), workbook.file_name(unit, t("传染病监测", "surveillance"), last))
