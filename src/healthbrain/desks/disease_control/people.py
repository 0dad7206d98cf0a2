"""Contacts on the phone: who is owed today, temperature and symptoms in a few presses."""

from __future__ import annotations

import datetime as dt

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.desks.disease_control import words
from healthbrain.desks.disease_control.board import actor_of
from healthbrain.desks.disease_control.forms import Answers
from healthbrain.desks.i18n import said, t
from healthbrain.desks.shell import render, say
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Invalid
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import fieldwork
from healthbrain.surveillance.queries import response as queries

ASKED = ("fever", "vomiting", "diarrhoea", "cough", "rash", "sore-throat")


@page(permission="signals.work")
@require_GET
def follow_up(request: HttpRequest, event_id: int) -> HttpResponse:
    """The list of an event's contacts, those still to be reached today first."""
    now = clock.now()
    row, lines = queries.contact_list(actor_of(request), event_id, now)
    owed = [line for line in lines if line.status == "following" and line.today == "none"]
    known = handbook.words("symptoms")
    context = {
        "row": row, "lines": lines, "owed": owed, "day": clock.local(now).date(), "w": words,
        "symptoms": [(code, said(known[code])) for code in ASKED], "fever": handbook.words("fever"),
        "following": sum(line.status == "following" for line in lines),
    }  # fmt: skip
    return render(request, "disease_control/contacts.html", context)


@page(permission="signals.work")
@require_POST
def record(request: HttpRequest, event_id: int, contact_id: int) -> HttpResponse:
    """One contact's day: well, with symptoms, not reached; or it fell ill, or the follow-up ends."""
    actor, now, a = actor_of(request), clock.now(), Answers(request.POST)
    what, home = a.text("what"), f"/outbreaks/{event_id}/contacts"
    day = a.date("day") or clock.local(now).date()
    if what == "ill":
        fieldwork.contact_fell_ill(
            by=actor, contact_id=contact_id, onset_at=dt.datetime.combine(day, dt.time()), at=now
        )
        say(request, t("已转入病例名单", "In the line list now"))
    elif what == "lost":
        fieldwork.end_follow_up(by=actor, contact_id=contact_id, status="lost", at=now)
        say(request, t("已标为失访", "Marked as lost"))
    elif what in {"record", "away"}:
        abnormal = fieldwork.record_follow_up(
            by=actor, contact_id=contact_id, day=day, at=now, reached=what == "record",
            temperature=a.decimal("temperature"), symptoms=a.many("symptoms"), note=a.text("note"),
        )  # fmt: skip
        text = (
            t("已记录：异常，今天安排就诊或采样", "Recorded: abnormal, see or sample today")
            if abnormal
            else t("已记录", "Recorded")
        )
        say(request, text, level="error" if abnormal else "done")
    else:
        raise Invalid(t("没有这个操作", "No such action"))
    return HttpResponseRedirect(home)
