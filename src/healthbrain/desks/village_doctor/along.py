"""带走今天名单: the forms of today's people for a day without network, and the visits that come back.

The browser keeps what is handed out here encrypted (static/along-store.js); it ends with the next day, or at sign-out.
Each look is one audit event per resident, at the moment the list is taken.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks import forms
from healthbrain.desks.hospital_doctor.opening import Opened, open_record
from healthbrain.desks.hospital_doctor.purpose import purpose_of
from healthbrain.desks.i18n import day as day_words
from healthbrain.desks.i18n import months_of, t
from healthbrain.desks.jinja import asset
from healthbrain.desks.shell import Shell, as_of, render, shell_of
from healthbrain.desks.village_doctor import lines, prefill
from healthbrain.desks.village_doctor.visit import arrived, save_once
from healthbrain.kernel import clock
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.records import queries as records
from healthbrain.residents import queries as residents

MOST = 100  # residents: a day's work of a team, and what an old phone can hold
WORKER = Path(__file__).parents[1] / "static" / "along-worker.js"
LAYOUT = "village_doctor/along_layout.html"
ASSETS = (
    "tokens.css", "shell.css", "components.css", "forms.css", "print.css", "mark.svg", "vendor/icons.svg",
    "healthbrain.js", "along-store.js", "along.js", "entry.js",
)  # fmt: skip


@page(permission="public")
@require_GET
def worker(request: HttpRequest) -> HttpResponse:
    """The service worker's script; it lives below /today and may serve /today itself."""
    script = WORKER.read_text(encoding="utf-8").replace("/static/along-store.js", asset("along-store.js"))
    response = HttpResponse(script, content_type="text/javascript; charset=utf-8")
    response["Service-Worker-Allowed"] = "/today"
    response["Cache-Control"] = "no-cache"
    return response


@page(permission="care.work")
@require_http_methods(["GET", "POST"])
def along(request: HttpRequest) -> HttpResponse:
    """GET: who is signed in, and the token to send with. POST: today's people with their forms, audited."""
    account = request.actor.account_id  # type: ignore[attr-defined]
    if request.method == "GET":
        return JsonResponse({"account": account, "csrf": get_token(request)})
    day = as_of(request)
    taken = _people(request, day)
    shell = shell_of(request)
    pages = {"/today": _text(request, "village_doctor/along_list.html", {"lines": taken, "shell": shell})}
    pages |= _form_pages(request, shell, taken, day)
    with transaction.atomic():
        for resident_id in sorted({line.resident_id for line in taken}):
            audit.record(
                by=request.actor,  # type: ignore[attr-defined]
                action="record.take_along",
                resident_id=resident_id,
                purpose=purpose_of(request),
            )
    end = dt.datetime.combine(clock.today() + dt.timedelta(days=2), dt.time(), clock.COUNTY_ZONE)
    answer = {
        "account": account, "expires": int(end.timestamp() * 1000), "count": len(pages) - 1, "pages": pages,
        "missing": _text(request, "village_doctor/along_missing.html", {"shell": shell}),
        "assets": [asset(name) for name in ASSETS],
    }  # fmt: skip
    response = JsonResponse(answer)
    response["Cache-Control"] = "no-store"
    return response


def _people(request: HttpRequest, day: dt.date) -> list[lines.Line]:
    """The lines of today's list that a form answers, the most pressing first, each form of a resident once."""
    found, _, _ = lines.today(request.actor, day, limit=MOST * 5, offset=0)  # type: ignore[attr-defined]
    forms_of: dict[str, lines.Line] = {}
    for line in found:
        if lines.form_path(line) and len(forms_of) < MOST:
            forms_of.setdefault(lines.form_path(line), line)
    return list(forms_of.values())


def _form_pages(request: HttpRequest, shell: Shell, taken: list[lines.Line], day: dt.date) -> dict[str, str]:
    """Each line's empty form, prefilled as at the desk, under a key of its own, by its address. One read a form."""
    actor, ids = request.actor, sorted({line.resident_id for line in taken})  # type: ignore[attr-defined]
    people = dict(zip(ids, residents.residents(actor, ids, purpose_of(request)), strict=True))
    of_form: dict[tuple[str, ...], list[tuple[lines.Line, forms.Form]]] = defaultdict(list)
    for line in taken:
        form = forms.load(lines.form_path(line).rsplit("/", 1)[1]).at_age(months_of(line.birth_date, day))
        of_form[form.id, *(item.id for item in form.fields)].append((line, form))
    pages = {}
    for those in of_form.values():
        starts = prefill.starts_of(those[0][1], actor, [line.resident_id for line, _ in those], day)
        for line, form in those:
            start = starts[line.resident_id]
            context = {
                "form": form, "person": people[line.resident_id], "start": start,
                "entry": forms.Entry(start.values, {}, ()), "confirmed": [], "key": str(uuid.uuid4()),
                "last": start.visit, "show": prefill.shown, "parts": prefill.parts,
                "months": months_of(line.birth_date, day), "shell": shell,
            }  # fmt: skip
            pages[lines.form_path(line)] = _text(request, "village_doctor/visit.html", context)
    return pages


