"""Find a resident and open the longitudinal record."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.http import require_POST

from healthbrain.access import actions as access
from healthbrain.access.gate import page
from healthbrain.access.roles import PURPOSES
from healthbrain.audit import actions as audit
from healthbrain.care import queries as care
from healthbrain.desks.common import safe_next
from healthbrain.desks.hospital_doctor import charts, lines, looks, record
from healthbrain.desks.hospital_doctor.opening import Opened, open_record
from healthbrain.desks.hospital_doctor.purpose import choose, offered, purpose_of
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import as_of, is_fragment, render, say
from healthbrain.kernel.errors import Invalid, NotAllowed, NotFound
from healthbrain.records import queries as records
from healthbrain.residents import queries as residents

TABS = (
    ("summary", "概要", "Summary"),
    ("timeline", "时间线", "Timeline"),
    ("results", "检查检验", "Results"),
    ("diagnoses", "诊断", "Diagnoses"),
    ("medication", "用药", "Medication"),
    ("visits", "就诊", "Visits"),
    ("documents", "报告文书", "Documents"),
    ("who", "谁看过", "Who looked"),
)
LONG = 1500  # events: of a longer record only the years somebody opens are drawn


@page(permission="record.search")
def find(request: HttpRequest) -> HttpResponse:
    """The search page: purpose once, then name, initials, ID tail or phone."""
    actor = request.actor  # type: ignore[attr-defined]
    purpose = purpose_of(request)
    text = request.GET.get("q", "").strip()
    rows = residents.find(actor, text, purpose) if text and purpose else []
    context = {
        "outside": _outside(request, text) if text and purpose and not rows else None,
        "text": text, "rows": rows, "purpose": purpose, "offered": offered(actor), "purposes": PURPOSES,
        "next": request.GET.get("next", ""),
    }  # fmt: skip
    return render(request, "hospital_doctor/find.html", context)


def _outside(request: HttpRequest, text: str) -> int | None:
    """Somebody beyond one's scope, for who holds the whole identity number in hand and may break the glass."""
    actor = request.actor  # type: ignore[attr-defined]
    if len(text) != 18 or not actor.may("record.break_glass"):
        return None
    found = residents.match_candidates(number=text)
    return next((one.resident_id for one in found if one.grade in {"certain", "probable"}), None)


@page(permission="record.search")
@require_POST
def set_purpose(request: HttpRequest) -> HttpResponse:
    """Keep the purpose for this session and go on where the person was."""
    if not choose(request, request.POST.get("purpose", "")):
        raise Invalid(t("您的角色不能用这个目的查看档案", "Your role may not open records for this purpose"))
    return HttpResponseRedirect(safe_next(request, request.POST.get("next") or "/find"))


def _address(request: HttpRequest, resident_id: int, **changes: str) -> str:
    query = {key: request.GET[key] for key in ("view", "institution") if request.GET.get(key)} | changes
    text = "&".join(f"{key}={quote(value)}" for key, value in query.items() if value)
    return f"/residents/{resident_id}" + (f"?{text}" if text else "")


def _context(request: HttpRequest, opened: Opened) -> dict[str, Any]:
    actor, today = request.actor, as_of(request)  # type: ignore[attr-defined]
    person, resident_id = opened.resident, opened.resident.id
    history = records.history(actor, resident_id, opened.purpose)
    shown = record.build(
        history, sex=person.sex, birth=person.birth_date, as_of=today, institution=request.GET.get("institution", "")
    )
    return {
        "person": person,
        "record": shown,
        "purpose": PURPOSES[opened.purpose],
        "emergency": opened.emergency,
        "institution": request.GET.get("institution", ""),
        "enrolments": care.enrolments(actor, resident_id, today, opened.purpose),
        "charts": charts,
        "lines": lines,
        "limit": records.LIMIT,
    }


