"""Closed by default: every request meets the gate before its view; idle sessions end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse

from healthbrain.access.queries import actor_of
from healthbrain.access.rules import Actor
from healthbrain.kernel.errors import HealthBrainError

ANONYMOUS = Actor(account_id=None, name="", role="", organisation_id=None, path="\x00")
SEEN = "seen_at"


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
        if seen and moment - seen > settings.IDLE_LOGOUT_SECONDS:
            logout(request)
            return
        # A page that refreshes itself is not a person at work: it must not keep a session alive.
        if request.headers.get("HX-Trigger-Name") != "live" and (not seen or moment - seen > 30):
            request.session[SEEN] = moment
        request.actor = actor_of(user)

    def process_view(
        self, request: Any, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        permission = getattr(view, "permission", None)
        if permission is None:
            return HttpResponse("这个地址没有声明权限，已拒绝。 No declared permission: refused.", status=403)
        if permission == "public" or request.actor.account_id is not None:
            return None
        if request.headers.get("HX-Request"):
            response = HttpResponse(status=401)
            response["HX-Redirect"] = "/sign-in"
            return response
        return HttpResponseRedirect(f"/sign-in?next={quote(request.get_full_path())}")

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, HealthBrainError):
            return None
        if "application/json" in request.headers.get("Accept", ""):
            return JsonResponse({"message": error.message, "hint": error.hint}, status=error.status)
        from django.shortcuts import render

        return render(request, "error.html", {"error": error}, status=error.status)
