"""Accounts: create, hand out a sign-in link, switch off, unlock; and the roles with who may hold them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from healthbrain.access import actions, queries
from healthbrain.access.gate import page
from healthbrain.access.queries import AccountRow
from healthbrain.access.roles import PERMISSIONS, ROLES
from healthbrain.county.queries import source_codes, subtree
from healthbrain.desks.i18n import t
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.posted import whole
from healthbrain.desks.shell import render, say
from healthbrain.kernel.errors import HealthBrainError, NotFound

LINK = "sign_in_link"  # session: the token of a link just made, shown once
ISSUED = "issued"  # session: the same for what a connected system signs in with


def _state(row: AccountRow) -> tuple[str, str]:
    if not row.is_active:
        return "cancelled", t("已停用", "Off")
    return ("overdue", t("已锁定", "Locked")) if row.locked else ("done", t("可用", "Active"))


@page(permission="accounts.manage")
@require_GET
def accounts(request: HttpRequest) -> HttpResponse:
    """All accounts, searchable, by role."""
    text, role = request.GET.get("q", "").strip(), request.GET.get("role", "")
    found = queries.accounts(text)
    columns = [
        Column("name", t("姓名", "Name"), sortable=True, value=lambda row: row.name),
        Column("username", t("用户名", "Username"), sortable=True, value=lambda row: row.username),
        Column("role", t("角色", "Role"), sortable=True, value=lambda row: t(ROLES[row.role].zh, ROLES[row.role].en)),
        Column("organisation", t("机构", "Organisation"), sortable=True, value=lambda row: row.organisation),
        Column("totp", t("动态口令", "Second factor"), sortable=True,
               value=lambda row: t("已绑定", "enrolled") if row.totp else t("未绑定", "not yet")),
        Column("state", t("状态", "State"), sortable=True, value=lambda row: _state(row)[1]),
    ]  # fmt: skip
    listing = Listing.of(request, columns).of_all([row for row in found if not role or row.role == role])
    if listing.exporting:
        return listing.workbook(request, t("账号", "Accounts"))
    chips = [{"label": t("全部", "All"), "href": listing.url(role=""), "on": not role, "count": len(found)}]
    for key, kind in ROLES.items():
        count = sum(row.role == key for row in found)
        if count:
            chips.append(
                {"label": t(kind.zh, kind.en), "href": listing.url(role=key), "on": role == key, "count": count}
            )
    context = {"listing": listing, "text": text, "chips": chips, "state": _state}
    return render(request, "administrator/accounts.html", context)


def _row(account_id: int) -> AccountRow:
    found = next((row for row in queries.accounts() if row.id == account_id), None)
    if found is None:
        raise NotFound(t("没有这个账号", "No such account"))
    return found


@page(permission="accounts.manage")
@require_GET
def account(request: HttpRequest, account_id: int) -> HttpResponse:
    """One account with what can be done to it; a link or token just made is shown here once."""
    row = _row(account_id)
    kept, secret = request.session.pop(LINK, None), request.session.pop(ISSUED, None)
    context = {
        "row": row,
        "role": ROLES[row.role],
        "state": _state(row),
        "link": request.build_absolute_uri(f"/sign-in/{kept[1]}") if kept and kept[0] == account_id else "",
        "own": account_id == request.actor.account_id,  # type: ignore[attr-defined]
        "token": secret[1] if secret and secret[0] == account_id else "",
        "tokens": queries.tokens_of(account_id) if ROLES[row.role].machine else [],
        "sources": source_codes() if ROLES[row.role].machine else [],
    }
    return render(request, "administrator/account.html", context)


def _create(request: HttpRequest) -> int:
    by: Any = request.actor  # type: ignore[attr-defined]
    resident = request.POST.get("resident_id", "").strip()
    made = actions.create_account(
        by=by,
        username=request.POST.get("username", "").strip(),
        name=request.POST.get("name", "").strip(),
        role=request.POST.get("role", ""),
        organisation_id=int(request.POST.get("organisation_id") or 0),
        resident_id=int(resident) if resident.isdigit() else None,
    )
    if not ROLES[made.role].machine:
        request.session[LINK] = [made.pk, actions.sign_in_link(by=by, account_id=made.pk)]
    return int(made.pk)


def _missing(request: HttpRequest) -> list[tuple[str, str]]:
    wanted = {
        "username": t("填写用户名", "Enter a username"),
        "name": t("填写姓名", "Enter the name"),
        "role": t("选择角色", "Choose a role"),
        "organisation_id": t("选择机构", "Choose an organisation"),
    }
    return [(key, words) for key, words in wanted.items() if not request.POST.get(key, "").strip()]


@page(permission="accounts.manage")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """A new account. Its owner gets a one-time sign-in link, never a password."""
    errors: list[tuple[str, str]] = []
    if request.method == "POST":
        errors = _missing(request)
        if not errors:
            try:
                return HttpResponseRedirect(f"/administrator/accounts/{_create(request)}")
            except HealthBrainError as refused:
                errors = [("username", str(refused))]
    context = {"errors": errors, "given": request.POST, "roles": ROLES, "organisations": subtree("/")}
    return render(request, "administrator/new.html", context, status=422 if errors else 200)


@page(permission="accounts.manage")
@require_POST
def change(request: HttpRequest, account_id: int, action: str) -> HttpResponse:
    """One change to one account; switching off and on can be undone."""
    by: Any = request.actor  # type: ignore[attr-defined]
    row = _row(account_id)
    here = f"/administrator/accounts/{account_id}"
    if action == "link":
        request.session[LINK] = [account_id, actions.sign_in_link(by=by, account_id=account_id)]
    elif action in {"activate", "deactivate"}:
        on = action == "activate"
        actions.set_active(by=by, account_id=account_id, active=on)
        say(
            request,
            t("已启用 {n}", "{n} switched on", n=row.name) if on else t("已停用 {n}", "{n} switched off", n=row.name),
            undo_url=f"{here}/{'deactivate' if on else 'activate'}",
        )
    elif action == "unlock":
        actions.unlock(by=by, account_id=account_id)
        say(request, t("已解锁 {n}", "{n} unlocked", n=row.name))
    elif action == "reset-totp":
        actions.reset_totp(by=by, account_id=account_id)
        say(
            request,
            t("已清除 {n} 的动态口令，下次登录重新绑定", "{n} enrols a new second factor next time", n=row.name),
        )
    elif action == "token" and ROLES[row.role].machine:
        source = request.POST.get("source", "")
        request.session[ISSUED] = [account_id, actions.issue_token(by=by, account_id=account_id, source=source)]
    elif action == "revoke-token":
        actions.revoke_token(by=by, account_id=account_id, token_id=whole(request, "token"))
        say(request, t("令牌已作废", "The token is revoked"))
    else:
        raise NotFound(t("没有这个操作", "No such action"))
    return HttpResponseRedirect(here)


@page(permission="accounts.manage")
@require_GET
def roles(request: HttpRequest) -> HttpResponse:
    """Every role: who may hold it, what it permits. Generated from access.roles."""
    return render(request, "administrator/roles.html", {"roles": ROLES.values(), "permissions": PERMISSIONS})
