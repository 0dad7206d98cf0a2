"""The frame around every page: who, where, which view, which language; `render` puts a page into it."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from healthbrain.access.middleware import idle_seconds
from healthbrain.access.roles import ROLES
from healthbrain.access.rules import Actor
from healthbrain.desks.i18n import english, told
from healthbrain.desks.navigation import Entry, entries_for
from healthbrain.kernel import clock
from healthbrain.kernel.home import synthetic
from healthbrain.notices.queries import unread

VIEWS = {  # cookie value → icon and words of the view switch
    "standard": ("monitor", "标准", "Standard"),
    "elder": ("zoom-in", "长辈", "Large text"),
    "contrast": ("circle", "高对比", "High contrast"),
    "dark": ("moon", "深色", "Dark"),
}


@dataclass(frozen=True, slots=True)
class Shell:
    """What the layout needs to know."""

    actor: Actor
    unit: str
    role: str
    entries: list[Entry]
    path: str
    view: str
    narrow: bool
    synthetic: bool
    live_url: str
    idle_seconds: int
    can_search: bool
    unread: int

    @property
    def body_class(self) -> str:
        view = "" if self.view == "standard" else self.view
        return f"{view} rail-narrow".strip() if self.narrow else view

    def here(self, entry: Entry) -> bool:
        """Is `entry` the place this page belongs to? The longest matching address wins."""
        fits = [e.url for e in self.entries if self.path == e.url or self.path.startswith(e.url.rstrip("/") + "/")]
        return bool(fits) and max(fits, key=len) == entry.url


def is_synthetic() -> bool:
    """Is this installation one of made-up people (`healthbrain demo`)?"""
    return synthetic() is not None


def shell_of(request: HttpRequest) -> Shell:
    """The frame for one request."""
    from healthbrain.desks.live import live_url

    actor: Actor = request.actor  # type: ignore[attr-defined]
    signed_in = actor.account_id is not None
    role = ROLES.get(actor.role)
    view = request.COOKIES.get("hb_view", "standard")
    user: Any = request.user
    return Shell(
        actor=actor,
        unit=user.organisation.name if signed_in else "",
        role=(role.en if english() else role.zh) if role else "",
        entries=entries_for(actor) if signed_in else [],
        path=request.path,
        view=view if view in VIEWS else "standard",
        narrow=request.COOKIES.get("hb_rail") == "narrow",
        synthetic=is_synthetic(),
        live_url=live_url(request, actor) if signed_in else "",
        idle_seconds=idle_seconds(actor.role) if signed_in else 0,
        can_search=actor.may("record.search"),
        unread=unread(actor) if signed_in else 0,
    )


def as_of(request: HttpRequest) -> dt.date:
    """The day a page speaks of: today at the edge, or the day named by HEALTHBRAIN_AS_OF (demo, tests, training)."""
    named = os.environ.get("HEALTHBRAIN_AS_OF")
    return dt.date.fromisoformat(named) if named else clock.today()


def is_fragment(request: HttpRequest) -> bool:
    """Does the browser ask for a part of a page (htmx, side panel) instead of a whole one?"""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"


def render(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A page in the frame, or alone when the browser asked for a part.

    Templates begin with `{% extends layout %}`. `shell`, `today`, `now` and `views` are always there.
    """
    whole = {
        "layout": "fragment.html" if is_fragment(request) else "layout.html",
        "shell": context["shell"] if context and "shell" in context else shell_of(request),
        "today": as_of(request),
        "now": clock.now(),
        "views": VIEWS,
        **(context or {}),
    }
    response = HttpResponse(render_to_string(template, whole, request=request), status=status)
    response["Cache-Control"] = "no-store"  # people's data must not stay in the browser's cache after sign-out
    response["Vary"] = "HX-Request, Cookie, Accept-Language"
    return response


def say(request: HttpRequest, text: str, *, undo_url: str = "", level: str = "done") -> None:
    """A toast on the next page; with `undo_url` it offers 撤销 for 30 seconds (a POST to that address)."""
    from django.contrib import messages

    level_of = messages.SUCCESS if level == "done" else messages.ERROR
    messages.add_message(request, level_of, told(text), extra_tags=undo_url)
