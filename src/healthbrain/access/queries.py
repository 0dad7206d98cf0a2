"""Who is acting; accounts and their state."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from healthbrain.access.models import Account, ApiToken
from healthbrain.access.roles import ROLES
from healthbrain.access.rules import Actor
from healthbrain.kernel.crypto import digest


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account as the administrator's page shows it."""

    id: int
    username: str
    name: str
    role: str
    organisation: str
    is_active: bool
    totp: bool
    locked: bool


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token of a connected system, without its secret."""

    id: int
    source: str
    created: dt.datetime
    revoked: dt.datetime | None


def actor_of(account: Account) -> Actor:
    """The frozen value that travels through every call."""
    return Actor(
        account_id=account.pk,
        name=account.name,
        role=account.role,
        organisation_id=account.organisation_id,
        path=account.organisation.path,
        resident_id=account.resident_id,
    )


def by_token(token: str) -> tuple[Actor, str] | None:
    """Whose token this is, and the code of the source it speaks for; None when unknown, revoked or its account off."""
    rows = ApiToken.objects.select_related("account__organisation", "source")
    found = rows.filter(token_hash=digest(token.encode()), revoked=None, account__is_active=True).first()
    return (actor_of(found.account), found.source.code) if found else None


def tokens_of(account_id: int) -> list[TokenRow]:
    """The tokens of one account, the newest first."""
    rows = ApiToken.objects.filter(account_id=account_id).order_by("-created")
    return [TokenRow(*row) for row in rows.values_list("pk", "source__code", "created", "revoked")]


def accounts(text: str = "") -> list[AccountRow]:
    """All accounts whose username or name contains `text`, by username."""
    from healthbrain.kernel.clock import now

    found = Account.objects.select_related("organisation").order_by("username")
    if text:
        found = found.filter(username__icontains=text) | found.filter(name__icontains=text)
    moment = now()
    return [
        AccountRow(
            id=a.pk,
            username=a.username,
            name=a.name,
            role=a.role,
            organisation=a.organisation.name,
            is_active=a.is_active,
            totp=a.totp_confirmed,
            locked=bool(a.locked_until and a.locked_until > moment),
        )
        for a in found
    ]


def home_of(actor: Actor) -> str:
    """The desk an actor lands on."""
    return ROLES[actor.role].home
