"""Accounts, sign-in, second factor, break-glass. Every step is audited in its own transaction."""

from __future__ import annotations

import datetime as dt
import secrets

import pyotp
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from healthbrain.access.gate import require
from healthbrain.access.models import Account, ApiToken, BreakGlass, SignInLink
from healthbrain.access.queries import actor_of
from healthbrain.access.roles import ROLES
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.county.models import Source
from healthbrain.kernel.clock import now
from healthbrain.kernel.crypto import digest
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound

LOCK_AFTER = 5  # wrong answers in a row
LOCK_FOR = dt.timedelta(minutes=15)
LINK_LIFETIME = dt.timedelta(hours=24)
BREAK_GLASS_FOR = dt.timedelta(hours=2)
TOTP_STEP = 30  # seconds, RFC 6238


@transaction.atomic
def create_account(
    *, by: Actor, username: str, name: str, role: str, organisation_id: int, resident_id: int | None = None
) -> Account:
    """A new account without a password; hand its owner a sign-in link. Raises Invalid, Conflict, NotAllowed."""
    require(by, "accounts.manage")
    if role not in ROLES:
        raise Invalid(f"没有这个角色 Unknown role: {role}")
    if (role == "resident") != (resident_id is not None):
        raise Invalid("居民账号必须且只能对应一位居民 A resident account stands for exactly one resident")
    if Account.objects.filter(username=username).exists():
        raise Conflict(f"用户名 {username} 已被使用 Username taken")
    account = Account(username=username, name=name, role=role, organisation_id=organisation_id, resident_id=resident_id)
    account.set_unusable_password()
    account.save()
    audit.record(by=by, action="account.create", subject=f"account/{account.pk}", detail={"role": role})
    return account


@transaction.atomic
def set_active(*, by: Actor, account_id: int, active: bool) -> None:
    """Switch an account on or off. The log keeps who it was. Nobody switches himself off."""
    require(by, "accounts.manage")
    if account_id == by.account_id:
        raise Invalid("不能停用自己的账号 You cannot switch off your own account")
    Account.objects.filter(pk=account_id).update(is_active=active)
    audit.record(by=by, action="account.activate" if active else "account.deactivate", subject=f"account/{account_id}")


@transaction.atomic
def unlock(*, by: Actor, account_id: int) -> None:
    """Lift a lock-out before its time."""
    require(by, "accounts.manage")
    Account.objects.filter(pk=account_id).update(failed_logins=0, locked_until=None)
    audit.record(by=by, action="account.unlock", subject=f"account/{account_id}")


@transaction.atomic
def reset_totp(*, by: Actor, account_id: int) -> None:
    """Forget a lost second factor; the owner enrols a new one at the next sign-in."""
    require(by, "accounts.manage")
    Account.objects.filter(pk=account_id).update(totp_secret="", totp_confirmed=False, totp_last_step=0)
    audit.record(by=by, action="account.reset_totp", subject=f"account/{account_id}")


@transaction.atomic
def sign_in_link(*, by: Actor, account_id: int) -> str:
    """A one-time sign-in token, valid 24 hours; only its hash is kept."""
    require(by, "accounts.manage")
    token = secrets.token_urlsafe(24)
    SignInLink.objects.create(account_id=account_id, token_hash=digest(token.encode()), expires=now() + LINK_LIFETIME)
    audit.record(by=by, action="account.sign_in_link", subject=f"account/{account_id}")
    return token


@transaction.atomic
def sign_in_with_link(token: str) -> Account:
    """The account a one-time link opens; the link is used up. Raises NotAllowed if spent, expired or unknown."""
    link = (
        SignInLink.objects.select_for_update(of=("self",))
        .select_related("account__organisation")
        .filter(token_hash=digest(token.encode()))
        .first()
    )
    if link is None or link.used or link.expires < now() or not link.account.is_active:
        raise NotAllowed(
            "这个登录链接已用过或已过期。 This sign-in link is used up or expired.",
            hint="请在本机重新运行 healthbrain demo 或向账号管理员要一个新链接。",
        )
    link.used = now()
    link.save(update_fields=["used"])
    audit.record(by=actor_of(link.account), action="account.sign_in", subject="link")
    return link.account


