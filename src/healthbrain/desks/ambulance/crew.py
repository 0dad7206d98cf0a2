"""The crew's phone: one mission, one big button, what to send ahead. Every press may come late and twice."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.desks import posted
from healthbrain.desks.dispatcher import words
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import render, say
from healthbrain.dispatch import knowledge, network
from healthbrain.dispatch.actions import missions, patients, positions
from healthbrain.dispatch.queries import crew as reads
from healthbrain.dispatch.rules.positions import Report
from healthbrain.kernel import clock
from healthbrain.kernel.errors import HealthBrainError, Invalid, NotFound

OUTCOMES = {"refused": ("病人拒绝送院", "Patient refused"), "dead": ("现场死亡", "Dead at the scene")}


@page(permission="emergency.crew")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """The running mission, or that the vehicle stands by."""
    view = reads.crew_view(request.actor)  # type: ignore[attr-defined]
    context = {
        "view": view,
        "signs": knowledge.vitals(),
        "largest": patients.LARGEST_ECG,
        "fresh": lambda: str(uuid.uuid4()),
        "geographic": network.geographic(),
        "fence": knowledge.desk("fence"),
        "quiet": knowledge.desk("silence_after"),
        **words.context(),
    }
    return render(request, "ambulance/crew.html", context)


def _key(request: HttpRequest) -> uuid.UUID | None:
    return posted.key(request, "client_id") if request.POST.get("client_id") else None


def _reading(request: HttpRequest, name: str) -> dt.datetime | None:
    """A reading of the device's clock: milliseconds since 1970, as JavaScript gives it; nonsense counts as none."""
    try:
        return dt.datetime.fromtimestamp(float(request.POST.get(name, "")) / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _step(request: HttpRequest, mission_id: int) -> None:
    kind = request.POST.get("kind", "")
    given: dict[str, Any] = {
        "by": request.actor,  # type: ignore[attr-defined]
        "now": clock.now(),
        "mission_id": mission_id,
        "pressed": _reading(request, "pressed"),
        "sent": _reading(request, "sent"),
        "client_id": _key(request),
    }
    if kind == "handover":
        patients.hand_over(**given)
    else:
        missions.step(kind=kind, **given)


def _vitals(request: HttpRequest, mission_id: int) -> None:
    patients.send_vitals(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        mission_id=mission_id,
        values={name: posted.figure(request, name) for name in knowledge.vitals()},
        note=request.POST.get("note", "").strip(),
        client_id=_key(request),
    )


def _ecg(request: HttpRequest, mission_id: int) -> None:
    file = request.FILES.get("file")
    if file is None:
        raise Invalid(t("请选择心电图文件", "Choose the ECG file"))
    patients.send_ecg(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        mission_id=mission_id,
        name=str(getattr(file, "name", "ecg")),
        content=file.read(),
        client_id=_key(request),
    )


def _patient(request: HttpRequest, mission_id: int) -> None:
    age = request.POST.get("age", "").strip()
    patients.identify(
        by=request.actor,  # type: ignore[attr-defined]
        mission_id=mission_id,
        name=request.POST.get("name", ""),
        sex=request.POST.get("sex", "0"),
        id_number=request.POST.get("id_number", ""),
        age=int(age) if age.isdigit() else None,
    )


def _send_to(request: HttpRequest, mission_id: int) -> None:
    chosen = request.POST.get("hospital", "")
    missions.send_to(
        by=request.actor,  # type: ignore[attr-defined]
        now=clock.now(),
        mission_id=mission_id,
        organisation_id=int(chosen) if chosen.isdigit() else 0,
        reason=t("车组选择", "chosen by the crew"),
    )


ACTS: dict[str, Callable[[HttpRequest, int], None]] = {
    "step": _step,
    "vitals": _vitals,
    "ecg": _ecg,
    "patient": _patient,
    "send-to": _send_to,
}


@page(permission="emergency.crew")
@require_POST
def act(request: HttpRequest, mission_id: int, action: str) -> HttpResponse:
    """One act of the crew. The script asks for JSON and keeps what could not be sent; without it, an ordinary form."""
    if action not in ACTS:
        raise NotFound(t("没有这个操作", "No such action"))
    wants_json = "application/json" in request.headers.get("Accept", "")
    try:
        ACTS[action](request, mission_id)
    except HealthBrainError as error:
        if wants_json:
            raise
        say(request, str(error), level="failed")
    return JsonResponse({"ok": True}) if wants_json else HttpResponseRedirect("/crew")


@page(permission="emergency.crew")
@require_POST
def position(request: HttpRequest) -> HttpResponse:
    """Positions of one's own vehicle: [{x, y, at}], at in milliseconds of the device's clock; what became of them."""
    vehicle = reads.own_vehicle(request.actor)  # type: ignore[attr-defined]
    try:
        rows = orjson.loads(request.body)
        reports = [
            Report(vehicle.pk, float(r["x"]), float(r["y"]), dt.datetime.fromtimestamp(float(r["at"]) / 1000, dt.UTC))
            for r in rows[:500]
        ]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise Invalid("位置格式不对 Positions must be [{x, y, at}]") from error
    written = positions.record_positions(reports, now=clock.now(), by=request.actor)  # type: ignore[attr-defined]
    counts = {"moved": written.moved, "kept": written.kept_only, "refused": written.refused}
    return JsonResponse(counts | {"terminal": written.terminal})
