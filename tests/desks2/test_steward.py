"""The data steward's desk: batches, rejects, upload, review, merge and un-merge."""

from __future__ import annotations

import datetime as dt
import io
import json
from dataclasses import asdict
from importlib import import_module

import pytest
import python_calamine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from healthbrain.audit.models import AuditEvent
from healthbrain.county import actions as county_actions
from healthbrain.desks.steward import jobs, uploads
from healthbrain.desks.steward.compare import ENGLISH, WORDS
from healthbrain.kernel.home import home
from healthbrain.records.models import Batch, ColumnMapping, Event, RejectedRow
from healthbrain.residents import actions as residents
from healthbrain.residents import pairs, train
from healthbrain.residents.models import Identity, Link, Resident, Review
from healthbrain.residents.rules import addresses
from healthbrain.residents.rules.compare import COMPARISONS

from .conftest import identity, person, text_of


@pytest.fixture
def steward(sign_in):
    return sign_in("steward")


def test_batches_and_their_rejects(batch, steward):
    page = text_of(steward.get("/steward"))
    assert "observations.csv" in page
    assert "没有后台进程在运行" in page
    detail = text_of(steward.get(f"/steward/batches/{batch.pk}"))
    assert "10 = 6 + 1 + 2 + 1" in detail
    assert "数目相符" in detail
    assert "日期不存在或格式不认识：20260230" in detail
    listed = text_of(steward.get("/steward/rejects?reason=number-invalid"))
    assert "不是数字：约140" in listed
    assert "20260230</" not in listed.replace("ph-e,A-17,8480-6,20260230,140,mmHg,E1</span>", "")


def test_a_batch_that_does_not_add_up_is_called_out(batch, steward):
    Batch.objects.filter(pk=batch.pk).update(stored=5)
    assert "数目不符" in text_of(steward.get(f"/steward/batches/{batch.pk}"))
    assert "数不平" in text_of(steward.get("/steward"))


def test_roll_back_only_within_the_window(batch, steward):
    Batch.objects.filter(pk=batch.pk).update(finished=timezone.now() - dt.timedelta(hours=73))
    assert "撤销这个批次" not in text_of(steward.get(f"/steward/batches/{batch.pk}"))
    assert steward.post(f"/steward/batches/{batch.pk}/rollback").status_code == 409


def test_what_waits_for_its_person_can_be_taken_back(batch, steward):
    kept = {"stored": 0, "waiting": batch.stored + batch.waiting}
    Batch.objects.filter(pk=batch.pk).update(finished=timezone.now(), **kept)
    assert "撤销这个批次" in text_of(steward.get(f"/steward/batches/{batch.pk}"))


SHEET = """来源,人员编号,项目代码,时间,结果,单位,机构
ph-e,A-17,8480-6,2026-03-30 09:00,148,mmHg,E1
ph-e,A-17,8462-4,2026-03-30 09:00,92,mmHg,E1
ph-e,A-17,8480-6,20260230,150,mmHg,E1
ph-e,NEW-1,8480-6,2026-03-30 09:00,130,mmHg,E1
"""


@pytest.fixture
def uploaded(county, steward):
    """The sheet of four rows, received: two good ones, one bad date, one person nobody has sent yet."""
    answer = steward.post(
        "/steward/upload", {"file": SimpleUploadedFile("observations.csv", SHEET.encode()), "source": ""}
    )
    assert answer.status_code == 302
    return uploads.load(answer.url.rsplit("/", 1)[1])


