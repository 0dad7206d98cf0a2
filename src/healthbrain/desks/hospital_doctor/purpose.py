"""Why a record is opened: chosen once a session, sent with every look."""

from __future__ import annotations

from django.http import HttpRequest

from healthbrain.access.roles import PURPOSES
from healthbrain.access.rules import Actor

SESSION = "purpose"
# What a role opens records for. One purpose only: nothing to choose. A hospital doctor always chooses.
OF_ROLE: dict[str, tuple[str, ...]] = {
    "village_doctor": ("public-health", "treatment"),
    "township_doctor": ("public-health", "treatment", "quality"),
    "hospital_doctor": ("treatment", "public-health"),
    "steward": ("data-quality",),
    "disease_control": ("public-health",),
}
MUST_CHOOSE = {"hospital_doctor"}


def offered(actor: Actor) -> list[tuple[str, tuple[str, str]]]:
    """Purposes this actor may choose from, with their words."""
    return [(key, PURPOSES[key]) for key in OF_ROLE.get(actor.role, ())]


def purpose_of(request: HttpRequest) -> str:
    """The purpose in force for this session, "" while a choice is still owed."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    allowed = OF_ROLE.get(actor.role, ())
    chosen = request.session.get(SESSION, "")
    if chosen in allowed:
        return str(chosen)
    return "" if actor.role in MUST_CHOOSE or not allowed else allowed[0]


def choose(request: HttpRequest, purpose: str) -> bool:
    """Keep `purpose` for the session; False when this role may not use it."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    if purpose not in OF_ROLE.get(actor.role, ()):
        return False
    request.session[SESSION] = purpose
    return True
