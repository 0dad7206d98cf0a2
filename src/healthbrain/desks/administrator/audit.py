"""The audit log: search it, and prove that nobody changed it."""

from __future__ import annotations

import datetime as dt

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.audit import queries
from healthbrain.desks.deeds import TRADES
from healthbrain.desks.hospital_doctor.looks import in_words
from healthbrain.desks.i18n import number, t
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.shell import render, say
from healthbrain.kernel.clock import COUNTY_ZONE


def _day(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), COUNTY_ZONE)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


@page(permission="audit.read")
@require_GET
def log(request: HttpRequest) -> HttpResponse:
    """Who saw and who changed what, by person, resident, kind of action and day; newest first."""
    columns = [
        Column("at", t("时间", "When"), sortable=True, value=lambda row: row[1].at_words),
        Column("actor", t("谁", "Who"), sortable=True, value=lambda row: row[0].actor),
        Column("role", t("角色", "Role"), sortable=True, value=lambda row: row[1].role_words),
        Column("action", t("做了什么", "Did what"), sortable=True, value=lambda row: row[1].action_words),
        Column("subject", t("对象", "On what"), value=lambda row: row[1].subject_words),
        Column("resident", t("居民编号", "Resident no."), sortable=True, value=lambda row: row[0].resident_id),
        Column("purpose", t("目的", "Purpose"), value=lambda row: row[1].purpose_words),
        Column("detail", t("说明", "Detail"), value=lambda row: row[1].detail_words),
    ]
    listing = Listing.of(request, columns, sort="-at")
    given = {key: request.GET.get(key, "").strip() for key in ("who", "resident", "action", "since", "until")}
    until = _day(given["until"])
    rows, listing.total = queries.search(
        actor=given["who"],
        resident_id=_number(given["resident"]),
        action=given["action"],
        since=_day(given["since"]),
        until=until + dt.timedelta(days=1) if until else None,  # the last day counts whole
        limit=listing.limit,
        offset=listing.offset,
        order=listing.order,
    )
    listing.rows = list(zip(rows, in_words(rows), strict=True))
    if listing.exporting:
        return listing.workbook(request, t("审计日志", "Audit log"))
    trades = [(key, t(*words)) for key, words in TRADES.items()]
    return render(request, "administrator/audit.html", {"listing": listing, "given": given, "trades": trades})


@page(permission="audit.read")
@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Walk every chain and compare; linear in the number of events."""
    found = queries.verify()
    if found.ok:
        say(request, t("已核对 {n} 条日志、{l} 条链：完整，没有被改动", "{n} events in {l} chains: whole, unchanged",
                       n=number(found.events), l=found.lanes))  # fmt: skip
    else:
        broken = ", ".join(map(str, found.broken))
        say(request, t("日志链断裂，从编号 {b} 起不可信，请立即保全数据库并通知审计员",
                       "The chain is broken from event {b}: preserve the database and tell the auditor", b=broken),
            level="error")  # fmt: skip
    return HttpResponseRedirect("/administrator/audit")
