"""Places and departments tell their own counts: on a page, in a sheet, through the interface; never those of others."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from click.testing import CliRunner
from django.test import Client

from healthbrain.access import actions as access
from healthbrain.access.models import Account
from healthbrain.access.rules import SYSTEM
from healthbrain.cli.intake import token
from healthbrain.county.models import Organisation
from healthbrain.kernel.clock import COUNTY_ZONE, today
from healthbrain.kernel.errors import NotAllowed, NotFound
from healthbrain.surveillance.actions.signals import check_feeds, import_counts
from healthbrain.surveillance.models import DailyCount, FeedState, Site
from tests.surveillance.signals_county import NOW, TODAY, SmallCounty

DAY = dt.timedelta(days=1)


def place(small: SmallCounty, code: str, kind: str, parent: str = "T") -> Organisation:
    above = small.organisations[parent]
    made = Organisation.objects.create(
        code=code, name=f"{code} 演示", kind=kind, parent=above, path=f"{above.path}{code}/"
    )
    small.organisations[code] = made
    return made


def signed_in(small: SmallCounty, role: str, code: str) -> Client:
    client = Client()
    client.force_login(Account.objects.get(pk=small.actor(role, code).account_id))
    return client


def told(source: str, day: dt.date = TODAY) -> dict[str, tuple[int, int | None]]:
    rows = DailyCount.objects.filter(source=source, day=day)
    return {row.syndrome: (row.count, row.denominator) for row in rows}


@pytest.fixture
def home(small: SmallCounty, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())
    place(small, "N", "nursing-home")
    return signed_in(small, "place_reporter", "N")


def test_a_home_tells_its_day_and_corrects_it(home: Client, small: SmallCounty) -> None:
    page = home.get("/place").content.decode()
    assert "今天还没报" in page
    assert "腹泻呕吐" in page
    assert home.post("/place", {"n-diarrhoea": "4", "people": "60"}).status_code == 302
    assert told("nursing-home") == {"diarrhoea": (4, 60), "febrile-respiratory": (0, 60), "febrile-rash": (0, 60)}
    assert "今天已报" in home.get("/place").content.decode()
    home.post("/place", {"n-diarrhoea": "3", "people": "60"})
    assert told("nursing-home")["diarrhoea"] == (3, 60)
    assert home.post("/place", {"n-diarrhoea": "-1"}).status_code == 422
    assert told("nursing-home")["diarrhoea"] == (3, 60)


def test_a_pharmacy_is_asked_for_packs(small: SmallCounty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())
    place(small, "P", "pharmacy")
    shop = signed_in(small, "place_reporter", "P")
    assert "今天卖出多少盒" in shop.get("/place").content.decode()
    shop.post("/place", {"n-antidiarrhoeal": "31"})
    assert told("pharmacy")["antidiarrhoeal"] == (31, None)


def test_a_place_that_reports_is_missed_when_it_falls_silent(home: Client, small: SmallCounty) -> None:
    home.post("/place", {"n-diarrhoea": "0"})
    site = Site.objects.get(organisation=small.organisations["N"])
    assert (site.kind, site.township_id) == ("nursing-home", "330197001")
    states = []
    for days in (0, 1, 4):
        check_feeds(now=dt.datetime.combine(TODAY + days * DAY, dt.time(21), COUNTY_ZONE))
        states.append(FeedState.objects.get(organisation=small.organisations["N"]).state)
    assert states == ["live", "late", "silent"]


def row(organisation: str, count: int, *, source: str = "nursing-home", item: str = "diarrhoea") -> dict[str, Any]:
    return {"organisation": organisation, "day": str(TODAY), "source": source, "item": item, "count": count}


def test_nobody_reports_for_another_or_under_another_source(home: Client, small: SmallCounty) -> None:
    place(small, "N2", "nursing-home")
    rows = [row("N", 2), row("N2", 9), row("N", 5, source="pharmacy", item="antidiarrhoeal"), row("X9", 1)]
    made = import_counts("x.json", by=small.actor("place_reporter", "N"), now=NOW, data=json.dumps(rows).encode())
    assert (made.rows_in, made.stored, made.rejected, made.waiting) == (4, 1, 2, 1)
    assert [(p[0], p[2].split(" ")[0]) for p in made.problems] == [
        (3, "不是本单位或下属单位"), (4, "这个单位的来源只能是"), (5, "机构不在登记中，等数据管理员登记"),
    ]  # fmt: skip
    assert not told("pharmacy")
    with pytest.raises(NotAllowed):
        import_counts("x.json", by=small.actor("school_nurse", "S"), now=NOW, data=b"[]")


def test_a_reporter_sees_nothing_else(home: Client) -> None:
    for address in ("/signals", "/absence", "/outbreaks", "/find", "/cards", "/county"):
        assert home.get(address).status_code == 403, address


# --- the interface -------------------------------------------------------------------------------------------------


@pytest.fixture
def department(small: SmallCounty) -> str:
    """Civil affairs, with one home below it; its token."""
    place(small, "M", "other", "C")
    place(small, "N", "nursing-home", "M")
    account = Account.objects.get(pk=small.actor("department", "M").account_id)
    return access.issue_token(by=SYSTEM, account_id=account.pk, source="MZ")


def send(token: str, body: str, kind: str = "application/json") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Client(enforce_csrf_checks=True).post("/api/counts", body, content_type=kind, headers=headers)


def here(organisation: str, count: object, **more: object) -> dict[str, object]:
    return {"organisation": organisation, "day": str(today()), "source": "nursing-home", "item": "diarrhoea",
            "count": count, **more}  # fmt: skip


def test_a_department_sends_json_or_csv_with_its_token(department: str, small: SmallCounty) -> None:
    answer = send(department, json.dumps({"rows": [here("N", 3, denominator=80), here("H", 9), here("N", "x")]}))
    assert answer.status_code == 200
    said = answer.json()
    assert (said["rows"], said["stored"], said["rejected"], said["waiting"]) == (3, 1, 2, 0)
    assert [p["line"] for p in said["problems"]] == [3, 4]
    assert told("nursing-home", today()) == {"diarrhoea": (3, 80)}
    csv = f"organisation,day,source,item,count\nN,{today()},nursing-home,diarrhoea,5\n"
    assert send(department, csv, "text/csv").json()["stored"] == 1
    assert send(department, csv, "text/csv").json()["duplicates"] == 1  # the same again changes nothing
    assert told("nursing-home", today())["diarrhoea"][0] == 5
    assert Site.objects.filter(organisation=small.organisations["N"]).exists()  # its silence will be told


def test_the_interface_says_in_json_why_it_refuses(department: str, small: SmallCounty) -> None:
    assert send("", "[]").status_code == 401
    assert send("wrong", "[]").status_code == 401
    nurse = Account.objects.get(pk=small.actor("school_nurse", "S").account_id)
    other = access.issue_token(by=SYSTEM, account_id=nurse.pk, source="MZ")
    assert send(other, "[]").status_code == 403
    assert "Your role may not" in send(other, "[]").json()["message"]
    assert send(department, "not json").status_code == 422
    assert send(department, "<a/>", "application/xml").status_code == 415
    headers = {"Authorization": f"Bearer {department}"}
    assert Client().get("/api/counts", headers=headers).status_code == 405
    assert not DailyCount.objects.exists()


def test_a_token_is_issued_by_command_to_systems_only(department: str, small: SmallCounty) -> None:
    username = Account.objects.get(role="department").username
    result = CliRunner().invoke(token, [username, "MZ2", "--json"])
    assert result.exit_code == 0, result.output
    assert send(json.loads(result.output)["token"], json.dumps([here("N", 1)])).json()["stored"] == 1
    small.actor("school_nurse", "S")
    assert isinstance(CliRunner().invoke(token, ["school_nurse-S", "MZ"]).exception, NotFound)


def test_a_signed_in_person_is_no_system(home: Client) -> None:
    assert home.post("/api/counts", "[]", content_type="application/json").status_code == 401
