"""带走今天名单: the list and its forms work without network; what was filled in arrives once, or says why not."""

from __future__ import annotations

import datetime as dt
import json
import time

import pytest
from django.test import Client

from healthbrain.access.queries import actor_of
from healthbrain.audit.models import AuditEvent
from healthbrain.desks import forms
from healthbrain.desks.village_doctor.visit import save_visits
from healthbrain.records.models import Resource

from .conftest import AS_OF

FORM = "hypertension-follow-up"
READINGS = {"visit_date": AS_OF.isoformat(), "visit_mode": "AMB", "sbp": "136", "dbp": "84", "adherence": "regular",
            "adverse_reaction": "no", "new_complication": "no", "symptoms": "none"}  # fmt: skip


def recorded() -> int:
    return Resource.objects.filter(type="QuestionnaireResponse", deleted=False).count()


@pytest.fixture
def doctor(station):
    client = Client()
    client.force_login(station.doctor, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def taken(doctor):
    return doctor.post("/today/along").json()


def key_of(html: str, name: str = "key") -> str:
    return html.split(f'name="{name}" value="')[1].split('"')[0]


def hand_in(doctor, person, html: str, **more: str) -> dict:
    posted = READINGS | {"key": key_of(html), "last": key_of(html, "last")} | more
    return doctor.post(f"/today/along/residents/{person.pk}/visit/{FORM}", posted).json()


def path_of(person) -> str:
    return f"/today/residents/{person.pk}/visit/{FORM}"


def test_what_is_taken_is_today_s_people_until_tomorrow_night_and_each_look_is_logged(station, taken):
    assert set(taken["pages"]) == {"/today"} | {path_of(one) for one in station.people.values()}
    assert taken["count"] == 3
    end = dt.datetime.fromtimestamp(taken["expires"] / 1000, dt.timezone(dt.timedelta(hours=8)))
    today = dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date()
    assert end.isoformat() == f"{today + dt.timedelta(days=2)}T00:00:00+08:00"
    assert "330197196501010011" not in json.dumps(taken), "a form needs no ID number"
    assert "13800000000" not in json.dumps(taken)
    looks = AuditEvent.objects.filter(action="record.take_along")
    assert sorted(looks.values_list("resident_id", flat=True)) == sorted(p.pk for p in station.people.values())
    keys = {key_of(taken["pages"][path_of(one)]) for one in station.people.values()}
    assert len(keys) == 3, "one key a form"


def test_a_kept_visit_sent_twice_is_recorded_once_at_the_hour_it_was_filled_in(station, doctor, taken):
    person = station.people["李建国"]
    html = taken["pages"][path_of(person)]
    first = hand_in(doctor, person, html)
    assert first["state"] == "saved", first
    assert hand_in(doctor, person, html) == first
    again = doctor.post(path_of(person), READINGS | {"key": key_of(html)})  # and typed once more at the desk
    assert again.url == first["url"]
    assert recorded() == 1


def test_somebody_else_s_visit_meanwhile_is_a_conflict_for_a_person_to_decide(station, doctor, taken):
    person = station.people["李建国"]
    html = taken["pages"][path_of(person)]
    values = {"visit_date": AS_OF.isoformat(), "visit_mode": "AMB", "sbp": 150.0, "dbp": 92.0, "adherence": "regular"}
    save_visits(actor_of(station.doctor), forms.load(FORM), {person.pk: values}, AS_OF)
    told = hand_in(doctor, person, html)
    assert told["state"] == "conflict"
    assert "王秀兰" in told["text"]
    assert recorded() == 1
    assert hand_in(doctor, person, html, anyway="1")["state"] == "saved"
    assert recorded() == 2


def test_a_visit_to_somebody_merged_since_is_the_survivor_s(station, doctor, taken):
    from healthbrain.access.rules import Actor
    from healthbrain.records import queries as records
    from healthbrain.residents import actions as residents
    from healthbrain.residents.models import Resident

    gone, kept = list(station.people.values())[:2]
    steward = Actor(account_id=1, name="管理员", role="steward", organisation_id=None, path="/")
    residents.merge(by=steward, resident_ids=[gone.pk], into=kept.pk, reason="一个人")
    Resident.objects.filter(pk=kept.pk).update(home_organisation=station.organisation)  # these sources name no place
    told = hand_in(doctor, gone, taken["pages"][path_of(gone)], anyway="1")
    assert told["state"] == "saved", told
    assert len(records.forms(actor_of(station.doctor), kept.pk, FORM, "treatment", limit=9)) == 1


def test_what_the_limits_refuse_comes_back_with_words(station, doctor, taken):
    person = station.people["李建国"]
    told = hand_in(doctor, person, taken["pages"][path_of(person)], sbp="1360")
    assert told["state"] == "refused"
    assert "1360 不可能" in told["text"]
    assert recorded() == 0


def test_a_stranger_s_record_is_not_handed_in(station, doctor):
    from healthbrain.county.models import Organisation
    from healthbrain.residents.models import Resident

    elsewhere = Organisation.objects.create(code="X", name="别处", kind="village", path="/x/")
    stranger = Resident.objects.create(name="外人", home_organisation=elsewhere)
    posted = READINGS | {"key": "k"}
    told = doctor.post(f"/today/along/residents/{stranger.pk}/visit/{FORM}", posted).json()
    assert told["state"] == "refused"
    assert recorded() == 0


def until(holds, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def take(desk) -> None:
    desk.goto(desk.base + "/today")
    desk.wait_for_load_state()
    desk.get_by_role("button", name="带走今天名单").click()
    desk.get_by_text("已带走 3 人").wait_for()


STORED = """async () => {
    const base = await new Promise((yes) => {
        const r = indexedDB.open('healthbrain-along'); r.onsuccess = () => yes(r.result);
    });
    const all = (name) => new Promise((yes) => {
        const r = base.transaction(name).objectStore(name).getAll(); r.onsuccess = () => yes(r.result);
    });
    const found = {};
    for (const name of base.objectStoreNames) found[name] = await all(name);
    base.close();
    const text = (data) => new TextDecoder('latin1').decode(data);
    return { pages: found.pages.length, visits: found.visits.length,
        sealed: found.pages.map((p) => text(p.data)).concat(found.visits.map((v) => text(v.box.data))).join(''),
        extractable: found.meta.map((m) => m.key.extractable) };
}"""


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_morning_without_network(desk, station):
    """Taken along, filled in with no network at all, sent by itself when the network is back: once."""
    problems: list[str] = []
    desk.on("pageerror", lambda e: problems.append(str(e)))
    desk.on("console", lambda m: problems.append(m.text) if "Content Security Policy" in m.text else None)
    take(desk)
    desk.context.set_offline(True)
    desk.goto(desk.base + "/today")
    desk.get_by_text("带走的 3 件").wait_for()
    assert desk.locator(".task").count() == 3
    desk.locator(".task", has_text="李*国").get_by_role("link", name="记录随访").click()
    desk.wait_for_selector("#sbp:focus")
    assert "132" in desk.inner_text("[data-field=sbp]"), "the last reading is there to compare"
    desk.get_by_role("button", name="保存随访").click()  # nothing filled in yet
    desk.get_by_text("这一项要填").first.wait_for()
    desk.fill("#sbp", "136")
    desk.fill("#dbp", "84")
    desk.click("[name=adherence][value=regular]")
    desk.get_by_role("button", name="保存随访").click()
    desk.get_by_text("带走的 3 件").wait_for()
    kept = desk.locator("[data-visits] li", has_text="李*国")
    kept.get_by_text("本机已存，待上传").wait_for()
    stored = desk.evaluate(STORED)
    assert (stored["pages"], stored["visits"], stored["extractable"]) == (5, 1, [False])
    assert "李" not in stored["sealed"]
    assert "sbp" not in stored["sealed"]
    assert recorded() == 0
    desk.goto(desk.base + "/today/group")
    desk.get_by_text("这一页要有网络才能打开").wait_for()
    desk.goto(desk.base + "/today")
    kept.wait_for()
    desk.context.set_offline(False)
    desk.get_by_role("button", name="带走今天名单").wait_for()  # the page of the server has come by itself
    desk.wait_for_load_state()
    assert desk.evaluate(STORED)["visits"] == 0
    assert recorded() == 1
    assert problems == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_signing_out_throws_it_away_and_asks_before_losing_a_visit(desk, station):
    take(desk)
    desk.context.set_offline(True)
    desk.goto(f"{desk.base}{path_of(station.people['李建国'])}")
    desk.fill("#sbp", "136")
    desk.fill("#dbp", "84")
    desk.click("[name=adherence][value=regular]")
    desk.get_by_role("button", name="保存随访").click()
    desk.get_by_text("本机已存，待上传").first.wait_for()
    # The session has ended meanwhile: the visit waits, and says so.
    from django.contrib.sessions.models import Session

    Session.objects.all().delete()
    desk.context.set_offline(False)
    desk.get_by_text("登录已过期").wait_for()
    assert recorded() == 0
    desk.context.add_cookies(
        [{"name": "sessionid", "value": station.client().cookies["sessionid"].value, "url": desk.base}]
    )
    desk.goto(desk.base + "/today")
    until(lambda: recorded() == 1)
    until(lambda: desk.evaluate(STORED)["visits"] == 0)
    desk.goto(desk.base + "/account")
    desk.wait_for_load_state()
    desk.locator("details.menu", has_text="王秀兰").locator("summary").click()
    desk.get_by_role("button", name="退出登录").click()
    desk.wait_for_url("**/sign-in")
    stored = desk.evaluate(STORED)
    assert (stored["pages"], stored["visits"], stored["extractable"]) == (0, 0, [])
