"""The one gate. Nobody else hands out rows about people.

`visible` filters a queryset to what an actor may see; `scope_sql` is the same for raw SQL; `page` declares what a
view needs. Closed by default: a model without SCOPE cannot pass, a view without `page` does not start (checks.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from healthbrain.access.models import BreakGlass
from healthbrain.access.roles import PERMISSIONS, PURPOSES
from healthbrain.access.rules import Actor
from healthbrain.kernel.clock import now, today
from healthbrain.kernel.errors import NotAllowed

View = Callable[..., HttpResponse]


def require(actor: Actor, permission: str) -> None:
    """Raise NotAllowed unless the actor's role permits it."""
    if permission not in PERMISSIONS:
        raise LookupError(f"unknown permission {permission}")
    if not actor.may(permission):
        zh, en = PERMISSIONS[permission]
        raise NotAllowed(f"您的角色不能{zh} Your role may not: {en}")


def _check_purpose(purpose: str) -> None:
    if purpose not in PURPOSES:
        raise NotAllowed("请先选择查看目的 Say why you open this record first")


def sees_everybody(actor: Actor, purpose: str) -> bool:
    """County-wide roles, and a hospital doctor who treats: patients walk in from everywhere."""
    return actor.county_wide or (actor.role == "hospital_doctor" and purpose in {"treatment", "emergency"})


def visible[M: Any](rows: QuerySet[M], actor: Actor, purpose: str) -> QuerySet[M]:
    """`rows` an actor may see for a purpose. The model names its scope column in SCOPE, more in `also_in_scope`.

    A resident sees only himself. Raises NotAllowed for an unknown purpose, LookupError for a model without SCOPE.
    """
    _check_purpose(purpose)
    scope = getattr(rows.model, "SCOPE", None)
    if scope is None:
        raise LookupError(f"{rows.model.__name__} declares no SCOPE: its rows may not be handed out")
    if actor.role == "resident":
        own = "pk" if rows.model.__name__ == "Resident" else "resident_id"
        return rows.filter(**{own: actor.resident_id})
    if sees_everybody(actor, purpose):
        return rows
    inside, more = Q(**{f"{scope}__startswith": actor.path}), getattr(rows.model, "also_in_scope", None)
    return rows.filter(inside | more(actor.path, today()) if more else inside)


def scope_sql(actor: Actor, purpose: str, column: str, resident_column: str = "") -> tuple[str, list[Any]]:
    """The same as a SQL condition over `column`, which holds an organisation path, with its parameters.

    `resident_column` is needed for actors in the role "resident"; without it they see nothing.
    """
    _check_purpose(purpose)
    if actor.role == "resident":
        return (f"{resident_column} = %s", [actor.resident_id]) if resident_column else ("FALSE", [])
    if sees_everybody(actor, purpose):
        return "TRUE", []
    return f"{column} LIKE %s", [actor.path + "%"]


def broke_glass(actor: Actor, resident_id: int) -> bool:
    """True while an emergency opening of this record by this account is in force."""
    if actor.account_id is None:
        return False
    return BreakGlass.objects.filter(account_id=actor.account_id, resident_id=resident_id, expires__gt=now()).exists()


def page(*, permission: str, second_factor: bool = True, token: bool = False) -> Callable[[View], View]:
    """Declare what a view needs. `permission` "public" opens it to all, "signed-in" to every account.

    token: an endpoint for systems: a bearer token instead of a session, and every refusal in JSON.
    Anything else is a key of PERMISSIONS; the middleware refuses before the view runs. Puts `request.actor` in place.
    """
    if permission not in PERMISSIONS and permission not in {"public", "signed-in"}:
        raise LookupError(f"unknown permission {permission}")

    def declare(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if permission not in {"public", "signed-in"}:
                require(request.actor, permission)  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]
        guarded.token = token  # type: ignore[attr-defined]
        if token:  # a foreign page can send a session's cookie, never a token: such a view needs no other proof
            guarded.csrf_exempt = True  # type: ignore[attr-defined]
        return guarded

    return declare
