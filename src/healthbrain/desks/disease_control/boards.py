"""What stands beside the events: inbox, channels and their log, warnings, surge capacity, guidance visits."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from healthbrain.access.gate import page
from healthbrain.desks.disease_control import words
from healthbrain.desks.disease_control.board import actor_of
from healthbrain.desks.disease_control.forms import Answers, options
from healthbrain.desks.i18n import said, t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Invalid
from healthbrain.notices import actions as notices
from healthbrain.notices import queries as messages
from healthbrain.surveillance import handbook
from healthbrain.surveillance.actions import fieldwork, papers
from healthbrain.surveillance.queries import boards

DELIVERY = {
    "queued": ("due", "待发送", "Queued"),
    "sent": ("done", "已送达", "Sent"),
    "failed": ("urgent", "未送达", "Failed"),
}


@page(permission="signed-in")
@require_http_methods(["GET", "POST"])
def inbox(request: HttpRequest) -> HttpResponse:
    """One's own messages; a post marks them as read."""
    actor = actor_of(request)
    if request.method == "POST":
        notices.read_inbox(by=actor, at=clock.now())
        say(request, t("全部标为已读", "All marked as read"))
        return HttpResponseRedirect(request.headers.get("Referer", "/inbox"))
    return render(request, "disease_control/inbox.html", {"lines": messages.inbox(actor)})


@page(permission="signals.work")
@require_http_methods(["GET", "POST"])
def channels(request: HttpRequest) -> HttpResponse:
    """Phones and group robots, and what went out."""
    actor = actor_of(request)
    if request.method == "POST":
        a = Answers(request.POST)
        quiet = [dt.time.fromisoformat(a.text(n)) if a.text(n) else None for n in ("quiet_from", "quiet_to")]
        notices.save_channel(
            by=actor,
            kind=a.text("kind"),
            name=a.text("name"),
            address=a.text("address"),
            secret=a.text("secret"),
            own=a.text("own") == "yes",
            least=a.text("least") or "due",
            quiet_from=quiet[0],
            quiet_to=quiet[1],
            digest_minutes=a.number("digest_minutes") or 0,
        )
        say(request, t("通道已保存", "Channel saved"))
        return HttpResponseRedirect("/channels")
    context = {
        "channels": messages.channels(actor),
        "deliveries": messages.deliveries(actor),
        "states": DELIVERY,
        "w": words,
        "kinds": [
            ("dingtalk", t("钉钉群机器人", "DingTalk robot")),
            ("wecom", t("企业微信群机器人", "WeCom robot")),
            ("sms", t("短信", "SMS")),
        ],
    }
    return render(request, "disease_control/channels.html", context)


@page(permission="signals.work")
@require_POST
def retry(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """Send a failed message once more."""
    notices.try_again(by=actor_of(request), delivery_id=delivery_id, at=clock.now())
    say(request, t("已重新排队", "Queued again"))
    return HttpResponseRedirect("/channels")


@page(permission="signed-in")
@require_GET
def warning(request: HttpRequest, warning_id: int) -> HttpResponse:
    """One warning: formed, sent, answered, fed back. Officers see all; a unit sees what was sent to it."""
    actor = actor_of(request)
    context = {
        "warning": boards.warning(actor, warning_id),
        "may_work": actor.may("signals.work"),
        "w": words,
        "mine": boards.own_answer(actor, warning_id),
        "places": boards.addressees() if actor.may("signals.work") else [],
    }
    return render(request, "disease_control/warning.html", context)


@page(permission="signed-in")
@require_POST
def warning_act(request: HttpRequest, warning_id: int, action: str) -> HttpResponse:
    """Send, answer or feed back; the actions say who may."""
    actor, now, a = actor_of(request), clock.now(), Answers(request.POST)
    if action == "send":
        places = [int(place) for place in a.many("places") if place.isdigit()]
        for kind in a.many("kinds"):
            places += [place for place, _, of in boards.addressees() if of == kind]
        told = papers.send_warning(by=actor, warning_id=warning_id, organisation_ids=places, at=now)
        say(
            request,
            t("已发送 {n} 个单位，{m} 人收到消息", "Sent to {n} units, {m} inboxes", n=len(set(places)), m=told),
        )
    elif action == "answer":
        papers.answer_warning(by=actor, warning_id=warning_id, text=a.text("text"), at=now)
        say(request, t("已答复", "Answered"))
    elif action == "feedback":
        papers.feed_back_warning(by=actor, warning_id=warning_id, text=a.text("text"), at=now)
        say(request, t("已反馈给收到预警的单位", "Fed back to everybody who got it"))
    else:
        raise Invalid(t("没有这个操作", "No such action"))
    return HttpResponseRedirect(f"/warnings/{warning_id}")


@page(permission="signals.read")
@require_http_methods(["GET", "POST"])
def surge(request: HttpRequest) -> HttpResponse:
    """Beds, rooms, sampling points, tubes, staff: capacity and use by place."""
    actor = actor_of(request)
    if request.method == "POST":
        a = Answers(request.POST)
        fieldwork.set_surge(
            by=actor,
            kind=a.text("kind"),
            organisation_id=a.number("organisation") or 0,
            capacity=a.number("capacity") or 0,
            used=a.number("used") or 0,
            at=clock.now(),
        )
        say(request, t("已更新", "Updated"))
        return HttpResponseRedirect("/surge")
    rows = boards.surge(actor)
    kinds: list[dict[str, Any]] = [
        {
            "key": key,
            "title": said(value),
            "unit": said(value["unit"]),
            "capacity": sum(r.capacity for r in rows if r.kind == key),
            "used": sum(r.used for r in rows if r.kind == key),
            "rows": [r for r in rows if r.kind == key],
        }
        for key, value in handbook.words("surge").items()
    ]
    context = {
        "kinds": kinds,
        "rows": rows,
        "may_work": actor.may("signals.work"),
        "places": boards.facilities(),
        "options": options(handbook.words("surge")),
    }
    return render(request, "disease_control/surge.html", context)


@page(permission="signals.read")
@require_http_methods(["GET", "POST"])
def guidance(request: HttpRequest) -> HttpResponse:
    """Guidance visits, back to school and back to work: planned, done, to be corrected."""
    actor, today = actor_of(request), as_of(request)
    kinds = handbook.words("guidance")
    if request.method == "POST":
        a = Answers(request.POST)
        visit = a.number("visit")
        if visit is None:
            fieldwork.plan_visit(
                by=actor, kind=a.text("kind"), organisation_id=a.number("organisation") or 0, on=a.date("on") or today
            )
            say(request, t("已计划", "Planned"))
        elif a.text("what") == "corrected":
            fieldwork.confirm_correction(by=actor, visit_id=visit, on=today)
            say(request, t("整改已确认", "Correction confirmed"))
        else:
            found = {
                key.removeprefix("i-"): str(value)
                for key, value in request.POST.items()
                if key.startswith("i-") and value
            }
            fieldwork.record_visit(
                by=actor,
                visit_id=visit,
                on=today,
                findings=found,
                to_correct=a.text("to_correct"),
                correct_by=a.date("correct_by"),
            )
            say(request, t("指导已记录", "Visit recorded"))
        return HttpResponseRedirect("/guidance")
    visits = boards.visits(actor)
    context = {
        "visits": visits,
        "kinds": kinds,
        "may_work": actor.may("signals.work"),
        "places": boards.guided(),
        "done": sum(v.visited_on is not None for v in visits),
        "options": options(kinds),
        "late": sum(v.to_correct != "" and v.corrected_on is None and (v.correct_by or today) < today for v in visits),
    }
    return render(request, "disease_control/guidance.html", context)
