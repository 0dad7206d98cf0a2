"""What home care costs, booked with the deed: an item of the home bed, paid by insurance or by a voucher."""

from __future__ import annotations

import datetime as dt

from django.db import IntegrityError, transaction

from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.events import ServicesCharged
from healthbrain.dispatch.models import HomeBed, HomeVisit, ServiceCharge
from healthbrain.kernel import bus
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Conflict


def charge(*, now: dt.datetime, bed: HomeBed, item: str, visit: HomeVisit | None = None, voucher: str = "") -> int:
    """Book one item with the price of that day and where it is from, and publish it; its id.

    Runs in the transaction of the deed. Raises Conflict for a voucher that was used before.
    """
    known, payer = knowledge.items()[item], ServiceCharge.Payer.VOUCHER if voucher else ServiceCharge.Payer.INSURANCE
    try:
        with transaction.atomic():
            made = ServiceCharge.objects.create(
                organisation_id=bed.organisation_id, resident_id=bed.resident_id, bed=bed, visit=visit, item=item,
                price=known.price, price_source=known.source, payer=payer, voucher=voucher,
                day=visit.day if visit else local(now).date(), booked_at=now,
            )  # fmt: skip
    except IntegrityError as error:
        raise Conflict("这张服务券已经用过 This voucher was used before", hint="请核对券号 check its number") from error
    bus.publish(ServicesCharged([made.pk]))
    return made.pk
