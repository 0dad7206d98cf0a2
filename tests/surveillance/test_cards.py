"""The report card: found by itself, prefilled, counted at once, never sent."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from healthbrain.access.models import Account
from healthbrain.audit.models import AuditEvent
from healthbrain.kernel.clock import COUNTY_ZONE, now, today
from healthbrain.kernel.errors import Conflict, Invalid
from healthbrain.surveillance.actions.cards import draft_card, withdraw_card
from healthbrain.surveillance.actions.signals import run_pass
from healthbrain.surveillance.models import NotifiableCard, Signal
from healthbrain.surveillance.queries.cards import waiting
from tests.surveillance.signals_county import SmallCounty

DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(("code", "disease", "hours"), [("A20.9", "plague", 2), ("B01.9", "varicella", 24)])
def test_a_diagnosis_wants_a_card_by_its_deadline(small: SmallCounty, code: str, disease: str, hours: int) -> None:
    doctor = small.actor("hospital_doctor", "H")
    _, identity = small.resident("甲", dt.date(2015, 1, 1))
    small.diagnose(identity, code, today())
    small.diagnose(identity, "I10", today())
    (due,) = waiting(doctor, now=now())
    assert (due.disease.key, due.due_at - due.at) == (disease, dt.timedelta(hours=hours))
    assert waiting(small.actor("village_doctor", "V"), now=now()) == []  # another institution's


def test_a_card_is_a_case_until_it_is_withdrawn_and_a_second_one_is_asked_about(small: SmallCounty) -> None:
    doctor = small.actor("hospital_doctor", "H")
    person, _ = small.resident("甲", dt.date(2015, 1, 1))
    common = {"by": doctor, "resident_id": person.pk, "disease": "plague", "diagnosed_at": now(), "now": now()}
    with pytest.raises(Invalid):
        draft_card(**common, onset_on=today() + DAY)
    card = draft_card(**common, onset_on=today() - DAY)
    with pytest.raises(Conflict, match="安澜区第一人民医院"):
        draft_card(**common, onset_on=today())
    run_pass(now=now())
    assert Signal.objects.get().rule == "single-case"
    withdraw_card(by=doctor, card_id=card, now=now())
    run_pass(now=now())
    assert Signal.objects.get().life == "over"
    assert [a.action for a in AuditEvent.objects.filter(action__startswith="card.").order_by("pk")] == [
        "card.draft", "card.withdraw",
    ]  # fmt: skip


@pytest.mark.parametrize("hour", [0, 10])
def test_the_time_runs_from_the_diagnosis_or_from_midnight_and_says_so(small: SmallCounty, hour: int) -> None:
    yesterday = today() - DAY
    person, identity = small.resident("张小明", dt.date(2015, 1, 1))
    event = small.diagnose(identity, "B05.9", yesterday, hour=hour)
    client = Client()
    client.force_login(Account.objects.get(pk=small.actor("hospital_doctor", "H").account_id))
    client.post("/find/purpose", {"purpose": "treatment"})
    pages = [client.get(a).content.decode() for a in ("/cards", f"/cards/new/{person.pk}?event={event.pk}")]
    told = {"disease": "measles", "classification": "clinical", "event": str(event.pk)}
    client.post(f"/cards/new/{person.pk}", told | {"onset": str(yesterday), "diagnosed": str(yesterday)})
    card = NotifiableCard.objects.get()
    due = dt.datetime.combine(today(), dt.time(hour), COUNTY_ZONE)
    assert card.due_at == due  # 24 h from the hour on record, or from 00:00
    pages.append(client.get(f"/cards/{card.pk}").content.decode())
    assert [("0:00 起算" in page) for page in pages] == [hour == 0] * 3


def test_the_desk_drafts_prefilled_and_notes_what_the_doctor_entered(small: SmallCounty) -> None:
    person, identity = small.resident("张小明", dt.date(2015, 1, 1))
    event = small.diagnose(identity, "B05.9", today())
    client = Client()
    client.force_login(Account.objects.get(pk=small.actor("hospital_doctor", "H").account_id))
    client.post("/find/purpose", {"purpose": "treatment"})
    page = client.get("/cards").content.decode()
    assert "1 个诊断要填报告卡" in page
    assert "张小明" not in page
    form = client.get(f"/cards/new/{person.pk}?event={event.pk}").content.decode()
    assert '<option value="measles" selected>' in form
    assert f'value="{today().isoformat()}"' in form
    filled = {"disease": "measles", "classification": "clinical", "event": str(event.pk), "work_place": "三年级（1）班"}
    filled |= {"onset": today().isoformat(), "diagnosed": today().isoformat()}
    answer = client.post(f"/cards/new/{person.pk}", filled)
    card = NotifiableCard.objects.get()
    assert answer["Location"] == f"/cards/{card.pk}"
    assert "本系统不会上报" in client.get(f"/cards/{card.pk}").content.decode()
    assert client.post(f"/cards/new/{person.pk}", filled).status_code == 409
    client.post(f"/cards/{card.pk}/entered", {"number": "33-2026-1"})
    card.refresh_from_db()
    assert (card.entered_number, card.event_id) == ("33-2026-1", event.pk)
    assert "没有要填的报告卡" in client.get("/cards").content.decode()
