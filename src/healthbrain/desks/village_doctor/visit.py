"""The visit: prefilled form → record → the programme thinks → what it concluded, with 30 seconds to undo."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from healthbrain.access.gate import page
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.care import actions as care_actions
from healthbrain.care import queries as care
from healthbrain.desks import forms
from healthbrain.desks.hospital_doctor.opening import Opened, open_record
from healthbrain.desks.i18n import months_of, t
from healthbrain.desks.models import SentVisit
from healthbrain.desks.shell import as_of, render, say
from healthbrain.desks.village_doctor import lines, papers, prefill, sheets
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Conflict, NotFound
from healthbrain.records import actions as records_actions

DONE = "visits"  # session: form key → what was saved, for the result page and undo
KEPT = 40
UNDO_SECONDS = 60  # the page offers 30; the rest is for a slow line


@page(permission="care.work")
def visit(request: HttpRequest, resident_id: int, form_id: str) -> HttpResponse:
    """The form of one visit, and saving it."""
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return opened
    day = as_of(request)
    form = forms.load(form_id).at_age(months_of(opened.resident.birth_date, day))
    start = prefill.start_of(form, request.actor, resident_id, day)  # type: ignore[attr-defined]
    if request.method == "POST":
        return _save(request, form, opened, start, day)
    return _page(request, form, opened, start, forms.Entry(start.values, {}, ()))


def _page(
    request: HttpRequest, form: forms.Form, opened: Opened, start: prefill.Start, entry: forms.Entry, status: int = 200
) -> HttpResponse:
    context = {
        "form": form,
        "person": opened.resident,
        "start": start,
        "entry": entry,
        "confirmed": request.POST.getlist("confirm"),
        "key": request.POST.get("key") or str(uuid.uuid4()),
        "last": "",
        "show": prefill.shown,
        "parts": prefill.parts,
        "task": request.GET.get("task", ""),
        "months": months_of(opened.resident.birth_date, as_of(request)),
    }
    return render(request, "village_doctor/visit.html", context, status=status)


def _save(request: HttpRequest, form: forms.Form, opened: Opened, start: prefill.Start, day: dt.date) -> HttpResponse:
    key = request.POST.get("key") or str(uuid.uuid4())
    if (batch := arrived(request, key)) is not None:
        return HttpResponseRedirect(f"/today/visits/{batch}")
    months = months_of(opened.resident.birth_date, day)
    entry = forms.read_entry(form, request.POST, today=day, last=start.last, months=months)
    confirmed = set(request.POST.getlist("confirm"))
    if entry.refused or any(p.field not in confirmed for p in entry.asked):
        return _page(request, form, opened, start, entry, status=422)
    batch = save_once(request, key, form, opened.resident.id, entry.values, day)
    return HttpResponseRedirect(f"/today/visits/{batch}")


def account_of(request: HttpRequest) -> int:
    return int(request.user.pk or 0)


def arrived(request: HttpRequest, key: str) -> int | None:
    """The batch in which the form with this key was recorded, if it was."""
    return SentVisit.objects.filter(account_id=account_of(request), key=key).values_list("batch_id", flat=True).first()


def save_once(
    request: HttpRequest, key: str, form: forms.Form, resident_id: int, values: dict[str, Any], day: dt.date,
    *, at: dt.datetime | None = None,
) -> int:  # fmt: skip
    """Record one visit under its key; the batch. The same key sent twice, even at once, is recorded once."""
    visits = {resident_id: values}
    try:
        with transaction.atomic():
            [batch] = save_visits(request.actor, form, visits, day, at=at)  # type: ignore[attr-defined]
            SentVisit.objects.create(account_id=account_of(request), key=key, batch_id=batch)
    except IntegrityError:
        first = arrived(request, key)
        if first is None:  # another constraint broke, not this one
            raise
        return first
    remember(request, key, form, [batch], visits)
    return batch


@transaction.atomic
def save_visits(
    actor: Actor, form: forms.Form, visits: dict[int, dict[str, Any]], day: dt.date, *, at: dt.datetime | None = None
) -> list[int]:
    """Record the visits, all or none, then let the programmes think about these residents; the batches made.

    `at`: when they were, if that is known better than the date on the form tells.
    """
    batches = []
    for resident_id, values in visits.items():
        saved = records_actions.record_form(
            by=actor, resident_id=resident_id, form=form.id, values=values, at=at or moment_of(values, day)
        )
        batches.append(saved.batch_id)
    care_actions.evaluate(list(visits), as_of=day, by=actor)
    return batches


def moment_of(values: dict[str, Any], day: dt.date) -> dt.datetime:
    """When the visit was: now for a visit of today, noon for one entered later."""
    date = dt.date.fromisoformat(values.get("visit_date", day.isoformat()))
    if date == day:
        return dt.datetime.combine(date, clock.local(clock.now()).time().replace(microsecond=0))
    return dt.datetime.combine(date, dt.time(12))


def remember(request: HttpRequest, key: str, form: forms.Form, batches: list[int], visits: dict[int, Any]) -> None:
    """Keep what this session saved: for the result page and for undo."""
    kept = dict(list(request.session.get(DONE, {}).items())[-KEPT:])
    people = [{"resident": resident, "values": values} for resident, values in visits.items()]
    kept[key or str(batches[0])] = {"form": form.id, "batches": batches, "people": people, "at": time.time()}
    request.session[DONE] = kept


def _kept(request: HttpRequest, batch_id: int) -> dict[str, Any]:
    found = next((row for row in request.session.get(DONE, {}).values() if batch_id in row["batches"]), None)
    if found is None:
        raise NotFound(
            t("这次随访不是在本次登录里保存的", "This visit was not saved in this session"),
            hint=t("可在居民档案的时间线里看到它。", "You find it on the resident's timeline."),
        )
    return dict(found)


@page(permission="care.work")
def saved(request: HttpRequest, batch_id: int) -> HttpResponse:
    """已入库: what was recorded, what the programme concluded, when next, and the next person."""
    kept = _kept(request, batch_id)
    person = kept["people"][kept["batches"].index(batch_id)]
    opened = open_record(request, person["resident"])
    if not isinstance(opened, Opened):
        return opened
    day, actor, form = as_of(request), request.actor, forms.load(kept["form"])  # type: ignore[attr-defined]
    enrolments = care.enrolments(actor, opened.resident.id, day, opened.purpose)
    begun = str(person["values"].get("visit_date", day.isoformat()))  # what this form itself has begun, too
    concerned = [e for e in enrolments if e.programme in form.answers or e.since.isoformat() == begun]
    states = {e.programme: e.risk_level for e in concerned}
    programme = form.programme if len(form.answers) == 1 else ""
    following, left, _ = lines.today(actor, day, programme=programme, limit=40, offset=0)
    context = {
        "form": form,
        "sheets": papers.for_forms(form.kept_as, months_of(opened.resident.birth_date, day)),
        "person": opened.resident,
        "values": person["values"],
        "enrolments": concerned,
        "scores": _scores(form, person["values"], months_of(opened.resident.birth_date, day)),
        "classifications": list(_classified(form, person["values"], states)),
        "tasks": sheets.open_tasks(concerned),
        "urgent": forms.urgent_signs(form, person["values"]),
        "batch": batch_id,
        "undo": time.time() - kept["at"] < UNDO_SECONDS,
        "following": _next(following, opened.resident.id, form.id),
        "left": left,
        "programme": programme,
    }
    return render(request, "village_doctor/saved.html", context)


def _classified(form: forms.Form, values: dict[str, Any], states: dict[str, str]) -> Iterator[tuple[forms.Form, Any]]:
    """此次随访分类 of each sheet the entry fills."""
    for name in form.kept_as:
        sheet = forms.load(name)
        if sheet.classification:
            yield sheet, forms.classify(sheet, form.values_for(name, values), states.get(sheet.programme, ""))


def _next(following: list[lines.Line], just_seen: int, form_id: str) -> lines.Line | None:
    """The next person: somebody else, with the same form to fill in before any other."""
    others = [line for line in following if line.resident_id != just_seen and lines.form_path(line)]
    return next((line for line in others if lines.form_path(line).endswith(f"/{form_id}")), next(iter(others), None))


def _scores(form: forms.Form, values: dict[str, Any], months: int | None) -> list[tuple[forms.Field, str, Any]]:
    """Each score of the form: its field, its points, what they mean."""
    known = values if months is None else values | {"age": months // 12}
    found = [(item, forms.scored(form, item, known)) for item in form.fields if item.score]
    return [
        (item, f"{points:g}", item.score.level(points).words)
        for item, points in found
        if item.score and points is not None
    ]


@page(permission="care.work")
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Take back what was just saved: the form's batch is rolled back and the programmes think again."""
    kept = _kept(request, int(request.POST.get("batch") or request.GET.get("batch") or "0"))
    if time.time() - kept["at"] > UNDO_SECONDS:
        raise Conflict(
            t("30 秒已过，不能直接撤销", "More than 30 seconds ago: it can no longer be undone here"),
            hint=t("请重新记录一次正确的随访；新的数值会代替旧的。", "Record the visit again with the right values."),
        )
    day, actor = as_of(request), request.actor  # type: ignore[attr-defined]
    with transaction.atomic():
        for batch in kept["batches"]:
            records_actions.rollback_batch(by=actor, batch_id=batch)
        SentVisit.objects.filter(account_id=account_of(request), batch_id__in=kept["batches"]).delete()
        care_actions.evaluate([p["resident"] for p in kept["people"]], as_of=day, by=actor)
    request.session[DONE] = {k: v for k, v in request.session[DONE].items() if v["batches"] != kept["batches"]}
    say(request, t("已撤销，没有入库", "Undone: nothing is in the record"))
    return HttpResponseRedirect("/today")


@page(permission="care.work")
def sheet(request: HttpRequest, resident_id: int, sheet_id: str) -> HttpResponse:
    """A national record sheet, for the screen and the printer."""
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return opened
    return render(request, "village_doctor/sheet.html", sheets.context(request, opened, papers.sheet(sheet_id)))


@page(permission="care.work")
def sheet_pdf(request: HttpRequest, resident_id: int, sheet_id: str) -> HttpResponse:
    """The same sheet as PDF; a print is a disclosure of its own and is audited."""
    opened = open_record(request, resident_id)
    if not isinstance(opened, Opened):
        return opened
    printed = papers.sheet(sheet_id)
    data = sheets.pdf(request, sheets.context(request, opened, printed, masked=False))
    with transaction.atomic():
        audit.record(
            by=request.actor,  # type: ignore[attr-defined]
            action="record.print",
            resident_id=resident_id,
            purpose=opened.purpose,
            detail={"form": printed.id},
        )
    response = HttpResponse(data, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{printed.id}-{resident_id}.pdf"'
    response["Cache-Control"] = "no-store"
    return response
