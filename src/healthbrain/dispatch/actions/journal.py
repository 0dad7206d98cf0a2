"""The one writer of timeline events, and who is told of a change."""

from __future__ import annotations

import datetime as dt
import json
import uuid

from healthbrain.access.rules import Actor
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.models import Mission, TimelineEvent
from healthbrain.dispatch.rules.timeline import KINDS, Stamped, stamp
from healthbrain.kernel import db

CHANNEL = "emergency"


def write(
    kind: str,
    *,
    call_id: int,
    by: Actor,
    now: dt.datetime,
    mission: Mission | None = None,
    pressed: dt.datetime | None = None,
    sent: dt.datetime | None = None,
    source: str = "system",
    note: str = "",
    client_id: uuid.UUID | None = None,
) -> TimelineEvent:
    """Append one event. `pressed`, `sent`: readings of the device's clock (rules.timeline.stamp)."""
    if kind not in KINDS:
        raise LookupError(f"unknown timeline event {kind}")
    when = stamp(now, pressed, sent, tolerance=knowledge.desk("clock_tolerance"))
    if mission is not None and when.at < mission.assigned_at:  # nothing of a mission happens before it
        when = Stamped(now, when.skew, True)
    return TimelineEvent.objects.create(
        call_id=call_id,
        mission=mission,
        kind=kind,
        at=when.at,
        received=now,
        device_at=pressed,
        skew=when.skew,
        doubtful=when.doubtful,
        source=source,
        account_id=by.account_id,
        note=note,
        client_id=client_id,
    )


def tell(*, call_id: int | None = None) -> None:
    """Pages that show emergencies renew themselves when this transaction commits. No person's data travels."""
    db.notify(CHANNEL, json.dumps({"call": call_id}))
