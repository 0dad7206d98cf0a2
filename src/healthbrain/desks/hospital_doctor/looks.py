"""The "who looked" list in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from healthbrain.access.roles import PURPOSES, ROLES
from healthbrain.audit.queries import AuditRow
from healthbrain.desks.deeds import deed, thing
from healthbrain.desks.i18n import english, moment, t
from healthbrain.kernel.clock import COUNTY_ZONE

FIELDS = {
    "name": ("姓名", "name"),
    "id_number": ("身份证号", "ID number"),
    "phone": ("电话", "phone"),
    "address": ("住址", "address"),
}


@dataclass(frozen=True, slots=True)
class Look:
    id: int
    at_words: str
    actor: str
    role_words: str
    action_words: str
    subject_words: str
    purpose_words: str
    detail_words: str


def _detail(row: AuditRow) -> str:
    field = FIELDS.get(str(row.detail.get("field", "")))
    behalf = t("受委托代办", "on behalf of the resident") if "proxy" in row.detail else ""
    named = row.detail.get("agent") and t("代办人 {name}", "agent {name}", name=row.detail["agent"])
    page = row.subject if row.action == "proxy.use" else ""
    parts = [t(*field) if field else "", behalf, str(named or ""), page, str(row.detail.get("reason", ""))]
    return " · ".join(filter(None, parts))


def in_words(rows: Iterable[AuditRow]) -> list[Look]:
    """Audit rows as a person reads them, in county time."""
    found = []
    for row in rows:
        role = ROLES.get(row.role)
        local = row.at.astimezone(COUNTY_ZONE)
        year = "" if english() else f"{local.year}年"
        found.append(
            Look(
                id=row.id,
                at_words=f"{year}{moment(local)}" + (f" {local.year}" if english() else ""),
                actor=row.actor,
                role_words=t(role.zh, role.en) if role else row.role,
                action_words=deed(row.action),
                subject_words=thing(row.subject),
                purpose_words=t(*PURPOSES[row.purpose]) if row.purpose in PURPOSES else row.purpose or "—",
                detail_words=_detail(row),
            )
        )
    return found
