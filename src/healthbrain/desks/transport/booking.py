"""Booking: who, may he ride, when, the answer with its fee at once, then yes. One form for desk, ward and resident."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any, Literal

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks import posted
from healthbrain.desks.i18n import said, t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.desks.transport import words
from healthbrain.desks.transport.board import moment
from healthbrain.dispatch import knowledge_transport as knowledge
from healthbrain.dispatch.actions import transport
from healthbrain.dispatch.queries import transport as reads
from healthbrain.dispatch.rules.darp.model import Window
from healthbrain.dispatch.rules.transport import Asked, Spot, Wish
from healthbrain.dispatch.transport_offer import Answer
from healthbrain.kernel.errors import Conflict, HealthBrainError, Invalid, NotFound
from healthbrain.residents import queries as people


def resident_asked(request: HttpRequest) -> int | None:
    """For whom: a resident for himself or whom he acts for, else who was chosen.

    Raises Conflict when a form says another resident than the session acts for: it was opened before the change.
    """
    actor: Any = request.actor  # type: ignore[attr-defined]
    chosen = request.POST.get("resident") or request.GET.get("resident", "")
    if actor.role == "resident":
        if request.method == "POST" and chosen != str(actor.resident_id):
            raise Conflict(
                t("办理对象已切换，没有提交", "You now act for somebody else: nothing was sent"),
                hint=t("请重新打开这一页", "open this page again"),
            )
        return int(actor.resident_id) if actor.resident_id else None
    return int(chosen) if chosen.isdigit() and len(chosen) < 16 else None


@page(permission="transport.book")
def book(request: HttpRequest) -> HttpResponse:
    """Find the person, fill the form, see the answer, confirm."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    number, text = resident_asked(request), request.GET.get("q", "").strip()
    context: dict[str, Any] = {
        "text": text,
        "found": [],
        "person": None,
        "answer": None,
        "error": "",
        **words.context(),
    }
    if number is None:
        if text:
            context["found"] = people.find(actor, text, transport.purpose_of(actor), permission="transport.book")
    else:
        context["person"] = people.resident(actor, number, transport.purpose_of(actor))
        if request.method == "POST":
            answered = _answered(request, context)
            if answered is not None:
                return answered
        context |= _form(request, context)
    context["mine"] = reads.bookings_by(actor, now=moment(request))
    return render(request, "transport/book.html", context, status=422 if context["error"] else 200)


