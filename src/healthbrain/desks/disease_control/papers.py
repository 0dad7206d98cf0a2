"""The line list and the event on paper: template, Excel with whole names (logged), PDF without names."""

from __future__ import annotations

import io
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET
from xlsxwriter import Workbook

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks.bureau.workbook import Sheet, file_name, response, workbook
from healthbrain.desks.disease_control import drawing, words
from healthbrain.desks.disease_control.board import actor_of
from healthbrain.desks.disease_control.room import room_context
from healthbrain.desks.i18n import english, said, sex_of, t
from healthbrain.desks.shell import as_of, is_synthetic
from healthbrain.kernel import clock
from healthbrain.surveillance import handbook
from healthbrain.surveillance.models import CaseRow
from healthbrain.surveillance.queries import response as queries
from healthbrain.surveillance.queries.response import Room
from healthbrain.surveillance.rules.case_rows import COLUMNS


@page(permission="signals.work")
@require_GET
def template(request: HttpRequest, event_id: int) -> HttpResponse:
    """The sheet people fill in: headings, drop-down lists, one example row that says it is one."""
    out = io.BytesIO()
    book = Workbook(out, {"in_memory": True, "strings_to_formulas": False})
    page_ = book.add_worksheet(t("病例名单", "Line list"))
    bold = book.add_format({"bold": True, "bg_color": "#F5F7F9", "border": 1})
    lists = {
        "sex": ["男", "女"],
        "classification": [v["zh"] for v in handbook.words("classes").values()],
        "hospitalised": ["是", "否"],
        "outcome": [v["zh"] for v in handbook.words("outcomes").values()],
    }
    form = handbook.form_of(queries.room(actor_of(request), event_id, clock.now()).event.disease)
    asked = {i["id"]: (i["label"]["zh"], i["label"]["en"]) for i in form["items"] if i.get("exposure")}
    lists |= {key: ["是", "否", "不知道"] for key in asked}
    columns = COLUMNS | asked
    for column, (key, (zh, en)) in enumerate(columns.items()):
        page_.write_string(0, column, en if english() else zh, bold)
        if key in lists:
            page_.data_validation(1, column, 1000, column, {"validate": "list", "source": lists[key]})
    page_.set_column(0, len(columns) - 1, 14)
    page_.freeze_panes(1, 1)
    book.close()
    return response(out.getvalue(), file_name("", t("病例名单模板", "line-list-template"), as_of(request)).lstrip("_"))


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else ""


def _case(case: CaseRow) -> list[Any]:
    return [
        case.number,
        case.name,
        sex_of(case.sex),
        case.age,
        case.birth_date.isoformat() if case.birth_date else "",
        case.id_number,
        case.phone,
        case.group,
        case.household,
        case.role,
        _moment(case.onset_at),
        _moment(case.visit_at),
        _moment(case.report_at),
        words.word("classes", case.classification),
        "、".join(words.symptom(s) for s in case.symptoms),
        t("是", "yes") if case.hospitalised else t("否", "no"),
        words.word("outcomes", case.outcome) if case.outcome else "",
    ]


def _case_sheet(rows: list[CaseRow], found: Room) -> Sheet:
    heads = [t("编号", "No."), *(en if english() else zh for zh, en in COLUMNS.values())]
    heads.insert(12, t("报告时间", "Reported"))
    form = handbook.form_of(found.event.disease)
    asked = [item for item in form["items"] if any(item["id"] in case.exposures for case in found.cases)]
    answers = {case.id: case.exposures for case in found.cases}
    table = [[*_case(row), *(answers[row.pk].get(item["id"], "") for item in asked)] for row in rows]
    notes = [
        f"{found.event.number} {found.event.title}",
        t(
            "含个人信息，只用于疫情处置；导出已记入日志。",
            "Holds personal data, for the response only; this export is logged.",
        ),
    ]
    return Sheet(t("病例名单", "Line list"), [*heads, *(said(item["label"]) for item in asked)], table, notes)


def _logged(request: HttpRequest, event_id: int, action: str, rows: list[CaseRow]) -> None:
    with transaction.atomic():
        audit.record(
            by=actor_of(request),
            action=action,
            subject=f"outbreak/{event_id}",
            purpose="public-health",
            detail={"rows": len(rows), "residents": [row.resident_id for row in rows if row.resident_id][:500]},
        )


@page(permission="signals.work")
@require_GET
def case_sheet(request: HttpRequest, event_id: int) -> HttpResponse:
    """The line list with whole names; the export is logged."""
    actor, now = actor_of(request), clock.now()
    found = queries.room(actor, event_id, now)
    rows = queries.whole_cases(actor, event_id)
    _logged(request, event_id, "outbreak.export", rows)
    name = file_name(found.event.number, t("病例名单", "line-list"), as_of(request))
    return response(workbook([_case_sheet(rows, found)]), name)


