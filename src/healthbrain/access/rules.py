"""Who is acting, as a frozen value; what he may do."""

from __future__ import annotations

from dataclasses import dataclass

from healthbrain.access.roles import ROLES, SCOPES


@dataclass(frozen=True, slots=True)
class Actor:
    """An account at work. `path` is its organisation's path: the scope of everything it sees.

    A resident who acts for another carries the other's `resident_id`, the grant (`proxy_id`) and its `scopes`: he sees
    and may no more than they permit, and every audit event names the grant.
    """

    account_id: int | None
    name: str
    role: str
    organisation_id: int | None
    path: str
    resident_id: int | None = None
    proxy_id: int | None = None
    scopes: frozenset[str] = frozenset()
    acts_for: str = ""  # the name of whom he acts for

    def may(self, permission: str) -> bool:
        """True when the role permits it. The system itself may do everything; it has no page and no password."""
        if self.account_id is None and self.role == "system":
            return True
        role = ROLES.get(self.role)
        if role is None or permission not in role.permissions:
            return False
        granted = self.proxy_id is None or permission == "self.family"
        return granted or any(permission in SCOPES[scope][2] for scope in self.scopes)

    @property
    def own_purpose(self) -> str:
        """Why a resident looks: at his own data, or on behalf of another."""
        return "self" if self.proxy_id is None else "proxy"

    @property
    def county_wide(self) -> bool:
        if self.account_id is None and self.role == "system":
            return True
        role = ROLES.get(self.role)
        return role is not None and role.county_wide


SYSTEM = Actor(account_id=None, name="系统 system", role="system", organisation_id=None, path="/")
