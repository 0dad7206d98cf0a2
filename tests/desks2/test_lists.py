"""Lists of 10,000 rows: a page stays small, the whole list goes to Excel, and how it looks is the account's own."""

from __future__ import annotations

import datetime as dt
import io
import re

import pytest
import python_calamine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from healthbrain.access.models import Account
from healthbrain.audit.models import AuditEvent
from healthbrain.care.models import Enrolment, Task
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.records.models import RejectedRow
from healthbrain.residents.models import Resident

from .conftest import AS_OF, text_of

MANY = 10_000


def rows_of(answer) -> list[list]:
    sheet = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0)
    return sheet.to_python()


def body_of(answer) -> list[list]:
    """The rows below the heads: the heads follow the only empty row."""
    rows = rows_of(answer)
    return rows[next(n for n, row in enumerate(rows) if not any(row)) + 2 :]


@pytest.fixture
def audit_log(county):
    start = dt.datetime(2026, 3, 1, tzinfo=COUNTY_ZONE)
    AuditEvent.objects.bulk_create([
        AuditEvent(at=start + dt.timedelta(minutes=n), lane=0, actor=f"员{n % 7}", role="bureau", action="record.open",
                   resident_id=n, previous_hash=b"", hash=b"")
        for n in range(MANY)
    ])  # fmt: skip


@pytest.fixture
def people(county):
    made = Resident.objects.bulk_create([
        Resident(name=f"人{n}", name_pinyin=f"ren{n:05}", home_organisation=county.organisations["E1"],
                 birth_date=dt.date(1940, 1, 1) + dt.timedelta(days=n))
        for n in range(MANY)
    ])  # fmt: skip
    day = dt.date(2026, 3, 1)
    Enrolment.objects.bulk_create([
        Enrolment(resident=one, programme="hypertension", version="2026-03-01", status="active",
                  risk_level="controlled", since=day, state_since=day, evaluated_on=AS_OF)
        for one in made
    ])  # fmt: skip
    Task.objects.bulk_create([
        Task(resident=one, programme="hypertension", task="follow-up", key=f"k:{n}", opens=day, due=AS_OF,
             grace_until=AS_OF, expires=dt.date(2027, 1, 1), status="due", organisation=county.organisations["E1"],
             reason={"state": "controlled"}, version="2026-03-01")
        for n, one in enumerate(made)
    ])  # fmt: skip
    return made


@pytest.fixture
def rejects(batch):
    RejectedRow.objects.bulk_create([
        RejectedRow(batch=batch, row=10 + n, field="value", reason="number-invalid", message="不是数字", raw=str(n))
        for n in range(MANY)
    ])  # fmt: skip


LISTS = [  # role, address, fixture that fills it, rows at least
    ("auditor", "/administrator/audit", "audit_log", MANY),
    ("bureau", "/county/list?measure=hypertension.enrolled", "people", MANY),
    ("steward", "/steward/rejects", "rejects", MANY),
    ("village_doctor", "/today", "people", MANY),
]


@pytest.mark.parametrize(("role", "address", "fixture", "count"), LISTS)
def test_a_page_of_a_long_list_is_small_and_the_export_is_whole(request, sign_in, role, address, fixture, count):
    request.getfixturevalue(fixture)
    client = sign_in(role)
    client.get(address)  # what is read once a process is read
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = client.get(address)
    assert page.status_code == 200
    assert len(queries) < 30, "a query a row would be hundreds"
    assert 20 <= text_of(page).count("data-row") <= 50
    assert len(page.content) < 120_000
    exported = client.get(f"{address}{'&' if '?' in address else '?'}export=xlsx")
    assert len(body_of(exported)) >= count
    assert AuditEvent.objects.filter(action="export.workbook", detail__rows__gte=count).count() == 1


