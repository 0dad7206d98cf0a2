"""The county on one page; every number opens its definition and, with permission, the people behind it."""

from __future__ import annotations

import math
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.access.rules import Actor
from healthbrain.care import queries as care
from healthbrain.desks.bureau import figures, workbook
from healthbrain.desks.bureau.definitions import definition, name
from healthbrain.desks.i18n import age_of, date, said, sex_of, t, until
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.shell import as_of, render
from healthbrain.kernel import clock
from healthbrain.kernel.errors import NotFound

LISTED = (  # measures with people behind them
    "residents", "enrolled", "controlled", "uncontrolled", "unknown", "standard", "substandard", "overdue",
)  # fmt: skip
FIRST_TEAMS = 12


def _choice(request: HttpRequest, found: Any) -> tuple[str, str, list[str]]:
    """The programme and the measure asked for, and all programmes."""
    known = figures.programmes(found)
    programme, measure = request.GET.get("programme", ""), request.GET.get("measure", "")
    return (
        programme if programme in known else (known[0] if known else ""),
        measure if measure in figures.MEASURES else "rate",
        known,
    )


def _address(programme: str, measure: str) -> str:
    return f"/county?programme={programme}&measure={measure}"


def _stats(found: Any, programme: str, feeds: Any, may_list: bool) -> list[dict[str, str]]:
    shown = []
    for measure in ("residents", "enrolled", "rate", "standard_rate", "overdue"):
        value = figures.total(found, programme, measure)
        href = f"/county/list?measure={programme}.{measure}" if may_list and measure in LISTED else ""
        unit = "" if measure in figures.RATES else t("人", "")
        shown.append({
            "label": name(measure), "value": figures.words(value, measure), "unit": unit, "href": href, "note": "",
            "definition": f"/county/definition/{measure}?programme={programme}",
        })  # fmt: skip
    silent = sum(feed.state in {"silent", "never"} for feed in feeds.feeds)
    shown.append({
        "label": t("静默来源", "Silent sources"), "value": f"{silent} / {len(feeds.feeds)}", "unit": "",
        "href": "#feeds", "note": "", "definition": "/county/definition/silent",
    })  # fmt: skip
    return shown


@page(permission="indicators.read")
@require_GET
def county(request: HttpRequest) -> HttpResponse:
    """The page."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    found, feeds = figures.overview(actor, as_of(request)), figures.feeds()
    programme, measure, known = _choice(request, found.value)
    may_list = actor.may("people.list")
    context = {
        "overview": found.value,
        "at": found.at,
        "feeds": feeds.value,
        "feeds_at": feeds.at,
        "again": math.ceil((max(found.until, feeds.until) - clock.now()).total_seconds()) + 1,
        "feed_state": figures.feed_state,
        "percent": figures.percent,
        "complete": figures.complete,
        "programme": programme,
        "measure": measure,
        "stats": _stats(found.value, programme, feeds.value, may_list) if programme else [],
        "programme_chips": [
            {"label": figures.title_of(key), "href": _address(key, measure), "on": key == programme} for key in known
        ],
        "measure_chips": [
            {"label": name(key), "href": _address(programme, key), "on": key == measure} for key in figures.MEASURES
        ],
        "map": figures.county_map(found.value, programme, measure),
        "measures": [(key, name(key)) for key in figures.MEASURES],
        "value": figures.value,
        "words": figures.words,
        "total": figures.total,
        "may_list": may_list,
        "listed": LISTED,
        "by_path": {one.organisation_id: one for one in found.value.townships},
        "teams": found.value.teams[:FIRST_TEAMS],
        "most_overdue": max((team.overdue for team in found.value.teams), default=0),
    }
    return render(request, "bureau/county.html", context)


@page(permission="indicators.read")
@require_GET
def define(request: HttpRequest, key: str) -> HttpResponse:
    """What one figure means, in the side panel."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    found = figures.overview(actor, as_of(request)).value
    meant = definition(key, request.GET.get("programme", ""), found)
    if meant is None:
        raise NotFound(t("没有这个指标", "No such figure"))
    return render(request, "bureau/definition.html", {"definition": meant})


def _place(request: HttpRequest) -> int | None:
    place = request.GET.get("place", "")
    return int(place) if place.isdigit() else None


