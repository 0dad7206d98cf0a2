"""Closed by default: every request meets the gate before its view; idle sessions end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse

from healthbrain.access import proxies
from healthbrain.access.queries import actor_of, by_token
from healthbrain.access.roles import ROLES
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel.clock import today
from healthbrain.kernel.errors import HealthBrainError, NotAllowed

ANONYMOUS = Actor(account_id=None, name="", role="", organisation_id=None, path="\x00")
SEEN = "seen_at"
ACTING = "acting_proxy"  # the grant this session acts by, chosen on /me/family


def idle_seconds(role: str) -> int:
    """How long a session lasts without a press: half an hour; a shift for those who wait for calls, whom no mission
    would reach on a page that has signed them out."""
    found = ROLES.get(role)
    return settings.WATCH_LOGOUT_SECONDS if found and found.on_watch else settings.IDLE_LOGOUT_SECONDS


class GateMiddleware:
    """Puts `request.actor` in place, ends idle sessions, refuses what is not declared or not permitted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self._identify(request)
        return self.get_response(request)

    def _identify(self, request: Any) -> None:
        request.actor = ANONYMOUS
        user = request.user
        if not user.is_authenticated or not user.is_active:
            return
        seen, moment = request.session.get(SEEN), time.time()
        if seen and moment - seen > idle_seconds(user.role):
            logout(request)
            return
        # A page that refreshes itself is not a person at work: it must not keep a session alive.
        if request.headers.get("HX-Trigger-Name") != "live" and (not seen or moment - seen > 30):
            request.session[SEEN] = moment
        request.actor = actor_of(user)
        if ACTING in request.session:
            self._act_for_another(request)

    def _act_for_another(self, request: Any) -> None:
        """Looked up with every request: a revoked grant ends at once, and never falls back to acting for oneself."""
        try:
            request.actor = proxies.acting(request.actor, request.session[ACTING], today())
        except NotAllowed:
            del request.session[ACTING]
            request.grant_over = True

    def process_view(
        self, request: Any, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        permission = getattr(view, "permission", None)
        if permission is None:
            return HttpResponse("这个地址没有声明权限，已拒绝。 No declared permission: refused.", status=403)
        if getattr(view, "token", False):
            return self._by_token(request)
        if getattr(request, "grant_over", False):
            return self._send(request, "/me/family?over=1")
        if request.actor.proxy_id and permission not in {"public", "self.family"}:
            self._record_use(request)
        if permission == "public" or request.actor.account_id is not None:
            return None
        return self._send(request, "/sign-in", f"/sign-in?next={quote(request.get_full_path())}", status=401)

    def _by_token(self, request: Any) -> HttpResponse | None:
        """A system's call: whoever else is signed in does not count."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        found = by_token(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
        if found is None:
            return JsonResponse({"message": "需要有效的令牌 A valid bearer token is needed"}, status=401)
        request.actor = found[0]
        return None

    def _send(self, request: Any, part: str, whole: str = "", *, status: int = 200) -> HttpResponse:
        """To another page; htmx follows a header instead of a redirect."""
        if not request.headers.get("HX-Request"):
            return HttpResponseRedirect(whole or part)
        response = HttpResponse(status=status)
        response["HX-Redirect"] = part
        return response

    def _record_use(self, request: Any) -> None:
        """Each page opened and each act done for another is told to him, but not a page renewing itself."""
        if request.headers.get("HX-Trigger-Name") == "live":
            return
        with transaction.atomic():
            audit.record(
                by=request.actor, action="proxy.use", resident_id=request.actor.resident_id, purpose="proxy",
                subject=f"{request.method} {request.path}",
            )  # fmt: skip

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, HealthBrainError):
            return None
        system = request.resolver_match is not None and getattr(request.resolver_match.func, "token", False)
        if system or "application/json" in request.headers.get("Accept", ""):
            return JsonResponse({"message": error.message, "hint": error.hint}, status=error.status)
        from django.shortcuts import render

        return render(request, "error.html", {"error": error}, status=error.status)
