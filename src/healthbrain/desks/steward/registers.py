"""What waits for a steward outside the batches: broken evaluations, sources and organisations nobody registered."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.care import actions as care_actions
from healthbrain.care import queries as care
from healthbrain.county import actions as county
from healthbrain.county.models import Organisation, Source
from healthbrain.county.queries import subtree
from healthbrain.desks.i18n import t
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.shell import as_of, render, say
from healthbrain.kernel.errors import Invalid
from healthbrain.residents import actions as resident_actions
from healthbrain.residents import queries as residents


@page(permission="steward.work")
@require_GET
def quarantine(request: HttpRequest) -> HttpResponse:
    """Residents whose evaluation broke, identities nobody could compare, and names that stand in no register."""
    columns = [
        Column("resident", t("居民编号", "Resident no."), sortable=True, value=lambda row: row.resident_id),
        Column("programme", t("项目", "Programme"), sortable=True, value=lambda row: row.programme),
        Column("error", t("出错原因", "What went wrong")),
        Column("at", t("时间", "When")),
        Column("do", ""),
    ]
    listing = Listing.of(request, columns, size=20)
    context = {
        "listing": listing.of_all(care.quarantine(request.actor)),  # type: ignore[attr-defined]
        "aside": residents.set_aside(request.actor),  # type: ignore[attr-defined]
        "sources": Source.objects.filter(approved=False).order_by("code"),
        "unregistered": Organisation.objects.filter(kind=Organisation.Kind.UNREGISTERED).order_by("code")[:200],
        "organisations": subtree("/"),
    }
    return render(request, "steward/quarantine.html", context)


@page(permission="steward.work")
@require_POST
def retry(request: HttpRequest, resident_id: int) -> HttpResponse:
    """Think about one quarantined resident again, now."""
    found = care_actions.evaluate([resident_id], as_of=as_of(request), by=request.actor)  # type: ignore[attr-defined]
    if not found.quarantined:
        say(request, t("已重新评估，解除隔离", "Evaluated again: out of quarantine"))
    else:
        say(request, t("仍然出错，保留隔离", "Still failing: stays in quarantine"), level="error")
    return HttpResponseRedirect("/steward/quarantine")


@page(permission="steward.work")
@require_POST
def compare(request: HttpRequest, identity_id: int) -> HttpResponse:
    """Compare an identity that was set aside, now."""
    if resident_actions.compare_again(by=request.actor, identity_id=identity_id):  # type: ignore[attr-defined]
        say(request, t("已重新比对", "Compared again"))
    else:
        say(request, t("仍然出错，继续搁置", "Still failing: stays set aside"), level="error")
    return HttpResponseRedirect("/steward/quarantine")


@page(permission="steward.work")
@require_POST
def approve(request: HttpRequest, source_id: int) -> HttpResponse:
    """Name a source that registered itself, and the organisation it speaks for."""
    name, organisation = request.POST.get("name", "").strip(), request.POST.get("organisation_id", "")
    if not name or not organisation.isdigit():
        raise Invalid(t("填写来源名称并选择机构", "Enter the source's name and choose its organisation"))
    by: Any = request.actor  # type: ignore[attr-defined]
    county.approve_source(by=by, source_id=source_id, name=name, organisation_id=int(organisation))
    say(request, t("已登记来源 {n}", "Source {n} registered", n=name))
    return HttpResponseRedirect("/steward/quarantine")