def test_upload_dry_run_import_and_roll_back(county, steward, uploaded, monkeypatch):
    deferred: list[bool] = []
    real = jobs.defer
    monkeypatch.setattr(
        jobs, "defer", lambda upload, *, dry_run: (real(upload, dry_run=dry_run), deferred.append(dry_run))
    )
    here = f"/steward/upload/{uploaded.id}"
    page = text_of(steward.get(here))
    assert "检查检验" in page
    assert page.count("selected") >= 7 + 1, "every column of the header is recognised"
    assert steward.post(f"{here}/import").status_code == 409, "no import before the dry run"

    form = {"template": "observations"} | {f"column-{i}": name for i, name in enumerate(
        ("source", "source_id", "code", "effective", "value", "unit", "organisation"))}  # fmt: skip
    steward.post(f"{here}/check", form)
    assert "正在试跑" in text_of(steward.get(here))
    before = Event.objects.count()
    jobs.run(uploaded.id, dry_run=True)
    assert Event.objects.count() == before, "a dry run stores nothing"
    page = text_of(steward.get(here))
    assert "什么都还没有入库" in page
    assert "正式导入 3 行" in page, "two stored, one waits for its person"
    report = uploads.load(uploaded.id).report
    assert [report[k] for k in ("rows_in", "stored", "duplicates", "rejected", "waiting")] == [4, 2, 0, 1, 1]

    steward.post(f"{here}/import")
    done = jobs.run(uploaded.id, dry_run=False)
    assert deferred == [True, False]
    assert done.stage == "done"
    [batch_id] = done.batch_ids
    assert Event.objects.filter(batch_id=batch_id).count() == 3, "the waiting row is kept too"
    assert RejectedRow.objects.get(batch_id=batch_id).reason == "date-invalid"
    assert "已导入 3 行" in text_of(steward.get(here))

    steward.post(f"/steward/batches/{batch_id}/rollback")
    assert "已撤销" in text_of(steward.get(f"/steward/batches/{batch_id}"))
    current = Event.objects.filter(batch_id=batch_id, superseded=None).count()
    assert current == 0
    assert AuditEvent.objects.filter(subject=f"batch/{batch_id}", account_id=county.accounts["steward"].pk).exists()


def test_error_sheet_is_the_senders_sheet_with_one_more_column(county, steward, uploaded):
    uploads.change(uploaded, stage="checked")
    done = jobs.run(uploaded.id, dry_run=False)
    answer = steward.get(f"/steward/batches/{done.batch_ids[0]}/errors")
    assert answer.status_code == 200
    rows = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert [str(cell) for cell in rows[0]][:3] == ["来源", "人员编号", "项目代码"]
    assert len(rows) == 5, "the sender's own sheet, whole"
    said = ["日期不存在或格式不认识" in "".join(map(str, row)) for row in rows]
    assert said == [False, False, False, True, False], "the reason stands in the row it belongs to"


def test_mapping_is_remembered_for_the_source(county, steward):
    odd = SHEET.replace("来源,人员编号,项目代码,时间,结果", "系统名,号,项目代码,时间,读数").replace("ph-e,A", "ph-e,A")
    body = {"file": SimpleUploadedFile("march.csv", odd.encode()), "source": "ph-e"}
    first = steward.post("/steward/upload", body).url
    page = text_of(steward.get(f"{first}?template=observations"))
    assert "还缺必需的列：" in page
    chosen = {
        "template": "observations",
        "column-1": "source_id",
        "column-2": "code",
        "column-3": "effective",
        "column-4": "value",
        "column-5": "unit",
    }
    steward.post(f"{first}/check", chosen)
    assert ColumnMapping.objects.get().source.code == "ph-e"
    body = {"file": SimpleUploadedFile("april.csv", odd.encode()), "source": "ph-e"}
    again = text_of(steward.get(steward.post("/steward/upload", body).url))
    assert "沿用上次这个来源的对应关系" in again
    assert "还缺必需的列" not in again


def test_one_item_in_two_columns_is_refused(steward, uploaded):
    twice = {"template": "observations", "column-1": "source_id", "column-2": "source_id"}
    assert steward.post(f"/steward/upload/{uploaded.id}/check", twice).status_code == 422


@pytest.mark.parametrize(
    ("name", "content", "words"), [("a.pdf", b"%PDF", "不支持的文件类型"), ("a.xlsx", b"not a zip", "文件损坏，打不开")]
)
def test_unreadable_files_say_so(steward, county, name, content, words):
    url = steward.post("/steward/upload", {"file": SimpleUploadedFile(name, content)}).url
    assert words in text_of(steward.get(url))


def test_empty_file_and_no_file(steward, county):
    assert "选择一个文件" in text_of(steward.post("/steward/upload", {}))
    assert "文件是空的" in text_of(steward.post("/steward/upload", {"file": SimpleUploadedFile("a.csv", b"")}))


