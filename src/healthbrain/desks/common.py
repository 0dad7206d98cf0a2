"""Pages and addresses every desk shares."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.access.queries import home_of
from healthbrain.desks.i18n import t
from healthbrain.desks.listing import PAGE_SIZES
from healthbrain.desks.models import ListChoice
from healthbrain.desks.shell import VIEWS
from healthbrain.kernel.errors import Invalid

YEAR = 365 * 24 * 3600


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
@require_POST
def list_choice(request: HttpRequest) -> HttpResponse:
    """Rows a page and columns put away for one list, remembered for the account."""
    size, address = request.POST.get("size", ""), request.POST.get("list", "")[:200]
    if not size.isdigit() or int(size) not in PAGE_SIZES:
        raise Invalid(t("每页行数只能从列出的里选", "Choose one of the row counts listed"))
    hidden = sorted(set(request.POST.getlist("column")[:50]) - set(request.POST.getlist("shown")))
    chosen = {"size": int(size), "hidden": hidden}
    ListChoice.objects.update_or_create(account_id=request.user.pk or 0, list=address, defaults=chosen)
    return HttpResponseRedirect(safe_next(request, request.POST.get("next")))


@page(permission="signed-in")
@require_GET
def still_here(request: HttpRequest) -> HttpResponse:
    """Somebody is at work: the request itself keeps the session alive."""
    return HttpResponse(status=204)
