"""集体随访: a follow-up day of thirty people in one sheet, on the screen or as XLSX, saved in one go."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.access.rules import Actor
from healthbrain.desks import forms
from healthbrain.desks.i18n import months_of, said, t
from healthbrain.desks.shell import as_of, render, say
from healthbrain.desks.village_doctor import lines, prefill, workbook
from healthbrain.desks.village_doctor.visit import remember, save_visits
from healthbrain.kernel.errors import Invalid

ROWS = 30
DEFAULT = "hypertension-follow-up"
COMMON = ("visit_date", "visit_mode")  # asked once for the whole sheet, where the form asks it


@dataclass(slots=True)
class Row:
    """One person of the sheet."""

    resident_id: int
    name: str
    sex: str
    birth_date: dt.date | None
    due: dt.date | None
    start: prefill.Start
    entry: forms.Entry
    came: bool = False  # something measured was typed: only such rows are saved


def _chosen(request: HttpRequest) -> forms.Form:
    return forms.load(request.POST.get("form") or request.GET.get("form") or DEFAULT)


def people(actor: Actor, form: forms.Form, day: dt.date, *, only: set[int] | None = None) -> list[Row]:
    """Residents with an open task that this form answers, the most pressing first, each once."""
    programme = form.programme if len(form.answers) == 1 else ""
    chosen: dict[int, lines.Line] = {}
    # Who is due first; a screening day, whose round ends with the year, takes those who may come early as well.
    for line in (one for state in ("", "upcoming") for one in _lines(actor, day, programme, state)):
        wanted = len(chosen) < ROWS if only is None else line.resident_id in only
        if wanted and _asks(line, form.id):
            chosen.setdefault(line.resident_id, line)
    starts = prefill.starts_of(form, actor, list(chosen), day)
    return [_row(line, starts[line.resident_id]) for line in chosen.values()]


def _asks(line: lines.Line, form_id: str) -> bool:
    """The line's form is this one, or one that this is a part of."""
    name = lines.form_path(line).rsplit("/", 1)[-1]
    return bool(name) and form_id in {name, *forms.load(name).parts}


def _row(line: lines.Line, start: prefill.Start) -> Row:
    begun = forms.Entry(dict(start.values), {}, ())
    return Row(line.resident_id, line.name, line.sex, line.birth_date, line.due, start, begun)


def _lines(actor: Actor, day: dt.date, programme: str, state: str) -> list[lines.Line]:
    return lines.today(actor, day, programme=programme, state=state, limit=1000, offset=0)[0]


def measured(form: forms.Form) -> tuple[forms.Field, ...]:
    """The fields that make a row a visit: what must be measured on the day."""
    return tuple(f for f in form.grid_fields if f.prefill == "show")


def read_rows(form: forms.Form, posted: QueryDict, rows: list[Row], day: dt.date) -> list[Row]:
    """Read and check each row as typed; a row in which nothing was measured is a person who did not come."""
    wanted = tuple(form.field(name) for name in COMMON if form.has(name)) + form.grid_fields
    for row in rows:
        prefix = f"r{row.resident_id}-"
        one = posted.copy()
        for name in COMMON:
            one[prefix + name] = posted.get(name, "")
        row.came = any(str(posted.get(prefix + f.id) or "").strip() for f in measured(form))
        if row.came:
            months = months_of(row.birth_date, day)
            row.entry = forms.read_entry(
                form, one, today=day, last=row.start.last, prefix=prefix, only=wanted, months=months
            )
        else:
            raw = {f.id: posted.get(prefix + f.id, "") for f in form.grid_fields}
            row.entry = forms.Entry(raw, {}, ())
    return rows


