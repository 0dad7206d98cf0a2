"""Thresholds and sources: every number the programmes, detectors and desks work with, as it stands in its file."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.desks.i18n import t
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.shell import render
from healthbrain.desks.thresholds import words
from healthbrain.kernel.figures import Figure, figures


@dataclass(frozen=True, slots=True)
class Row:
    """One figure in the reader's words."""

    topic: str
    what: str
    values: str
    unit: str
    source: str
    clause: str
    date: str
    state: str
    badge: str
    note: str
    place: str


def _row(figure: Figure) -> Row:
    badge, state = words.state(figure)
    return Row(
        words.topic(figure), words.what(figure), words.values(figure), words.unit(figure), words.source(figure),
        figure.clause, figure.date, state, badge, figure.note, words.place(figure),
    )  # fmt: skip


def _columns() -> list[Column]:
    return [
        Column("what", t("数值是什么", "What it is"), sortable=True, value=lambda row: row.what),
        Column("values", t("数值", "Value"), value=lambda row: row.values),
        Column("unit", t("单位", "Unit"), value=lambda row: row.unit),
        Column("state", t("核实", "Verified"), sortable=True, value=lambda row: row.state),
        Column("source", t("出处", "Source"), sortable=True, value=lambda row: row.source),
        Column("clause", t("文号、条款", "Number, clause"), value=lambda row: row.clause),
        Column("date", t("日期", "Date"), sortable=True, value=lambda row: row.date),
        Column("note", t("说明", "Note"), value=lambda row: row.note),
        Column("topic", t("主题", "Topic"), sortable=True, value=lambda row: row.topic),
        Column("place", t("所在文件", "File"), value=lambda row: row.place),
    ]


def _matches(row: Row, wanted: list[str]) -> bool:
    text = " ".join((row.topic, row.what, row.values, row.source, row.clause, row.note, row.place)).casefold()
    return all(word in text for word in wanted)


@page(permission="thresholds.read")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """All figures, filtered by words, topic and state; `all=1` puts every row on one page, for the printer."""
    given = {key: request.GET.get(key, "").strip() for key in ("find", "topic", "state")}
    wanted = given["find"].casefold().split()
    every = sorted((one for one in figures() if given["topic"] in ("", one.topic)), key=words.order)
    found = [(figure, row) for figure in every if _matches(row := _row(figure), wanted)]
    open_ones = [row for figure, row in found if not figure.verified]
    rows = open_ones if given["state"] == "open" else [row for _, row in found]
    listing = Listing.of(request, _columns())
    if request.GET.get("all") == "1":
        listing.size = max(len(rows), 1)
    listing.of_all(rows)
    if listing.exporting:
        return listing.workbook(request, t("阈值与出处", "Thresholds and sources"))
    chips = [
        {
            "label": t("全部 {n}", "All {n}", n=len(found)),
            "href": listing.url(state=""),
            "on": given["state"] != "open",
        },
        {
            "label": t("待核实或无出处 {n}", "Not verified {n}", n=len(open_ones)),
            "href": listing.url(state="open"),
            "on": given["state"] == "open",
        },
    ]
    topics = [(key, t(*pair)) for key, pair in words.TOPICS.items()]
    context = {
        "listing": listing, "chips": chips, "given": given, "topics": topics, "total": len(found),
        "unverified": len(open_ones), "whole": request.GET.get("all") == "1",
    }  # fmt: skip
    return render(request, "thresholds/list.html", context)
