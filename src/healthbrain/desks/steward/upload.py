"""Upload in the browser: template, mapping, dry run, import, result."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from healthbrain.access.gate import page
from healthbrain.access.rules import Actor
from healthbrain.county.models import Source
from healthbrain.desks.bureau.workbook import response
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import render, say
from healthbrain.desks.steward import jobs, uploads
from healthbrain.desks.steward.uploads import Upload
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from healthbrain.records import actions as records
from healthbrain.records import queries
from healthbrain.records.queries import Peek
from healthbrain.records.rules.templates import TEMPLATES


@page(permission="intake.upload")
@require_http_methods(["GET", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Choose a file and, where the file does not say it, its source; or fetch a template to fill in."""
    errors: list[tuple[str, str]] = []
    if request.method == "POST":
        file = request.FILES.get("file")
        if file is None:
            errors = [("file", t("选择一个文件", "Choose a file"))]
        else:
            actor: Actor = request.actor  # type: ignore[attr-defined]
            try:
                made = uploads.receive(file, account_id=actor.account_id or 0, source=request.POST.get("source", ""))
                return HttpResponseRedirect(f"/steward/upload/{made.id}")
            except Invalid as refused:
                errors = [("file", refused.message)]
    context = {
        "errors": errors,
        "sources": Source.objects.order_by("name").values("code", "name"),
        "templates": TEMPLATES.values(),
        "worker": jobs.worker_alive(),
        "source": request.POST.get("source", ""),
    }
    return render(request, "steward/upload.html", context, status=422 if errors else 200)


@page(permission="intake.upload")
@require_GET
def template(request: HttpRequest, name: str, form: str) -> HttpResponse:
    """An empty template with drop-down lists and one example row."""
    if name not in TEMPLATES or form not in {"xlsx", "csv"}:
        raise NotFound(t("没有这个模板", "No such template"))
    answer = response(records.template(name, form), f"{name}.{form}")
    if form == "csv":
        answer["Content-Type"] = "text/csv; charset=utf-8"
    return answer


def _mine(request: HttpRequest, upload_id: str) -> Upload:
    """An upload is its owner's and the stewards'."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    found = uploads.load(upload_id)
    if found.account_id != actor.account_id and not actor.may("steward.work"):
        raise NotAllowed(t("这是别人的上传", "This upload is somebody else's"))
    return found


def _mapping_rows(peek: Peek) -> list[dict[str, Any]]:
    """Each cell of the header with what we read it as and what stands below it."""
    known = dict(peek.mapping)
    return [
        {
            "position": position,
            "cell": cell,
            "column": known.get(position, ""),
            "samples": [row[position] for row in peek.samples if position < len(row) and row[position]][:3],
        }
        for position, cell in enumerate(peek.header)
    ]


def _peek(upload: Upload, template: str) -> Peek:
    with uploads.opened(upload) as path:
        return queries.peek(path, source=upload.source, template=template if template in TEMPLATES else "")


@page(permission="intake.upload")
@require_GET
def show(request: HttpRequest, upload_id: str) -> HttpResponse:
    """Where one upload stands: mapping, dry run, import, result. Renews itself while the worker reads."""
    upload = _mine(request, upload_id)
    wanted = request.GET.get("template", upload.template)
    peek = _peek(upload, wanted) if upload.stage == "received" else Peek("")  # later stages show no columns
    chosen = TEMPLATES.get(peek.template)
    context = {
        "upload": upload,
        "peek": peek,
        "rows": _mapping_rows(peek),
        "template": chosen,
        "templates": TEMPLATES.values(),
        "worker": jobs.worker_alive(),
        "missing": [chosen.column(name).zh for name in peek.missing] if chosen else [],
        "can_run": not peek.problem and (not peek.is_sheet or (chosen is not None and not peek.missing)),
    }
    return render(request, "steward/upload_show.html", context)


def _remember(request: HttpRequest, upload: Upload) -> None:
    """Keep the mapping the person chose, for this source's next sheet with the same header."""
    chosen = request.POST.get("template", "")
    if chosen not in TEMPLATES:
        return
    mapping = {
        int(key.removeprefix("column-")): str(value)
        for key, value in request.POST.items()
        if key.startswith("column-") and key.removeprefix("column-").isdigit() and value
    }
    repeated = len(set(mapping.values())) != len(mapping)
    if repeated:
        raise Invalid(
            t("同一项不能对应两列，请改正对应关系", "One item may not stand in two columns: correct the mapping")
        )
    header = _peek(upload, chosen).header
    if upload.source and mapping:
        records.remember_mapping(source=upload.source, template=chosen, header=list(header), mapping=mapping)


@page(permission="intake.upload")
@require_POST
def act(request: HttpRequest, upload_id: str, action: str) -> HttpResponse:
    """Dry run, import, or run again."""
    upload = _mine(request, upload_id)
    here = f"/steward/upload/{upload.id}"
    if upload.waiting:
        raise Conflict(t("正在读取，请等它结束", "It is being read, wait for the end"))
    if action == "check":
        _remember(request, upload)
        jobs.defer(uploads.change(upload, template=request.POST.get("template", "")), dry_run=True)
    elif action == "import":
        if upload.stage != "checked":
            raise Conflict(t("先试跑，再正式导入", "Do the dry run before the import"))
        jobs.defer(upload, dry_run=False)
    elif action == "again":
        uploads.change(upload, stage="received", report={}, rejects=[], error="")
        say(request, t("可以重新试跑了", "Ready for another dry run"))
    else:
        raise NotFound(t("没有这个操作", "No such action"))
    return HttpResponseRedirect(here)