@page(permission="signals.work")
@require_GET
def report_sheet(request: HttpRequest, event_id: int) -> HttpResponse:
    """The event as a workbook: summary with clocks, line list, curve, attack rates, measures, samples, timeline."""
    actor, now = actor_of(request), clock.now()
    found = queries.room(actor, event_id, now)
    rows = queries.whole_cases(actor, event_id)
    _logged(request, event_id, "outbreak.export", rows)
    event = found.event
    summary: list[list[Any]] = [
        [t("编号", "Number"), event.number],
        [t("名称", "Title"), event.title],
        [t("状态", "State"), words.badge(words.STATUS, event.status)[1]],
        [t("分级", "Grade"), event.grade or "—"],
        [t("病例", "Cases"), len(found.counted)],
        [t("暴露人数", "Exposed"), event.population],
        *([said(r.clock.title), f"{words.clock_words(r)} (≤ {words.span(r.clock.limit)})"] for r in found.row.clocks),
        *([t("报告", "Report") + f" {r.kind}", r.text] for r in reversed(found.reports)),
    ]
    sheets = [
        Sheet(t("概况", "Summary"), [t("项目", "Item"), t("内容", "Value")], summary),
        _case_sheet(rows, found),
        Sheet(
            t("流行曲线", "Curve"),
            [t("发病", "Onset"), *(words.word("classes", k) for k in drawing.KINDS)],
            [[drawing.mark(b), *(b.counts.get(k, 0) for k in drawing.KINDS)] for b in found.curve],
        ),
        Sheet(
            t("罹患率", "Attack rates"),
            [t("班级或部门", "Group"), t("病例", "Cases"), t("人数", "Of"), t("罹患率", "Rate")],
            [[r.group, r.cases, r.population, round(r.rate, 4) if r.rate is not None else None] for r in found.rates],
        ),
        Sheet(
            t("共同暴露", "Common exposure"),
            [
                t("暴露", "Exposure"),
                t("暴露者发病", "Exposed ill"),
                t("暴露者", "Exposed"),
                t("其他人发病", "Others ill"),
                t("其他人", "Others"),
                t("相对危险度", "Risk ratio"),
                t("下限", "Low"),
                t("上限", "High"),
                t("p（校正后）", "p (corrected)"),
            ],
            [words.exposure_cells(c) for c in found.common],
        ),
        Sheet(
            t("措施", "Measures"),
            [
                t("措施", "Measure"),
                t("责任", "Owner"),
                t("期限", "Deadline"),
                t("状态", "State"),
                t("依据", "Evidence"),
            ],
            [[m.text, m.owner, _moment(clock.local(m.deadline)), m.status, m.evidence] for m in found.measures],
        ),
        Sheet(
            t("采样", "Samples"),
            [t("编号", "Label"), t("标本", "Specimen"), t("项目", "Test"), t("结果", "Result")],
            [
                [s.code, words.word("specimens", s.kind), s.test, words.badge(words.RESULTS, s.result)[1]]
                for s in found.samples
            ],
        ),
        Sheet(
            t("时间线", "Timeline"),
            [t("时间", "When"), t("事项", "What"), t("内容", "Detail"), t("人", "Who")],
            [
                [
                    _moment(clock.local(s.at)),
                    words.pair(words.STEPS, s.kind),
                    f"{words.step_words(s.kind, s.detail)} {s.note}".strip(),
                    s.actor,
                ]
                for s in reversed(found.steps)
            ],
        ),
    ]
    return response(workbook(sheets), file_name(event.number, t("事件报告", "event-report"), as_of(request)))


@page(permission="signals.read")
@require_GET
def report_pdf(request: HttpRequest, event_id: int) -> HttpResponse:
    """The event on A4: clocks, curve, line list without names, measures, timeline."""
    import weasyprint  # takes half a second to load: only who prints pays for it

    actor, now = actor_of(request), clock.now()
    found = queries.room(actor, event_id, now)
    with transaction.atomic():
        audit.record(by=actor, action="outbreak.print", subject=f"outbreak/{event_id}", purpose="public-health")
    rects, marks, most = drawing.curve_picture(found.curve)
    context = room_context(found, now) | {
        "rects": rects,
        "marks": marks,
        "most": most,
        "printed": clock.local(now),
        "actor": actor,
        "unit": request.user.organisation.name,  # type: ignore[union-attr]
        "synthetic": is_synthetic(),
        "today": as_of(request),
    }
    html = render_to_string("disease_control/print.html", context, request=request)
    answer = HttpResponse(
        weasyprint.HTML(string=html, url_fetcher=_nothing).write_pdf(), content_type="application/pdf"
    )
    answer["Content-Disposition"] = f'inline; filename="{found.event.number}.pdf"'
    answer["Cache-Control"] = "no-store"
    return answer


def _nothing(url: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    raise ValueError("the printed event loads nothing from outside")