def _answered(request: HttpRequest, context: dict[str, Any]) -> HttpResponse | None:
    """Ask, or book what was offered; None when the page is shown again."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    now = moment(request)
    try:
        asked = read(request, context["person"])
        if request.POST.get("do") in ("book", "keep"):
            keep = request.POST.get("do") == "keep"
            number = transport.book(
                by=actor, now=now, asked=asked, key=posted.key(request), told=_told(request), keep_uncovered=keep
            )
            return _booked(request, number, keep=keep, day=asked.day)
        context["answer"] = transport.ask_for_offer(by=actor, now=now, asked=asked, key=posted.key(request))
    except Conflict as error:
        context["error"] = str(error)
        context["answer"] = transport.ask_for_offer(by=actor, now=now, asked=asked)
    except Invalid as error:
        context["error"] = str(error)
    return None


def _booked(request: HttpRequest, number: int, *, keep: bool, day: dt.date) -> HttpResponse:
    if keep:
        say(request, t("已登记，暂无车；转运中心会联系", "Kept without a vehicle; the centre will call"))
    else:
        say(request, t("已预约", "Booked"), undo_url=f"/transport/bookings/{number}/undo")
    if request.actor.may("transport.plan"):  # type: ignore[attr-defined]
        return HttpResponseRedirect(f"/transport?day={day}")
    return HttpResponseRedirect("/transport/book")


def _told(request: HttpRequest) -> dict[str, Window]:
    """The windows the page showed."""
    found = {}
    for leg in ("out", "back"):
        parts = request.POST.get(f"told_{leg}", "").split("-")
        try:
            found[leg] = Window(float(parts[0]), float(parts[1]))
        except (ValueError, IndexError):
            continue
    return found


def _minute(request: HttpRequest, name: str) -> float | None:
    text = request.POST.get(name, "").strip()
    if not text:
        return None
    try:
        at = dt.time.fromisoformat(text)
    except ValueError as error:
        raise Invalid(t("时间写成 14:10 这样", "Write the time like 14:10")) from error
    return at.hour * 60.0 + at.minute


def _whole(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "").strip() or "0"
    if not text.isdigit() or len(text) > 5:
        raise Invalid(t("人数、公里数和等候分钟数要填整数", "People, kilometres and minutes are whole numbers"))
    return int(text)


def read(request: HttpRequest, person: people.ResidentRow) -> Asked:
    """The form as a value. Raises Invalid."""
    at = _minute(request, "at")
    if at is None:
        raise Invalid(t("请填时间", "Give the time"))
    try:
        day = dt.date.fromisoformat(request.POST.get("day", ""))
    except ValueError as error:
        raise Invalid(t("请选日期", "Choose the day")) from error
    actor: Any = request.actor  # type: ignore[attr-defined]
    purpose = request.POST.get("purpose", "")
    known = knowledge.purposes().get(purpose)
    long = known is not None and known.long
    back_at = _minute(request, "back_at")
    returns = request.POST.get("back") == "yes" and (back_at is not None or bool(known and known.return_after))
    answers = {name: request.POST.get(f"unfit_{name}") != "no" for name in knowledge.questions()}
    meaning: Literal["arrive", "pickup"] = "pickup" if request.POST.get("meaning") == "pickup" else "arrive"
    return Asked(
        resident_id=person.id, day=day, wish=Wish(at, meaning),
        purpose=purpose, posture=request.POST.get("posture", ""), origin=_spot(request, "from"),
        target=_far(request) if long else _spot(request, "to"), companions=_whole(request, "companions"),
        oxygen=request.POST.get("oxygen") == "yes", infection=request.POST.get("infection", ""), answers=answers,
        back=returns, back_at=back_at if returns else None, trip_km=float(_whole(request, "km")) if long else None,
        channel=_channel(actor),
        contact_name=request.POST.get("contact_name", "").strip()[:40],
        contact_phone=request.POST.get("contact_phone", "").strip()[:20] or (person.phone or ""),
    )  # fmt: skip


def _channel(actor: Any) -> str:
    """Who asks, as the booking keeps it."""
    if actor.role == "resident":
        return "family" if actor.proxy_id else "self"
    return "desk" if actor.role == "transport_planner" else "ward"


def _spot(request: HttpRequest, end: str) -> Spot:
    label, detail = request.POST.get(end, "").strip(), request.POST.get(f"{end}_detail", "").strip()[:80]
    door = next((d for d in reads.doors() if d.label == label), None)
    if door is None:
        raise Invalid(
            t("找不到地点“{label}”", "Unknown place “{label}”", label=label),
            hint=t("请从列表里选村（社区）或医院", "choose a village or hospital of the list"),
        )
    return Spot(f"{label} {detail}".strip(), door.spot.x, door.spot.y)


def _far(request: HttpRequest) -> Spot:
    text = request.POST.get("far", "").strip()[:80]
    if not text:
        raise Invalid(t("请写长途目的地", "Say where the long trip goes"))
    return Spot(text, 0.0, 0.0)


def _form(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the fields show: what was typed, else what is likely."""
    person, doors = context["person"], reads.doors()
    home = reads.door_of(person.division_code)
    hospital = next((d.label for d in doors if d.kind == "hospital"), "")
    tomorrow = as_of(request) + dt.timedelta(days=1)
    blank = {
        "day": tomorrow.isoformat(), "at": "08:00", "meaning": "arrive", "purpose": "outpatient", "posture": "seat",
        "from": home.label if home else "", "from_detail": "", "to": hospital, "to_detail": "", "companions": "1",
        "oxygen": "", "infection": "", "back": "yes", "back_at": "", "far": "", "km": "", "contact_name": "",
        "contact_phone": "",
    }  # fmt: skip
    typed = {name: request.POST.get(name, value) for name, value in blank.items()} if request.POST else blank
    answer: Answer | None = context["answer"]
    fresh = request.method != "POST" or (answer is not None and bool(answer.unfit))
    key = str(uuid.uuid4()) if fresh else request.POST.get("key", "")
    no = {name for name in knowledge.questions() if request.POST.get(f"unfit_{name}") == "no"}
    return {
        "typed": typed, "doors": doors, "key": key, "no": no, "questions": knowledge.questions(),
        "choices": {
            "purposes": [(key, words.purpose(key)) for key in knowledge.purposes()],
            "postures": [(key, words.posture(key)) for key in knowledge.postures()],
            "cohorts": [(key, said(title)) for key, title in knowledge.cohorts().items()],
        },
        "call_120": knowledge.call_120(), "fees_verified": knowledge.verified("fees"), "first_day": as_of(request),
        "codes": _codes(answer),
    }  # fmt: skip