def test_an_upload_lies_sealed_and_opens_under_its_own_name_inside_its_folder(county):
    made = uploads.receive(
        SimpleUploadedFile("../../x/观察 表.csv", "人员编号\n33019719".encode()), account_id=1, source=""
    )
    files = [path for path in (home() / "uploads").rglob(f"{made.id}*") if path.is_file()]
    assert len(files) == 2, "the file and its state"
    for file in files:
        assert (b"33019719" in file.read_bytes(), file.stat().st_mode & 0o077) == (False, 0)
        assert "观察".encode() not in file.read_bytes()
    with uploads.opened(uploads.load(made.id)) as path:
        assert path.name == "观察_表.csv"
        assert path.is_relative_to(home() / "tmp")
        assert path.read_bytes() == "人员编号\n33019719".encode()
    assert not path.exists(), "the open copy goes with the reading"


def test_uploads_of_an_earlier_version_are_sealed_by_the_upgrade(county):
    old = home() / "uploads" / ("ab" * 16)
    old.mkdir(parents=True)
    (old / "march.csv").write_text(SHEET, encoding="utf-8")
    state = asdict(uploads.Upload("ab" * 16, "march.csv", len(SHEET.encode()), 1, "2026-03-30"))
    (old / "state.json").write_text(json.dumps(state), encoding="utf-8")
    import_module("healthbrain.desks.migrations.0003_seal_uploads").seal(None, None)
    assert not old.exists()
    with uploads.opened(uploads.load("ab" * 16)) as path:
        assert path.read_text(encoding="utf-8") == SHEET


def test_templates_open_in_the_reader(steward):
    answer = steward.get("/steward/upload/template/observations.xlsx")
    rows = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert any("项目代码" in str(cell) for cell in rows[0])
    assert steward.get("/steward/upload/template/nothing.xlsx").status_code == 404


@pytest.fixture
def pair(county):
    """Two entries that may be one person: same name, birth digits swapped, same phone."""
    twin = person(
        "张小明",
        "zxm",
        "zhangxiaoming",
        county.organisations["W1"],
        sex="1",
        birth_date=dt.date(1964, 12, 8),
        phone="13800001234",
    )
    right = identity(county.sources["ph-w"], twin, "B-77")
    left = Identity.objects.get(source__code="ph-e")
    levels = [["姓名", "相同", 9.2], ["出生日期", "月日对调", 4.1], ["住址", "不同", -2.5]]
    left, right = sorted((left, right), key=lambda i: i.pk)
    return Review.objects.create(
        left=left, right=right, score=0.91, explanation={"levels": levels, "prior": -14.0, "total": 3.3, "veto": ""}
    )


def test_review_same_then_undo(county, steward, pair):
    page = text_of(steward.get("/steward/reviews/pair"))
    for words in ("1964年8月12日", "1964年12月8日", "月日对调", "+4.1", "-2.5", "91.0%"):
        assert words in page, words
    assert AuditEvent.objects.filter(action="review.open").count() == 2
    before = dict(Link.objects.values_list("identity_id", "resident_id"))
    answer = steward.post(f"/steward/reviews/{pair.pk}/decide", {"answer": "same", "skip": "0"}, follow=True)
    assert Link.objects.get(pk=pair.left_id).resident_id == Link.objects.get(pk=pair.right_id).resident_id
    page = text_of(answer)
    assert "没有拿不准的身份" in page
    undo = page.split('action="/steward/undo/')[1].split('"')[0]
    steward.post(f"/steward/undo/{undo}")
    assert dict(Link.objects.values_list("identity_id", "resident_id")) == before
    pair.refresh_from_db()
    assert pair.status == "open"


def test_review_different_and_later(steward, pair):
    assert steward.post(f"/steward/reviews/{pair.pk}/decide", {"answer": "later"}).url == "/steward/reviews/pair?skip=1"
    assert steward.get("/steward/reviews/pair?skip=1").status_code == 200, "the last one put off leads to the first"
    assert steward.post(f"/steward/reviews/{pair.pk}/decide", {"answer": "?"}).status_code == 422
    steward.post(f"/steward/reviews/{pair.pk}/decide", {"answer": "different"})
    pair.refresh_from_db()
    assert pair.status == "different"
    assert steward.post(f"/steward/reviews/{pair.pk}/decide", {"answer": "same"}).status_code == 409
    steward.post(f"/steward/reviews/{pair.pk}/reopen")
    pair.refresh_from_db()
    assert pair.status == "open"


