"""Who may act for whom: a resident says so himself, or staff register a guardian or a paper with its evidence.

The household (same door in the register) only helps to name somebody; it grants nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from healthbrain.access.gate import require
from healthbrain.access.models import Proxy
from healthbrain.access.roles import SCOPES
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.audit import actions as audit
from healthbrain.audit import queries as audited
from healthbrain.kernel import db, pictures, vault
from healthbrain.kernel.clock import COUNTY_ZONE, local
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from healthbrain.kernel.knowledge import load
from healthbrain.kernel.masking import mask_name
from healthbrain.notices import actions as notices
from healthbrain.residents import queries
from healthbrain.residents.events import ResidentsChanged
from healthbrain.residents.models import Resident
from healthbrain.residents.rules import addresses, id_number, names
from healthbrain.residents.rules.proxies import Wanted, comes_of_age, last_day

SHELF, PDF = "evidence", b"%PDF-"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody the register puts behind the same door: masked, to be recognised by who lives there."""

    resident_id: int
    name: str
    sex: str
    birth_year: int | None


def knowledge() -> dict[str, Any]:
    """Relations, evidence, figures."""
    return load("proxies", "rules.yaml")


def figure(name: str) -> int:
    return int(knowledge()["figures"][name]["value"])


def household(actor: Actor) -> list[Member]:
    """Who lives behind the actor's own door, by the register's address; empty without a house number.

    One indexed query over the people of the same station. Raises NotAllowed.
    """
    require(actor, "self.family")
    me = queries.resident(actor, actor.resident_id or 0, actor.own_purpose)
    door = addresses.key(me.address)
    if not addresses.doors(door) or me.home_organisation_id is None:
        return []
    near = Resident.objects.filter(
        home_organisation_id=me.home_organisation_id, merged_into__isnull=True, deceased_on__isnull=True
    ).exclude(pk=me.id)
    same = [pk for pk, text in near.values_list("pk", "address") if addresses.key(text) == door]
    if len(same) > figure("household_most"):
        return []
    found = Resident.objects.filter(pk__in=same).order_by("birth_date", "pk")
    return [Member(r.pk, mask_name(r.name), r.sex, r.birth_date.year if r.birth_date else None) for r in found]


def _named(by: Actor, now: dt.datetime, name: str, number: str) -> Resident:
    """The one living resident of this name and identity number; wrong guesses are counted, so that nobody is probed."""
    midnight = dt.datetime.combine(local(now).date(), dt.time(), COUNTY_ZONE)
    tries = audited.search(account_id=by.account_id, action="proxy.unknown", since=midnight, limit=1)[1]
    if tries >= figure("unknown_a_day"):
        raise NotAllowed("今天核对次数已用完 Too many wrong names today", hint="请明天再试 try again tomorrow")
    parsed = id_number.parse(number)
    found = Resident.objects.filter(
        id_number=parsed.number if parsed else "", name=names.tidy(name), merged_into__isnull=True, deceased_on=None
    )
    people = list(found[:2])
    if len(people) == 1:
        return people[0]
    with transaction.atomic():
        audit.record(by=by, action="proxy.unknown", subject="proxy")
    raise Invalid(
        "姓名和身份证号对不上 Name and identity number do not match", hint="请核对后再填 check both and type again"
    )


def authorise(
    *, by: Actor, now: dt.datetime, wanted: Wanted, member: int | None = None, name: str = "", number: str = ""
) -> int:
    """A resident lets another act for him; the grant's id. The other is named in full, or is a `member` offered.

    Raises Invalid, NotAllowed, Conflict (he may already).
    """
    require(by, "self.family")
    if by.proxy_id is not None or by.role != "resident":
        raise NotAllowed("只有本人可以授权 Only the resident himself authorises")
    if wanted.basis != Proxy.Basis.CONSENT:
        raise Invalid("监护和书面委托由工作人员登记 Staff register guardians and papers")
    if member is not None and member not in {m.resident_id for m in household(by)}:
        raise Invalid("登记册上不是同一住址 Not of the same address")
    agent = Resident.objects.get(pk=member) if member is not None else _named(by, now, name, number)
    me = queries.resident(by, by.resident_id or 0, "self")
    return _grant(by, now, me, agent, wanted, purpose="self")


def register(
    *, by: Actor, now: dt.datetime, resident_id: int, wanted: Wanted, name: str, number: str, document: bytes = b""
) -> int:
    """Staff register a guardian, or what a resident signed on paper, having seen the evidence; the grant's id.

    document: a photo or PDF of the evidence, kept sealed. Raises NotAllowed (also outside the scope), NotFound,
    Invalid, Conflict.
    """
    require(by, "proxy.register")
    if wanted.basis == Proxy.Basis.CONSENT:
        raise Invalid("请选择登记的依据 Choose the ground")
    principal = queries.resident(by, resident_id, "public-health")
    agent = _named(by, now, name, number)
    return _grant(by, now, principal, agent, wanted, purpose="public-health", document=_filed(document))