@page(permission="record.read")
def show(request: HttpRequest, resident_id: int) -> HttpResponse:
    """One resident over all institutions. Audited once per opening."""
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return opened
    view = request.GET.get("view", "summary")
    if view not in {key for key, _, _ in TABS}:
        raise NotFound(t("没有这个页签", "No such tab"))
    context = _context(request, opened)
    if view == "who":
        looked = records.who_looked(request.actor, resident_id, opened.purpose)  # type: ignore[attr-defined]
        context["looks"] = looks.in_words(looked)
    institutions = [{"label": t("全部机构", "All institutions"), "href": _address(request, resident_id, institution=""), "on": not context["institution"]}]  # fmt: skip  # noqa: E501
    for institution in context["record"].institutions[:8]:
        institutions.append({
            "label": institution.name, "href": _address(request, resident_id, institution=institution.key),
            "on": institution.key == context["institution"], "count": institution.events,
        })  # fmt: skip
    context |= {
        "view": view,
        "tabs": [
            {"label": t(zh, en), "href": _address(request, resident_id, view=key), "on": key == view}
            for key, zh, en in TABS
        ],
        "institution_chips": institutions,
        "is_long": context["record"].events > LONG,
        "chosen_year": request.GET.get("year", ""),
        "year_href": lambda year: _address(request, resident_id, view="timeline", year=str(year)) + f"#y{year}",
        "in_panel": is_fragment(request),
    }
    return render(request, "hospital_doctor/record.html", context)


@page(permission="record.read")
def entry(request: HttpRequest, resident_id: int, key: UUID) -> HttpResponse:
    """One entry as it was received: the FHIR resource, in the side panel."""
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return opened
    found = records.resource(request.actor, resident_id, key, opened.purpose)  # type: ignore[attr-defined]
    text = json.dumps(found.body, ensure_ascii=False, indent=2)
    context = {"person": opened.resident, "entry": found, "entry_json": text}
    return render(request, "hospital_doctor/entry.html", context)


@page(permission="record.read")
def trend(request: HttpRequest, resident_id: int, panel: str) -> HttpResponse:
    """One panel of results as a chart with its table, in the side panel."""
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return opened
    context = _context(request, opened)
    chosen = next((p for p in context["record"].panels if p.key == panel), None)
    if chosen is None:
        raise NotFound(t("这位居民没有这项结果", "This resident has no such result"))
    return render(request, "hospital_doctor/trend.html", context | {"panel": chosen})


@page(permission="record.read")
def pdf(request: HttpRequest, resident_id: int) -> HttpResponse:
    """The record on paper. A print is a disclosure of its own: audited every time."""
    from healthbrain.desks.hospital_doctor.pdf import record_pdf

    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return opened
    data = record_pdf(request, _context(request, opened))
    with transaction.atomic():
        audit.record(
            by=request.actor,  # type: ignore[attr-defined]
            action="record.print",
            resident_id=resident_id,
            purpose=opened.purpose,
            detail={"bytes": len(data)},
        )
    response = HttpResponse(data, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="record-{resident_id}.pdf"'
    response["Cache-Control"] = "no-store"
    return response


@page(permission="record.break_glass")
@require_POST
def break_glass(request: HttpRequest, resident_id: int) -> HttpResponse:
    """Emergency opening with a reason; in force two hours; the resident sees it."""
    access.break_glass(by=request.actor, resident_id=resident_id, reason=request.POST.get("reason", ""))  # type: ignore[attr-defined]
    say(request, t("已紧急打开档案，两小时内有效；居民本人能看到这次查看。",
                   "Opened in an emergency for two hours; the resident can see this look."))  # fmt: skip
    return HttpResponseRedirect(f"/residents/{resident_id}")


REVEALED = {"name", "id_number", "phone", "address"}


@page(permission="record.read")
@require_POST
def reveal(request: HttpRequest, resident_id: int, field: str) -> HttpResponse:
    """One whole value of an opened record, for a reason, logged in the same transaction."""
    reason = request.POST.get("reason", "").strip()
    if field not in REVEALED:
        raise NotFound(t("没有这一项", "No such value"))
    if len(reason) < 2:
        raise Invalid(t("写明用途（至少两个字）", "Say what for, in at least two characters"))
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        raise NotAllowed(t("先选查看目的，或先说明紧急原因", "Choose a purpose first, or say why it is an emergency"))
    with transaction.atomic():
        audit.record(
            by=request.actor,  # type: ignore[attr-defined]
            action="record.reveal",
            resident_id=resident_id,
            purpose=opened.purpose,
            detail={"field": field, "reason": reason},
        )
    return JsonResponse({"value": getattr(opened.resident, field) or "—"})
