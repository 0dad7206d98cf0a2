"""What waits for a card, a new card, one card."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from healthbrain.access.gate import page
from healthbrain.county.models import Organisation
from healthbrain.desks.hospital_doctor.opening import Opened, open_record
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.kernel import clock
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.kernel.errors import Conflict, Invalid
from healthbrain.surveillance import knowledge
from healthbrain.surveillance.actions import cards as actions
from healthbrain.surveillance.queries import cards as queries

CLASSIFICATIONS = {
    "suspected": ("疑似病例", "Suspected"),
    "clinical": ("临床诊断病例", "Clinically diagnosed"),
    "confirmed": ("确诊病例", "Laboratory-confirmed"),
    "carrier": ("病原携带者", "Carrier"),
}
KEPT_DAYS = 30


@page(permission="cases.report")
def listed(request: HttpRequest) -> HttpResponse:
    """Diagnoses that want a card, by deadline; cards of the last month."""
    now, actor = clock.now(), request.actor  # type: ignore[attr-defined]
    drafted = list(queries.cards(actor, since=as_of(request) - dt.timedelta(days=KEPT_DAYS))[:100])
    context = {
        "waiting": queries.waiting(actor, now=now), "drafted": drafted, "now": now, "diseases": _diseases(),
        "open": [c for c in drafted if c.entered_at is None],
    }  # fmt: skip
    return render(request, "cards/list.html", context)


def _diseases() -> dict[str, str]:
    return {d.key: t(d.words.zh, d.words.en) for d in knowledge.classifier().diseases.values()}


@page(permission="cases.report")
def new(request: HttpRequest, resident_id: int) -> HttpResponse:
    """A card, prefilled from the record and the diagnosis."""
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return opened
    error, conflict = "", ""
    if request.method == "POST":
        try:
            return _save(request, resident_id)
        except Conflict as known:
            conflict = known.message
        except Invalid as refused:
            error = refused.message
    due = _due(request, request.GET.get("event", ""))
    known_disease = knowledge.classifier().diseases.get(request.POST.get("disease", due.disease.key if due else ""))
    context = {
        "person": opened.resident, "due": due, "error": error, "conflict": conflict, "diseases": _diseases(),
        "chosen": known_disease, "classifications": CLASSIFICATIONS, "posted": request.POST,
        "start": (due.at.date() if due else as_of(request)).isoformat(),
        "schools": Organisation.objects.filter(kind__in=("school", "childcare")).order_by("name"),
    }  # fmt: skip
    return render(request, "cards/new.html", context, status=409 if conflict else 422 if error else 200)


def _day(request: HttpRequest, name: str) -> dt.date:
    try:
        return dt.date.fromisoformat(request.POST.get(name, ""))
    except ValueError as error:
        raise Invalid(t("日期要填全", "A whole date, please")) from error


def _diagnosed(request: HttpRequest) -> dt.datetime:
    """The moment of the diagnosis on record when the day is still its own, else 00:00 of the day: the strictest."""
    day = _day(request, "diagnosed")
    due = _due(request, request.POST.get("event", ""))
    return due.at if due and due.at.date() == day else dt.datetime.combine(day, dt.time(), COUNTY_ZONE)


def _due(request: HttpRequest, event: str) -> queries.Due | None:
    found = queries.waiting(request.actor, now=clock.now())  # type: ignore[attr-defined]
    return next((due for due in found if str(due.event_id) == event), None)


def _save(request: HttpRequest, resident_id: int) -> HttpResponse:
    now, post = clock.now(), request.POST
    school = post.get("school", "")
    values: dict[str, Any] = {key: post.get(key, "").strip() for key in ("guardian", "note")}
    card = actions.draft_card(
        by=request.actor,  # type: ignore[attr-defined]
        resident_id=resident_id, disease=post.get("disease", ""), onset_on=_day(request, "onset"),
        diagnosed_at=_diagnosed(request), now=now, classification=post.get("classification", ""),
        work_place=post.get("work_place", "").strip(), school_id=int(school) if school.isdigit() else None,
        event_id=int(post["event"]) if post.get("event", "").isdigit() else None, values=values,
        another=post.get("another") == "1",
    )  # fmt: skip
    say(request, t("报告卡已起草，请在国家系统填报", "Card drafted; enter it in the national system"))
    return HttpResponseRedirect(f"/cards/{card}")


@page(permission="cases.report")
def one(request: HttpRequest, card_id: int) -> HttpResponse:
    """One card, ready to be copied into the national system."""
    card = queries.card(request.actor, card_id)  # type: ignore[attr-defined]
    disease = knowledge.classifier().diseases[card.disease]
    words = CLASSIFICATIONS[card.classification]
    context = {
        "card": card, "disease": disease, "classification": t(*words),
        "hour_known": clock.local(card.diagnosed_at).time() != dt.time(),
    }  # fmt: skip
    return render(request, "cards/card.html", context)


@page(permission="cases.report")
@require_POST
def entered(request: HttpRequest, card_id: int) -> HttpResponse:
    """The doctor says: I have entered it myself."""
    actions.mark_entered(by=request.actor, card_id=card_id, number=request.POST.get("number", ""), now=clock.now())  # type: ignore[attr-defined]
    say(request, t("已记下：本人在国家系统填报", "Noted: entered in the national system"))
    return HttpResponseRedirect("/cards")


@page(permission="cases.report")
@require_POST
def withdraw(request: HttpRequest, card_id: int) -> HttpResponse:
    """Written in error."""
    actions.withdraw_card(by=request.actor, card_id=card_id, now=clock.now())  # type: ignore[attr-defined]
    say(request, t("报告卡已撤销", "Card withdrawn"))
    return HttpResponseRedirect("/cards")