def _text(request: HttpRequest, template: str, context: dict[str, Any]) -> str:
    return render(request, template, {"layout": LAYOUT, "along": True, **context}).content.decode()


@page(permission="care.work")
@require_POST
def hand_in(request: HttpRequest, resident_id: int, form_id: str) -> HttpResponse:
    """A visit kept without network: {"state": "saved" | "refused" | "conflict", "text", "url"}."""
    key = request.POST.get("key", "")
    if not key:
        return _answer(
            "refused", t("这张表没有编号，请联网后重新打开再填", "This form has no key: open it again online")
        )
    try:
        batch = arrived(request, key)
        return _saved(batch) if batch is not None else _hand_in(request, key, resident_id, form_id)
    except HealthBrainError as refused:
        return _answer("refused", str(refused))


def _hand_in(request: HttpRequest, key: str, resident_id: int, form_id: str) -> HttpResponse:
    # Merged since the list was taken: the visit is the survivor's.
    resident_id = residents.resident(request.actor, resident_id, purpose_of(request)).id  # type: ignore[attr-defined]
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return _answer(
            "refused", t("现在不能打开这位居民的档案，可能已转出", "This record cannot be opened now: moved away?")
        )
    day = as_of(request)
    months = months_of(opened.resident.birth_date, day)
    form = forms.load(form_id).at_age(months)
    last = prefill.start_of(form, request.actor, resident_id, day).last  # type: ignore[attr-defined]
    entry = forms.read_entry(form, request.POST, today=day, last=last, months=months)
    confirmed = set(request.POST.getlist("confirm"))
    problems = [*entry.refused, *(p for p in entry.asked if p.field not in confirmed)]
    if problems:
        return _answer("refused", t("；", "; ").join(p.text for p in problems))
    if "anyway" not in request.POST and (text := _conflict(request, resident_id, form)):
        return _answer("conflict", text)
    at = _filled(request, entry.values)
    return _saved(save_once(request, key, form, resident_id, entry.values, day, at=at))


def _last_forms(request: HttpRequest, resident_id: int, form: forms.Form) -> list[dict[str, Any]]:
    """The resident's last visit of this form, whichever sheet it was kept as, first."""
    actor, purpose = request.actor, purpose_of(request)  # type: ignore[attr-defined]
    found = [one for kept in form.kept_as for one in records.forms(actor, resident_id, kept, purpose, limit=1)]
    return sorted(found, key=lambda one: one["at"], reverse=True)


def _conflict(request: HttpRequest, resident_id: int, form: forms.Form) -> str:
    """Words when this resident's last visit is not the one that was last when the list was taken."""
    found = _last_forms(request, resident_id, form)
    if not found or str(found[0]["batch_id"]) == request.POST.get("last", ""):
        return ""
    return t(
        "您带走名单之后，{by} 记过一次（{day}），请核对",
        "After you took the list, {by} recorded a visit ({day}); please check",
        day=day_words(found[0]["at"]),
        by=found[0]["by"] or t("别人", "somebody"),
    )


def _filled(request: HttpRequest, values: dict[str, Any]) -> dt.datetime | None:
    """When the form was filled in, if that was on the day of the visit; the browser's clock is believed no further."""
    text = request.POST.get("filled_at", "")
    if not text.isdigit():
        return None
    filled = clock.local(dt.datetime.fromtimestamp(int(text) / 1000, clock.COUNTY_ZONE)).replace(microsecond=0)
    same_day = filled.date().isoformat() == values.get("visit_date")
    return filled if same_day and filled <= clock.local(clock.now()) else None


def _saved(batch: int) -> HttpResponse:
    return _answer("saved", t("已入库", "In the record"), f"/today/visits/{batch}")


def _answer(state: str, text: str, url: str = "") -> HttpResponse:
    return JsonResponse({"state": state, "text": text, "url": url})
