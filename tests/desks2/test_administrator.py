"""The administrator's and the auditor's pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from healthbrain.access import queries
from healthbrain.access.models import Account
from healthbrain.access.roles import ROLES
from healthbrain.audit.models import AuditEvent
from healthbrain.desks import deeds

from .conftest import text_of


def test_create_account_hands_out_a_link_that_works_once(county, sign_in):
    client = sign_in("administrator")
    form = {
        "username": "w.chen",
        "name": "陈卫",
        "role": "village_doctor",
        "organisation_id": county.organisations["W1"].pk,
    }
    created = client.post("/administrator/accounts/new", form)
    assert created.status_code == 302
    page = text_of(client.get(created.url))
    link = page.split('value="http')[1].split('"')[0]
    assert "/sign-in/" in link
    assert "/sign-in/" not in text_of(client.get(created.url)), "the link is shown once"
    made = Account.objects.get(username="w.chen")
    assert not made.has_usable_password()
    actions = list(AuditEvent.objects.filter(subject=f"account/{made.pk}").values_list("action", flat=True))
    assert sorted(actions) == ["account.create", "account.sign_in_link"]


def test_missing_fields_are_named_at_the_top(sign_in):
    answer = sign_in("administrator").post("/administrator/accounts/new", {"name": "陈卫"})
    assert answer.status_code == 422
    page = text_of(answer)
    for words in ("填写用户名", "选择角色", "选择机构"):
        assert words in page
    assert 'value="陈卫"' in page, "what was typed stays"


def test_deactivate_offers_undo_and_nobody_switches_himself_off(county, sign_in):
    client, village = sign_in("administrator"), county.accounts["village_doctor"]
    answer = client.post(f"/administrator/accounts/{village.pk}/deactivate", follow=True)
    village.refresh_from_db()
    assert not village.is_active
    assert f"/administrator/accounts/{village.pk}/activate" in text_of(answer)
    own = county.accounts["administrator"].pk
    assert client.post(f"/administrator/accounts/{own}/deactivate").status_code == 422


def test_unlock_and_reset_second_factor(county, sign_in):
    client, village = sign_in("administrator"), county.accounts["village_doctor"]
    Account.objects.filter(pk=village.pk).update(failed_logins=4, totp_secret="x", totp_confirmed=True)
    client.post(f"/administrator/accounts/{village.pk}/unlock")
    client.post(f"/administrator/accounts/{village.pk}/reset-totp")
    village.refresh_from_db()
    assert (village.failed_logins, village.totp_secret, village.totp_confirmed) == (0, "", False)


def test_roles_page_says_who_may_hold_each_role(sign_in):
    page = text_of(sign_in("administrator").get("/administrator/roles"))
    for role in ROLES.values():
        assert role.held_by_zh in page


def test_accounts_filter_by_role_and_text(sign_in):
    page = text_of(sign_in("administrator").get("/administrator?role=steward"))
    assert "测试steward" in page
    assert "测试bureau" not in page
    assert "没有这样的账号" in text_of(sign_in("administrator").get("/administrator?q=nobody"))


@pytest.fixture
def looked(county, sign_in):
    from django.db import transaction

    from healthbrain.access.queries import actor_of
    from healthbrain.audit import actions as audit

    with transaction.atomic():
        for purpose in ("treatment", "quality"):
            audit.record(
                by=actor_of(county.accounts["hospital_doctor"]),
                action="record.open",
                resident_id=county.east.pk,
                purpose=purpose,
            )
    return county


def test_every_deed_of_the_log_has_words():
    """What code writes as action="noun.verb" is read by auditors and residents."""
    source = Path(deeds.__file__).parent.parent
    text = "\n".join(path.read_text(encoding="utf-8") for path in source.rglob("*.py"))
    written = set(re.findall(r'\baction="([a-z]+\.[a-z_.]+)"', text))
    assert len(written) > 80
    assert [one for one in sorted(written) if deeds.deed(one) == one] == []


def test_auditor_searches_and_verifies(looked, sign_in):
    client = sign_in("auditor")
    page = text_of(client.get(f"/administrator/audit?resident={looked.east.pk}&action=record"))
    assert page.count("打开档案") == 2
    assert "诊疗" in page
    assert "质量与考核" in page
    assert text_of(client.get("/administrator/audit?who=hospital&action=record.")).count("打开档案") == 2
    assert "没有符合条件的日志" in text_of(client.get("/administrator/audit?who=nobody"))
    assert "没有符合条件的日志" in text_of(client.get("/administrator/audit?until=2020-01-01"))
    assert "完整，没有被改动" in text_of(client.post("/administrator/audit/verify", follow=True))


def test_broken_chain_is_named(looked, sign_in):
    from django.db import connection

    first = AuditEvent.objects.order_by("id").first()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER USER")
        cursor.execute("UPDATE audit_auditevent SET actor = '别人' WHERE id = %s", [first.pk])
        cursor.execute("ALTER TABLE audit_auditevent ENABLE TRIGGER USER")
        cursor.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER audit_no_truncate")
    page = text_of(sign_in("auditor").post("/administrator/audit/verify", follow=True))
    assert f"从编号 {first.pk} 起不可信" in page


def test_a_connected_system_gets_a_token_once_and_loses_it_at_once(county, sign_in):
    client, clinic = sign_in("administrator"), county.organisations["W1"]
    system = Account.objects.create(username="his", name="卫生院系统", role="system", organisation=clinic)
    here = f"/administrator/accounts/{system.pk}"
    assert "还没有令牌" in text_of(client.get(here))
    page = text_of(client.post(f"{here}/token", {"source": "NEWHIS"}, follow=True))
    token = page.split('aria-label="令牌"')[0].rpartition('value="')[2].split('"')[0]
    assert token not in text_of(client.get(here)), "the token is shown once"
    actor, source = queries.by_token(token)
    assert (actor.account_id, source) == (system.pk, "NEWHIS")
    kept = queries.tokens_of(system.pk)[0].id
    village = county.accounts["village_doctor"].pk
    assert client.post(f"/administrator/accounts/{village}/revoke-token", {"token": kept}).status_code == 404
    assert client.post(f"/administrator/accounts/{village}/token", {"source": "X"}).status_code == 404, (
        "a person has none"
    )
    assert "已于" in text_of(client.post(f"{here}/revoke-token", {"token": kept}, follow=True))
    assert queries.by_token(token) is None
    actions = AuditEvent.objects.filter(subject=f"account/{system.pk}", action__contains="token")
    assert sorted(actions.values_list("action", flat=True)) == ["account.issue_token", "account.revoke_token"]
