"""Sign-in: links work once, wrong answers lock, codes work once."""

from __future__ import annotations

import datetime as dt

import pyotp
import pytest

from healthbrain.access import actions as access
from healthbrain.access.models import Account, SignInLink
from healthbrain.access.queries import actor_of
from healthbrain.access.rules import SYSTEM
from healthbrain.audit.models import AuditEvent
from healthbrain.county.models import Organisation
from healthbrain.kernel.clock import now
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed

PASSWORD = "竹林7-quiet-river"


@pytest.fixture
def account(db) -> Account:
    county = Organisation.objects.create(code="c", name="县", kind="county", path="/1/")
    made = access.create_account(by=SYSTEM, username="li", name="李医生", role="bureau", organisation_id=county.pk)
    access.set_password(by=actor_of(made), password=PASSWORD)
    return Account.objects.get(pk=made.pk)


def test_a_link_works_once(account: Account) -> None:
    token = access.sign_in_link(by=SYSTEM, account_id=account.pk)
    assert access.sign_in_with_link(token).pk == account.pk
    with pytest.raises(NotAllowed, match="已用过"):
        access.sign_in_with_link(token)


def test_an_expired_link_is_refused(account: Account) -> None:
    token = access.sign_in_link(by=SYSTEM, account_id=account.pk)
    SignInLink.objects.update(expires=now() - dt.timedelta(seconds=1))
    with pytest.raises(NotAllowed):
        access.sign_in_with_link(token)


def test_the_link_itself_is_not_kept(account: Account) -> None:
    token = access.sign_in_link(by=SYSTEM, account_id=account.pk)
    assert token.encode() not in bytes(SignInLink.objects.get().token_hash)


def test_a_new_account_has_no_password(account: Account) -> None:
    made = access.create_account(
        by=SYSTEM, username="new", name="新", role="steward", organisation_id=account.organisation_id
    )
    for guess in ("", "new", "password", "admin"):
        with pytest.raises(NotAllowed):
            access.sign_in(made.username, guess)


@pytest.mark.django_db(transaction=True)
def test_five_wrong_answers_lock_even_the_right_one_out(account: Account) -> None:
    for _ in range(5):
        with pytest.raises(NotAllowed, match="不对"):
            access.sign_in("li", "wrong")
    with pytest.raises(NotAllowed, match="锁定"):
        access.sign_in("li", PASSWORD)
    Account.objects.update(locked_until=now() - dt.timedelta(seconds=1))
    assert access.sign_in("li", PASSWORD).pk == account.pk
    assert AuditEvent.objects.filter(action="account.sign_in_failed").count() == 5


def test_a_switched_off_account_cannot_sign_in(account: Account) -> None:
    access.set_active(by=SYSTEM, account_id=account.pk, active=False)
    with pytest.raises(NotAllowed):
        access.sign_in("li", PASSWORD)


def test_second_factor(account: Account) -> None:
    actor = actor_of(account)
    assert access.enrol_totp(by=actor).startswith("otpauth://totp/")
    account.refresh_from_db()
    totp = pyotp.TOTP(account.totp_secret)
    with pytest.raises(Invalid):
        access.confirm_totp(by=actor, code="000000" if totp.now() != "000000" else "000001")
    access.confirm_totp(by=actor, code=totp.now())
    with pytest.raises(NotAllowed):
        access.sign_in("li", PASSWORD)  # password alone no longer suffices
    Account.objects.update(totp_last_step=0)
    code = totp.now()
    assert access.sign_in("li", PASSWORD, code).pk == account.pk
    with pytest.raises(NotAllowed):
        access.sign_in("li", PASSWORD, code)  # a code works once
    with pytest.raises(Conflict):
        access.enrol_totp(by=actor)


@pytest.mark.parametrize("weak", ["short", "password1234", "123456789012"])
def test_weak_passwords_are_refused(account: Account, weak: str) -> None:
    with pytest.raises(Invalid):
        access.set_password(by=actor_of(account), password=weak)


def test_only_an_administrator_makes_accounts(account: Account) -> None:
    with pytest.raises(NotAllowed):
        access.create_account(
            by=actor_of(account), username="x", name="x", role="steward", organisation_id=account.organisation_id
        )
