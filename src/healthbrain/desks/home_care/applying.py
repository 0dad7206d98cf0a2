"""The application: a resident for himself or whom he acts for; a doctor or a health worker for somebody found."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from healthbrain.access.gate import page
from healthbrain.desks import posted
from healthbrain.desks.home_care import words
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.desks.transport.booking import resident_asked
from healthbrain.dispatch.actions import homecare
from healthbrain.dispatch.queries import homecare as reads
from healthbrain.dispatch.queries import homecare_record as record
from healthbrain.kernel.errors import HealthBrainError, NotFound
from healthbrain.residents import queries as people


def _channels(actor: Any) -> list[str]:
    """How this role may apply."""
    if actor.role == "resident":
        return ["family" if actor.proxy_id else "self"]
    if actor.role == "hospital_doctor":
        return ["hospital", "family"]
    if actor.role == "village_doctor":  # the community's health worker, and often one of the family doctor's team
        return ["worker", "doctor", "family"]
    return ["doctor", "family"] if actor.may("record.read") else ["family", "worker"]


@page(permission="homecare.apply")
def show(request: HttpRequest) -> HttpResponse:
    """Find the person, say what is needed; below, what became of earlier applications."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    number, text = resident_asked(request), request.GET.get("q", "").strip()
    context: dict[str, Any] = {"text": text, "found": [], "person": None, "error": "", "typed": words.typed(request)}
    if number is not None:
        context["person"] = people.resident(actor, number, homecare.purpose_of(actor))
        if request.method == "POST":
            try:
                _send(request, actor, number)
            except HealthBrainError as error:
                context["error"] = str(error)
            else:
                say(request, t("申请已提交，护士会联系并上门评估", "Sent: a nurse will call and come to assess"))
                return HttpResponseRedirect("/homecare/apply")
    elif text:
        context["found"] = people.find(actor, text, homecare.purpose_of(actor), permission="homecare.apply")
    context |= {"channels": _channels(actor), "rows": reads.applications(actor), **words.context()}
    context["visits"] = record.family_visits(actor, today=as_of(request)) if actor.role == "resident" else []
    return render(request, "home_care/apply.html", context, status=422 if context["error"] else 200)


def _send(request: HttpRequest, actor: Any, number: int) -> None:
    homecare.apply(
        by=actor, now=words.moment(request), resident_id=number, channel=request.POST.get("channel", ""),
        need=request.POST.get("need", ""), key=posted.key(request),
        contact_name=request.POST.get("contact_name", ""), contact_phone=request.POST.get("contact_phone", ""),
    )  # fmt: skip


@page(permission="homecare.apply")
@require_POST
def act(request: HttpRequest, application_id: int, action: str) -> HttpResponse:
    """Recommend or withdraw an application."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    try:
        if action == "recommend":
            homecare.recommend(by=actor, application_id=application_id, text=request.POST.get("text", ""))
            say(request, t("已推荐", "Recommended"))
        elif action == "withdraw":
            homecare.withdraw(by=actor, now=words.moment(request), application_id=application_id)
            say(request, t("已撤回申请", "Withdrawn"))
        else:
            raise NotFound(t("没有这个操作", "No such action"))
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    return HttpResponseRedirect("/homecare/apply")
