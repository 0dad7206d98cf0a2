"""Acting for another: which grants are live, the actor they make, ending them. Who may be granted what: `residents`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import Max, QuerySet

from healthbrain.access.gate import require
from healthbrain.access.models import Account, Proxy
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.audit.models import AuditEvent
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import Invalid, NotAllowed, NotFound

GUARDIANS = (Proxy.Basis.MINOR, Proxy.Basis.INCAPABLE)


@dataclass(frozen=True, slots=True)
class ProxyRow:
    """One grant as both sides see it. state: live, ended (its time is over), revoked. last_used: by the agent."""

    id: int
    principal_id: int
    principal: str
    agent_id: int
    agent: str
    basis: str
    relation: str
    scopes: tuple[str, ...]
    evidence: str
    evidence_text: str
    document: bool
    starts: dt.date
    ends: dt.date
    granted_at: dt.datetime
    state: str
    revoked_at: dt.datetime | None
    revoked_by: str
    last_used: dt.datetime | None

    @property
    def guardian(self) -> bool:
        return self.basis in GUARDIANS


def _live(on: dt.date) -> QuerySet[Proxy]:
    return Proxy.objects.filter(revoked_at__isnull=True, starts__lte=on, ends__gte=on)


def _rows(found: QuerySet[Proxy], on: dt.date) -> list[ProxyRow]:
    grants = list(found.order_by("-granted_at", "-pk"))
    used = dict(
        AuditEvent.objects.filter(
            resident_id__in={g.principal_id for g in grants}, detail__proxy__in=[g.pk for g in grants]
        )
        .values_list("detail__proxy")
        .annotate(last=Max("at"))
    )
    return [
        ProxyRow(
            id=g.pk, principal_id=g.principal_id, principal=g.principal_name, agent_id=g.agent_id, agent=g.agent_name,
            basis=g.basis, relation=g.relation, scopes=tuple(g.scopes), evidence=g.evidence,
            evidence_text=g.evidence_text, document=bool(g.document), starts=g.starts, ends=g.ends,
            granted_at=g.granted_at,
            state="revoked" if g.revoked_at else "live" if g.starts <= on <= g.ends else "ended",
            revoked_at=g.revoked_at, revoked_by=g.revoked_by, last_used=used.get(g.pk),
        )
        for g in grants
    ]  # fmt: skip


def may_act_for(own: Actor, on: dt.date) -> list[ProxyRow]:
    """Live grants by which this account may act for others."""
    return _rows(_live(on).filter(agent_id=own.resident_id or 0), on)


def given_by(resident_id: int, on: dt.date) -> list[ProxyRow]:
    """Who may, and who might once, act for this resident. The caller has opened him through the gate, or is he."""
    return _rows(Proxy.objects.filter(principal_id=resident_id), on)


def acting(own: Actor, proxy_id: int, on: dt.date) -> Actor:
    """`own` at work for the principal of a live grant. Raises NotAllowed when it is over, revoked or another's."""
    grant = _live(on).filter(pk=proxy_id, agent_id=own.resident_id or 0).first()
    if grant is None or own.role != "resident":
        raise NotAllowed("这份授权已结束或已撤回 This authorisation is over or was revoked")
    return replace(
        own, resident_id=grant.principal_id, proxy_id=grant.pk, scopes=frozenset(grant.scopes),
        acts_for=grant.principal_name,
    )  # fmt: skip


def accounts_to_tell(resident_id: int, on: dt.date) -> tuple[list[int], list[int]]:
    """Accounts that get a message about this resident: his own, and agents' whose grant includes messages."""
    agents = _live(on).filter(principal_id=resident_id, scopes__contains=["messages"]).values_list("agent_id")
    accounts = Account.objects.filter(role="resident", is_active=True).order_by("pk")
    own = accounts.filter(resident_id=resident_id).values_list("pk", flat=True)
    return list(own), list(accounts.filter(resident_id__in=agents).values_list("pk", flat=True))


@transaction.atomic
def revoke(*, by: Actor, now: dt.datetime, proxy_id: int, reason: str = "") -> None:
    """End a grant at once: the principal what he gave, the agent what he holds, staff what the register keeps.

    A guardian's authority does not come from the ward, so staff end it, with a reason. Again changes nothing.
    Raises NotFound, NotAllowed, Invalid.
    """
    grant = Proxy.objects.select_for_update().filter(pk=proxy_id).first()
    if grant is None:
        raise NotFound("没有这份授权 No such authorisation")
    if by.role == "resident":
        principal = grant.principal_id == by.resident_id and by.proxy_id is None
        agent = grant.agent_id == by.resident_id and by.proxy_id is None
        if not agent and not principal:
            raise NotFound("没有这份授权 No such authorisation")
        if not agent and grant.basis in GUARDIANS:
            raise NotAllowed(
                "监护由登记机构凭证明撤销 Guardianship is ended by the office that registered it",
                hint="请带证明到卫生院 take the papers to the health centre",
            )
    else:
        require(by, "proxy.register")
        if not reason.strip():
            raise Invalid("请写明撤销原因 Say why it is ended")
    if grant.revoked_at is not None:
        return
    grant.revoked_at, grant.revoked_by, grant.reason = now, by.name, reason.strip()
    grant.save(update_fields=["revoked_at", "revoked_by", "reason"])
    audit.record(
        by=by, action="proxy.revoke", resident_id=grant.principal_id, subject=f"proxy/{grant.pk}",
        purpose="self" if by.role == "resident" else "public-health",
        detail={"agent": grant.agent_name, "reason": reason.strip(), "on": local(now).date().isoformat()},
    )  # fmt: skip
