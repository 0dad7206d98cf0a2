"""The pages: who may open them, bad input at the door, and the whole job in a real browser."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from healthbrain.access import actions as access
from healthbrain.access.models import Account
from healthbrain.access.rules import SYSTEM
from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch import network
from healthbrain.dispatch.actions import calls, missions, positions
from healthbrain.dispatch.models import Call, EcgFile, HospitalState, Mission, Position, TimelineEvent, Vitals
from healthbrain.dispatch.rules.positions import Report
from healthbrain.kernel import clock
from healthbrain.kernel.home import folder
from tests.dispatch import emergency_county

AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"
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


@pytest.fixture
def map_in_degrees():
    """Two crossings and a road between them, as a county with a real map has."""
    roads = folder("roads")
    (roads / "nodes.csv").write_text("index,x,y,offRoadAccess\n1,120.0,30.0,1\n2,120.1,30.1,1\n")
    (roads / "arcs.csv").write_text(
        "index,fromNode,toNode,distance,mode_1,mode_2\n1,1,2,15,0.01,0.01\n2,2,1,15,0.01,0.01\n"
    )
    network.forget()
    yield
    shutil.rmtree(roads)
    network.forget()


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


# --- in a real browser -----------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
class TestInTheBrowser:
    @pytest.fixture
    def centre(self, transactional_db):
        return emergency_county.build()

    def test_dispatcher_crew_and_hospital_do_one_mission(self, open_as, centre) -> None:
        desk = open_as("dispatcher")
        desk.goto(desk.base + "/dispatch")
        desk.fill("#phone", "15400000001")
        desk.keyboard.press("Enter")
        desk.wait_for_url("**/dispatch?call=*")
        desk.locator("#place:focus").wait_for()  # the cursor is where the caller's first words go
        desk.keyboard.type("东浦一")
        desk.locator("#places li").first.wait_for()
        desk.keyboard.press("Enter")
        desk.locator(".choices li").first.wait_for()
        for digit, then in (("4", "主要是什么问题"), ("1", "疼多久了"), ("1", "已分级：胸痛，危急")):
            desk.wait_for_load_state()  # the words stand before the scripts that hear the digit
            desk.keyboard.press(digit)
            desk.locator(".asking h3", has_text=then).first.wait_for()
        assert desk.evaluate("document.documentElement.scrollHeight <= innerHeight"), "the desk scrolls at 1366 × 768"
        desk.wait_for_load_state()
        desk.keyboard.press("Enter")
        desk.locator(".sent", has_text="急东1").wait_for()
        mission = Mission.objects.get()
        assert (mission.vehicle.code, mission.rank, mission.override) == ("急东1", 1, "")

        phone = open_as("crew", 390, 844)
        phone.goto(phone.base + "/crew")
        for step in ("确认", "出车", "到达现场", "见到病人"):
            phone.locator(".go .button.primary", has_text=step).click()
        phone.locator(".to-hospital button", has_text="第一人民医院").click()
        phone.locator(".to-hospital button[aria-pressed=true]").wait_for()
        phone.fill("[name=systolic]", "84")
        phone.fill("[name=pulse]", "128")
        phone.get_by_role("button", name="发送体征").click()
        phone.get_by_text("84/—").wait_for()
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")

        board = open_as("hospital")
        board.goto(board.base + "/arrivals")
        board.locator(".arriving li", has_text="胸痛").wait_for()
        assert "收缩压 84 异常" in board.locator(".arriving li").inner_text()

        phone.locator(".go .button.primary", has_text="离开现场").click()
        phone.locator(".go .button.primary", has_text="到达医院").click()
        phone.locator(".go .button.primary", has_text="交接完成").click()
        phone.locator(".go .button.primary", has_text="可再派").click()
        phone.get_by_text("待命，没有任务").wait_for()
        assert Call.objects.get().state == "closed"
        for page in (desk, phone, board):
            assert page.problems == []

    def test_presses_in_a_dead_zone_are_kept_and_sent_once(self, open_as, centre) -> None:
        desk = open_as("dispatcher")
        client_call = self._sent(desk, centre)
        phone = open_as("crew", 390, 844)
        phone.goto(phone.base + "/crew")
        phone.locator(".go .button.primary", has_text="确认").wait_for()
        phone.context.set_offline(True)
        phone.locator(".go .button.primary").click()
        phone.get_by_text("已存在本机").wait_for()
        assert not TimelineEvent.objects.filter(kind="acknowledged").exists()
        phone.context.set_offline(False)
        phone.locator(".go .button.primary", has_text="出车").wait_for()
        event = TimelineEvent.objects.get(kind="acknowledged", call_id=client_call)
        assert event.device_at is not None
        assert event.at < event.received, "the moment of the press, not of the sending"
        assert Vitals.objects.count() == 0

    def test_the_phone_tells_where_it_is_when_the_crew_agreed_and_the_terminal_is_silent(
        self, open_as, centre, map_in_degrees
    ) -> None:
        self._sent_here(centre)
        one, phone = centre.vehicles["east1"].pk, open_as("crew", 390, 844)
        phone.context.grant_permissions(["geolocation"], origin=phone.base)
        phone.context.set_geolocation({"longitude": 120.05, "latitude": 30.05, "accuracy": 8})
        asked = []
        phone.on("request", lambda r: asked.append(r) if r.url.endswith("/crew/position") else None)
        phone.goto(phone.base + "/crew")
        phone.get_by_text("没有上报。同意后").wait_for()
        assert not asked, "nothing before the crew agreed"
        phone.get_by_role("button", name="同意，上报本机位置").click()
        phone.get_by_text("正在上报位置").wait_for()
        self._until(lambda: Position.objects.filter(vehicle=one, phone=True, x=120.05).exists())
        phone.context.set_offline(True)
        phone.context.set_geolocation({"longitude": 120.06, "latitude": 30.05, "accuracy": 8})
        phone.get_by_text("位置暂存本机").wait_for()
        phone.context.set_offline(False)
        self._until(lambda: Position.objects.filter(vehicle=one, x=120.06).exists())
        positions.record_positions([Report(one, 120.09, 30.05)], now=clock.now())  # the vehicle's terminal
        phone.context.set_geolocation({"longitude": 120.07, "latitude": 30.05, "accuracy": 8})
        phone.get_by_text("车载终端在上报").wait_for()
        assert Position.objects.get(vehicle=one).x == 120.09
        phone.get_by_role("button", name="停止上报位置").click()
        phone.get_by_text("没有上报。同意后").wait_for()
        assert phone.problems == []

    def _sent_here(self, centre) -> None:
        by, now = centre.actors["dispatcher"], clock.now()
        call = calls.take_call(by=by, now=now, phone="15400000003")
        calls.locate(by=by, now=now, call_id=call, place="路口", x=120.0, y=30.0, how="map")
        calls.set_priority(by=by, now=now, call_id=call, priority=1, suspected="trauma")
        missions.assign(by=by, now=now, call_id=call, vehicle_id=centre.vehicles["east1"].pk)

    def _until(self, there) -> None:
        for _ in range(300):
            if there():
                return
            time.sleep(0.1)
        raise AssertionError("it never came")

    def test_an_ecg_waits_on_the_phone_over_a_reload_and_comes_whole(self, open_as, centre) -> None:
        self._sent(open_as("dispatcher"), centre)
        phone = open_as("crew", 390, 844)
        phone.goto(phone.base + "/crew")
        phone.wait_for_load_state()
        content = b"%PDF-1.4 " + bytes(range(256)) * 4096  # 1 MB of every byte
        phone.locator("#ecg").set_input_files(
            {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"x" * 5_300_000}
        )
        phone.get_by_role("button", name="发送心电图").click()
        phone.get_by_text("文件超过 5 MB").wait_for()
        phone.route("**/crew/missions/**", lambda route: route.abort())  # no network but for pages
        phone.locator("#ecg").set_input_files({"name": "导联.pdf", "mimeType": "application/pdf", "buffer": content})
        phone.get_by_role("button", name="发送心电图").click()
        phone.get_by_text("含文件 1.0 MB").wait_for()
        phone.locator(".go .button.primary", has_text="确认").click()
        phone.locator("[data-count]", has_text="2").wait_for()
        assert not EcgFile.objects.exists()
        phone.reload()  # the battery, the driver's thumb: what was kept is still there
        phone.locator("[data-count]", has_text="2").wait_for()
        order = []
        phone.on("request", lambda r: order.append(r.url.rsplit("/", 1)[1]) if "/crew/missions/" in r.url else None)
        phone.unroute_all(behavior="ignoreErrors")
        phone.get_by_text("已发 1 份").wait_for()
        ecg = EcgFile.objects.get()
        assert (ecg.name, bytes(ecg.content)) == ("导联.pdf", content)
        assert order[-2:] == ["step", "ecg"], "the press first, the slow file after it"
        assert TimelineEvent.objects.filter(kind="acknowledged").count() == 1
        assert phone.problems == []

    def _sent(self, desk, centre) -> int:
        desk.goto(desk.base + "/dispatch")
        desk.fill("#phone", "15400000002")
        desk.keyboard.press("Enter")
        desk.wait_for_url("**/dispatch?call=*")
        box = desk.locator("svg[data-map]").bounding_box()
        desk.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        desk.locator(".choices li").first.wait_for()
        call = Call.objects.get()
        assert call.located_by == "map"
        assert min(abs(call.x - t[0]) for t in centre.towns.values()) < 6, "a click in the middle is in the county"
        desk.locator("select[name=suspected]").select_option("trauma")
        desk.locator("button[name=priority][value='1']").click()
        desk.locator("[data-send-first]:not([disabled])").wait_for()
        mine = desk.locator(".choices li", has_text="急东1")
        if mine.locator("[data-send-first]").count():
            mine.locator("[data-send-first]").click()
        else:
            mine.locator("summary").click()
            mine.locator("select[name=override]").select_option("needed-skill")
            mine.locator("form button").click()
        desk.locator(".sent", has_text="急东1").wait_for()
        return call.pk

    def test_the_pages_are_accessible(self, open_as, centre) -> None:
        for role, address, width in (
            ("dispatcher", "/dispatch", 1366), ("dispatcher", "/dispatch/fleet", 1366),
            ("dispatcher", "/dispatch/closures", 1366),
            ("dispatcher", "/dispatch/events", 1366), ("bureau", "/dispatch/planning", 1366),
            ("bureau", "/dispatch/planning/siting?model=mclp&more=1&near=2&far=9&share=90", 1366),
            ("crew", "/crew", 390), ("hospital", "/arrivals", 1366),
        ):  # fmt: skip
            page = open_as(role, width, csp=False)
            page.goto(page.base + address)
            page.add_script_tag(path=str(AXE))
            found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
            assert [(v["id"], v["nodes"][0]["html"][:120]) for v in found] == [], address