def heads(page: str) -> list[str]:
    table = page.split("<thead>")[1].split("</thead>")[0]
    return [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<th.*?</th>", table, re.S)]


def test_rows_a_page_and_columns_are_remembered_for_the_account(county, sign_in, audit_log):
    client = sign_in("auditor")
    everything = heads(text_of(client.get("/administrator/audit")))
    assert everything == ["时间", "谁", "角色", "做了什么", "对象", "居民编号", "目的", "说明"]
    keys = ["actor", "role", "action", "subject", "resident", "purpose", "detail"]
    chosen = {"list": "/administrator/audit", "size": "100", "column": keys, "shown": ["actor", "action", "resident"],
              "next": "/administrator/audit"}  # fmt: skip
    assert client.post("/preferences/list", chosen).url == "/administrator/audit"

    later = sign_in("auditor")  # another session: another computer
    page = text_of(later.get("/administrator/audit"))
    assert heads(page) == ["时间", "谁", "做了什么", "居民编号"]
    assert page.count("data-row") == 100
    export = rows_of(later.get("/administrator/audit?export=xlsx"))
    assert ["时间", "谁", "做了什么", "居民编号"] in [row[:4] for row in export], "the export is what one sees"

    twin = Account.objects.create(
        username="auditor2", name="乙", role="auditor", organisation=county.organisations["B"]
    )
    other = Client()
    other.force_login(twin, backend="django.contrib.auth.backends.ModelBackend")
    assert heads(text_of(other.get("/administrator/audit"))) == everything


def test_an_unknown_row_count_is_refused(sign_in):
    assert sign_in("auditor").post("/preferences/list", {"list": "/x", "size": "5000"}).status_code == 422


def test_sorting_reaches_over_all_pages(sign_in, audit_log, people):
    client = sign_in("auditor")
    body = body_of(client.get("/administrator/audit?sort=-resident&action=record.open&export=xlsx"))
    assert [row[5] for row in body[:3]] == [MANY - 1, MANY - 2, MANY - 3]
    first = text_of(client.get("/administrator/audit?sort=resident&action=record.open"))
    assert re.findall(r"<td>(\d+)</td>", first)[:3] == ["0", "1", "2"]

    bureau = sign_in("bureau")
    address = "/county/list?measure=hypertension.enrolled&export=xlsx&sort="
    by_name = [row[6] for row in body_of(bureau.get(address + "-name"))]
    assert by_name == [str(one.pk) for one in reversed(people)]
    by_age = [row[6] for row in body_of(bureau.get(address + "age"))]
    assert by_age == [str(one.pk) for one in reversed(people)], "the youngest was born last"

    doctor = sign_in("village_doctor")
    page = text_of(doctor.get("/today?sort=name"))
    assert re.search(r'href="/today/residents/(\d+)"', page)[1] == str(people[0].pk)
    assert len(body_of(doctor.get("/today?sort=name&export=xlsx"))) == MANY
    assert client.get("/administrator/audit?sort=hash;drop").status_code == 200, "an unknown column falls back"


def test_thresholds_are_found_counted_and_exported(county, sign_in):
    bureau = sign_in("bureau")
    found = text_of(bureau.get("/thresholds", {"find": "手足口病 report_hours-none"}))
    assert "没有符合的数值" in found
    hfmd = text_of(bureau.get("/thresholds", {"find": "hfmd-school-outbreak"}))
    assert "手足口病聚集性和暴发疫情处置工作规范（2012版）" in hfmd
    assert "卫办疾控发〔2012〕80号" in hfmd
    assert "1 个数值，0 个待核实" in hfmd
    assert "已核实" in hfmd
    fees = body_of(bureau.get("/thresholds", {"find": "起步费", "topic": "transport", "export": "xlsx"}))
    assert [row[:5] for row in fees] == [["起步费（含 3 公里）", "30", "元/趟", "待核实", "本系统默认值，县里可改"]]
    whole = text_of(bureau.get("/thresholds", {"all": "1", "state": "open"}))
    rows = whole.count("<tr data-row")
    assert rows > 800
    assert f"{rows:,} 个待核实" in whole
    assert "data-print" in whole
