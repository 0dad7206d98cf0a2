"""The month's settlement of home care: totals by institution and item, every line behind them, as a workbook too."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from xlsxwriter import Workbook

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks.home_care import words
from healthbrain.desks.i18n import said, t
from healthbrain.desks.shell import as_of, render
from healthbrain.dispatch.queries import homecare_record as record
from healthbrain.kernel.masking import mask_id_number, mask_name

PAYERS = {"insurance": ("医保家庭病床", "Insurance, home bed"), "voucher": ("服务券", "Service voucher")}


def _month(request: HttpRequest) -> dt.date:
    return words.day_of(f"{request.GET.get('month', '')}-01", as_of(request)).replace(day=1)


def _audited(request: HttpRequest, found: record.Settlement, action: str) -> None:
    actor: Any = request.actor  # type: ignore[attr-defined]
    detail = {"month": f"{found.first:%Y-%m}", "rows": len(found.rows)}
    with transaction.atomic():
        audit.record(by=actor, action=action, subject="homecare-settlement", detail=detail)


@page(permission="homecare.plan")
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """One month."""
    found = record.settlement(request.actor, month=_month(request))  # type: ignore[attr-defined]
    _audited(request, found, "homecare.settlement")
    context = {
        "found": found, "earlier": found.first - dt.timedelta(days=1), "later": found.first + dt.timedelta(days=31),
        "payer_word": lambda key: t(*PAYERS[key]), **words.context(),
    }  # fmt: skip
    return render(request, "home_care/settlement.html", context)


@page(permission="homecare.plan")
@require_GET
def export(request: HttpRequest) -> HttpResponse:
    """The month as a workbook: totals, and the lines, masked as on the page; audited."""
    found = record.settlement(request.actor, month=_month(request))  # type: ignore[attr-defined]
    _audited(request, found, "homecare.settlement_export")
    response = HttpResponse(
        _workbook(found), content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    response["Content-Disposition"] = f'attachment; filename="homecare-{found.first:%Y-%m}.xlsx"'
    response["Cache-Control"] = "no-store"
    return response


TOTALS = (
    ("机构", "Institution"), ("项目", "Item"), ("支付", "Paid by"), ("次数", "Times"), ("单价（元）", "Price (yuan)"),
    ("金额（元）", "Amount (yuan)"),
)  # fmt: skip
LINES = (
    ("日期", "Day"), ("机构", "Institution"), ("患者", "Patient"), ("身份证号", "ID"), ("项目", "Item"),
    ("次数", "Times"), ("单价（元）", "Price (yuan)"), ("金额（元）", "Amount (yuan)"), ("价格依据", "Price from"),
    ("支付", "Paid by"), ("券号", "Voucher"),
)  # fmt: skip


def _workbook(found: record.Settlement) -> bytes:
    out = io.BytesIO()
    with Workbook(out, {"in_memory": True, "strings_to_formulas": False}) as book:
        bold = book.add_format({"bold": True})
        totals, lines = book.add_worksheet(t("汇总", "Totals")), book.add_worksheet(t("明细", "Lines"))
        for sheet, heads in ((totals, TOTALS), (lines, LINES)):
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, len(heads) - 1, 16)
            sheet.write_row(0, 0, [t(*pair) for pair in heads], bold)
        for number, one in enumerate(found.totals, 1):
            price = "" if one.price is None else float(one.price)
            row = [one.organisation, said(one.title), t(*PAYERS[one.payer]), one.quantity, price, float(one.amount)]
            totals.write_row(number, 0, row)
        for number, r in enumerate(found.rows, 1):
            lines.write_row(number, 0, [
                r.day.isoformat(), r.organisation, mask_name(r.name), mask_id_number(r.id_number), said(r.title),
                r.quantity, "" if r.price is None else float(r.price), "" if r.amount is None else float(r.amount),
                r.source, t(*PAYERS[r.payer]), r.voucher,
            ])  # fmt: skip
    return out.getvalue()
