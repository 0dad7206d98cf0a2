"""The pages: who may open them, and bad input at the door."""

from __future__ import annotations

import json
import time
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from healthbrain.access import actions as access
from healthbrain.access.models import Account
from healthbrain.access.rules import SYSTEM
from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch.models import Call, HospitalState, Mission, Position, TimelineEvent
from healthbrain.kernel import clock

PAGES = {
    "/dispatch": {"dispatcher"},
    "/dispatch/fleet": {"dispatcher"},
    "/dispatch/closures": {"dispatcher"},
    "/dispatch/events": {"dispatcher"},
    "/dispatch/planning": {"dispatcher", "bureau"},
    "/dispatch/planning/siting": {"dispatcher", "bureau"},
    "/crew": {"crew"},
    "/arrivals": {"dispatcher", "hospital"},
}


@pytest.mark.parametrize("address", PAGES)
def test_each_page_opens_to_its_roles_only(enter, address: str) -> None:
    for role in ("dispatcher", "crew", "hospital", "bureau"):
        expected = 200 if role in PAGES[address] else 403
        assert enter(role).get(address).status_code == expected, role


def placed_call(client: Client, centre) -> int:
    answer = client.post("/dispatch/take", {"phone": "15400000001"})
    call = int(answer["Location"].split("=")[1])
    x, y = centre.towns["330197001"]
    client.post(f"/dispatch/calls/{call}/locate", {"place": "东浦一村", "x": x, "y": y, "how": "map"})
    return call


def test_a_call_from_ring_to_vehicle_over_http(enter, centre) -> None:
    client = enter("dispatcher")
    call = placed_call(client, centre)
    for question, digit in (("breathing", 4), ("complaint", 1), ("chest-pain", 1)):
        client.post(f"/dispatch/calls/{call}/answer", {"question": question, "digit": digit})
    page = client.get(f"/dispatch?call={call}").content.decode()
    assert "派 急东1" in page
    assert "安澜区第一人民医院" in page
    sent = {"vehicle": centre.vehicles["east1"].pk, "recommended": centre.vehicles["east1"].pk, "rank": 1}
    client.post(f"/dispatch/calls/{call}/assign", sent)
    assert Mission.objects.get(call_id=call).vehicle_id == centre.vehicles["east1"].pk
    assert enter("crew").get("/crew").status_code == 200
    assert AuditEvent.objects.filter(action="emergency.assign").exists()


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("locate", {"x": "here", "y": "1"}),
        ("locate", {"x": "nan", "y": "1"}),
        ("answer", {"question": "breathing", "digit": "9"}),
        ("answer", {"question": "nothing", "digit": "1"}),
        ("priority", {"priority": "7"}),
        ("assign", {"vehicle": "999999"}),
        ("assign", {"vehicle": "abc"}),
        ("merge", {"into": "999999"}),
        ("cancel", {"reason": ""}),
        ("describe", {"age": "old"}),
    ],
)
def test_bad_input_is_said_on_the_desk_and_loses_nothing(enter, centre, action: str, given: dict) -> None:
    client = enter("dispatcher")
    call = placed_call(client, centre)
    before = Call.objects.values().get(pk=call)
    answer = client.post(f"/dispatch/calls/{call}/{action}", given, follow=True)
    assert answer.status_code == 200
    assert "toast" in answer.content.decode()
    assert Call.objects.values().get(pk=call) == before


def test_crew_positions_over_http(enter, centre) -> None:
    client = enter("crew")
    body = json.dumps([{"x": 1.0, "y": 1.0, "at": 0}, {"x": 1.5, "y": 1.0, "at": 4102444800000}])
    answer = client.post("/crew/position", body, content_type="application/json")
    told = {"moved": 1, "kept": 1, "refused": 0, "terminal": False}  # 1970 is history only, 2100 counts as now
    assert answer.json() == told
    assert Position.objects.get().doubt == "future"
    for broken in ("{", "[{}]", '[{"x": "a", "y": 1, "at": 0}]', "7"):
        assert client.post("/crew/position", broken, content_type="application/json").status_code == 422


def test_systems_send_positions_and_rings_with_their_token(enter, centre) -> None:
    account = Account.objects.create(
        username="gps", name="定位平台", role="ambulance_system", organisation=centre.accounts["crew"].organisation
    )
    headers = {"Authorization": f"Bearer {access.issue_token(by=SYSTEM, account_id=account.pk, source='GPS')}"}

    def send(what: str, body: object):
        system = Client(enforce_csrf_checks=True)
        return system.post(f"/api/emergency/{what}", json.dumps(body), "application/json", headers=headers)

    now = clock.now()
    rows = [
        {"vehicle": "急东1", "x": 1.0, "y": 0.5, "at": now.isoformat()},
        {"vehicle": "急西1", "x": 9.0, "y": 0.5, "at": 0},  # 1970: history only
        {"vehicle": "急东2", "x": 2.0, "y": 0.5, "at": "soon"},  # no time: as it came
        {"vehicle": "急99", "x": 2.0, "y": 0.5},
        {"vehicle": "急东1", "x": "here", "y": 0.5},
        7,
    ]
    assert send("positions", rows).json() == {"moved": 2, "kept": 1, "refused": 3, "unknown": ["急99"]}
    assert Position.objects.get(vehicle=centre.vehicles["east2"]).x == 2.0
    ring = send("ring", {"phone": "154-0000-0009"}).json()
    assert (Call.objects.get(pk=ring["call"]).phone, Call.objects.get(pk=ring["call"]).state) == (
        "15400000009",
        "ringing",
    )
    assert [send("ring", wrong).status_code for wrong in ([], {}, {"phone": 5})] == [422] * 3
    assert [send("positions", wrong).status_code for wrong in ({}, [{}] * 5001)] == [422] * 2
    assert Client().post("/api/emergency/ring", "{}", "application/json").status_code == 401
    assert Client().get("/api/emergency/positions", headers=headers).status_code == 405
    assert enter("crew").post("/api/emergency/ring", "{}", "application/json").status_code == 401


