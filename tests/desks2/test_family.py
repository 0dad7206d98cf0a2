"""Acting for family: authorise, act, see it on both sides, revoke at once; guardians registered by staff."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from healthbrain.access.models import Account, Proxy
from healthbrain.audit.models import AuditEvent
from healthbrain.kernel import bus, clock
from healthbrain.notices.models import Notification
from healthbrain.residents import queries
from healthbrain.residents.events import ResidentsChanged
from healthbrain.residents.models import Resident
from tests.desks2.conftest import person, text_of

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999


def number(first17: str) -> str:
    return first17 + "10X98765432"[sum(int(a) * b for a, b in zip(first17, WEIGHTS, strict=True)) % 11]


@pytest.fixture
def daughter(county) -> Resident:
    """She lives behind the same door as the county's 张小明, and has an account of her own."""
    made = person(
        "张丽", "zl", "zhangli", county.organisations["E1"], sex="2", birth_date=dt.date(1990, 3, 4),
        id_number=number("33019719900304002"), address="安澜区东浦一村12号",
    )  # fmt: skip
    home = county.organisations["E1"]
    county.accounts["daughter"] = Account.objects.create(
        username="daughter", name="张丽", role="resident", organisation=home, resident_id=made.pk
    )
    return made


def form(**more) -> dict:
    given = {
        "relation": "child", "scopes": ["record", "transport", "messages"],
        "ends": (clock.today() + dt.timedelta(days=30)).isoformat(), "name": "张丽",
        "number": number("33019719900304002"), "member": "",
    }  # fmt: skip
    return given | more


def grant(client: Client, **more) -> Proxy:
    assert client.post("/me/family", form(**more)).status_code == 302
    return Proxy.objects.get(revoked_at=None)


def test_who_is_authorised_sees_and_does_what_was_granted_and_no_more(county, sign_in, daughter) -> None:
    one = grant(sign_in("resident"))
    client = sign_in("daughter")
    assert county.east.name in text_of(client.get("/me/family"))
    assert county.east.name not in text_of(client.get("/me"))
    assert client.post(f"/me/family/{one.pk}/act").url == "/me"
    page = text_of(client.get("/me"))
    assert f"正在代 {county.east.name} 办理" in page
    assert "检查检验" in text_of(client.get("/me/record"))
    assert client.get("/transport/book").status_code == 200
    assert client.get("/homecare/apply").status_code == 403  # not among the scopes
    assert client.get("/find").status_code == 403
    client.post("/me/family/back")
    assert county.east.name not in text_of(client.get("/me"))


def test_each_use_is_audited_and_told_to_the_resident(county, sign_in, daughter) -> None:
    one = grant(sign_in("resident"))
    client = sign_in("daughter")
    client.post(f"/me/family/{one.pk}/act")
    client.get("/me/record")
    opened = AuditEvent.objects.get(action="record.open")
    assert (opened.actor, opened.purpose, opened.resident_id) == ("张丽", "proxy", county.east.pk)
    assert opened.detail == {"proxy": one.pk}
    used = AuditEvent.objects.filter(action="proxy.use").values_list("subject", "resident_id")
    assert list(used) == [("GET /me/record", county.east.pk)]
    client.get("/me/record", headers={"HX-Trigger-Name": "live"})  # a page that renews itself
    assert AuditEvent.objects.filter(action="proxy.use").count() == 1
    mine = sign_in("resident")
    looked = text_of(mine.get("/me/who"))
    assert "受委托代办" in looked
    assert "张丽" in looked
    assert "最近使用" in text_of(mine.get("/me/family"))


def test_revoking_ends_it_with_the_next_click_and_never_acts_for_oneself_instead(county, sign_in, daughter) -> None:
    one, client = grant(sign_in("resident")), sign_in("daughter")
    client.post(f"/me/family/{one.pk}/act")
    assert client.get("/me/record").status_code == 200
    sign_in("resident").post(f"/me/family/{one.pk}/revoke")
    answer = client.post("/transport/book", {"do": "book", "resident": county.east.pk})
    assert (answer.status_code, answer.url) == (302, "/me/family?over=1")
    assert "没有提交" in text_of(client.get("/me/family?over=1"))
    assert client.post(f"/me/family/{one.pk}/act").status_code == 403
    assert "已撤回" in text_of(sign_in("resident").get("/me/family"))


