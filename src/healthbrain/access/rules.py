"""Who is acting, as a frozen value; what he may do."""

from __future__ import annotations

from dataclasses import dataclass

from healthbrain.access.roles import ROLES


@dataclass(frozen=True, slots=True)
class Actor:
    """An account at work. `path` is its organisation's path: the scope of everything it sees."""

    account_id: int | None
    name: str
    role: str
    organisation_id: int | None
    path: str
    resident_id: int | None = None

    def may(self, permission: str) -> bool:
        """True when the role permits it. The system itself may do everything; it has no page and no password."""
        if self.account_id is None and self.role == "system":
            return True
        role = ROLES.get(self.role)
        return role is not None and permission in role.permissions

    @property
    def county_wide(self) -> bool:
        if self.account_id is None and self.role == "system":
            return True
        role = ROLES.get(self.role)
        return role is not None and role.county_wide


SYSTEM = Actor(account_id=None, name="系统 system", role="system", organisation_id=None, path="/")
