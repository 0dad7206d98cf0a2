"""Signing in and out, password, second factor. What holds is decided in access.actions; these are its pages."""

from __future__ import annotations

import io
from typing import Any

import segno
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from markupsafe import Markup

from healthbrain.access import actions
from healthbrain.access.gate import page
from healthbrain.access.models import Account
from healthbrain.access.queries import actor_of, home_of
from healthbrain.desks.common import safe_next
from healthbrain.desks.i18n import t
from healthbrain.desks.shell import render, say
from healthbrain.kernel.errors import HealthBrainError

BACKEND = "django.contrib.auth.backends.ModelBackend"


def _enter(request: HttpRequest, account: Account, wanted: str | None) -> HttpResponse:
    login(request, account, backend=BACKEND)
    target = safe_next(request, wanted)
    return HttpResponseRedirect(target if target != "/" else home_of(actor_of(account)))


@page(permission="public")
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Username, password and, once enrolled, the six digits of the second factor."""
    error = ""
    if request.method == "POST":
        try:
            account = actions.sign_in(
                request.POST.get("username", "").strip(), request.POST.get("password", ""), request.POST.get("code", "")
            )
            return _enter(request, account, request.POST.get("next"))
        except HealthBrainError as refused:
            error = str(refused)
    context = {
        "error": error,
        "username": request.POST.get("username", ""),
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "idle": "idle" in request.GET,
    }
    return render(request, "account/sign_in.html", context, status=403 if error else 200)


@page(permission="public")
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """A one-time link. Opening it shows a button: link previews of chat programs must not use it up."""
    if request.method == "POST":
        try:
            return _enter(request, actions.sign_in_with_link(token), None)
        except HealthBrainError as refused:
            return render(request, "account/link.html", {"error": refused}, status=refused.status)
    return render(request, "account/link.html", {"error": None})


@page(permission="public")
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponseRedirect("/sign-in")


@page(permission="signed-in")
def account(request: HttpRequest) -> HttpResponse:
    """One's own account: password, second factor."""
    return _account_page(request)


def _account_page(request: HttpRequest, error: str = "", qr: Markup | None = None, address: str = "") -> HttpResponse:
    user: Any = request.user
    known = user.has_usable_password()
    context = {"account": user, "has_password": known, "error": error, "qr": qr, "address": address}
    return render(request, "account/account.html", context, status=422 if error else 200)


@page(permission="signed-in")
@require_POST
def password(request: HttpRequest) -> HttpResponse:
    """Set one's own password; the session stays."""
    user: Any = request.user
    if user.has_usable_password() and not user.check_password(request.POST.get("current", "")):
        return _account_page(request, t("现在的密码不对", "The present password is wrong"))
    if request.POST.get("password", "") != request.POST.get("again", ""):
        return _account_page(request, t("两次输入的新密码不一样", "The two new passwords differ"))
    try:
        actions.set_password(by=request.actor, password=request.POST.get("password", ""))  # type: ignore[attr-defined]
    except HealthBrainError as refused:
        return _account_page(request, str(refused))
    login(request, Account.objects.select_related("organisation").get(pk=user.pk), backend=BACKEND)
    say(request, t("密码已更新", "Password changed"))
    return HttpResponseRedirect("/account")


@page(permission="signed-in")
@require_POST
def second_factor(request: HttpRequest) -> HttpResponse:
    """Begin (shows the QR code) or confirm (the first code) a TOTP second factor."""
    actor = request.actor  # type: ignore[attr-defined]
    try:
        if "code" not in request.POST:
            address = actions.enrol_totp(by=actor)
            return _account_page(request, qr=_qr(address), address=address)
        actions.confirm_totp(by=actor, code=request.POST["code"])
    except HealthBrainError as refused:
        return _account_page(request, str(refused))
    say(request, t("动态口令已启用，下次登录要用", "Second factor on; you need it at the next sign-in"))
    return HttpResponseRedirect("/account")


def _qr(address: str) -> Markup:
    out = io.BytesIO()
    segno.make(address, error="m").save(out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2)
    return Markup(out.getvalue().decode())  # noqa: S704 - drawn by us from our own address