def _filed(document: bytes) -> str:
    """A photo, made upright and without what the phone wrote beside it, or a PDF as it is; its name in the vault."""
    if not document:
        return ""
    most = figure("document_megabytes")
    if document.startswith(PDF):
        if len(document) > most * 1_000_000:
            raise Invalid(f"文件超过 {most} MB Larger than {most} MB", hint="请扫描得小一些 scan it smaller")
        return vault.put(SHELF, document)
    limits = pictures.Limits(most, figure("document_side"), figure("document_least"))
    return vault.put(SHELF, pictures.jpeg(pictures.opened(document, limits)))


def document(*, by: Actor, proxy_id: int) -> tuple[bytes, str]:
    """The paper filed with a grant and its media type; each look is audited. Raises NotAllowed, NotFound."""
    require(by, "proxy.register")
    grant = Proxy.objects.filter(pk=proxy_id).exclude(document="").first()
    if grant is None:
        raise NotFound("没有这份文件 No such document")
    person = queries.resident(by, grant.principal_id, "public-health")
    with transaction.atomic():
        audit.record(
            by=by, action="proxy.document_open", resident_id=person.id, subject=f"proxy/{proxy_id}",
            purpose="public-health",
        )  # fmt: skip
    data = vault.get(SHELF, grant.document)
    return data, "application/pdf" if data.startswith(PDF) else "image/jpeg"


@transaction.atomic
def _grant(
    by: Actor, now: dt.datetime, principal: queries.ResidentRow, agent: Resident, wanted: Wanted, *, purpose: str,
    document: str = "",
) -> int:  # fmt: skip
    today = local(now).date()
    if principal.deceased_on is not None:
        raise Invalid("这位居民已登记死亡 This resident is on record as dead")
    if agent.pk == principal.id:
        raise Invalid("不能授权给本人 Nobody is his own agent")
    ends = last_day(wanted, birth=principal.birth_date, today=today, known=knowledge(), scopes=SCOPES)
    adult = wanted.basis == Proxy.Basis.MINOR or agent.birth_date is None or _adult(agent.birth_date, today)
    if not adult:
        raise Invalid("代办人应满十八周岁 Who acts must be an adult")
    Proxy.objects.filter(principal_id=principal.id, agent_id=agent.pk, revoked_at__isnull=True, ends__lt=today).update(
        revoked_at=now, revoked_by="到期 expired"
    )
    try:
        with transaction.atomic():
            made = Proxy.objects.create(
                principal_id=principal.id, principal_name=principal.name, agent_id=agent.pk, agent_name=agent.name,
                basis=wanted.basis, relation=wanted.relation, scopes=list(dict.fromkeys(wanted.scopes)),
                evidence=wanted.evidence, evidence_text=wanted.evidence_text.strip(), document=document, starts=today,
                ends=ends,
                granted_by=by.account_id or 0, granted_at=now,
            )  # fmt: skip
    except IntegrityError as error:
        raise Conflict(
            "已经有一份有效授权 There is an authorisation already", hint="先撤回再重新授权 revoke it first"
        ) from error
    detail = {"agent": agent.name, "basis": made.basis, "scopes": made.scopes, "ends": ends.isoformat()}
    audit.record(
        by=by, action="proxy.grant", resident_id=principal.id, subject=f"proxy/{made.pk}", purpose=purpose,
        detail=detail | ({"evidence": f"{made.evidence} {made.evidence_text}"} if made.evidence else {}),
    )  # fmt: skip
    return made.pk


def on_residents_changed(event: ResidentsChanged) -> None:
    """A grant ends when either side has died, or was one person with another record: who acts is then given anew."""
    over = db.select(
        """UPDATE access_proxy p SET revoked_at = now(), revoked_by = CASE WHEN r.deceased_on IS NOT NULL
               THEN '死亡登记 death on record' ELSE '档案合并 records merged' END
           FROM residents_resident r WHERE p.revoked_at IS NULL AND r.id = ANY(%s::bigint[])
               AND r.id IN (p.principal_id, p.agent_id) AND (r.deceased_on IS NOT NULL OR r.merged_into IS NOT NULL)
           RETURNING p.id, p.principal_id, p.principal_name, p.agent_id, p.agent_name, p.revoked_by, p.revoked_at""",
        (list(event.resident_ids),),
    )
    for number, principal, principal_name, agent, agent_name, why, at in over:
        audit.record(
            by=SYSTEM, action="proxy.revoke", resident_id=principal, subject=f"proxy/{number}",
            detail={"agent": agent_name, "reason": why},
        )  # fmt: skip
        title = f"{mask_name(agent_name)} 代 {mask_name(principal_name)} 办事的授权已结束：{why} · authorisation ended"
        for side in (principal, agent):
            notices.tell_resident(side, title=title, at=at, url="/me/family", key=f"proxy:{number}:over")


def _adult(birth: dt.date, today: dt.date) -> bool:
    return comes_of_age(birth, figure("adult_age")) <= today
