"""The planner's and the dispatcher's maps in a real browser: what if, best sites, closed roads."""

from __future__ import annotations

import re

import pytest
from python_calamine import CalamineWorkbook

from healthbrain.kernel import clock
from tests.dispatch import emergency_county


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
class TestInTheBrowser:
    @pytest.fixture
    def centre(self, transactional_db):
        return emergency_county.build()

    def test_a_plan_is_simulated_before_ones_eyes_and_can_be_stopped(self, open_as, centre) -> None:
        emergency_county.history(centre, now=clock.now())
        page = open_as("bureau")
        held = []
        page.route(
            re.compile(r"/figures\?.*&n=3$"), lambda route: held.append(route)
        )  # the third replication takes for ever
        page.goto(page.base + "/dispatch/planning")
        page.wait_for_load_state()
        page.get_by_label("撤站：西塘急救站").click()
        page.locator("#figures progress[value='2']").wait_for()
        assert "±" in page.locator("#figures tbody tr").first.inner_text()
        page.get_by_role("button", name="停在这里").click()
        go_on = page.get_by_role("button", name="继续模拟")
        go_on.wait_for()
        assert page.locator("#figures progress").get_attribute("value") == "2"
        assert re.search(r"西塘镇 \d+\.\d → \d+\.\d", page.locator("#plan-map").text_content())
        page.unroute_all(behavior="ignoreErrors")
        go_on.click()
        page.locator("#figures progress[value='10']").wait_for()
        assert page.get_by_role("button", name="停在这里").count() == 0
        page.goto(page.base + "/dispatch/planning")
        page.wait_for_load_state()
        assert page.locator("#figures").count() == 0
        page.get_by_label("方案怎样派车").select_option("reassignment+dmexclp")
        page.get_by_role("button", name="比较两种派车策略").click()
        page.locator("#figures progress[value='10']").wait_for()
        said = page.locator("#figures").inner_text()
        assert "最近车，危急可改派（本系统默认） → 最近车，可改派；空闲车机动补位" in said
        assert "每车每天机动 0.0 →" in said
        assert page.problems == []

    def test_the_best_sites_are_found_shown_taken_along_and_simulated(self, open_as, centre) -> None:
        emergency_county.history(centre, now=clock.now())
        page = open_as("bureau")
        page.goto(page.base + "/dispatch/planning")
        page.wait_for_load_state()
        page.get_by_role("link", name="求最优站址").click()
        page.locator("#siting-form").wait_for()
        page.wait_for_load_state()
        page.fill("[name=near]", "2")
        page.get_by_role("button", name="求最优站址").click()
        page.get_by_text("已证明最优", exact=True).wait_for()
        assert page.locator(".map .zone.gained").count() == 2  # the middle town and its village
        assert "中渡" in page.locator("tr", has_text="新增").inner_text()
        with page.expect_download() as download:
            page.get_by_role("link", name="导出方案").click()
        sheets = CalamineWorkbook.from_path(download.value.path())
        assert sheets.sheet_names == ["站点", "乡镇", "村和社区"]
        assert any("已证明最优" in str(row[0]) for row in sheets.get_sheet_by_name("站点").to_python()[:6])
        page.get_by_role("link", name="用一年的呼救模拟").click()
        page.locator("#figures progress").wait_for()
        assert "新增1" in page.locator(".change-list").inner_text()
        page.goto(page.base + "/dispatch/planning/siting?model=mclp&more=50&near=2&far=9&share=90")
        page.get_by_text("没有满足这些要求的方案").wait_for()
        assert page.problems == []

    def test_a_road_is_closed_with_two_clicks_shown_and_opened_again(self, open_as, centre) -> None:
        page = open_as("dispatcher")
        page.goto(page.base + "/dispatch/fleet")
        page.get_by_role("link", name="报道路封闭").click()
        for share, then in ((0.06, "再点一下终点"), (0.5, "公里，双向")):
            page.wait_for_load_state()
            box = page.locator("svg[data-map]").bounding_box()
            page.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
            page.get_by_text(then).first.wait_for()
        page.wait_for_load_state()
        page.fill("[name=name]", "桥下积水")
        page.get_by_role("button", name="封闭或缓行这一段").click()
        page.locator(".change-list", has_text="桥下积水").wait_for()
        assert page.locator("polyline.stretch.closed").count() == 1
        page.wait_for_load_state()
        page.get_by_role("button", name="恢复通行").click()
        page.get_by_text("现在没有道路封闭").wait_for()
        assert page.problems == []