@page(permission="care.work")
def grid(request: HttpRequest) -> HttpResponse:
    """The sheet on the screen."""
    form, day, actor = _chosen(request), as_of(request), request.actor  # type: ignore[attr-defined]
    if request.method != "POST":
        return _page(request, form, people(actor, form, day))
    ids = {int(value) for value in request.POST.getlist("resident") if value.isdigit()}
    rows = read_rows(form, request.POST, people(actor, form, day, only=ids), day)
    return _save(request, form, rows, day)


def _save(request: HttpRequest, form: forms.Form, rows: list[Row], day: dt.date) -> HttpResponse:
    came = [row for row in rows if row.came]
    confirmed = "confirm" in request.POST
    if not came or any(r.entry.refused for r in came) or (not confirmed and any(r.entry.asked for r in came)):
        return _page(request, form, rows, status=422, empty=not came)
    visits = {row.resident_id: row.entry.values for row in came}
    batches = save_visits(request.actor, form, visits, day)  # type: ignore[attr-defined]
    remember(request, request.POST.get("key", ""), form, batches, visits)
    urgent = [row for row in came if forms.urgent_signs(form, row.entry.values)]
    say(
        request,
        t("已入库 {n} 人的随访", "{n} visits are in the record", n=len(came)),
        undo_url=f"/today/visits/undo?batch={batches[0]}",
    )
    if urgent:
        words = t("、", ", ").join(lines.masked(row.name) for row in urgent)
        say(request, t("{n} 人需要紧急转诊：{who}，见名单最上面", "{n} need urgent referral: {who}; top of the list",
                       n=len(urgent), who=words), level="urgent")  # fmt: skip
    return HttpResponseRedirect("/today")


def _page(
    request: HttpRequest, form: forms.Form, rows: list[Row], *, status: int = 200, empty: bool = False
) -> HttpResponse:
    refused = [(row, p) for row in rows for p in row.entry.refused]
    asked = [(row, p) for row in rows for p in row.entry.asked]
    context = {
        "form": form,
        "rows": rows,
        "columns": form.grid_fields,
        "refused": refused,
        "asked": asked,
        "nothing": empty,
        "show": prefill.shown,
        "date": request.POST.get("visit_date") or as_of(request).isoformat(),
        "mode": request.POST.get("visit_mode") or "AMB",
        "key": request.POST.get("key") or f"{time.time_ns():x}",
        "choices": [
            (name, said(forms.load(name).short))
            for name in forms.form_ids()
            if forms.load(name).grid_fields and not forms.load(name).parts
        ],
    }
    return render(request, "village_doctor/group.html", context, status=status)


@page(permission="care.work")
@require_GET
def download(request: HttpRequest) -> HttpResponse:
    """The same sheet as XLSX, names masked, drop-down lists and limits in the cells."""
    form, day = _chosen(request), as_of(request)
    data = workbook.write(form, people(request.actor, form, day), day)  # type: ignore[attr-defined]
    response = HttpResponse(data, content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    response["Content-Disposition"] = f'attachment; filename="{form.id}-{day:%Y%m%d}.xlsx"'
    response["Cache-Control"] = "no-store"
    return response


@page(permission="care.work")
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Read a filled sheet back into the screen: errors at their cells, nothing saved before 保存 is pressed."""
    form, day = _chosen(request), as_of(request)
    file = request.FILES.get("file")
    if file is None or (file.size or 0) > workbook.LIMIT_BYTES:
        raise Invalid(t("请选一个填好的表格（5 MB 以内）", "Choose a filled sheet, at most 5 MB"))
    posted = workbook.read(form, file.read())
    ids = {int(value) for value in posted.getlist("resident")}
    posted["visit_date"] = posted.get("visit_date") or day.isoformat()
    rows = read_rows(form, posted, people(request.actor, form, day, only=ids), day)  # type: ignore[attr-defined]
    strangers = len(ids) - len(rows)
    if strangers:
        say(
            request,
            t("{n} 行不在今天的名单里，没有读入", "{n} rows are not on today's list and were left out", n=strangers),
            level="urgent",
        )
    return _page(request, form, rows)
