"""The signal board: what to look at first, its evidence beside it, answered by one key."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.access.rules import Actor
from healthbrain.county.queries import township_tiles
from healthbrain.desks.bureau.tiles import tile_map
from healthbrain.desks.disease_control import drawing, words
from healthbrain.desks.i18n import said, t
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.shell import as_of, render, say
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import signals as actions
from healthbrain.surveillance.queries import board, feeds, signals
from healthbrain.surveillance.queries.signals import SignalDetail, SignalRow
from healthbrain.surveillance.rules.clocks import Reading, read_clock

STATES = {
    "waiting": ("待处理", "To answer"),
    "watch": ("关注中", "Watched"),
    "verify": ("已转事件", "Became events"),
    "noise": ("已排除", "Noise"),
    "over": ("已结束", "Over"),
}
FIRST = {"grown": 0, "new": 0, "unchanged": 1, "over": 2}
REASONS = (
    ("数据错误或重复上报", "Wrong or repeated data"),
    ("预期内的季节性增多", "Expected seasonal rise"),
    ("已知原因（体检、放假、演练）", "Known cause (check-ups, holiday, drill)"),
    ("电话核实无聚集", "No cluster by telephone"),
)


def actor_of(request: HttpRequest) -> Actor:
    return request.actor  # type: ignore[attr-defined,no-any-return]


def clocks_of(row: SignalRow, now: dt.datetime) -> tuple[Reading, Reading]:
    """Data → signal, and signal → answer: until a signal is answered nobody handles it."""
    data, handling = (c for c in handbook.clocks() if c.key in {"data-to-signal", "signal-to-handling"})
    moments = {"data_at": row.data_at, "signal_at": row.opened_at, "handled_at": row.answered_at}
    return read_clock(data, moments, now), read_clock(handling, moments, now)


def spark_of(row: SignalRow, beside: board.Beside) -> drawing.Spark:
    since = (row.first_day - beside.first).days if beside.first else 0
    return drawing.spark(beside.counts, row.bound, since)


@page(permission="signals.read")
@require_GET
def signal_board(request: HttpRequest) -> HttpResponse:
    """The board: new and grown first."""
    actor, today, now = actor_of(request), as_of(request), clock.now()
    query = {key: request.GET.get(key, "") for key in ("syndrome", "level", "place", "q")}
    state = request.GET.get("state", "waiting") or "waiting"
    state = state if state in STATES else "waiting"
    listing = Listing.of(request, [Column("place", t("地点", "Place"))], size=50)
    found = signals.signals(
        actor,
        as_of=today,
        state=state,
        syndrome=query["syndrome"],
        level=query["level"],
        place=query["place"],
        text=query["q"],
        limit=listing.size,
        offset=listing.offset,
    )
    rows = sorted(found.rows, key=lambda r: FIRST.get(r.life, 1))
    listing.rows, listing.total = rows, found.total
    extras = board.beside(actor, [row.id for row in rows])
    townships = township_tiles()
    tiles = signals.tiles(actor, townships, as_of=today, syndrome=query["syndrome"])
    coverage = feeds.coverage(actor)
    context = {
        "listing": listing,
        "rows": rows,
        "counts": found.counts,
        "state": state,
        "query": query,
        "beside": extras,
        "sparks": {row.id: spark_of(row, extras[row.id]) for row in rows},
        "clocks": {row.id: clocks_of(row, now) for row in rows},
        "ages": {row.id: words.span(now - row.updated_at) for row in rows},
        "w": words,
        "chips": [
            {"label": t(*pair), "href": listing.url(state=key), "on": key == state, "count": found.counts[key]}
            for key, pair in STATES.items()
        ],
        "syndromes": _syndromes(listing, query["syndrome"]),
        "levels": [
            {"label": t("全部级别", "All levels"), "href": listing.url(level=""), "on": not query["level"]},
            *(
                {"label": t(*pair), "href": listing.url(level=key), "on": query["level"] == key}
                for key, pair in words.LEVELS.items()
            ),
        ],
        "map": tile_map(
            townships,
            {tile.code: float(tile.signals) for tile in tiles},
            {tile.code: str(tile.signals) for tile in tiles},
        ),
        "coverage": coverage,
        "places": sum(c.places for c in coverage),
        "live": sum(c.live for c in coverage),
        "feeds": feeds.feeds(actor)[:12],
        "may_work": actor.may("signals.work"),
        "at": now,
    }
    return render(request, "disease_control/board.html", context)


def _syndromes(listing: Listing, chosen: str) -> list[dict[str, Any]]:
    from healthbrain.surveillance import knowledge

    chips = [{"label": t("全部症候群", "All syndromes"), "href": listing.url(syndrome=""), "on": not chosen}]
    for key, row in knowledge.syndromes().items():
        chips.append({"label": said(row["short"]), "href": listing.url(syndrome=key), "on": key == chosen})
    return chips


@page(permission="signals.read")
@require_GET
def signal_detail(request: HttpRequest, signal_id: int) -> HttpResponse:
    """One signal in the side panel: chart, rule and source, the people behind it, history."""
    actor, now = actor_of(request), clock.now()
    found = signals.signal(actor, signal_id)
    people = signals.line_list(actor, signal_id) if actor.may("people.list") else []
    context = {
        "d": found,
        "row": found.row,
        "people": people,
        "chart": _chart(found),
        "clocks": clocks_of(found.row, now),
        "beside": board.beside(actor, [signal_id])[signal_id],
        "w": words,
        "may_work": actor.may("signals.work"),
        "reasons": [t(*pair) for pair in REASONS],
        "focus": request.GET.get("answer", ""),
    }
    return render(request, "disease_control/signal.html", context)


def _chart(found: SignalDetail) -> dict[str, Any] | None:
    """An ECharts option of counts by day with the bound as a line; None without a series."""
    if found.series_first is None or not found.series:
        return None
    days = [found.series_first + dt.timedelta(days=n) for n in range(len(found.series))]
    labels = [f"{day.month}/{day.day}" for day in days]
    bars = {
        "name": t("病例", "Cases"),
        "type": "bar",
        "barCategoryGap": "20%",
        "data": [
            {"value": count, "itemStyle": {"color": "#b42318" if day >= found.row.first_day else "#9ccbd9"}}
            for day, count in zip(days, found.series, strict=True)
        ],
    }
    series: list[dict[str, Any]] = [bars]
    estimates = {one.day: one for one in found.estimates}
    if estimates:
        bars["stack"] = "cases"
        series.append(_to_come(found, days))
    if found.row.bound is not None:
        series.append(
            {
                "name": t("上限", "Bound"),
                "type": "line",
                "data": [found.row.bound] * len(days),
                "symbol": "none",
                "lineStyle": {"type": "dashed", "color": "#5b6776"},
                "endLabel": {"show": True, "formatter": t("界值", "bound") + f" {found.row.bound:g}"},
            }
        )
    option = {
        "grid": {"left": 36, "right": 72, "top": 16, "bottom": 28},
        "xAxis": {"type": "category", "data": labels},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": series,
    }
    columns = [t("日期", "Day"), t("病例", "Cases")]
    rows: list[list[object]] = [[a, b] for a, b in zip(labels, found.series, strict=True)]
    if estimates:
        percent = found.estimates[0].percent
        columns.append(t("估计，含未报来的（{p}% 区间）", "Estimate with late reports ({p}% interval)", p=percent))
        for row, day in zip(rows, days, strict=True):
            one = estimates.get(day)
            row.append(f"{one.median}（{one.low}–{one.high}）" if one else "—")
    return {"option": option, "columns": columns, "rows": rows, "estimated": bool(estimates)}


def _to_come(found: SignalDetail, days: list[dt.date]) -> dict[str, Any]:
    """A lighter bar on top of the counted cases: what is still to be reported, estimated."""
    estimates = {one.day: one.median for one in found.estimates}
    return {
        "name": t("估计：尚未报来", "Estimated: still to be reported"),
        "type": "bar",
        "stack": "cases",
        "itemStyle": {"color": "#d9dee5", "borderColor": "#5b6776", "borderType": "dashed"},
        "data": [max(0, estimates.get(day, n) - n) or None for day, n in zip(days, found.series, strict=True)],
    }


@page(permission="signals.work")
@require_POST
def answer(request: HttpRequest, signal_id: int) -> HttpResponse:
    """Noise, watch or verify; verify opens the event's room."""
    actor, now = actor_of(request), clock.now()
    said_now = request.POST.get("answer", "")
    if said_now not in words.ANSWERS:
        raise Invalid(t("请选择排除、关注或核实", "Choose noise, watch or verify"))
    event = actions.answer_signal(
        by=actor, signal_id=signal_id, answer=said_now, reason=request.POST.get("reason", ""), now=now
    )
    if event is not None:
        say(request, t("已立为事件，首次处置从现在计时", "An event is open; the clock to first handling runs"))
        return HttpResponseRedirect(f"/outbreaks/{event}")
    say(request, t("已答复：{a}", "Answered: {a}", a=words.pair(words.ANSWERS, said_now)))
    back = request.POST.get("next", "")
    return HttpResponseRedirect(back if back.startswith("/signals") else "/signals")