def test_a_form_opened_for_one_person_is_not_sent_for_another(county, sign_in, daughter) -> None:
    one, client = grant(sign_in("resident")), sign_in("daughter")
    client.post(f"/me/family/{one.pk}/act")
    client.post("/me/family/back")  # in another tab
    assert client.post("/transport/book", {"do": "book", "resident": county.east.pk}).status_code == 409


def test_a_grant_that_is_over_opens_nothing(county, sign_in, daughter) -> None:
    one, client = grant(sign_in("resident")), sign_in("daughter")
    client.post(f"/me/family/{one.pk}/act")
    yesterday = clock.today() - dt.timedelta(days=1)
    Proxy.objects.update(starts=yesterday, ends=yesterday)
    assert client.get("/me/record").url == "/me/family?over=1"
    assert "已到期" in text_of(sign_in("resident").get("/me/family"))
    grant(sign_in("resident"))  # and may be given again


def test_nobody_uses_or_ends_the_grant_of_others(county, sign_in, daughter) -> None:
    one = grant(sign_in("resident"))
    stranger = Account.objects.create(
        username="west", name="李桂芳", role="resident", organisation=county.organisations["W1"],
        resident_id=county.west.pk,
    )  # fmt: skip
    county.accounts["west"] = stranger
    client = sign_in("west")
    assert client.post(f"/me/family/{one.pk}/act").status_code == 403
    client.post(f"/me/family/{one.pk}/revoke")
    one.refresh_from_db()
    assert one.revoked_at is None
    acting = sign_in("daughter")
    acting.post(f"/me/family/{one.pk}/act")
    before = Proxy.objects.count()
    acting.post("/me/family", form())  # authorises as herself, never as her father: nobody is his own agent
    assert Proxy.objects.count() == before


def test_the_household_is_offered_and_grants_nothing(county, sign_in, daughter) -> None:
    away = person("王五", "ww", "wangwu", county.organisations["E1"], address="东浦一村13号")
    client = sign_in("resident")
    page = text_of(client.get("/me/family"))
    assert f'value="{daughter.pk}"' in page  # 东浦一村12号, written with and without the district
    assert "张*" in page
    assert "张丽" not in page
    assert f'value="{away.pk}"' not in page
    assert not Proxy.objects.exists()
    refused = client.post("/me/family", form(member=str(away.pk), name="", number=""))
    assert refused.status_code == 422
    grant(client, member=str(daughter.pk), name="", number="")


def test_wrong_names_are_counted_and_stopped(county, sign_in, daughter) -> None:
    client = sign_in("resident")
    for _ in range(5):
        assert client.post("/me/family", form(name="张美")).status_code == 422
    assert "用完" in text_of(client.post("/me/family", form()))
    assert not Proxy.objects.exists()


