"""The planner's day: what has no vehicle first, the day as a picture, the list, the map; plan, release, export."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST
from xlsxwriter import Workbook

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks.dispatcher import maps
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.desks.transport import drawing, words
from healthbrain.dispatch import knowledge_transport as knowledge
from healthbrain.dispatch import transport_day
from healthbrain.dispatch.actions import transport_drive
from healthbrain.dispatch.queries import transport as reads
from healthbrain.kernel import clock
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.kernel.masking import mask_name, mask_phone

SPAN = 30  # days the figures look back


def moment(request: HttpRequest) -> dt.datetime:
    """Now, on the day the pages speak of."""
    now, day = clock.now(), as_of(request)
    return now.replace(year=day.year, month=day.month, day=day.day)


def chosen_day(request: HttpRequest) -> dt.date:
    """The day asked for, else today."""
    try:
        return dt.date.fromisoformat(request.GET.get("day") or request.POST.get("day", ""))
    except ValueError:
        return as_of(request)


@page(permission="transport.plan")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """One day; renewed by itself."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    now, day, today = moment(request), chosen_day(request), as_of(request)
    found = reads.day_board(actor, day=day, now=now)
    figures = reads.indicators(actor, since=today - dt.timedelta(days=SPAN), until=max(day, today))
    minute = transport_day.minute_of(now, day) if day == today else None
    context = {
        "board": found, "day_shown": day, "earlier": day - dt.timedelta(days=1), "later": day + dt.timedelta(days=1),
        "gantt": drawing.gantt(found, moment=minute), "lines": drawing.lines(found), "plane": maps.plane(),
        "marks": [m for m in maps.fixed_marks() if m.kind != "station"], "figures": figures, "past": day < today,
        "span": SPAN, **words.context(),
    }  # fmt: skip
    return render(request, "transport/board.html", context)


def _back(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"/transport?day={chosen_day(request)}")


@page(permission="transport.plan")
@require_POST
def plan(request: HttpRequest) -> HttpResponse:
    """Plan anew from the plan this page showed."""
    version = request.POST.get("version", "")
    try:
        made = transport_drive.plan_day(
            by=request.actor,  # type: ignore[attr-defined]
            now=moment(request), day=chosen_day(request), version=int(version) if version.isdigit() else -1,
        )  # fmt: skip
    except HealthBrainError as error:
        say(request, str(error), level="failed")
        return _back(request)
    left = made.broken + made.uncovered
    if left:
        say(request, t("已重排，还有 {n} 个行程没有车", "Planned; {n} rides have no vehicle", n=left), level="failed")
    else:
        say(request, t("已重排：全部有车，{km} 公里", "Planned: all covered, {km} km", km=round(made.km)))
    return _back(request)


@page(permission="transport.plan")
@require_POST
def release(request: HttpRequest) -> HttpResponse:
    """Tell the drivers."""
    transport_drive.release_day(
        by=request.actor,  # type: ignore[attr-defined]
        now=moment(request), day=chosen_day(request),
    )  # fmt: skip
    say(request, t("已发布，司机现在看到", "Released; the drivers see it now"))
    return _back(request)


@page(permission="transport.plan")
@require_GET
def export(request: HttpRequest) -> HttpResponse:
    """The day as a workbook, masked as on the page; audited."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    day = chosen_day(request)
    found = reads.day_board(actor, day=day, now=moment(request))
    with transaction.atomic():
        audit.record(
            by=actor, action="transport.export", subject=f"transport-day/{day}", detail={"rows": len(found.rides)}
        )
    response = HttpResponse(
        _workbook(found), content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    response["Content-Disposition"] = f'attachment; filename="transport-{day}.xlsx"'
    response["Cache-Control"] = "no-store"
    return response


HEADER = (
    ("车辆", "Vehicle"), ("状态", "State"), ("告知时段", "Told"), ("计划接", "Pickup"), ("计划到", "Arrival"),
    ("乘客", "Passenger"),
    ("电话", "Phone"), ("目的", "Purpose"), ("程", "Way"), ("体位", "Posture"), ("陪同", "Companions"),
    ("供氧", "Oxygen"),
    ("隔离", "Isolation"), ("从", "From"), ("到", "To"), ("备注", "Note"),
)  # fmt: skip


def _workbook(found: reads.Board) -> bytes:
    out = io.BytesIO()
    # What a cell says is written as text: a cell that begins with = is somebody's data, never a formula of ours.
    with Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet(found.day.isoformat())
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(HEADER) - 1, 14)
        for column, (zh, en) in enumerate(HEADER):
            sheet.write_string(0, column, t(zh, en), bold)
        for number, row in enumerate(found.rides, 1):
            for column, cell in enumerate(_cells(row)):
                sheet.write_string(number, column, cell)
    return out.getvalue()


def _cells(row: reads.RideRow) -> list[str]:
    state = words.STATES.get(row.shown, ("", row.shown, row.shown))
    cohort = knowledge.cohorts().get(row.infection, {})
    return [
        row.vehicle, t(state[1], state[2]), words.window(row.promised), words.clock(row.begins), words.clock(row.ends),
        mask_name(row.name), mask_phone(row.phone), words.purpose(row.purpose), t(*words.LEGS[row.leg]),
        words.posture(row.posture), str(row.companions), t("是", "yes") if row.oxygen else "",
        t(cohort.get("zh", ""), cohort.get("en", "")) if row.infection else "", row.from_text, row.to_text, row.note,
    ]  # fmt: skip
