"""The county on one page; expected figures are counted by hand from the fixture."""

from __future__ import annotations

import datetime as dt
import html
import io
import re

import pytest
import python_calamine
from django.core.cache import cache

from healthbrain.audit.models import AuditEvent
from healthbrain.care.models import Enrolment, Task
from healthbrain.county.queries import PlaceTile
from healthbrain.desks.bureau.disclosure import suppress
from healthbrain.desks.bureau.tiles import tile_map
from healthbrain.desks.bureau.workbook import Sheet, file_name, workbook

from .conftest import AS_OF, person, text_of


def sheet_of(content: bytes) -> list[list]:
    return python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()


def enrol(resident, risk_level: str, since: dt.date = dt.date(2026, 3, 1)) -> None:
    Enrolment.objects.create(
        resident=resident, programme="hypertension", version="2026-03-01", status="active", risk_level=risk_level,
        since=since, state_since=since, evaluated_on=AS_OF,
    )  # fmt: skip


@pytest.fixture
def figures(county):
    """East: 10 residents, 9 enrolled, 8 controlled, 1 not. West: 3 residents, 2 unmeasured, 1 overdue twice over."""
    cache.clear()
    people = [county.east] + [person(f"东{i}", "d", "dong", county.organisations["E1"]) for i in range(9)]
    for resident in people[:8]:
        enrol(resident, "controlled")
    enrol(people[8], "uncontrolled")
    wests = [county.west, *(person(f"西{i}", "x", "xi", county.organisations["W1"]) for i in range(2))]
    for resident in wests[:2]:
        enrol(resident, "no-reading")
    for task in ("follow-up", "referral"):
        Task.objects.create(
            key=f"hypertension:x:{task}:2026-01-01:1", resident=county.west, programme="hypertension",
            version="2026-03-01", task=task, status="overdue", organisation=county.organisations["W1"],
            opens=dt.date(2026, 1, 1), due=dt.date(2026, 3, 1), grace_until=dt.date(2026, 3, 15),
            expires=dt.date(2026, 6, 1),
        )  # fmt: skip
    yield county
    cache.clear()


def test_figures_by_township(figures, sign_in):
    rows = sheet_of(sign_in("bureau").get("/county/export/townships.xlsx?programme=hypertension").content)
    head = next(i for i, row in enumerate(rows) if row[0] == "乡镇街道")
    assert rows[head] == [
        "乡镇街道", "在册居民", "在管", "达标", "未达标", "无读数", "规范管理", "未规范管理", "有逾期的人",
        "控制率", "规范管理率",
    ]  # fmt: skip
    assert rows[head + 1][:10] == ["东浦镇卫生院", 10, 9, 8, 1, 0, 0, 0, 0, 0.8889]
    assert rows[head + 2][:10] == ["西塘镇卫生院", 3, 2, 0, 0, 2, 0, 0, 1, 0]
    assert not rows[head + 1][10:] or rows[head + 1][10] in {None, ""}, "nobody is in for a year: no rate, not 0 %"


def test_page_says_the_same_and_opens_definitions_and_lists(figures, sign_in):
    client = sign_in("bureau")
    page = text_of(client.get("/county?programme=hypertension&measure=rate"))
    for words in ("72.7%", "88.9%", "数据截至", "东浦镇", "西塘镇", "南湾镇卫生院", "未接入", "西塘一村卫生室"):
        assert words in page, words
    assert f"/county/list?measure=hypertension.enrolled&amp;place={figures.organisations['E'].pk}" in page
    meant = text_of(client.get("/county/definition/rate?programme=hypertension"))
    assert "达标人数 ÷ 在管人数" in meant
    assert "国家基本公共卫生服务规范" in meant


def test_the_list_behind_a_figure_is_masked_and_logged(figures, sign_in):
    client = sign_in("bureau")
    page = text_of(client.get("/county/list?measure=hypertension.uncontrolled"))
    assert "1 人" in page
    assert "东*" in page
    assert "/residents/" not in page, "the bureau may not open records"
    assert AuditEvent.objects.filter(action="measure.list", purpose="quality").count() == 1
    rows = sheet_of(client.get("/county/list?measure=hypertension.controlled&export=xlsx").content)
    assert any("张*明" in map(str, row) for row in rows)
    assert not any("张小明" in map(str, row) for row in rows)