def test_a_press_with_an_impossible_clock_still_counts(enter, centre) -> None:
    dispatcher, crew = enter("dispatcher"), enter("crew")
    call = placed_call(dispatcher, centre)
    dispatcher.post(f"/dispatch/calls/{call}/priority", {"priority": 1, "suspected": "trauma"})
    dispatcher.post(f"/dispatch/calls/{call}/assign", {"vehicle": centre.vehicles["east1"].pk})
    mission = Mission.objects.get(call_id=call).pk
    given = {"kind": "acknowledged", "pressed": "1e99", "sent": "soon", "client_id": str(uuid.uuid4())}
    crew.post(f"/crew/missions/{mission}/step", given)
    assert TimelineEvent.objects.filter(mission_id=mission, kind="acknowledged").count() == 1
    other = enter("other_crew").post(f"/crew/missions/{mission}/step", {"kind": "rolling"}, follow=True)
    assert not TimelineEvent.objects.filter(mission_id=mission, kind="rolling").exists()
    assert other.status_code == 200
    file = SimpleUploadedFile("ecg.pdf", b"<svg onload=alert(1)>")
    crew.post(f"/crew/missions/{mission}/ecg", {"file": file})
    assert Mission.objects.get(pk=mission).ecgs.count() == 0


def test_the_hospital_reports_for_itself(enter, centre) -> None:
    client, own = enter("hospital"), centre.hospitals["first"].pk
    given = {"organisation": own, "emergency_beds": "0", "icu_beds": "", "taking": "closed", "note": "停电"}
    client.post("/arrivals/state", given)
    state = HospitalState.objects.get(pk=own)
    assert (state.closed, state.emergency_beds, state.icu_beds) == (True, 0, None)
    client.post("/arrivals/state", given | {"organisation": centre.hospitals["second"].pk})
    assert not HospitalState.objects.get(pk=centre.hospitals["second"].pk).closed
    client.post("/arrivals/state", given | {"emergency_beds": "many"})
    assert HospitalState.objects.get(pk=own).emergency_beds == 0


def test_a_move_up_is_told_to_the_crew_and_taken_back(enter, centre) -> None:
    desk, phone = enter("dispatcher"), enter("crew")
    one, west = centre.vehicles["east1"], centre.stations["west"]
    desk.post(f"/dispatch/moves/{one.pk}/{west.pk}")
    assert "请到 西塘急救站 待命" in phone.get("/crew").content.decode()
    page = desk.get("/dispatch/fleet").content.decode()
    assert "机动" in page
    assert f'action="/dispatch/moves/{one.pk}/{one.station_id}"' in page
    desk.post(f"/dispatch/moves/{one.pk}/{one.station_id}")
    assert "请到" not in phone.get("/crew").content.decode()
    assert "没有这辆车" in desk.post(f"/dispatch/moves/999999/{west.pk}", follow=True).content.decode()


@pytest.mark.parametrize(
    ("name", "hours", "then"),
    [("crew", 11, 200), ("dispatcher", 11, 200), ("crew", 13, 302), ("hospital", 0.4, 200), ("hospital", 0.6, 302)],
)
def test_who_waits_for_calls_stays_signed_in_for_a_shift(enter, name: str, hours: float, then: int) -> None:
    client = enter(name)
    client.get("/arrivals")
    session = client.session
    session["seen_at"] = time.time() - hours * 3600
    session.save()
    assert (
        client.get("/arrivals" if name == "hospital" else "/crew" if name == "crew" else "/dispatch").status_code
        == then
    )


def test_planning_over_http_says_what_is_wrong(enter, centre) -> None:
    client = enter("bureau")
    for plan, address in (
        ("c999", ""),
        ("rubbish", ""),
        (f"c{centre.stations['east'].pk}", "/figures"),  # too little history to simulate
    ):
        page = client.get("/dispatch/planning" + address, {"plan": plan})
        assert page.status_code == 200
        assert "notice overdue" in page.content.decode()
    numbers = client.get("/dispatch/planning", {"calls": "60", "talk": "120", "share": "95", "within": "10"})
    assert "个席位" in numbers.content.decode()
    assert "数字" in client.get("/dispatch/planning", {"calls": "-5"}).content.decode()
