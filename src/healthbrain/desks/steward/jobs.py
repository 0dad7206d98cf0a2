"""Uploads are read in the background by `healthbrain worker`: first as a dry run, then for good."""

from __future__ import annotations

import datetime as dt

from procrastinate import Blueprint
from procrastinate.contrib.django.models import ProcrastinateWorker

from healthbrain.access.models import Account
from healthbrain.access.queries import actor_of
from healthbrain.desks.steward import uploads
from healthbrain.desks.steward.uploads import Upload
from healthbrain.kernel import clock, db
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.records import actions as records

ALIVE = dt.timedelta(seconds=60)  # a worker's heartbeat comes every ten seconds
blueprint = Blueprint()


@blueprint.task(queue="intake", name="upload")
def read_upload(upload_id: str, dry_run: bool) -> None:
    """The task procrastinate runs."""
    run(upload_id, dry_run=dry_run)


def run(upload_id: str, *, dry_run: bool) -> Upload:
    """Read an uploaded file as the account that uploaded it; its state says how it went, also when it failed."""
    upload = uploads.load(upload_id)
    by = actor_of(Account.objects.select_related("organisation").get(pk=upload.account_id))

    def advance(done: float, total: float | None = None, text: str = "") -> None:
        uploads.change(uploads.load(upload_id), progress=[int(done), int(total or 0)], words=text)
        if not dry_run:
            db.notify("intake")

    try:
        with uploads.opened(upload) as path:
            report = records.ingest(
                [path], by=by, source=upload.source or None, progress=advance, dry_run=dry_run, as_of=clock.today()
            )
    except HealthBrainError as refused:
        return uploads.change(uploads.load(upload_id), stage="failed", error=str(refused))
    except Exception:
        words = "读取时出错，文件已保留，可以再试一次。 Reading failed; the file is kept, try again."
        uploads.change(uploads.load(upload_id), stage="failed", error=words)
        raise
    rejects = [[r.row, r.field, r.message] for r in report.rejects[: uploads.KEPT_REJECTS]]
    stage = "checked" if dry_run else "done"
    batch_ids = [] if dry_run else list(report.batch_ids)
    records.kept_sealed(batch_ids, shelf=uploads.SHELF, name=upload.id)
    found = uploads.change(
        uploads.load(upload_id), stage=stage, report=report.as_dict(), rejects=rejects, batch_ids=batch_ids, error=""
    )
    db.notify("intake")
    return found


def defer(upload: Upload, *, dry_run: bool) -> Upload:
    """Hand an upload to the worker."""
    from procrastinate.contrib.django import app

    changed = uploads.change(upload, stage="checking" if dry_run else "importing", progress=[], error="")
    app.configure_task("steward:upload").defer(upload_id=upload.id, dry_run=dry_run)
    return changed


def worker_alive() -> bool:
    """Is anybody there to read uploads?"""
    return bool(ProcrastinateWorker.objects.filter(last_heartbeat__gt=clock.now() - ALIVE).exists())
