"""Staff at the counter: who may act for a resident; register a guardian or a signed paper; end it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from healthbrain.access import proxies
from healthbrain.access.gate import page
from healthbrain.access.rules import Actor
from healthbrain.desks.i18n import said, t
from healthbrain.desks.resident.family import ticked, typed, wanted, words
from healthbrain.desks.shell import render, say
from healthbrain.kernel import clock
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.residents import proxies as family
from healthbrain.residents import queries as residents

REGISTERED = ("minor", "incapable", "paper")


@page(permission="proxy.register")
@require_http_methods(["GET", "POST"])
def show(request: HttpRequest, resident_id: int) -> HttpResponse:
    """The resident's agents; a post registers one with its evidence."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    person, error = residents.resident(actor, resident_id, "public-health"), ""
    if request.method == "POST":
        try:
            family.register(
                by=actor, now=clock.now(), resident_id=resident_id,
                wanted=wanted(request, request.POST.get("basis", "")), name=request.POST.get("name", ""),
                number=request.POST.get("number", ""), document=_document(request),
            )  # fmt: skip
        except HealthBrainError as problem:
            error = str(problem)
        else:
            say(request, t("已登记，双方都能看到", "Registered; both sides see it"))
            return HttpResponseRedirect(f"/residents/{resident_id}/proxies")
    evidence = family.knowledge()["evidence"]
    context = {
        "person": person, "given": proxies.given_by(person.id, clock.today()), "error": error, "typed": typed(request),
        "ticked": ticked(request), "bases": REGISTERED,
        "papers": [(key, said(row["title"]), row["for"]) for key, row in evidence.items()], **words(),
    }  # fmt: skip
    return render(request, "resident/proxies.html", context, status=422 if error else 200)


def _document(request: HttpRequest) -> bytes:
    file: Any = request.FILES.get("document")
    return b"" if file is None else bytes(file.read())


@page(permission="proxy.register")
@require_GET
def paper(request: HttpRequest, resident_id: int, proxy_id: int) -> HttpResponse:
    """The photo or PDF filed with a grant; the room asks the gate and audits."""
    data, kind = family.document(by=request.actor, proxy_id=proxy_id)  # type: ignore[attr-defined]
    response = HttpResponse(data, content_type=kind)
    response["Cache-Control"] = "no-store"
    if kind == "application/pdf":  # somebody else's file: to be saved, never run in our pages' origin
        response["Content-Disposition"] = f'attachment; filename="evidence-{proxy_id}.pdf"'
    return response


@page(permission="proxy.register")
@require_POST
def revoke(request: HttpRequest, resident_id: int, proxy_id: int) -> HttpResponse:
    """End a registered authority, with the reason."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    person = residents.resident(actor, resident_id, "public-health")
    try:
        if proxy_id in {row.id for row in proxies.given_by(person.id, clock.today())}:
            reason = request.POST.get("reason", "")
            proxies.revoke(by=actor, now=clock.now(), proxy_id=proxy_id, reason=reason)
            say(request, t("已撤销，立即生效", "Ended, at once"))
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    return HttpResponseRedirect(f"/residents/{resident_id}/proxies")
