"""Today's figures of one place; a sheet of many days or places; the same for systems with a token."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.desks.bureau.workbook import response
from healthbrain.desks.i18n import day, said, t
from healthbrain.desks.school.views import chosen_day, moment
from healthbrain.desks.shell import as_of, render, say
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.surveillance import imports, knowledge
from healthbrain.surveillance.actions import signals as actions
from healthbrain.surveillance.models import CountImport
from healthbrain.surveillance.queries.places import PlaceDay, place_day

LIMIT_BYTES = 10 * 1024 * 1024
MOST = 9999
KINDS = {"application/json": "counts.json", "text/csv": "counts.csv"}


@page(permission="places.report")
def today(request: HttpRequest) -> HttpResponse:
    """The figures of a day: those told stand there; a second sending replaces the first."""
    place = place_day(request.actor, day=chosen_day(request))  # type: ignore[attr-defined]
    error = ""
    if request.method == "POST":
        if place is None:
            raise NotFound(t("您的单位不在这里报数", "Your unit does not report here"))
        try:
            return _save(request, place)
        except Invalid as refused:
            error = refused.message
    words = knowledge.places().get(place.kind, {}) if place else {}
    context: dict[str, Any] = {
        "place": place, "error": error, "most": MOST, "is_today": place is not None and place.day == as_of(request),
        "ask": said(words.get("ask", "")), "people_word": said(words.get("people", "")),
        "items": [_item(request, place, key) for key in place.items] if place else [],
        "day_step": dt.timedelta(days=1), "people": request.POST.get("people", (place.people or "") if place else ""),
    }  # fmt: skip
    return render(request, "place/today.html", context, status=422 if error else 200)


def _word(item: str) -> str:
    title = knowledge.classifier().title(item)
    short = knowledge.syndromes().get(item, {}).get("short")
    return said(short) if short else t(title.zh, title.en)


def _item(request: HttpRequest, place: PlaceDay, key: str) -> dict[str, Any]:
    before = next((counts.get(key, 0) for on, counts in place.days if on < place.day), 0)
    return {
        "key": key, "word": _word(key), "value": request.POST.get(f"n-{key}", place.counts.get(key, 0)),
        "before": before,
    }  # fmt: skip


def _save(request: HttpRequest, place: PlaceDay) -> HttpResponse:
    common = {"organisation": place.code, "day": str(place.day), "source": place.feed,
              "denominator": request.POST.get("people", "").strip()}  # fmt: skip
    rows = [{**common, "item": key, "count": request.POST.get(f"n-{key}", "").strip() or "0"} for key in place.items]
    numbers = [(row["count"], MOST) for row in rows] + [(common["denominator"] or "0", 10**6)]
    if any(not text.isdecimal() or int(text) > most for text, most in numbers):
        raise Invalid(t("人数和数量都填 0 到 {n} 的整数", "Whole numbers from 0 to {n}, please", n=MOST))
    made = actions.import_counts(
        "desk.json", by=request.actor, now=moment(request), data=json.dumps(rows).encode()  # type: ignore[attr-defined]
    )  # fmt: skip
    if made.problems:
        raise Invalid(made.problems[0][2])
    total = sum(int(row["count"]) for row in rows)
    say(request, t("{d} 已报：共 {n}", "{d} told: {n} in all", d=day(place.day), n=total))
    return HttpResponseRedirect("/place")


@page(permission="places.report")
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """A sheet of many days or places; every row ends stored, known already, waiting or rejected with its reason."""
    file = request.FILES.get("file")
    if file is None or file.size is None or file.size > LIMIT_BYTES:
        raise Invalid(t("选择填好的表格（10 MB 以内）", "Choose the filled sheet (up to 10 MB)"))
    made = actions.import_counts(file.name or "", by=request.actor, now=moment(request), data=file.read())  # type: ignore[attr-defined]
    return render(request, "place/result.html", {"made": made})


@page(permission="places.report")
@require_GET
def template(request: HttpRequest) -> HttpResponse:
    """The empty sheet."""
    return response(imports.template(), t("场所报数模板.xlsx", "place-counts.xlsx"))


@page(permission="counts.write", token=True)
def counts(request: HttpRequest) -> HttpResponse:
    """POST JSON or CSV: a department's daily counts. Answers how every row ended (docs/data-in.md)."""
    if request.method != "POST":
        return JsonResponse({"message": "只收 POST POST only"}, status=405, headers={"Allow": "POST"})
    name = KINDS.get(request.content_type or "")
    if name is None:
        return JsonResponse({"message": f"只收 Send {', '.join(KINDS)}"}, status=415)
    made = actions.import_counts(name, by=request.actor, now=clock.now(), data=request.body)  # type: ignore[attr-defined]
    return JsonResponse(_ended(made), json_dumps_params={"ensure_ascii": False})


def _ended(made: CountImport) -> dict[str, Any]:
    problems = [{"line": line, "column": column, "reason": why} for line, column, why, _ in made.problems]
    return {
        "import": made.pk, "rows": made.rows_in, "stored": made.stored, "duplicates": made.duplicates,
        "waiting": made.waiting, "rejected": made.rejected, "problems": problems,
    }  # fmt: skip
