"""The trip log: every way that is over, with the driver's presses, fee and rating; low ratings are a press away."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks.i18n import t
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.shell import as_of, render
from healthbrain.desks.transport import words
from healthbrain.desks.transport.board import SPAN, moment
from healthbrain.dispatch.queries import transport as reads
from healthbrain.kernel.masking import mask_name

POOR = 3  # of 5: a rating up to this is looked at


def _columns() -> list[Column]:
    return [
        Column("who", t("乘客", "Passenger"), value=lambda trip: mask_name(trip.row.name)),
        Column("day", t("日期", "Day"), sortable=True, value=lambda trip: trip.day.isoformat()),
        Column("way", t("行程", "Ride"), value=lambda trip: f"{words.purpose(trip.row.purpose)} {_leg(trip)}"),
        Column("vehicle", t("车辆", "Vehicle"), sortable=True, value=lambda trip: trip.row.vehicle),
        Column("told", t("告知时段", "Told"), value=lambda trip: words.window(trip.row.promised)),
        Column("set_off", t("出发", "Set off"), value=lambda trip: words.clock(trip.set_off)),
        Column("picked_up", t("上车", "On board"), value=lambda trip: words.clock(trip.picked_up)),
        Column("delivered", t("送达", "Set down"), value=lambda trip: words.clock(trip.delivered)),
        Column("state", t("结果", "Result"), sortable=True, value=_result),
        Column("fee", t("费用", "Fee"), number=True, sortable=True, unit=t("元", "yuan"),
               value=lambda trip: float(trip.fee) if trip.row.status == "done" else 0.0),
        Column("score", t("评分", "Rating"), number=True, value=lambda trip: trip.score),
        Column("remark", t("乘客的话", "What was said"), value=lambda trip: trip.remark),
    ]  # fmt: skip


def _leg(trip: reads.Trip) -> str:
    return t(*words.LEGS[trip.row.leg])


def _result(trip: reads.Trip) -> str:
    if trip.on_time is not None:
        return t("准时", "on time") if trip.on_time else t("晚到", "late")
    return t(*words.STATES[trip.row.status][1:])


@page(permission="transport.plan")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """The last days; a look at people's journeys, audited."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    today, poor = as_of(request), request.GET.get("only") == "poor"
    found = reads.trips(actor, since=today - dt.timedelta(days=SPAN), until=today, now=moment(request))
    with transaction.atomic():
        audit.record(by=actor, action="transport.log", subject="transport", detail={"rows": len(found)})
    rated_low = [trip for trip in found if trip.score is not None and trip.score <= POOR]
    listing = Listing.of(request, _columns(), sort="-day").of_all(rated_low if poor else found)
    if listing.exporting:
        return listing.workbook(request, t("行程记录", "Trip log"))
    chips = [
        {"label": t("全部", "All"), "href": listing.url(only=""), "on": not poor},
        {
            "label": t("评分低（{n}）", "Rated low ({n})", n=len(rated_low)),
            "href": listing.url(only="poor"),
            "on": poor,
        },
    ]
    context = {"listing": listing, "chips": chips, "span": SPAN, "unsettled": _unsettled(found), **words.context()}
    return render(request, "transport/log.html", context)


def _unsettled(found: list[reads.Trip]) -> int:
    return len({trip.row.booking_id for trip in found if trip.row.status == "done" and not trip.settled})