def test_every_count_leads_to_as_many_lines(figures, sign_in):
    """Also overdue: people by township, tasks by unit; one meaning in the tile, its list and its definition."""
    client = sign_in("bureau")
    page = text_of(client.get("/county?programme=hypertension&measure=enrolled"))
    tile = r"(?:<title>[^<]*</title><rect[^>]*></rect><text[^>]*>[^<]*</text><text[^>]*>)?"
    links = re.findall(rf'href="(/county/(?:list|teams)[^"]*)"[^>]*>{tile}([\d,]+)<', page)
    assert {re.sub(r"\d+", "N", html.unescape(url)) for url, _ in links} >= {
        "/county/list?measure=hypertension.enrolled&place=N", "/county/list?measure=hypertension.residents&place=N",
        "/county/list?measure=hypertension.overdue&place=N", "/county/teams/N?late=N", "/county/teams/N",
    }  # fmt: skip
    for url, count in links:
        heading = re.search(r"<h1>([^<]*)</h1>", text_of(client.get(html.unescape(url))))[1]
        assert re.search(r"：([\d,]+) [人件]", heading)[1] == count, url


def test_published_version_withholds_small_cells(figures, sign_in):
    rows = sheet_of(sign_in("bureau").get("/county/export/townships.xlsx?programme=hypertension&published=1").content)
    head = next(i for i, row in enumerate(rows) if row[0] == "乡镇街道")
    east, west = rows[head + 1], rows[head + 2]
    assert west[1:3] == ["<8", "<8"]
    assert east[1:3] == ["—", "—"], "the only other cell of the column goes too, or the total would tell"
    assert east[3] == 8
    assert "公开版" in str(rows[:head])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([0, 8, 100], [0, 8, 100]),
        ([3, 20, 50], ["<8", "—", 50]),
        ([3, 7, 50], ["<8", "<8", 50]),
        ([3, 0, None], ["<8", 0, None]),
        ([1, 9, 9], ["<8", "—", 9]),
    ],
)
def test_suppression(given, expected):
    assert suppress(given) == expected


def test_tiles_in_fifths_and_hatched_without_data():
    places = [PlaceTile(str(i), f"镇{i}", i % 3, i // 3, i, f"/{i}/") for i in range(6)]
    found = tile_map(places, {str(i): float(i) for i in range(5)}, {str(i): str(i) for i in range(5)})
    assert [tile.step for tile in found.tiles] == [0, 1, 2, 3, 4, -1]
    assert found.tiles[5].words == "—"
    assert (found.width, found.height) == (3 * 104 + 2 * 4, 2 * 60 + 4)


def test_workbook_keeps_text_as_text():
    rows = [["330197196408120017", "=HYPERLINK(1)", "007", 3.5, None]]
    read = sheet_of(workbook([Sheet("名单/一", ["身份证号", "姓名", "编号", "值", "空"], rows, ["数据截至 09:00"])]))
    assert read[-1][:4] == ["330197196408120017", "=HYPERLINK(1)", "007", 3.5]
    assert (
        file_name("安澜区/卫健局", "高血压 各乡镇", dt.date(2026, 4, 1))
        == "安澜区-卫健局_高血压-各乡镇_2026-04-01.xlsx"
    )


def test_download_carries_its_chinese_name(figures, sign_in):
    from urllib.parse import unquote

    header = unquote(sign_in("bureau").get("/county/export/teams.xlsx")["Content-Disposition"])
    assert header.endswith("安澜区卫生健康局_各单位逾期任务_2026-04-01.xlsx")


def test_an_empty_county_says_what_will_fill_it(db, sign_in, county):
    from healthbrain.residents.models import Resident

    cache.clear()
    Resident.objects.update(home_organisation=None)
    assert "全区还没有登记的居民" in text_of(sign_in("bureau").get("/county"))
    cache.clear()


def test_township_doctor_sees_only_his_township(figures, sign_in):
    page = text_of(sign_in("township_doctor").get("/county?programme=hypertension"))
    assert "88.9%" in page
    assert '<th scope="row">西塘镇卫生院' not in page