def test_split_and_merge_with_history(county, steward):
    here = f"/steward/residents/{county.east.pk}"
    moved = Identity.objects.get(source__code="ph-e").pk
    assert steward.post(f"{here}/unmerge", {"reason": "两个人"}).status_code == 422
    assert steward.post(f"{here}/unmerge", {"identity": moved, "reason": ""}).status_code == 422
    steward.post(f"{here}/unmerge", {"identity": moved, "reason": "两个人共用号码"})
    other = Link.objects.get(pk=moved).resident_id
    assert other != county.east.pk
    page = text_of(steward.get(here))
    assert "由 1 条身份组成" in page
    assert "两个人共用号码" in page
    assert "测试steward" in page
    steward.post(f"{here}/merge", {"other": other, "reason": "核实为同一人"})
    assert Link.objects.get(pk=moved).resident_id == county.east.pk
    assert steward.get(f"/steward/residents/{other}").url == here
    assert Resident.objects.get(pk=other).merged_into == county.east.pk


def test_sources_are_registered_by_a_steward(county, steward):
    from healthbrain.county.models import Source

    source = Source.objects.create(code="lis-9", name="lis-9")
    page = text_of(steward.get("/steward/quarantine"))
    assert "lis-9" in page
    assert "没有被隔离的居民" in page
    steward.post(
        f"/steward/sources/{source.pk}", {"name": "第九检验所", "organisation_id": county.organisations["H"].pk}
    )
    source.refresh_from_db()
    assert (source.name, source.approved) == ("第九检验所", True)


def test_whose_data_break_the_comparison_is_set_aside_alone(county, steward, monkeypatch):
    """A fault nobody foresaw, put in by hand: the others are matched, a steward sees him, and once it is mended he is
    found to be the resident he was."""
    source = county_actions.source("his-9").pk
    rows = [
        {"source_id": source, "source_key": f"p{n}", "name": f"赵样{n:03}", "birth_date": dt.date(1950, 1, 1 + n % 28)}
        for n in range(30)
    ]
    twice = {"name": "孙样本", "birth_date": dt.date(1961, 2, 3), "id_number": "330197196102034016"}
    known = residents.upsert_identities([twice | {"source_id": source, "source_key": "before"}])
    before = residents.match_all(known.values()).links[known[source, "before"]]

    whole = addresses.key
    monkeypatch.setattr(addresses, "key", lambda text: 1 // 0 if text == "坏地址" else whole(text))
    rows.append(twice | {"source_id": source, "source_key": "odd", "address": "坏地址"})
    ids = residents.upsert_identities(rows)
    links = residents.match_all(ids.values()).links
    assert links.keys() == set(ids.values())
    odd = ids[source, "odd"]
    assert links[odd] != before
    page = text_of(steward.get("/steward/quarantine"))
    assert "未能比对的身份" in page
    assert "ZeroDivisionError" in page
    assert "仍然出错" in text_of(steward.post(f"/steward/identities/{odd}/compare", follow=True))

    monkeypatch.undo()
    assert "已重新比对" in text_of(steward.post(f"/steward/identities/{odd}/compare", follow=True))
    assert Link.objects.get(pk=odd).resident_id == before
    assert "未能比对的身份" not in text_of(steward.get("/steward/quarantine"))
    assert steward.post(f"/steward/identities/{odd}/compare").status_code == 404


def test_why_a_row_was_rejected_is_said_in_the_page_s_language(county, sign_in, batch):
    client = sign_in("steward")
    client.cookies["django_language"] = "en"
    for address in ("/steward/rejects", f"/steward/batches/{batch.pk}"):
        page = text_of(client.get(address))
        assert "No such date, or not in a known form: 20260230" in page, address
        assert "不是数字" not in page, address
    client.cookies["django_language"] = "zh-hans"
    assert "日期不存在或格式不认识：20260230" in text_of(client.get("/steward/rejects"))


def test_whatever_the_matcher_says_is_said_in_english_too():
    vetoes = set(pairs._rulings(train.load())["veto"]) - {""}
    levels = {level.words for comparison in COMPARISONS for level in comparison.levels}
    assert vetoes | levels <= set(WORDS)
    assert {comparison.words for comparison in COMPARISONS} == set(ENGLISH)
