"""Who may act for me, and for whom I may act: authorise, revoke, choose for whom, back to oneself."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods, require_POST

from healthbrain.access import proxies
from healthbrain.access.gate import page
from healthbrain.access.middleware import ACTING
from healthbrain.access.queries import actor_of
from healthbrain.access.roles import SCOPES
from healthbrain.access.rules import Actor
from healthbrain.desks.i18n import said, t
from healthbrain.desks.navigation import entries_for
from healthbrain.desks.shell import render, say
from healthbrain.kernel import clock
from healthbrain.kernel.errors import HealthBrainError, Invalid
from healthbrain.residents import proxies as family
from healthbrain.residents.rules.proxies import Wanted

BASES = {
    "consent": ("本人授权", "Authorised by the resident"),
    "paper": ("书面委托（工作人员登记）", "Signed on paper (registered by staff)"),
    "minor": ("未成年人监护", "Guardian of a minor"),
    "incapable": ("成年人监护", "Guardian of an adult"),
}
STATES = {
    "live": ("done", "有效", "in force"),
    "ended": ("expired", "已到期", "over"),
    "revoked": ("cancelled", "已撤回", "revoked"),
}


def words() -> dict[str, Any]:
    """For the templates of both sides."""
    known = family.knowledge()
    return {
        "scope_word": lambda key: t(*SCOPES[key][:2]),
        "basis_word": lambda key: t(*BASES[key]),
        "state_of": lambda key: (STATES[key][0], t(*STATES[key][1:])),
        "relation_word": lambda key: said(known["relations"].get(key, key)),
        "evidence_word": lambda key: said(known["evidence"][key]["title"]) if key in known["evidence"] else key,
        "relations": [(key, said(title)) for key, title in known["relations"].items()],
        "scopes": list(SCOPES),
        "first_day": clock.today(),
        "usual_end": clock.today() + dt.timedelta(days=family.figure("usual_days")),
    }


def wanted(request: HttpRequest, basis: str) -> Wanted:
    """The form as a value. Raises Invalid."""
    try:
        ends = dt.date.fromisoformat(request.POST.get("ends", ""))
    except ValueError as error:
        raise Invalid(t("请选截止日期", "Choose the last day")) from error
    return Wanted(
        basis, request.POST.get("relation", ""), tuple(request.POST.getlist("scopes")), ends,
        request.POST.get("evidence", ""), request.POST.get("evidence_text", "")[:200],
    )  # fmt: skip


def typed(request: HttpRequest) -> dict[str, str]:
    """What was typed, so that a refused form comes back as it was; "" for the rest."""
    return defaultdict(str, {name: str(request.POST[name]) for name in request.POST})


def ticked(request: HttpRequest) -> list[str]:
    """Scopes as ticked; a form nobody has sent yet offers all."""
    return request.POST.getlist("scopes") if request.method == "POST" else list(SCOPES)


def _myself(request: HttpRequest) -> Actor:
    """The account's own actor, whomever it acts for now: nobody manages another's grants."""
    user: Any = request.user
    return actor_of(user)


@page(permission="self.family")
@require_http_methods(["GET", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """Both sides of my grants; a post lets somebody act for me."""
    me, error = _myself(request), ""
    if request.method == "POST":
        try:
            _authorise(request, me)
        except HealthBrainError as problem:
            error = str(problem)
        else:
            say(request, t("已授权，对方登录后即可代办", "Done: he may act for you once he signs in"))
            return HttpResponseRedirect("/me/family")
    today = clock.today()
    given = proxies.given_by(me.resident_id or 0, today)
    taken = {row.agent_id for row in given if row.state == "live"}
    context = {
        "held": proxies.may_act_for(me, today), "given": given, "error": error, "over": "over" in request.GET,
        "household": [m for m in family.household(me) if m.resident_id not in taken],
        "typed": typed(request), "ticked": ticked(request), "now_acting": _now_acting(request),
        **words(),
    }  # fmt: skip
    return render(request, "resident/family.html", context, status=422 if error else 200)


def _now_acting(request: HttpRequest) -> int | None:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor.proxy_id


def _authorise(request: HttpRequest, me: Actor) -> None:
    member = request.POST.get("member", "")
    family.authorise(
        by=me, now=clock.now(), wanted=wanted(request, "consent"),
        member=int(member) if member.isdigit() and len(member) < 16 else None,
        name=request.POST.get("name", ""), number=request.POST.get("number", ""),
    )  # fmt: skip


@page(permission="self.family")
@require_POST
def revoke(request: HttpRequest, proxy_id: int) -> HttpResponse:
    """End a grant I gave, or lay down one I hold."""
    try:
        proxies.revoke(by=_myself(request), now=clock.now(), proxy_id=proxy_id)
        say(request, t("已撤回，立即生效", "Ended, at once"))
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    return HttpResponseRedirect("/me/family")


@page(permission="self.family")
@require_POST
def act_for(request: HttpRequest, proxy_id: int) -> HttpResponse:
    """From now on this session acts for the principal; it begins on the first page the grant opens."""
    acting = proxies.acting(_myself(request), proxy_id, clock.today())
    request.session[ACTING] = proxy_id
    doors = [entry.url for entry in entries_for(acting) if entry.permission != "self.family"]
    return HttpResponseRedirect(doors[0] if doors else "/me/family")


@page(permission="self.family")
@require_POST
def back(request: HttpRequest) -> HttpResponse:
    """Back to oneself."""
    request.session.pop(ACTING, None)
    return HttpResponseRedirect("/me/family")