def _codes(answer: Answer | None) -> dict[str, str]:
    from healthbrain.dispatch.models import Vehicle

    if answer is None:
        return {}
    named = dict(Vehicle.objects.filter(pk__in=answer.vehicle.values()).values_list("pk", "code"))
    return {leg: named.get(number, "") for leg, number in answer.vehicle.items()}


@page(permission="transport.book")
@require_GET
def show(request: HttpRequest, booking_id: int) -> HttpResponse:
    """One booking; a look at a person's data, audited."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    found = reads.booking(actor, booking_id, now=moment(request))
    with transaction.atomic():
        audit.record(
            by=actor, action="transport.open", purpose=transport.purpose_of(actor),
            resident_id=found.booking.resident_id, subject=f"transport/{booking_id}",
        )  # fmt: skip
    return render(request, "transport/booking.html", {"found": found, "one": found.booking, **words.context()})


def _cancel(request: HttpRequest, booking_id: int) -> None:
    leg = "back" if request.POST.get("leg") == "back" else ""
    transport.cancel(
        by=request.actor,  # type: ignore[attr-defined]
        now=moment(request), booking_id=booking_id, reason=request.POST.get("reason", ""), leg=leg,
    )  # fmt: skip
    undo = f"/transport/bookings/{booking_id}/restore"
    say(request, t("已取消，司机同时看到", "Cancelled; the driver sees it"), undo_url=undo)


def _undo(request: HttpRequest, booking_id: int) -> None:
    reason = t("误订，撤销", "booked by mistake")
    transport.cancel(by=request.actor, now=moment(request), booking_id=booking_id, reason=reason)  # type: ignore[attr-defined]
    say(request, t("已撤销预约", "The booking is undone"))


def _restore(request: HttpRequest, booking_id: int) -> None:
    transport.restore(by=request.actor, now=moment(request), booking_id=booking_id)  # type: ignore[attr-defined]
    say(request, t("已恢复，告知时段不变", "Back again, the told times unchanged"))


def _change(request: HttpRequest, booking_id: int) -> None:
    at = _minute(request, "at")
    if at is None:
        raise Invalid(t("请填新的接人时间", "Give the new pickup time"))
    ride = _whole(request, "ride")
    told = transport.change_time(by=request.actor, now=moment(request), ride_id=ride, at=at)  # type: ignore[attr-defined]
    say(
        request,
        t("已改到 {w}，请告知乘客", "Moved to {w}: tell the passenger", w=words.window((told.earliest, told.latest))),
    )


def _settle(request: HttpRequest, booking_id: int) -> None:
    yuan = transport.settle_fee(
        by=request.actor,  # type: ignore[attr-defined]
        now=moment(request), booking_id=booking_id, waiting_minutes=float(_whole(request, "waiting")),
    )  # fmt: skip
    say(request, t("已结算 {yuan} 元", "Settled: {yuan} yuan", yuan=yuan))


def _rate(request: HttpRequest, booking_id: int) -> None:
    transport.rate(
        by=request.actor,  # type: ignore[attr-defined]
        booking_id=booking_id, score=_whole(request, "score"), remark=request.POST.get("remark", ""),
    )  # fmt: skip
    say(request, t("谢谢您的评价", "Thank you"))


ACTS: dict[str, Callable[[HttpRequest, int], None]] = {
    "cancel": _cancel, "undo": _undo, "restore": _restore, "change": _change, "settle": _settle, "rate": _rate,
}  # fmt: skip


@page(permission="transport.book")
@require_POST
def act(request: HttpRequest, booking_id: int, action: str) -> HttpResponse:
    """Cancel, undo, bring back, move, settle, rate."""
    if action not in ACTS:
        raise NotFound(t("没有这个操作", "No such action"))
    actor: Any = request.actor  # type: ignore[attr-defined]
    stays = action in ("settle", "rate")  # the day is over: its board has nothing more to show
    try:
        ACTS[action](request, booking_id)
    except HealthBrainError as error:
        say(request, str(error), level="failed")
        stays = True
    if not actor.may("transport.plan"):
        return HttpResponseRedirect("/transport/book")
    if stays:
        return HttpResponseRedirect(f"/transport/bookings/{booking_id}")
    rides = reads.booking(actor, booking_id, now=moment(request)).booking.rides.first()
    return HttpResponseRedirect(f"/transport?day={rides.day}" if rides else "/transport")