def sign_in(username: str, password: str, code: str = "") -> Account:
    """Check password and, once enrolled, the TOTP code. Raises NotAllowed; five wrong answers lock for 15 minutes.

    Not atomic as a whole: a wrong answer must be counted although the sign-in fails.
    """
    with transaction.atomic():
        account = (
            Account.objects.select_for_update(of=("self",))
            .select_related("organisation")
            .filter(username=username, is_active=True)
            .first()
        )
        if account and account.locked_until and account.locked_until > now():
            minutes = int((account.locked_until - now()).total_seconds() // 60) + 1
            raise NotAllowed(f"账号已锁定，{minutes} 分钟后再试。 Locked: try again in {minutes} minutes.")
        if account and account.check_password(password) and _code_holds(account, code):
            account.failed_logins, account.locked_until = 0, None
            account.save()
            audit.record(by=actor_of(account), action="account.sign_in", subject="password")
            return account
        if account:
            account.failed_logins += 1
            if account.failed_logins >= LOCK_AFTER:
                account.failed_logins, account.locked_until = 0, now() + LOCK_FOR
            account.save()
            audit.record(by=actor_of(account), action="account.sign_in_failed", subject="password")
    if account is None:
        Account().set_password(password)  # the same work as for a known name, so that names cannot be probed by time
    raise NotAllowed("用户名、密码或验证码不对。 Wrong username, password or code.")


def _code_holds(account: Account, code: str) -> bool:
    """True without a second factor enrolled; else the code must fit now ±1 step and be newer than the last one used."""
    if not account.totp_confirmed:
        return True
    totp = pyotp.TOTP(account.totp_secret)
    step = int(now().timestamp()) // TOTP_STEP
    for candidate in (step - 1, step, step + 1):
        fits = secrets.compare_digest(totp.generate_otp(candidate), code.strip())
        if candidate > account.totp_last_step and fits:
            account.totp_last_step = candidate
            return True
    return False


def _own(by: Actor) -> Account:
    """The actor's own account, locked. Raises NotAllowed for the system, which has none."""
    if by.account_id is None:
        raise NotAllowed("系统没有账号 The system has no account")
    return Account.objects.select_for_update(of=("self",)).get(pk=by.account_id)


@transaction.atomic
def set_password(*, by: Actor, password: str) -> None:
    """Set one's own password. Raises Invalid with what is wrong with it."""
    account = _own(by)
    try:
        validate_password(password, account)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error
    account.set_password(password)
    account.save()
    audit.record(by=by, action="account.set_password", subject=f"account/{account.pk}")


@transaction.atomic
def enrol_totp(*, by: Actor) -> str:
    """Begin a second factor: the otpauth:// address to show as a QR code. Nothing holds until `confirm_totp`."""
    account = _own(by)
    if account.totp_confirmed:
        raise Conflict("动态口令已启用 A second factor is already in force")
    account.totp_secret = pyotp.random_base32()
    account.save()
    return pyotp.TOTP(account.totp_secret).provisioning_uri(name=account.username, issuer_name="健康大脑")


@transaction.atomic
def confirm_totp(*, by: Actor, code: str) -> None:
    """The second factor is in force once its first code was typed right. Raises Invalid."""
    account = _own(by)
    if not account.totp_secret or not pyotp.TOTP(account.totp_secret).verify(code.strip(), valid_window=1):
        raise Invalid("验证码不对，请看手机上的最新六位数字。 Wrong code: type the newest six digits.")
    account.totp_confirmed = True
    account.totp_last_step = int(now().timestamp()) // TOTP_STEP  # the code just typed works only once
    account.save()
    audit.record(by=by, action="account.enrol_totp", subject=f"account/{account.pk}")


@transaction.atomic
def break_glass(*, by: Actor, resident_id: int, reason: str) -> BreakGlass:
    """Open one record outside one's scope for two hours, with a reason the resident will see. Raises Invalid."""
    require(by, "record.break_glass")
    if len(reason.strip()) < 4:
        raise Invalid("请写明紧急查看的原因（至少四个字）。 Say why, in at least four characters.")
    opened = BreakGlass.objects.create(
        account=_own(by), resident_id=resident_id, reason=reason.strip(), expires=now() + BREAK_GLASS_FOR
    )
    audit.record(
        by=by, action="record.break_glass", resident_id=resident_id, purpose="emergency", detail={"reason": reason}
    )
    return opened


@transaction.atomic
def issue_token(*, by: Actor, account_id: int, source: str) -> str:
    """A token for a connected system that speaks for the source of that code; shown once, kept as a hash.

    A source nobody knew speaks for the account's organisation, approved: an administrator named it. Raises Invalid.
    """
    require(by, "accounts.manage")
    account = Account.objects.select_related("organisation").get(pk=account_id)
    code = source.strip()
    if not code:
        raise Invalid("请填写数据来源代码。 Say which source the system speaks for.")
    known, _ = Source.objects.get_or_create(
        code=code, defaults={"name": account.name, "organisation": account.organisation, "approved": True}
    )
    token = secrets.token_urlsafe(32)
    ApiToken.objects.create(account=account, source=known, token_hash=digest(token.encode()))
    audit.record(by=by, action="account.issue_token", subject=f"account/{account_id}", detail={"source": code})
    return token


@transaction.atomic
def revoke_token(*, by: Actor, account_id: int, token_id: int) -> None:
    """End a token of this account at once. Raises NotFound when it has none such in force."""
    require(by, "accounts.manage")
    if not ApiToken.objects.filter(pk=token_id, account_id=account_id, revoked=None).update(revoked=now()):
        raise NotFound("没有这个令牌，或已作废。 No such token, or it is revoked already.")
    detail = {"token": token_id}
    audit.record(by=by, action="account.revoke_token", subject=f"account/{account_id}", detail=detail)