def test_staff_register_a_guardian_with_evidence_and_end_it(county, sign_in, daughter) -> None:
    child = person(
        "张小宝", "zxb", "zhangxiaobao", county.organisations["E1"], birth_date=clock.today().replace(day=1)
        - dt.timedelta(days=365 * 6), address="东浦一村12号",
    )  # fmt: skip
    staff = sign_in("township_doctor")
    page = f"/residents/{child.pk}/proxies"
    given = form(relation="parent", basis="minor", evidence="household-register", evidence_text="")
    assert staff.post(page, given).status_code == 422  # no evidence, nothing registered
    given["evidence_text"] = "330197-0012"
    no_picture = SimpleUploadedFile("a.jpg", b"<script>")
    assert staff.post(page, given | {"document": no_picture}).status_code == 422
    photo = io.BytesIO()
    Image.linear_gradient("L").resize((900, 600)).convert("RGB").save(photo, "JPEG")
    assert staff.post(page, given | {"document": SimpleUploadedFile("a.jpg", photo.getvalue())}).status_code == 302
    one = Proxy.objects.get()
    assert AuditEvent.objects.get(action="proxy.grant").detail["evidence"] == "household-register 330197-0012"
    guardian = sign_in("daughter")
    guardian.post(f"/me/family/{one.pk}/act")
    assert "张小宝" in text_of(guardian.get("/me"))
    paper = f"{page}/{one.pk}/document"
    assert paper in staff.get(page).text
    seen = staff.get(paper)
    assert (seen["Content-Type"], Image.open(io.BytesIO(seen.content)).size) == ("image/jpeg", (900, 600))
    assert AuditEvent.objects.filter(action="proxy.document_open", resident_id=child.pk).count() == 1
    assert guardian.get(paper).status_code == sign_in("hospital_doctor").get(paper).status_code == 403
    staff.post(f"{page}/{one.pk}/revoke", {"reason": ""})
    one.refresh_from_db()
    assert one.revoked_at is None
    staff.post(f"{page}/{one.pk}/revoke", {"reason": "监护权变更"})
    assert guardian.get("/me").url == "/me/family?over=1"
    outside = f"/residents/{county.west.pk}/proxies"
    assert staff.post(outside, given).status_code == 403
    assert sign_in("hospital_doctor").get(page).status_code == 403


@pytest.mark.parametrize("whose", ["principal", "agent"])
@pytest.mark.parametrize("fate", ["died", "merged"])
def test_a_grant_ends_when_either_side_dies_or_is_merged_away(county, sign_in, daughter, whose: str, fate: str) -> None:
    one, agent = grant(sign_in("resident")), sign_in("daughter")
    agent.post(f"/me/family/{one.pk}/act")
    gone = one.principal_id if whose == "principal" else one.agent_id
    change = {"deceased_on": clock.today()} if fate == "died" else {"merged_into": county.west.pk}
    Resident.objects.filter(pk=gone).update(**change)
    bus.publish(ResidentsChanged([gone]))
    assert agent.get("/me").url == "/me/family?over=1"
    one.refresh_from_db()
    assert one.revoked_by == {"died": "死亡登记 death on record", "merged": "档案合并 records merged"}[fate]
    assert AuditEvent.objects.filter(action="proxy.revoke", resident_id=one.principal_id).count() == 1
    assert Notification.objects.filter(key=f"proxy:{one.pk}:over").count() == 2  # both sides read why


def test_a_ward_cannot_shake_off_the_guardian_himself_and_a_guardian_may_step_back(county, sign_in, daughter) -> None:
    given = form(basis="incapable", evidence="court", evidence_text="（2026）浙0197民特3号")
    sign_in("township_doctor").post(f"/residents/{county.east.pk}/proxies", given)
    one = Proxy.objects.get()
    sign_in("resident").post(f"/me/family/{one.pk}/revoke")
    one.refresh_from_db()
    assert one.revoked_at is None
    sign_in("daughter").post(f"/me/family/{one.pk}/revoke")
    one.refresh_from_db()
    assert one.revoked_by == "张丽"


def test_a_minor_is_nobodys_agent(county, sign_in, daughter) -> None:
    Resident.objects.filter(pk=daughter.pk).update(birth_date=clock.today() - dt.timedelta(days=365 * 17))
    assert sign_in("resident").post("/me/family", form()).status_code == 422


def test_the_gate_hands_out_the_principals_rows_only(county, sign_in, daughter) -> None:
    from healthbrain.access import proxies
    from healthbrain.access.gate import visible
    from healthbrain.access.queries import actor_of
    from healthbrain.kernel.errors import NotAllowed

    one = grant(sign_in("resident"))
    own = actor_of(county.accounts["daughter"])
    acting = proxies.acting(own, one.pk, clock.today())
    assert [r.pk for r in visible(Resident.objects.all(), acting, "proxy")] == [county.east.pk]
    with pytest.raises(NotAllowed):
        queries.resident(acting, county.west.pk, "proxy")
    told = proxies.accounts_to_tell(county.east.pk, clock.today())
    assert told == ([county.accounts["resident"].pk], [county.accounts["daughter"].pk])
