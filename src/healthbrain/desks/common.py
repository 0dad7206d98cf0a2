"""Pages and addresses every desk shares."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page, visible
from healthbrain.access.queries import home_of
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import VIEWS
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.residents.models import Resident

YEAR = 365 * 24 * 3600
REVEALED = {"name", "id_number", "phone", "address"}
PURPOSE_OF_ROLE = {
    "village_doctor": "public-health",
    "township_doctor": "public-health",
    "hospital_doctor": "treatment",
    "bureau": "quality",
    "steward": "data-quality",
    "resident": "self",
}


def purpose_of(actor: Actor) -> str:
    """Why an actor of this role looks at people, unless the page asks more exactly."""
    return PURPOSE_OF_ROLE.get(actor.role, "quality")


def safe_next(request: HttpRequest, wanted: str | None) -> str:
    """`wanted` when it is an address of ours, else the front door."""
    if wanted and url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}):
        return wanted
    return "/"


@page(permission="signed-in")
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """The front door: straight to one's own desk."""
    return HttpResponseRedirect(home_of(request.actor))  # type: ignore[attr-defined]


@page(permission="public")
@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Language and view, remembered in cookies of this browser."""
    response = HttpResponseRedirect(safe_next(request, request.POST.get("next")))
    view, language = request.POST.get("view"), request.POST.get("language")
    if view in VIEWS:
        response.set_cookie("hb_view", view, max_age=YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    if language in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME, language, max_age=YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
        )
    return response


@page(permission="signed-in")
@require_GET
def still_here(request: HttpRequest) -> HttpResponse:
    """Somebody is at work: the request itself keeps the session alive."""
    return HttpResponse(status=204)


@page(permission="record.read")
@require_POST
def reveal(request: HttpRequest, resident_id: int, field: str) -> HttpResponse:
    """One whole value of one resident, with a reason, written to the audit log in the same transaction."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    reason = request.POST.get("reason", "").strip()
    if field not in REVEALED:
        raise NotFound(t("没有这一项", "No such value"))
    if len(reason) < 2:
        raise Invalid(t("请写明用途", "Say what for"))
    with transaction.atomic():
        resident = visible(Resident.objects.all(), actor, purpose_of(actor)).filter(pk=resident_id).first()
        if resident is None:
            raise NotFound(t("找不到这位居民，或不在您的服务范围", "No such resident within your scope"))
        audit.record(
            by=actor,
            action="record.reveal",
            resident_id=resident_id,
            purpose=purpose_of(actor),
            detail={"field": field, "reason": reason},
        )
    return HttpResponse(getattr(resident, field) or "—", content_type="text/plain; charset=utf-8")
