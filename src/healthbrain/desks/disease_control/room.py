"""Events: the list, one event's room on one screen, its forms, its quick actions and masked values."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.county.queries import township_tiles
from healthbrain.desks.bureau.tiles import TileMap, tile_map
from healthbrain.desks.disease_control import drawing, words
from healthbrain.desks.disease_control.asked import Asked
from healthbrain.desks.disease_control.board import actor_of
from healthbrain.desks.disease_control.forms import Answers
from healthbrain.desks.disease_control.sheets import SHEETS
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import is_fragment, render, say
from healthbrain.kernel import clock
from healthbrain.kernel.db import select
from healthbrain.kernel.errors import Conflict, HealthBrainError, Invalid, NotFound
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import cases, fieldwork, papers, response
from healthbrain.surveillance.queries import response as queries
from healthbrain.surveillance.queries.estimates import estimate
from healthbrain.surveillance.queries.response import Room

TABS = (("open", ("处置中", "Open")), ("closed", ("已结案", "Closed")), ("excluded", ("已排除", "Excluded")))


@page(permission="signals.read")
@require_GET
def event_list(request: HttpRequest) -> HttpResponse:
    """Events: open ones by their most pressing clock."""
    actor, now = actor_of(request), clock.now()
    status = request.GET.get("status", "open")
    counted = queries.counts(actor)
    totals = {"open": counted.get("verifying", 0) + counted.get("confirmed", 0)} | counted
    context = {
        "rows": queries.events(actor, now, status=status, text=request.GET.get("q", "")),
        "status": status,
        "w": words,
        "open": totals["open"],
        "at": now,
        "chips": [
            {"label": t(*pair), "href": f"/outbreaks?status={key}", "on": key == status, "count": totals.get(key, 0)}
            for key, pair in TABS
        ],
    }
    return render(request, "disease_control/events.html", context)


@page(permission="signals.read")
@require_GET
def event(request: HttpRequest, event_id: int) -> HttpResponse:
    """One event on one screen. Opening it is logged; the page renewing itself is not."""
    actor, now = actor_of(request), clock.now()
    found = queries.room(actor, event_id, now)
    if request.headers.get("HX-Trigger-Name") != "live":
        with transaction.atomic():
            audit.record(
                by=actor,
                action="outbreak.open",
                subject=f"outbreak/{event_id}",
                purpose="public-health",
                detail={"cases": len(found.cases)},
            )
    return render(
        request,
        "disease_control/event.html",
        room_context(found, now)
        | {
            "may_work": actor.may("signals.work") and found.event.status in {"verifying", "confirmed"},
            "may_reopen": actor.may("signals.work"),
            "may_see": actor.may("signals.work"),
        },
    )


def room_context(found: Room, now: dt.datetime) -> dict[str, Any]:
    """What the screen and the paper show of an event."""
    kinds = {c.number: (c.classification, f"{c.group} {c.name}".strip()) for c in found.counted}
    days = [c.onset_at.date() for c in found.counted if c.onset_at]
    linked = [c.onset_at.date() for c in found.counted if c.onset_at and c.number in {n.key for n in found.chain.nodes}]
    return {
        "room": found,
        "estimate": estimate(found, clock.local(now).date()),
        "row": found.row,
        "event": found.event,
        "w": words,
        "curve": _curve(found),
        "at": now,
        "chain": drawing.chain_picture(found.chain, min(linked, default=None), kinds) if found.chain.links else None,
        "map": _map(found),
        "classes": [(k, words.word("classes", k)) for k in queries.CLASSES],
        "first_day": min(days, default=None),
        "last_day": max(days, default=None),
        "now_local": clock.local(now),
        "counts": {k: sum(c.classification == k for c in found.cases) for k in queries.CLASSES},
        "following": sum(c.status == "following" for c in found.contacts),
        "owed_today": sum(c.status == "following" and c.today == "none" for c in found.contacts),
        "measure_sources": handbook.read("measures.yaml")["sources"],
        "measure_kinds": handbook.read("measures.yaml")["measures"],
        "grade_sources": handbook.criteria().sources,
    }


def _curve(found: Room) -> dict[str, Any] | None:
    """Stacked bars by classification."""
    if not found.curve:
        return None
    labels = [drawing.mark(one) for one in found.curve]
    colours = {"confirmed": "#b42318", "probable": "#e08e45", "suspected": "#9ccbd9"}
    series: list[dict[str, Any]] = [
        {
            "name": words.word("classes", kind),
            "type": "bar",
            "stack": "all",
            "barCategoryGap": "4%",
            "itemStyle": {"color": colours[kind]},
            "data": [one.counts.get(kind, 0) for one in found.curve],
        }
        for kind in drawing.KINDS
        if any(one.counts.get(kind) for one in found.curve)
    ]
    option = {
        "grid": {"left": 32, "right": 12, "top": 32, "bottom": 28},
        "legend": {"top": 0, "right": 0},
        "xAxis": {"type": "category", "data": labels},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": series,
    }
    rows = [[label, *(s["data"][n] for s in series)] for n, label in enumerate(labels)]
    return {"option": option, "columns": [t("发病", "Onset"), *(s["name"] for s in series)], "rows": rows}


def _map(found: Room) -> TileMap:
    """Cases by township of residence; the place itself is named beside the map."""
    ids = [c.resident_id for c in found.counted if c.resident_id]
    rows = select(
        "SELECT substr(division_code, 1, 9), count(*) FROM residents_resident WHERE id = ANY(%s)"
        " AND division_code IS NOT NULL GROUP BY 1",
        [ids],
    )
    counts = {str(code): float(n) for code, n in rows}
    places = township_tiles() if counts else []
    return tile_map(
        places,
        {p.code: counts.get(p.code, 0.0) for p in places},
        {p.code: f"{counts.get(p.code, 0):.0f}" for p in places},
    )


@page(permission="signals.work")
@require_http_methods(["GET", "POST"])
def sheet(request: HttpRequest, event_id: int, name: str) -> HttpResponse:
    """One form of the room, in the panel; sent, it does its work and returns to the room."""
    actor, now = actor_of(request), clock.now()
    if name not in SHEETS:
        raise NotFound(t("没有这张表单", "No such form"))
    row = request.GET.get("row", "")
    asked = Asked(actor, queries.room(actor, event_id, now), now, int(row) if row.isdigit() else None)
    made, error = SHEETS[name](asked), ""
    if request.method == "POST":
        try:
            text = made.then(Answers(request.POST, request.FILES))
        except (Invalid, Conflict, NotFound) as refused:
            error = str(refused)
        else:
            say(request, text)
            return HttpResponseRedirect(f"/outbreaks/{event_id}")
    context = {
        "sheet": made,
        "event": asked.event,
        "error": error,
        "posted": request.POST,
        "address": request.get_full_path(),
        "whole": not is_fragment(request),
    }
    return render(request, "disease_control/sheet.html", context, status=422 if error else 200)


def _given(request: HttpRequest, name: str) -> str:
    """A value of a press: in the form, or in the address (undo buttons and row buttons carry it there)."""
    return str(request.POST.get(name) or request.GET.get(name) or "")


@page(permission="signals.work")
@require_POST
def act(request: HttpRequest, event_id: int, action: str) -> HttpResponse:
    """What one press does: classify, choose a person, draft a report, undo."""
    actor, now = actor_of(request), clock.now()
    home, row = f"/outbreaks/{event_id}", int(_given(request, "row") or 0)
    if action == "classify":
        kind = _given(request, "classification")
        before = cases.classify_case(by=actor, case_id=row, classification=kind, at=now)
        undo = f"{home}/act/classify?row={row}&classification={before}"
        say(request, t("已改为{c}", "Now {c}", c=words.word("classes", kind)), undo_url=undo)
    elif action == "person":
        chosen = _given(request, "resident")
        cases.decide_person(by=actor, case_id=row, resident_id=int(chosen) if chosen.isdigit() else None, at=now)
        say(request, t("身份已核对", "Person decided"))
    elif action == "draft":
        papers.draft_report(by=actor, event_id=event_id, kind="progress", at=now)
        say(request, t("已拟进程报告", "Progress report drafted"))
    elif action == "withdraw":
        response.withdraw_verification(by=actor, event_id=event_id, at=now)
        say(request, t("已撤回核实结论", "Verdict withdrawn"))
    elif action == "reopen-measure":
        fieldwork.reopen_measure(by=actor, measure_id=row, at=now)
        say(request, t("措施重新打开", "Measure open again"))
    else:
        raise NotFound(t("没有这个操作", "No such action"))
    return HttpResponseRedirect(home)


@page(permission="signals.work")
@require_POST
def reveal(request: HttpRequest, event_id: int, kind: str, row: int, field: str) -> HttpResponse:
    """A whole value of a case or contact: asked for with a reason, logged."""
    actor = actor_of(request)
    reason = request.POST.get("reason", "").strip()
    if len(reason) < 2:
        raise Invalid(t("请写明用途", "Say what for"))
    reader: Any = {"cases": queries.case_value, "contacts": queries.contact_value}.get(kind)
    if reader is None:
        raise NotFound(t("没有这一项", "No such value"))
    try:
        found, value = reader(actor, event_id, row, field)
    except HealthBrainError as refused:
        return JsonResponse({"message": refused.message}, status=refused.status)
    with transaction.atomic():
        audit.record(
            by=actor,
            action="outbreak.reveal",
            resident_id=found.resident_id,
            subject=f"outbreak/{event_id}",
            purpose="public-health",
            detail={"field": field, "reason": reason, kind: row},
        )
    return JsonResponse({"value": value})
