"""Pages of the desk: who gets in, what they say, what is masked and logged, what leaves as a file."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.test import Client
from python_calamine import CalamineWorkbook

from healthbrain.audit.models import AuditEvent
from healthbrain.kernel import clock
from healthbrain.surveillance.actions import cases, fieldwork, papers, response
from healthbrain.surveillance.models import (
    DirectReport,
    GuidanceVisit,
    PublicHealthEvent,
    ReportLine,
    SchoolClass,
    Signal,
)
from healthbrain.surveillance.queries.figures import absence, figures
from healthbrain.surveillance.rules.case_rows import CaseInput

from .conftest import make_signal

pytestmark = pytest.mark.django_db
ROLES = ("disease_control", "bureau", "school_nurse", "village_doctor")
READ = {"disease_control", "bureau"}
WORK = {"disease_control"}


@pytest.fixture
def live(world) -> PublicHealthEvent:
    """An event that began an hour ago, in the middle of its work."""
    now = clock.now()
    day = clock.local(now).replace(hour=8, minute=0, second=0, microsecond=0)
    Signal.objects.filter(pk=world.signal.pk).update(
        opened_at=now - dt.timedelta(hours=1), data_at=now - dt.timedelta(hours=1, minutes=9),
        first_day=day.date(), last_day=day.date(),
    )  # fmt: skip
    by, at = world.officer, now - dt.timedelta(minutes=50)
    event = PublicHealthEvent.objects.get(pk=response.open_event(by=by, signal_ids=[world.signal.pk], at=at))
    rows = [
        CaseInput(name=f"金小{n}", sex="2", phone="15400001111", group="三(2)班", symptoms=("vomiting",),
                  onset_at=day - dt.timedelta(hours=n))
        for n in range(1, 7)
    ]  # fmt: skip
    cases.add_cases(by=by, event_id=event.pk, rows=rows, at=at)
    response.verify_event(by=by, event_id=event.pk, at=at, confirmed=True, reason="现场核实", disease="norovirus")
    first, second, *_ = event.cases.order_by("-onset_at")
    cases.link_cases(by=by, infectee_id=first.pk, infector_id=second.pk, at=at)
    cases.record_answers(by=by, case_id=first.pk, form="gastroenteritis", answers={"canteen": "yes"}, at=at)
    contact = fieldwork.ContactInput("唐密接", day.date(), phone="15400002222")
    fieldwork.add_contacts(by=by, event_id=event.pk, rows=[contact], at=at)
    fieldwork.take_sample(by=by, event_id=event.pk, code="A-1", kind="stool", taken_at=day, at=at, case_id=first.pk)
    fieldwork.order_measure(by=by, event_id=event.pk, kind="disinfection", at=at)
    fieldwork.assess_risk(by=by, event_id=event.pk, tier="medium", reason="局限在一个班", at=at,
                          opinions=[{"department": "education", "tier": "medium", "text": "同意"}])  # fmt: skip
    papers.form_warning(by=by, kind="hint", title="诺如防控提示", text="加强晨检", at=at, event_id=event.pk)
    return event


def client(world, role: str, english: bool = False) -> Client:
    made = Client(HTTP_ACCEPT_LANGUAGE="en" if english else "zh-hans")
    made.force_login(world.accounts[role], backend="django.contrib.auth.backends.ModelBackend")
    return made


def pages(world, live) -> dict[str, set[str]]:
    room, warning = f"/outbreaks/{live.pk}", live.warnings.get().pk
    case = live.cases.first()
    forms = (
        "verify",
        "describe",
        "risk",
        "warning",
        "close",
        "reopen",
        "case",
        "import",
        "contacts",
        "sample",
        "measure",
    )
    rows = {"correct": case.pk, "answers": case.pk, "link": case.pk, "result": live.samples.get().pk,
            "finish": live.measures.get().pk, "cancel": live.measures.get().pk,
            "entered": live.reports.get().pk, "edit-report": live.reports.get().pk}  # fmt: skip
    return {
        "/signals": READ, "/signals?state=verify": READ, f"/signals/{world.signal.pk}": READ,
        "/outbreaks": READ, "/outbreaks?status=closed": READ, room: READ, f"{room}/report.pdf": READ,
        "/surge": READ, "/guidance": READ, f"/warnings/{warning}": READ,
        f"{room}/contacts": WORK, f"{room}/cases.xlsx": WORK, f"{room}/report.xlsx": WORK,
        f"{room}/cases/template.xlsx": WORK, "/channels": WORK,
        **{f"{room}/do/{name}": WORK for name in forms},
        **{f"{room}/do/{name}?row={row}": WORK for name, row in rows.items()},
    }  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_who_gets_in(world, live, role):
    wanted = pages(world, live)
    got = {page: client(world, role).get(page).status_code for page in wanted}
    hidden = f"/warnings/{live.warnings.get().pk}"  # open to whom it was sent: to others it does not exist
    assert got == {p: 200 if role in roles else 404 if p == hidden else 403 for p, roles in wanted.items()}
    assert client(world, role).get("/inbox").status_code == 200


def test_every_page_speaks_english_too(world, live):
    for page in pages(world, live):
        answer = client(world, "disease_control", english=True).get(page)
        assert answer.status_code == 200, page


def test_names_are_masked_until_a_reason_is_given_and_logged(world, live):
    officer, room = client(world, "disease_control"), f"/outbreaks/{live.pk}"
    for page in (room, f"{room}/contacts", f"/signals/{world.signal.pk}"):
        text = officer.get(page).content.decode()
        assert "金小1" not in text
        assert "15400001111" not in text
        assert "唐密接" not in text
    case = live.cases.get(name="金小1")
    url = f"{room}/reveal/cases/{case.pk}/name"
    assert officer.post(url, {"reason": ""}).status_code == 422
    assert officer.post(url, {"reason": "电话流调"}).json() == {"value": "金小1"}
    logged = AuditEvent.objects.get(action="outbreak.reveal")
    assert logged.detail == {"field": "name", "reason": "电话流调", "cases": case.pk}
    assert officer.post(f"{room}/reveal/cases/{case.pk}/group", {"reason": "电话流调"}).status_code == 404
    assert client(world, "bureau").post(url, {"reason": "看看"}).status_code == 403


def test_opening_a_room_is_logged_renewing_itself_is_not(world, live):
    officer = client(world, "disease_control")
    officer.get(f"/outbreaks/{live.pk}", headers={"HX-Request": "true", "HX-Trigger-Name": "live"})
    assert not AuditEvent.objects.filter(action="outbreak.open").exists()
    officer.get(f"/outbreaks/{live.pk}")
    assert AuditEvent.objects.get(action="outbreak.open").subject == f"outbreak/{live.pk}"


def test_the_exported_list_comes_back_through_the_import(world, live):
    officer = client(world, "disease_control")
    sheet = officer.get(f"/outbreaks/{live.pk}/cases.xlsx")
    rows = CalamineWorkbook.from_filelike(io.BytesIO(sheet.content)).get_sheet_by_index(0).to_python()
    assert sum(str(row[1]).startswith("金小") for row in rows) == 6
    assert AuditEvent.objects.filter(action="outbreak.export").count() == 1
    done = cases.import_cases(by=world.officer, event_id=live.pk, name="x.xlsx", data=sheet.content, at=clock.now())
    assert (done.rows_in, done.stored, done.duplicates, done.rejected) == (6, 0, 6, 0)
    printed = officer.get(f"/outbreaks/{live.pk}/report.pdf")
    assert printed.content.startswith(b"%PDF-")


def test_the_room_says_what_stands_in_the_tables(world, live):
    text = client(world, "bureau").get(f"/outbreaks/{live.pk}").content.decode()
    for words in (
        "安澜实验小学",
        "6 例",
        "罹患率",
        "已确认",
        "传播链",
        "消毒",
        "局限在一个班",
        "教育局",
        "诺如防控提示",
    ):
        assert words in text, words
    assert f"/outbreaks/{live.pk}/do/case" not in text  # the bureau reads, it does not work


def test_noise_needs_grounds_and_leaves_the_board(world):
    other = make_signal(world.school, key="rash", syndrome="febrile-rash", last_day=clock.today())
    officer = client(world, "disease_control")
    assert f'id="signal-{other.pk}"' in officer.get("/signals").content.decode()
    assert officer.post(f"/signals/{other.pk}/answer", {"answer": "noise"}).status_code == 422
    assert officer.post(f"/signals/{other.pk}/answer", {"answer": "noise", "reason": "重复上报"}).status_code == 302
    assert f'id="signal-{other.pk}"' not in officer.get("/signals").content.decode()
    assert f'id="signal-{other.pk}"' in officer.get("/signals?state=noise").content.decode()


def test_a_refused_form_keeps_what_was_typed(world, live):
    officer = client(world, "disease_control")
    answer = officer.post(f"/outbreaks/{live.pk}/do/close", {"summary": "末例后三天没有新病例"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "末例后三天没有新病例" in text
    assert "1 项措施未完成" in text
    bad = officer.post(f"/outbreaks/{live.pk}/do/case", {"name": "甲", "age": "九", "onset_at": "2026-03-09T08:00"})
    assert bad.status_code == 422
    assert 'value="甲"' in bad.content.decode()


def test_undo_of_a_classification(world, live):
    officer, case = client(world, "disease_control"), live.cases.first()
    officer.post(f"/outbreaks/{live.pk}/act/classify", {"row": case.pk, "classification": "excluded"})
    case.refresh_from_db()
    assert case.classification == "excluded"
    page = officer.get(f"/outbreaks/{live.pk}").content.decode()
    undo = f"/outbreaks/{live.pk}/act/classify?row={case.pk}&amp;classification=suspected"
    assert undo in page
    officer.post(undo.replace("&amp;", "&"))
    case.refresh_from_db()
    assert case.classification == "suspected"


def test_a_unit_answers_the_warning_sent_to_it(world, live):
    warning = live.warnings.get()
    teacher, officer = client(world, "school_nurse"), client(world, "disease_control")
    assert teacher.get(f"/warnings/{warning.pk}").status_code == 404
    officer.post(f"/warnings/{warning.pk}/send", {"kinds": ["school"]})
    assert "诺如防控提示" in teacher.get("/inbox").content.decode()
    assert "答复预警" in teacher.get(f"/warnings/{warning.pk}").content.decode()
    teacher.post(f"/warnings/{warning.pk}/answer", {"text": "已消毒"})
    assert "已消毒" in officer.get(f"/warnings/{warning.pk}").content.decode()
    assert teacher.post(f"/warnings/{warning.pk}/send", {"kinds": ["school"]}).status_code == 403


def test_surge_and_guidance(world):
    officer = client(world, "disease_control")
    officer.post("/surge", {"kind": "isolation-bed", "organisation": world.centre.pk, "capacity": "40", "used": "12"})
    assert "12 / 40" in officer.get("/surge").content.decode()
    officer.post("/guidance", {"kind": "back-to-school", "organisation": world.school.pk, "on": "2026-02-20"})
    visit = GuidanceVisit.objects.get()
    done = {
        "visit": visit.pk,
        "i-plan": "yes",
        "i-water": "no",
        "to_correct": "饮水机消毒补记录",
        "correct_by": "2026-02-27",
    }
    officer.post("/guidance", done)
    assert "饮水机消毒补记录" in officer.get("/guidance").content.decode()
    officer.post("/guidance", {"visit": visit.pk, "what": "corrected"})
    visit.refresh_from_db()
    assert visit.corrected_on == clock.today()
    assert client(world, "bureau").post("/surge", {"kind": "isolation-bed", "organisation": 1}).status_code == 403


def test_the_bureaus_figures_open_their_definitions(world, live):
    bureau = client(world, "bureau")
    page = bureau.get("/county/outbreaks").content.decode()
    names = ("data-to-signal", "signal-to-handling", "clusters", "absence", "coverage", "answered", "events", "detect")
    for name in names:
        assert f"/county/outbreaks/definition/{name}" in page, name
        assert bureau.get(f"/county/outbreaks/definition/{name}").status_code == 200
    assert "待核实" in bureau.get("/county/outbreaks/definition/signal-to-handling").content.decode()
    assert bureau.get("/county/outbreaks/definition/none").status_code == 404
    assert client(world, "village_doctor").get("/county/outbreaks").status_code == 403
    book = bureau.get("/county/outbreaks/export.xlsx").content
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_name("指标")
    cells = [cell for row in sheet.to_python() for cell in row]
    assert "9 分钟" in cells  # the signal came nine minutes after its data
    assert client(world, "bureau", english=True).get("/county/outbreaks?days=30").status_code == 200


def test_ten_cases_make_a_cluster_and_last_year_is_compared(world, live):
    now, today = clock.now(), clock.today()
    year = {"first": today - dt.timedelta(days=364), "last": today, "now": now}
    assert (figures(world.officer, **year).clusters, figures(world.officer, **year).events) == (0, 1)
    rows = [CaseInput(name=f"补{n}", group="三(1)班") for n in range(4)]
    cases.add_cases(by=world.officer, event_id=live.pk, rows=rows, at=now)
    assert figures(world.officer, **year).clusters == 1
    cases.classify_case(by=world.officer, case_id=live.cases.first().pk, classification="excluded", at=now)
    assert figures(world.officer, **year).clusters == 0
    for days, ill in ((1, 3), (366, 6)):
        day = today - dt.timedelta(days=days)
        report = DirectReport.objects.create(organisation=world.school, day=day, reported_at=now)
        one = SchoolClass.objects.get(name="(2)班")
        ReportLine.objects.create(report=report, school_class=one, day=day, pupils=44, absent_ill=ill)
    found = figures(world.officer, **year)
    assert (round(found.absence, 3), round(found.absence_before, 3)) == (68.182, 136.364)  # 3 and 6 of 44
    assert absence(today - dt.timedelta(days=40), today - dt.timedelta(days=30)) is None
