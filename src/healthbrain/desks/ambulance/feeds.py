"""What other systems send with a token: vehicles' positions (the tracking platform), ringing lines (the telephone)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, JsonResponse

from healthbrain.access.gate import page
from healthbrain.dispatch.actions import calls
from healthbrain.dispatch.actions import positions as writes
from healthbrain.dispatch.models import Vehicle
from healthbrain.dispatch.rules.positions import Report
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Invalid

MOST = 5000  # reports of one message: five seconds of a thousand vehicles


def _sent(request: HttpRequest) -> Any:
    if request.method != "POST":
        return JsonResponse({"message": "只收 POST POST only"}, status=405, headers={"Allow": "POST"})
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"不是 JSON Not JSON: {error}") from error


@page(permission="emergency.feed", token=True)
def positions(request: HttpRequest) -> HttpResponse:
    """POST [{"vehicle": code, "x", "y", "at": milliseconds since 1970 or ISO time}]: what became of them."""
    rows = _sent(request)
    if isinstance(rows, HttpResponse):
        return rows
    if not isinstance(rows, list) or len(rows) > MOST:
        raise Invalid(f"应是不超过 {MOST} 条的列表 A list of at most {MOST} reports")
    known = dict(Vehicle.objects.values_list("code", "id"))
    read = [(str(row.get("vehicle", "")), _report(row, known)) for row in rows if isinstance(row, dict)]
    good = [report for _, report in read if report is not None]
    made = writes.record_positions(good, now=clock.now(), by=request.actor)  # type: ignore[attr-defined]
    unknown = sorted({code for code, _ in read if code not in known})[:20]
    refused = made.refused + len(rows) - len(good)
    return JsonResponse({"moved": made.moved, "kept": made.kept_only, "refused": refused, "unknown": unknown})


def _report(row: dict[str, Any], known: dict[str, int]) -> Report | None:
    """One report; None when it is nobody's or says no place. A time that cannot be read counts as none."""
    try:
        return Report(known[str(row["vehicle"])], float(row["x"]), float(row["y"]), _moment(row.get("at")))
    except (KeyError, TypeError, ValueError):
        return None


def _moment(at: Any) -> dt.datetime | None:
    try:
        if isinstance(at, str):
            moment = dt.datetime.fromisoformat(at)
            return moment if moment.tzinfo else moment.replace(tzinfo=clock.COUNTY_ZONE)
        return dt.datetime.fromtimestamp(float(at) / 1000, dt.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


@page(permission="emergency.feed", token=True)
def ring(request: HttpRequest) -> HttpResponse:
    """POST {"phone": number}: a line rings at every desk; the call's id."""
    sent = _sent(request)
    if isinstance(sent, HttpResponse):
        return sent
    if not isinstance(sent, dict) or not isinstance(sent.get("phone"), str):
        raise Invalid('应写 {"phone": "号码"} Send {"phone": "number"}')
    return JsonResponse({"call": calls.ring(phone=sent["phone"], now=clock.now(), by=request.actor)})  # type: ignore[attr-defined]
