"""Batches with counts that add up, and the rows that did not make it."""

from __future__ import annotations

import datetime as dt
import operator
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.desks.bureau.workbook import response
from healthbrain.desks.i18n import moment, number, t
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.shell import render, say
from healthbrain.desks.steward import jobs
from healthbrain.kernel import clock
from healthbrain.kernel.errors import Conflict, NotFound
from healthbrain.records import actions as records
from healthbrain.records import queries
from healthbrain.records.queries import BatchRow, ReasonCount, RejectRow

UNDO_WINDOW = dt.timedelta(
    hours=72
)  # after that, others have worked on what the batch brought: merge or correct instead
STATES = {  # batch status → badge and words
    "running": ("running", "处理中", "Running"),
    "done": ("done", "已完成", "Done"),
    "failed": ("failed", "中断", "Interrupted"),
    "cancelled": ("cancelled", "已取消", "Cancelled"),
    "rolled-back": ("cancelled", "已撤销", "Rolled back"),
}


def state_words(batch: BatchRow) -> tuple[str, str]:
    badge, zh, en = STATES.get(batch.status, ("unknown", batch.status, batch.status))
    return badge, t(zh, en)


def reason_words(row: RejectRow | ReasonCount) -> str:
    """Why a row was rejected, in the page's language."""
    return t(row.message, queries.reason_in_english(row.reason, row.message))


def _columns() -> list[Column]:
    return [
        Column("name", t("批次", "Batch"), sortable=True, value=lambda row: row.name),
        Column("source", t("来源", "Source"), sortable=True, value=lambda row: row.source),
        Column("started", t("开始", "Started"), sortable=True, value=lambda row: moment(row.started)),
        Column("state", t("状态", "State"), sortable=True, value=lambda row: state_words(row)[1]),
        *(
            Column(key, t(zh, en), number=True, sortable=True, unit=unit, value=operator.attrgetter(key))
            for key, zh, en, unit in (
                ("rows_in", "收到", "Received", t("行", "rows")), ("stored", "入库", "Stored", ""),
                ("duplicates", "重复", "Duplicate", ""), ("rejected", "退回", "Rejected", ""),
                ("waiting", "等待", "Waiting", ""),
            )
        ),
    ]  # fmt: skip


@page(permission="steward.work")
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Batches, newest first; a running one renews itself."""
    listing = Listing.of(request, _columns(), sort="-started", size=20)
    status, text = request.GET.get("status", ""), request.GET.get("q", "").strip()
    listing.rows, listing.total = queries.batches(
        status=status, text=text, offset=listing.offset, limit=listing.limit, order=listing.order
    )
    if listing.exporting:
        return listing.workbook(request, t("数据批次", "Batches"))
    chips = [{"label": t("全部", "All"), "href": listing.url(status=""), "on": not status}]
    chips += [
        {"label": t(zh, en), "href": listing.url(status=key), "on": status == key}
        for key, (_, zh, en) in STATES.items()
    ]
    context = {"listing": listing, "chips": chips, "text": text, "state": state_words, "worker": jobs.worker_alive()}
    return render(request, "steward/batches.html", context)


def may_roll_back(batch: BatchRow) -> bool:
    """A batch that kept something, within the undo window: rows that wait for their person are kept, too."""
    return (
        batch.status in {"done", "cancelled", "failed"}
        and batch.stored + batch.waiting > 0
        and clock.now() - (batch.finished or batch.started) < UNDO_WINDOW
    )


@page(permission="steward.work")
@require_GET
def detail(request: HttpRequest, batch_id: int) -> HttpResponse:
    """One batch: how each row ended, by type, why rows were rejected, and what can be done."""
    batch = queries.batch(batch_id)
    rejects, total = queries.rejects(batch_id=batch_id, limit=20)
    context = {
        "batch": batch,
        "state": state_words(batch),
        "rejects": rejects,
        "reject_total": total,
        "reasons": queries.reasons(batch_id),
        "words": reason_words,
        "may_roll_back": may_roll_back(batch),
        "window_hours": int(UNDO_WINDOW.total_seconds() // 3600),
        "types": sorted(batch.by_type.items(), key=lambda item: -item[1]),
    }
    return render(request, "steward/batch.html", context)


@page(permission="steward.work")
@require_POST
def act(request: HttpRequest, batch_id: int, action: str) -> HttpResponse:
    """Cancel a running batch, or roll one back."""
    by: Any = request.actor  # type: ignore[attr-defined]
    batch = queries.batch(batch_id)
    if action == "cancel":
        records.cancel_batch(by=by, batch_id=batch_id)
        say(request, t("正在停下：已入库的行留着，可以续传", "Stopping: what is stored stays, and it can be resumed"))
    elif action == "rollback":
        if not may_roll_back(batch):
            raise Conflict(
                t(
                    "这个批次不能撤销：没有入库的行，或已超过 72 小时",
                    "Cannot be rolled back: nothing stored, or older than 72 hours",
                ),
                hint=t(
                    "改正后重新上传，新值会取代旧值。", "Correct it and upload again: newer values replace older ones."
                ),
            )
        records.rollback_batch(by=by, batch_id=batch_id)
        words = t("已撤销批次 {n}，{k} 行不再生效", "Batch {n} rolled back, {k} rows no longer count",
                  n=batch_id, k=number(batch.stored))  # fmt: skip
        say(request, words)
    else:
        raise NotFound(t("没有这个操作", "No such action"))
    return HttpResponseRedirect(f"/steward/batches/{batch_id}")


@page(permission="steward.work")
@require_GET
def error_sheet(request: HttpRequest, batch_id: int) -> HttpResponse:
    """The rejected rows in the sender's own sheet with one more column: what is wrong."""
    name, data = records.error_sheet(by=request.actor, batch_id=batch_id)  # type: ignore[attr-defined]
    answer = response(data, name)
    if not name.endswith(".xlsx"):
        answer["Content-Type"] = "text/csv; charset=utf-8"
    return answer


@page(permission="steward.work")
@require_GET
def reject_list(request: HttpRequest) -> HttpResponse:
    """All rejected rows, by reason, newest batch first."""
    columns = [
        Column("batch", t("批次", "Batch"), sortable=True, value=lambda row: row.batch),
        Column("row", t("行号", "Row"), number=True, sortable=True, value=lambda row: row.row),
        Column("field", t("列", "Field"), sortable=True, value=lambda row: row.field),
        Column("message", t("原因", "Reason"), sortable=True, value=reason_words),
        Column("raw", t("原始内容", "Raw text"), value=lambda row: row.raw),
    ]
    listing = Listing.of(request, columns, sort="-batch", size=20)
    reason = request.GET.get("reason", "")
    wanted = request.GET.get("batch", "")
    batch_id = int(wanted) if wanted.isdigit() else None
    listing.rows, listing.total = queries.rejects(
        batch_id=batch_id, reason=reason, offset=listing.offset, limit=listing.limit, order=listing.order
    )
    if listing.exporting:
        return listing.workbook(request, t("退回行", "Rejects"))
    counted = queries.reasons(batch_id)
    chips = [{"label": t("全部", "All"), "href": listing.url(reason=""), "on": not reason,
              "count": sum(one.rows for one in counted)}]  # fmt: skip
    for one in counted[:8]:
        label = reason_words(one).partition("：")[0].partition(": ")[0]
        chips.append(
            {"label": label, "href": listing.url(reason=one.reason), "on": reason == one.reason, "count": one.rows}
        )
    return render(request, "steward/rejects.html", {"listing": listing, "chips": chips, "batch_id": batch_id})