@page(permission="people.list")
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    """The people behind a figure, masked; care writes the look into the audit log."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    measure, place = request.GET.get("measure", ""), _place(request)
    day = as_of(request)
    columns = [
        Column("name", t("姓名", "Name"), sortable=True, value=lambda one: one.name),
        Column("sex", t("性别", "Sex"), value=lambda one: sex_of(one.sex)),
        Column("age", t("年龄", "Age"), sortable=True, value=lambda one: age_of(one.birth_date, day)),
        Column("organisation", t("责任机构", "Responsible"), sortable=True, value=lambda one: one.organisation),
        Column("state", t("状态", "State"), sortable=True,
               value=lambda one: said(care.state_title(one.programme, one.risk_level))),
        Column("since", t("起始", "Since"), sortable=True, value=lambda one: one.since and one.since.isoformat()),
        Column("resident", t("居民编号", "Resident no."), value=lambda one: str(one.resident_id)),
    ]  # fmt: skip
    listing = Listing.of(request, columns, sort="resident")
    listing.rows, listing.total = care.measure_list(
        actor, measure, place, as_of=day, limit=listing.limit, offset=listing.offset, order=listing.order
    )
    programme, _, kind = measure.partition(".")
    title = name(kind) if kind == "residents" else f"{figures.title_of(programme)} · {name(kind)}"
    if listing.exporting:
        return listing.workbook(request, title)
    context = {"listing": listing, "title": title, "tasks": False, "may_open": actor.may("record.read")}
    return render(request, "bureau/people.html", context)


@page(permission="people.list")
@require_GET
def team(request: HttpRequest, organisation_id: int) -> HttpResponse:
    """The open tasks of one responsible unit, with `late=1` the overdue ones; care writes the look into the log."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    day, late = as_of(request), request.GET.get("late") == "1"
    columns = [
        Column("name", t("姓名", "Name"), sortable=True, value=lambda one: one.name),
        Column("sex", t("性别", "Sex"), value=lambda one: sex_of(one.sex)),
        Column("age", t("年龄", "Age"), sortable=True, value=lambda one: age_of(one.birth_date, day)),
        Column("what", t("要做的事", "To do"), sortable=True,
               value=lambda one: said(one.title)),
        Column("due", t("期限", "Due"), sortable=True, value=lambda one: date(one.due)),
        Column("until", t("还剩", "Left"), value=lambda one: until(one.due, day)),
        Column("resident", t("居民编号", "Resident no."), value=lambda one: str(one.resident_id)),
    ]  # fmt: skip
    listing = Listing.of(request, columns, sort="due")
    listing.rows, listing.total = care.team_list(
        actor, organisation_id, late=late, as_of=day, limit=listing.limit, offset=listing.offset, order=listing.order
    )
    unit = next(
        (one.name for one in figures.overview(actor, day).value.teams if one.organisation_id == organisation_id), ""
    )
    title = f"{unit} · {name('overdue_tasks') if late else t('待办任务', 'Open tasks')}"
    if listing.exporting:
        return listing.workbook(request, title)
    return render(request, "bureau/people.html", {"listing": listing, "title": title, "tasks": True,
                                                  "may_open": actor.may("record.read")})  # fmt: skip


@page(permission="indicators.read")
@require_GET
def export(request: HttpRequest, block: str) -> HttpResponse:
    """One block as a workbook. `published=1`: for outside the house, small cells withheld."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    published = request.GET.get("published") == "1"
    found = figures.overview(actor, as_of(request))
    programme, _, _ = _choice(request, found.value)
    if block == "townships":
        title = t("{p}各乡镇", "{p} by township", p=figures.title_of(programme))
        sheet = figures.township_sheet(found.value, programme, title, published=published)
    elif block == "teams":
        sheet = figures.team_sheet(found.value, published=published)
    elif block == "feeds":
        found = figures.feeds()
        sheet = figures.feed_sheet(found.value)
    else:
        raise NotFound(t("没有这张表", "No such table"))
    notes = [f"{t('读取时间', 'Read at')} {found.at:%Y-%m-%d %H:%M}"]
    if published:
        notes.append(t("公开版：1 至 7 的数不列出", "Published: counts of 1 to 7 are withheld"))
    return workbook.hand_out(request, sheet.title, [sheet], notes)
