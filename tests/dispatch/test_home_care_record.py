"""What is left of a visit: pictures, the drawn signature, what is to be paid."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import uuid
from decimal import Decimal
from importlib import import_module

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image, ImageFile, UnidentifiedImageError
from python_calamine import CalamineWorkbook

from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch import photos
from healthbrain.dispatch.actions import homecare_visits as visits
from healthbrain.dispatch.events import ServicesCharged
from healthbrain.dispatch.models import HomeVisit, ServiceCharge, VisitPhoto
from healthbrain.dispatch.queries import homecare_record as record
from healthbrain.dispatch.rules import homecare as rules
from healthbrain.kernel import bus
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from tests.dispatch import homecare_county
from tests.dispatch.homecare_county import NOW, TODAY, line

SIGNED = "M10 20" + "".join(f"L{10 + 5 * n} {20 + n}" for n in range(20))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HEALTHBRAIN_HOME", str(tmp_path))
    monkeypatch.setenv("HEALTHBRAIN_AS_OF", TODAY.isoformat())


@pytest.fixture
def town(db):
    return homecare_county.build()


def picture(width: int = 900, height: int = 600, form: str = "JPEG", **more) -> bytes:
    """A gradient, so that no two sizes are the same bytes."""
    made = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    out = io.BytesIO()
    made.save(out, form, **more)
    return out.getvalue()


def at_the_door(town) -> tuple[HomeVisit, str]:
    """A visit of today its nurse has arrived at, and who she is."""
    town.admit(0, line("catheter"))
    visits.generate_visits(by=town.actors["head"], first=TODAY, last=TODAY)
    visits.plan_day(by=town.actors["head"], now=NOW, day=TODAY, seconds=0.2)
    visit = HomeVisit.objects.get()
    nurse = next(n for n in ("head", "second") if visit.nurses.filter(nurse_id=town.accounts[n].pk).exists())
    visits.arrive(by=town.actors[nurse], now=NOW.replace(hour=9), visit_id=visit.pk)
    return visit, nurse


def finish(town, visit: HomeVisit, nurse: str, **more) -> bool:
    given = {"measures": {"urine": 300.0}, "done": ["clean"], "taught": {}, "signed_by": "家属"}
    return visits.record_visit(
        by=town.actors[nurse], now=NOW.replace(hour=10), visit_id=visit.pk, client_id=uuid.uuid4(), **(given | more)
    )


def test_a_picture_is_kept_upright_small_and_without_what_the_phone_wrote_beside_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "MadeUpPhone"
    kept = photos.store(picture(3600, 2400, exif=exif))
    whole = Image.open(io.BytesIO(photos.read(kept.digest)))
    assert whole.size == (kept.width, kept.height) == (1600, 2400)
    assert not whole.getexif()
    assert b"MadeUpPhone" not in photos.read(kept.digest)
    assert max(Image.open(io.BytesIO(photos.read(kept.digest, thumb=True))).size) == 320
    assert photos.store(picture(3600, 2400, exif=exif)).digest == kept.digest


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_other_formats_of_phones_are_taken(form: str) -> None:
    assert photos.store(picture(form=form)).width == 900


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "空"),
        (b"%PDF-1.7 no picture", "不是 JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "不是 JPEG"),
        (picture(form="GIF"), "不是 JPEG"),
        (picture(form="BMP"), "不是 JPEG"),
        (picture()[:2000], "损坏"),
        (picture(120, 90), "太小"),
        (picture() + b"\0" * 16_000_000, "超过"),
    ],
)
def test_a_bad_picture_is_refused_clearly(data: bytes, said: str, tmp_path) -> None:
    with pytest.raises(Invalid, match=said):
        photos.store(data)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_picture_that_breaks_off_is_refused_after_a_pdf_was_printed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # what the PDF library does when it is loaded
    with pytest.raises(Invalid, match="损坏"):
        photos.store(picture()[:2000])
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_small_file_that_claims_many_pixels_is_refused() -> None:
    bomb = io.BytesIO()
    Image.new("1", (12_000, 9_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(Invalid):
        photos.store(bomb.getvalue())


def test_a_changed_file_is_not_shown_as_what_was_taken(tmp_path) -> None:
    kept, other = photos.store(picture()), photos.store(picture(901, 600))
    file, moved = (next(tmp_path.rglob(f"{one.digest}.sealed")) for one in (kept, other))
    assert file.stat().st_mode & 0o077 == 0  # nobody else on the machine reads it
    file.write_bytes(moved.read_bytes())  # another picture of this very installation
    with pytest.raises(NotFound, match="改动"):
        photos.read(kept.digest)


@pytest.mark.parametrize("suite", ["", "sm"])
def test_pictures_lie_sealed_on_the_disk_and_only_the_key_opens_them(tmp_path, monkeypatch, suite: str) -> None:
    monkeypatch.setenv("HEALTHBRAIN_CRYPTO", suite)
    monkeypatch.setenv("HEALTHBRAIN_SECRET_KEY", "made-up key of a county")
    kept = photos.store(picture())
    for file in tmp_path.rglob("*.sealed"):
        with pytest.raises(UnidentifiedImageError):
            Image.open(io.BytesIO(file.read_bytes()))
        assert b"JFIF" not in file.read_bytes()
    monkeypatch.setenv("HEALTHBRAIN_CRYPTO", "")  # what was sealed under one suite is read under the other
    assert Image.open(io.BytesIO(photos.read(kept.digest))).size == (900, 600)
    monkeypatch.setenv("HEALTHBRAIN_SECRET_KEY", "another key")
    with pytest.raises(NotFound, match="密钥"):
        photos.read(kept.digest)


def test_pictures_of_an_earlier_version_are_sealed_by_the_upgrade(tmp_path) -> None:
    plain = picture()
    name = hashlib.sha256(plain).hexdigest()
    old = tmp_path / "photos" / name[:2] / f"{name}.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(plain)
    import_module("healthbrain.dispatch.migrations.0007_seal_photos").seal(None, None)
    assert not old.exists()
    assert photos.read(name) == plain


def test_pictures_go_through_the_gate_and_each_look_is_audited(town) -> None:
    visit, nurse = at_the_door(town)
    number = visits.add_photo(by=town.actors[nurse], now=NOW, visit_id=visit.pk, data=picture(), kind="wound")
    again = visits.add_photo(by=town.actors[nurse], now=NOW, visit_id=visit.pk, data=picture(), kind="wound")
    assert (number, VisitPhoto.objects.count()) == (again, 1)
    assert record.photo(town.actors["patient"], number, thumb=True)[:2] == b"\xff\xd8"
    assert not AuditEvent.objects.filter(action="homecare.photo_open").exists()
    record.photo(town.actors["patient"], number)
    seen = AuditEvent.objects.get(action="homecare.photo_open")
    assert (seen.resident_id, seen.actor, seen.purpose) == (visit.bed.resident_id, "试卧0", "self")
    with pytest.raises(NotFound):
        record.photo(town.actors["elsewhere"], number)
    with pytest.raises(Invalid):
        visits.add_photo(by=town.actors[nurse], now=NOW, visit_id=visit.pk, data=picture(), kind="face")


def test_pictures_before_the_arrival_or_too_many_are_refused(town) -> None:
    visit, nurse = at_the_door(town)
    HomeVisit.objects.update(status="planned")
    with pytest.raises(Conflict):
        visits.add_photo(by=town.actors[nurse], now=NOW, visit_id=visit.pk, data=picture(), kind="wound")
    HomeVisit.objects.update(status="arrived")
    for n in range(12):
        visits.add_photo(by=town.actors[nurse], now=NOW, visit_id=visit.pk, data=picture(400 + n), kind="wound")
    with pytest.raises(Conflict):
        visits.add_photo(by=town.actors[nurse], now=NOW, visit_id=visit.pk, data=picture(500), kind="wound")


def test_the_page_takes_a_picture_and_says_what_is_wrong_with_another(town) -> None:
    visit, nurse = at_the_door(town)
    client = Client(headers={"Accept": "application/json"})
    client.force_login(town.accounts[nurse], backend="django.contrib.auth.backends.ModelBackend")
    page = f"/homecare/visits/{visit.pk}/photo"
    answer = client.post(page, {"photo": SimpleUploadedFile("a.jpg", picture()), "photo_kind": "wound"})
    assert client.get(answer.json()["thumb"]).headers["Content-Type"] == "image/jpeg"
    refused = client.post(page, {"photo": SimpleUploadedFile("a.jpg", b"no"), "photo_kind": "wound"})
    assert refused.status_code == 422
    assert "JPEG" in refused.json()["message"]


@pytest.mark.parametrize(
    "path", ["M1 1", "M1 1L2 2<script>", "L1 1" * 10, "M1 1" + "L700 10" * 20, "M1 1" + "L5 5" * 5000]
)
def test_no_signature_is_taken_for_one(path: str) -> None:
    with pytest.raises(Invalid):
        rules.signature(path)


def test_the_signature_stands_as_drawn_and_a_name_alone_still_counts(town) -> None:
    visit, nurse = at_the_door(town)
    with pytest.raises(Invalid):
        finish(town, visit, nurse, signature="M1 1")
    assert finish(town, visit, nurse, signature=SIGNED)
    visit.refresh_from_db()
    assert bytes(visit.signature).decode() == SIGNED
    client = Client()
    client.force_login(town.accounts[nurse], backend="django.contrib.auth.backends.ModelBackend")
    assert f'<path d="{SIGNED}"/>' in client.get(f"/homecare/visits/{visit.pk}").content.decode()


def test_admission_and_visit_are_charged_once_with_the_price_and_its_source(town) -> None:
    heard: list[int] = []
    bus.subscribe(ServicesCharged, listen := lambda event: heard.extend(event.charge_ids))
    try:
        visit, nurse = at_the_door(town)
        finish(town, visit, nurse)
        assert record.settlement(town.actors["head"], month=TODAY).settled_by
    finally:
        bus._handlers[ServicesCharged].remove(listen)
    rows = list(ServiceCharge.objects.order_by("pk"))
    assert [(c.item, c.price, c.payer, c.price_source) for c in rows] == [
        ("admission", Decimal(60), "insurance", "HOUSE"), ("catheter", Decimal(50), "insurance", "HOUSE"),
    ]  # fmt: skip
    assert heard == [c.pk for c in rows]
    assert not record.settlement(town.actors["head"], month=TODAY).settled_by  # the page says that they wait


def test_a_voucher_pays_once(town) -> None:
    visit, nurse = at_the_door(town)
    finish(town, visit, nurse, voucher="yjk-000123 ")
    paid = ServiceCharge.objects.get(visit=visit)
    assert (paid.payer, paid.voucher) == ("voucher", "YJK-000123")
    town.admit(1, line("catheter"))
    visits.generate_visits(by=town.actors["head"], first=TODAY, last=TODAY)
    visits.plan_day(by=town.actors["head"], now=NOW, day=TODAY, seconds=0.2)
    other = HomeVisit.objects.exclude(pk=visit.pk).get()
    again = next(n for n in ("head", "second") if other.nurses.filter(nurse_id=town.accounts[n].pk).exists())
    visits.arrive(by=town.actors[again], now=NOW.replace(hour=11), visit_id=other.pk)
    with pytest.raises(Conflict, match="用过"):
        finish(town, other, again, voucher="YJK-000123")
    other.refresh_from_db()
    assert other.status == "arrived"  # the record is not half kept
    with pytest.raises(Invalid):
        finish(town, other, again, voucher="12")


def test_the_months_settlement_adds_up_and_leaves_as_a_workbook(town, tmp_path) -> None:
    visit, nurse = at_the_door(town)
    finish(town, visit, nurse, voucher="YJK-000123")
    ServiceCharge.objects.filter(item="admission").update(price=None)
    found = record.settlement(town.actors["head"], month=TODAY)
    assert [(t.payer, t.quantity, t.amount) for t in found.totals] == [
        ("insurance", 1, Decimal(0)), ("voucher", 1, Decimal(50)),
    ]  # fmt: skip
    assert (found.unpriced, found.sum("voucher")) == (1, Decimal(50))
    assert not record.settlement(town.actors["elsewhere"], month=TODAY).rows
    assert not record.settlement(town.actors["head"], month=TODAY + dt.timedelta(days=31)).rows
    client = Client()
    client.force_login(town.accounts["head"], backend="django.contrib.auth.backends.ModelBackend")
    assert "未定价" in client.get("/homecare/settlement?month=2026-04").content.decode()
    file = tmp_path / "out.xlsx"
    file.write_bytes(client.get("/homecare/settlement.xlsx?month=2026-04").content)
    lines = CalamineWorkbook.from_path(file).get_sheet_by_name("明细").to_python()
    assert len(lines) == 3
    assert lines[2][-1] == "YJK-000123"
    assert AuditEvent.objects.filter(action="homecare.settlement_export").exists()
    client.force_login(town.accounts["patient"], backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/homecare/settlement").status_code == 403
