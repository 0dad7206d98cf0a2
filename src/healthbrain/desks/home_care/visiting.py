"""The nurse's phone: today's tour in order, and one visit from the door to the carer's signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks import posted
from healthbrain.desks.home_care import words
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch import network
from healthbrain.dispatch.actions import homecare_visits as visits
from healthbrain.dispatch.queries import homecare as reads
from healthbrain.dispatch.queries import homecare_record as record
from healthbrain.dispatch.rules.homecare import SIGNATURE_BOX
from healthbrain.kernel.errors import HealthBrainError, Invalid, NotFound

OPEN = ("planned", "arrived")


@page(permission="homecare.visit")
@require_GET
def tour(request: HttpRequest) -> HttpResponse:
    """Today's visits in order."""
    stops = reads.tour(request.actor, as_of(request))  # type: ignore[attr-defined]
    following = next((stop for stop in stops if stop.status in OPEN), None)
    left = sum(stop.status in OPEN for stop in stops)
    context = {"stops": stops, "following": following, "left": left, **words.context()}
    return render(request, "home_care/tour.html", context)


@page(permission="homecare.visit")
@require_GET
def show(request: HttpRequest, visit_id: int) -> HttpResponse:
    """One visit."""
    return _visit(request, visit_id)


def _visit(request: HttpRequest, visit_id: int, error: str = "") -> HttpResponse:
    """The visit's page; with what was typed when the record was refused. A look at a patient's data, audited."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    view = reads.visit(actor, visit_id)
    with transaction.atomic():
        audit.record(
            by=actor,
            action="homecare.open",
            resident_id=view.resident_id,
            subject=f"visit/{visit_id}",
            purpose="treatment",
        )
    context = {
        "view": view, "error": error, "typed": words.typed(request), "ticked": request.POST.getlist("done"),
        "geographic": network.geographic(), "far": knowledge.figure("arrival_metres"),
        "photo_kinds": knowledge.photo_kinds(), "box": SIGNATURE_BOX, **words.context(),
    }  # fmt: skip
    return render(request, "home_care/visit.html", context, status=422 if error else 200)


def _arrive(request: HttpRequest, visit_id: int) -> str:
    x, y = posted.figure(request, "x"), posted.figure(request, "y")
    visits.arrive(by=request.actor, now=words.moment(request), visit_id=visit_id, x=x, y=y)  # type: ignore[attr-defined]
    return f"/homecare/visits/{visit_id}"


def _no_show(request: HttpRequest, visit_id: int) -> str:
    visits.no_show(by=request.actor, now=words.moment(request), visit_id=visit_id)  # type: ignore[attr-defined]
    say(request, t("已记为家中无人", "Kept: nobody at home"))
    return "/homecare"


def _record(request: HttpRequest, visit_id: int) -> str:
    actor: Any = request.actor  # type: ignore[attr-defined]
    service = reads.visit(actor, visit_id).service
    if request.POST.get("agreed") != "yes":
        raise Invalid(t("请照护者确认并签名", "The carer agrees and signs"))
    measures = {name: value for name in service.record if (value := posted.figure(request, name)) is not None}
    taught = {item: how for item in service.teach if (how := request.POST.get(f"teach_{item}", ""))}
    for file in request.FILES.getlist("photos"):  # a phone without scripts sends them with the record
        _keep(request, visit_id, file)
    visits.record_visit(
        by=actor, now=words.moment(request), visit_id=visit_id, client_id=posted.key(request), measures=measures,
        done=request.POST.getlist("done"), taught=taught, signed_by=request.POST.get("signed_by", ""),
        signature=request.POST.get("signature", ""), voucher=request.POST.get("voucher", ""),
        note=request.POST.get("note", ""),
    )  # fmt: skip
    say(request, t("已保存，这次上门完成", "Saved: the visit is done"))
    return "/homecare"


def _keep(request: HttpRequest, visit_id: int, file: Any) -> int:
    return visits.add_photo(
        by=request.actor, now=words.moment(request), visit_id=visit_id, data=file.read(),  # type: ignore[attr-defined]
        kind=request.POST.get("photo_kind", ""),
    )  # fmt: skip


@page(permission="homecare.visit")
@require_POST
def add_photo(request: HttpRequest, visit_id: int) -> HttpResponse:
    """One picture, sent by the page as soon as it is taken; answers with its address or with what is wrong."""
    file = request.FILES.get("photo")
    if file is None:
        raise Invalid(t("没有照片", "No picture"))
    number = _keep(request, visit_id, file)
    return JsonResponse({"thumb": f"/homecare/photos/{number}?thumb", "whole": f"/homecare/photos/{number}"})


@page(permission="homecare.apply")
@require_GET
def photo(request: HttpRequest, photo_id: int) -> HttpResponse:
    """A picture of a visit; the query asks the gate and audits."""
    data = record.photo(request.actor, photo_id, thumb="thumb" in request.GET)  # type: ignore[attr-defined]
    response = HttpResponse(data, content_type="image/jpeg")
    response["Cache-Control"] = "no-store"
    return response


ACTS: dict[str, Callable[[HttpRequest, int], str]] = {"arrive": _arrive, "no-show": _no_show, "record": _record}


@page(permission="homecare.visit")
@require_POST
def act(request: HttpRequest, visit_id: int, action: str) -> HttpResponse:
    """One act at the door."""
    if action not in ACTS:
        raise NotFound(t("没有这个操作", "No such action"))
    try:
        return HttpResponseRedirect(ACTS[action](request, visit_id))
    except Invalid as error:
        if action == "record":
            return _visit(request, visit_id, str(error))
        say(request, str(error), level="failed")
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    return HttpResponseRedirect(f"/homecare/visits/{visit_id}")
