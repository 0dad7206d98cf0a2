"""What is left of home visits: pictures, what the family sees, what is to be paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from healthbrain.access import gate
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch import photos
from healthbrain.dispatch.actions.homecare import purpose_of
from healthbrain.dispatch.events import ServicesCharged
from healthbrain.dispatch.models import HomeBed, HomeVisit, ServiceCharge, VisitPhoto
from healthbrain.dispatch.rules.homecare import Said
from healthbrain.kernel import bus
from healthbrain.kernel.errors import NotFound

SHOWN = 20  # visits a family's page lists


def photo(actor: Actor, photo_id: int, *, thumb: bool = False) -> bytes:
    """The JPEG of a visit of a bed the actor may see; looking at the whole picture is audited.

    Thumbnails stand on pages whose opening is audited already. Raises NotFound, NotAllowed.
    """
    gate.require(actor, "homecare.apply")
    beds = gate.visible(HomeBed.objects.all(), actor, purpose_of(actor))
    found = VisitPhoto.objects.select_related("visit__bed").filter(pk=photo_id, visit__bed__in=beds).first()
    if found is None:
        raise NotFound("没有这张照片 No such picture")
    if not thumb:
        with transaction.atomic():
            audit.record(
                by=actor, action="homecare.photo_open", resident_id=found.visit.bed.resident_id,
                subject=f"photo/{photo_id}", purpose=purpose_of(actor),
            )  # fmt: skip
    return photos.read(found.digest, thumb=thumb)


@dataclass(frozen=True, slots=True)
class FamilyVisit:
    """A visit as the family sees it. told: minutes of the day; taught: what the carer can do now."""

    id: int
    day: dt.date
    service: Said
    status: str
    told: tuple[float, float] | None
    nurses: tuple[str, ...]
    done: tuple[Said, ...]
    taught: tuple[Said, ...]
    note: str
    signed_by: str
    photos: tuple[int, ...]


def family_visits(actor: Actor, *, today: dt.date) -> list[FamilyVisit]:
    """A resident's visits, told and made: those to come first, then the newest. Raises NotAllowed."""
    gate.require(actor, "homecare.apply")
    beds = gate.visible(HomeBed.objects.all(), actor, purpose_of(actor))
    rows = HomeVisit.objects.filter(bed__in=beds).exclude(status=HomeVisit.Status.CANCELLED)
    rows = rows.prefetch_related("photos", "nurses__nurse__account")
    coming = list(rows.filter(day__gte=today, promised_from__isnull=False).order_by("day", "begins")[:SHOWN])
    past = list(rows.filter(day__lt=today, status__in=("done", "no-show")).order_by("-day", "-pk")[:SHOWN])
    return [_family_visit(row) for row in coming + past]


def _family_visit(row: HomeVisit) -> FamilyVisit:
    service = knowledge.services()[row.service]
    told = None
    if row.promised_from is not None and row.promised_until is not None:
        told = (row.promised_from, row.promised_until)
    return FamilyVisit(
        row.pk, row.day, service.title, row.status, told, tuple(n.nurse.account.name for n in row.nurses.all()),
        tuple(service.done[name] for name in row.record.get("done", ())),
        tuple(service.teach[name] for name in row.taught), row.record.get("note", ""), row.signed_by,
        tuple(p.pk for p in row.photos.all()),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One line of a settlement."""

    id: int
    day: dt.date
    organisation: str
    name: str
    id_number: str
    item: str
    title: Said
    quantity: int
    price: Decimal | None
    source: str
    payer: str
    voucher: str

    @property
    def amount(self) -> Decimal | None:
        return None if self.price is None else self.price * self.quantity


@dataclass(frozen=True, slots=True)
class Total:
    """One item of one institution, paid one way."""

    organisation: str
    title: Said
    payer: str
    quantity: int
    price: Decimal | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Settlement:
    """A month of the actor's institutions. unpriced: lines without a price, which no sum contains.

    settled_by: a room that settles listens to `ServicesCharged`; without one the lines wait here for it.
    """

    first: dt.date
    rows: tuple[ChargeRow, ...]
    totals: tuple[Total, ...]
    unpriced: int
    settled_by: bool

    def sum(self, payer: str) -> Decimal:
        return sum((t.amount for t in self.totals if t.payer == payer), Decimal(0))


def settlement(actor: Actor, *, month: dt.date) -> Settlement:
    """What is to be settled for the month `month` lies in, by institution. The page that shows it audits the look."""
    gate.require(actor, "homecare.plan")
    first = month.replace(day=1)
    after = (first + dt.timedelta(days=31)).replace(day=1)
    found = gate.visible(ServiceCharge.objects.filter(day__gte=first, day__lt=after), actor, purpose_of(actor))
    found = found.select_related("organisation", "resident").order_by("organisation__path", "day", "pk")
    rows = tuple(
        ChargeRow(
            c.pk, c.day, c.organisation.name, c.resident.name, c.resident.id_number or "", c.item,
            knowledge.items()[c.item].title, c.quantity, c.price, knowledge.source_words(c.price_source), c.payer,
            c.voucher,
        )
        for c in found
    )  # fmt: skip
    return Settlement(first, rows, _totals(rows), sum(r.price is None for r in rows), bus.heard(ServicesCharged))


def _totals(rows: Sequence[ChargeRow]) -> tuple[Total, ...]:
    """Lines of one institution, item, payer and price together: a price that changed in the month stands twice."""
    groups: dict[tuple[str, str, str, Decimal | None], list[ChargeRow]] = {}
    for row in rows:
        groups.setdefault((row.organisation, row.item, row.payer, row.price), []).append(row)
    found = []
    for (place, _, payer, price), same in groups.items():
        amount = sum((r.amount for r in same if r.amount is not None), Decimal(0))
        found.append(Total(place, same[0].title, payer, sum(r.quantity for r in same), price, amount))
    return tuple(found)
