"""Warnings, surge capacity, guidance visits: rows without people's data."""

from __future__ import annotations

from typing import Any

from healthbrain.access.gate import require
from healthbrain.access.rules import Actor
from healthbrain.county.models import Organisation
from healthbrain.kernel.errors import NotFound
from healthbrain.surveillance.models import GuidanceVisit, SurgeResource, WarningNotice, WarningRecipient

Kind = Organisation.Kind


def warning(actor: Actor, warning_id: int) -> Any:
    """A warning with its recipients: an officer's, or one sent to the actor's unit. Raises NotFound."""
    found = WarningNotice.objects.prefetch_related("recipients__organisation").filter(pk=warning_id)
    if not actor.may("signals.read"):
        found = found.filter(recipients__organisation_id=actor.organisation_id or 0)
    one = found.first()
    if one is None:
        raise NotFound("没有这份预警，或没有发给您的单位 No such warning sent to your unit")
    return one


def own_answer(actor: Actor, warning_id: int) -> WarningRecipient | None:
    """The line of the actor's own unit, when it was sent there."""
    return WarningRecipient.objects.filter(warning_id=warning_id, organisation_id=actor.organisation_id or 0).first()


def _places(*kinds: str) -> list[tuple[int, str, str]]:
    return list(Organisation.objects.filter(kind__in=kinds).order_by("kind", "name").values_list("id", "name", "kind"))


def addressees() -> list[tuple[int, str, str]]:
    """(id, name, kind) of units a warning may be sent to."""
    return _places(Kind.HOSPITAL, Kind.TOWNSHIP, Kind.SCHOOL, Kind.CHILDCARE, Kind.NURSING_HOME, Kind.BUREAU)


def facilities() -> list[tuple[int, str, str]]:
    """Where surge resources stand."""
    return _places(Kind.HOSPITAL, Kind.TOWNSHIP, Kind.CDC)


def guided() -> list[tuple[int, str, str]]:
    """Whom guidance visits go to."""
    return _places(Kind.SCHOOL, Kind.CHILDCARE, Kind.WORKPLACE)


def surge(actor: Actor) -> list[Any]:
    """Capacity and use, the fullest first."""
    require(actor, "signals.read")
    rows = list(SurgeResource.objects.select_related("organisation"))
    return sorted(rows, key=lambda r: (r.kind, -(r.used / r.capacity if r.capacity else 0), r.organisation.name))


def visits(actor: Actor) -> list[Any]:
    """Visits, those still to be made first."""
    require(actor, "signals.read")
    rows = list(GuidanceVisit.objects.select_related("organisation").order_by("-planned_on")[:300])
    return sorted(rows, key=lambda v: (v.visited_on is not None, v.corrected_on is not None))
