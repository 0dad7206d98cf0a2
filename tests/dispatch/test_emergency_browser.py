"""The whole job in a real browser: desk, crew and hospital, without network and without a terminal."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from healthbrain.dispatch import network
from healthbrain.dispatch.actions import calls, missions, positions
from healthbrain.dispatch.models import Call, EcgFile, Mission, Position, TimelineEvent, Vitals
from healthbrain.dispatch.rules.positions import Report
from healthbrain.kernel import clock
from healthbrain.kernel.home import folder
from tests.dispatch import emergency_county

AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"


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
