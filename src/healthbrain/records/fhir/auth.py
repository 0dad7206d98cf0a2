"""Who asks, and what of the store he may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from healthbrain.access import gate
from healthbrain.access.queries import by_token
from healthbrain.access.rules import Actor
from healthbrain.records.fhir.outcome import FhirError

PURPOSE = "treatment"
SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Caller:
    """An actor, and the source its token speaks for ("" for a signed-in person, who only reads)."""

    actor: Actor
    source: str


def caller_of(request: HttpRequest, *, write: bool) -> Caller:
    """The caller, permitted for what he asks. Raises FhirError 401 or 403.

    A session may only read: a token cannot be sent by a foreign page, a session cookie can.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        caller = _by_token(token.strip())
    elif request.actor.account_id is not None and request.method in SAFE:  # type: ignore[attr-defined]
        caller = Caller(request.actor, "")  # type: ignore[attr-defined]
    else:
        raise FhirError(401, "需要令牌 (a bearer token is needed)")
    permission = "fhir.write" if write else "fhir.read"
    if not caller.actor.may(permission):
        raise FhirError(403, f"没有权限 (not permitted): {permission}")
    return caller


def _by_token(token: str) -> Caller:
    found = by_token(token)
    if found is None:
        raise FhirError(401, "令牌无效或已停用 (unknown or revoked token)")
    return Caller(*found)


def scope(caller: Caller, alias: str = "r") -> tuple[str, list[Any]]:
    """SQL condition on `records_resource`: all of it for a county-wide actor, else what is about nobody and about the
    residents of the actor's own organisations.
    """
    if gate.sees_everybody(caller.actor, PURPOSE):
        return "TRUE", []
    inside, params = gate.scope_sql(caller.actor, PURPOSE, "o.path", "p.id")
    sql = (
        f"({alias}.identity_id IS NULL OR EXISTS (SELECT FROM residents_link l"
        f" JOIN residents_resident p ON p.id = l.resident_id"
        f" JOIN county_organisation o ON o.id = p.home_organisation_id"
        f" WHERE l.identity_id = {alias}.identity_id AND {inside}))"
    )
    return sql, params
