"""What the dispatcher does: each a POST that ends on the desk with the same call open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from healthbrain.access.gate import page
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import say
from healthbrain.dispatch.actions import calls, missions, patients
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Conflict, HealthBrainError, Invalid, NotFound


def back(call_id: int | None = None) -> HttpResponse:
    """To the desk with this call open."""
    return HttpResponseRedirect(f"/dispatch?call={call_id}" if call_id else "/dispatch")


def number(request: HttpRequest, name: str) -> int | None:
    """A whole number of the form, or None. Raises Invalid for anything else."""
    text = request.POST.get(name, "").strip()
    if not text:
        return None
    if not text.lstrip("-").isdigit():
        raise Invalid(t("“{name}” 应是整数", "{name} must be a whole number", name=name))
    return int(text)


def real(request: HttpRequest, name: str) -> float:
    """A number of the form. Raises Invalid."""
    try:
        return float(request.POST.get(name, ""))
    except ValueError as error:
        raise Invalid(t("坐标不是数字，请在地图上点一下", "No position: click on the map")) from error


@page(permission="emergency.dispatch")
@require_POST
def take(request: HttpRequest) -> HttpResponse:
    """Answer: the named ringing call, else the longest ringing, else a new one from this number."""
    phone = request.POST.get("phone", "")
    actor: Any = request.actor  # type: ignore[attr-defined]
    try:
        return back(calls.take_call(by=actor, now=clock.now(), call_id=number(request, "call"), phone=phone))
    except Conflict as error:
        say(request, str(error), level="failed")
        return back()


@page(permission="emergency.dispatch")
@require_POST
def ring(request: HttpRequest) -> HttpResponse:
    """A line rings: for a telephone system that has no better way in, and for drills."""
    calls.ring(phone=request.POST.get("phone", ""), now=clock.now(), by=request.actor)  # type: ignore[attr-defined]
    return back()


def _locate(request: HttpRequest, call_id: int) -> str:
    found = calls.locate(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        call_id=call_id,
        place=request.POST.get("place", ""),
        x=real(request, "x"),
        y=real(request, "y"),
        how=request.POST.get("how", "map"),
    )
    return t("在路网之外：时间按直线估计", "Off the map: straight-line times") if found.off_map else ""


def _answer(request: HttpRequest, call_id: int) -> str:
    calls.answer(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        call_id=call_id,
        question=request.POST.get("question", ""),
        digit=number(request, "digit") or 0,
    )
    return ""


def _unanswer(request: HttpRequest, call_id: int) -> str:
    calls.unanswer(by=request.actor, now=clock.now(), call_id=call_id)  # type: ignore[attr-defined]
    return ""


def _priority(request: HttpRequest, call_id: int) -> str:
    calls.set_priority(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        call_id=call_id,
        priority=number(request, "priority") or 0,
        suspected=request.POST.get("suspected", ""),
    )
    return ""


def _describe(request: HttpRequest, call_id: int) -> str:
    calls.describe(
        by=request.actor,  # type: ignore[attr-defined]
        call_id=call_id,
        name=request.POST.get("name", "").strip(),
        sex=request.POST.get("sex", "0"),
        age=number(request, "age"),
        note=request.POST.get("note", "").strip(),
    )
    return t("已记下病人情况", "Kept")


def _merge(request: HttpRequest, call_id: int) -> str:
    into = number(request, "into") or 0
    calls.merge(by=request.actor, now=clock.now(), call_id=call_id, into_id=into)  # type: ignore[attr-defined]
    return t("已并入 {n} 号呼救", "Merged into call {n}", n=into)


def _cancel(request: HttpRequest, call_id: int) -> str:
    reason = request.POST.get("reason", "")
    calls.cancel_call(by=request.actor, now=clock.now(), call_id=call_id, reason=reason)  # type: ignore[attr-defined]
    return t("呼救已取消，车辆返回", "Cancelled, vehicles turn round")


def _assign(request: HttpRequest, call_id: int) -> str:
    promised = request.POST.get("promised", "")
    missions.assign(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        call_id=call_id,
        vehicle_id=number(request, "vehicle") or 0,
        promised_seconds=float(promised) if promised.replace(".", "", 1).isdigit() else None,
        rank=number(request, "rank"),
        recommended_id=number(request, "recommended"),
        from_mission=number(request, "from_mission"),
        override=request.POST.get("override", ""),
        note=request.POST.get("note", ""),
    )
    return t("已派 {code}", "{code} sent", code=request.POST.get("code", ""))


@page(permission="emergency.dispatch")
@require_POST
def link_patient(request: HttpRequest, call_id: int, resident_id: int | None = None) -> HttpResponse:
    """Who the patient is by the health records, or that he is nobody there after all; the toast takes either back."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    try:
        before = patients.link_resident(by=actor, call_id=call_id, resident_id=resident_id)
    except HealthBrainError as error:
        say(request, str(error), level="failed")
        return back(call_id)
    undo = f"/dispatch/calls/{call_id}/patient" + (f"/{before}" if before else "")
    if resident_id is not None:
        told = t("已关联居民档案，车组和医院可看过敏与诊断", "Linked: crew and hospital see the record")
        say(request, told, undo_url=undo)
    else:
        say(request, t("已解除关联", "Link removed"), undo_url=undo if before else "")
    return back(call_id)


ACTS: dict[str, Callable[[HttpRequest, int], str]] = {
    "locate": _locate,
    "answer": _answer,
    "unanswer": _unanswer,
    "priority": _priority,
    "describe": _describe,
    "merge": _merge,
    "cancel": _cancel,
    "assign": _assign,
}


@page(permission="emergency.dispatch")
@require_POST
def act(request: HttpRequest, call_id: int, action: str) -> HttpResponse:
    """One act on a call. What goes wrong is said on the desk, with the call still open: the caller is on the line."""
    if action not in ACTS:
        raise NotFound(t("没有这个操作", "No such action"))
    try:
        told = ACTS[action](request, call_id)
    except HealthBrainError as error:
        say(request, str(error), level="failed")
        return back(call_id)
    if told:
        say(request, told)
    return back(number(request, "into") if action == "merge" else call_id)


@page(permission="emergency.dispatch")
@require_POST
def mission_act(request: HttpRequest, mission_id: int, action: str) -> HttpResponse:
    """Cancel one vehicle, choose or change its hospital, or enter a step the crew could not press."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    now, call_id = clock.now(), number(request, "call")
    try:
        if action == "cancel":
            missions.cancel_mission(by=actor, now=now, mission_id=mission_id, reason=request.POST.get("reason", ""))
        elif action == "send-to":
            reason = request.POST.get("reason", "")
            hospital = number(request, "hospital") or 0
            missions.send_to(
                by=actor, now=now, mission_id=mission_id, organisation_id=hospital, reason=reason,
                recommended_id=number(request, "recommended"),
            )  # fmt: skip
        elif action == "step":
            kind = request.POST.get("kind", "")
            missions.step(by=actor, now=now, mission_id=mission_id, kind=kind, source="manual")
        else:
            raise NotFound(t("没有这个操作", "No such action"))
    except HealthBrainError as error:
        say(request, str(error), level="failed")
    return back(call_id)
