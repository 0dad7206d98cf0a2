"""A steward's decisions on real PostgreSQL: merge, un-merge, review, undo; audited and remembered."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthbrain.access.models import Account, Proxy
from healthbrain.access.rules import Actor
from healthbrain.audit.models import AuditEvent
from healthbrain.care.models import Deferral
from healthbrain.county import actions as county
from healthbrain.county.models import Organisation, Team
from healthbrain.dispatch.models.transport import Booking
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed
from healthbrain.residents import actions, golden, queries
from healthbrain.residents.actions import PersonRow
from healthbrain.residents.models import Contract, Identity, Link, LinkChange, Resident, Review
from healthbrain.residents.rules.survivorship import Said, survivor

pytestmark = pytest.mark.django_db
STEWARD = Actor(account_id=1, name="管理员", role="steward", organisation_id=None, path="/")
DOCTOR = Actor(account_id=2, name="医生", role="hospital_doctor", organisation_id=None, path="/1/")
BORN = dt.date(1985, 3, 12)


@pytest.fixture
def twins() -> tuple[int, int]:
    """Two identities that are two residents, with an open review between them."""
    a, b = county.source("his-a").pk, county.source("his-b").pk
    rows = [PersonRow(s, "1", n, "2", BORN, None, "13800001111", "东村12号") for s, n in ((a, "张佳怡"), (b, "张佳悦"))]
    ids = list(actions.upsert_identities(rows).values())
    actions.match_new(ids)
    return ids[0], ids[1]


def state() -> list[tuple[int, int, str]]:
    return sorted(Link.objects.values_list("identity_id", "resident_id", "rule"))


def test_same_then_undo_is_as_before(twins):
    before, review = state(), Review.objects.get()
    group = actions.decide_review(by=STEWARD, review_id=review.pk, same=True)
    assert len({resident for _, resident, _ in state()}) == 1
    tombstone = Resident.objects.get(merged_into__isnull=False)
    assert queries.resident(STEWARD, tombstone.pk, "data-quality").id == tombstone.merged_into
    with pytest.raises(Conflict):
        actions.decide_review(by=STEWARD, review_id=review.pk, same=False)
    actions.undo(by=STEWARD, group=group)
    assert state() == before
    assert Review.objects.get().status == "open"
    assert not Resident.objects.filter(merged_into__isnull=False).exists()


def test_different_is_never_asked_nor_linked_again(twins):
    actions.decide_review(by=STEWARD, review_id=Review.objects.get().pk, same=False)
    rows = list(Identity.objects.values_list("source_id", "source_key"))
    actions.upsert_identities([PersonRow(s, k, "张佳怡", "2", BORN) for s, k in rows])
    Link.objects.all().delete()
    settled = actions.match_new(list(twins))
    assert len(set(settled.links.values())) == 2
    assert [r.status for r in Review.objects.all()] == ["different"]


def test_different_can_be_taken_back(twins):
    review = Review.objects.get()
    with pytest.raises(Conflict):
        actions.reopen_review(by=STEWARD, review_id=review.pk)
    actions.decide_review(by=STEWARD, review_id=review.pk, same=False)
    actions.reopen_review(by=STEWARD, review_id=review.pk)
    assert Review.objects.get().status == "open"
    actions.decide_review(by=STEWARD, review_id=review.pk, same=True)
    assert len({resident for _, resident, _ in state()}) == 1


def test_a_sender_who_says_two_are_one_asks_a_steward(twins):
    Review.objects.all().delete()
    assert actions.ask_about([twins], why="A40") == 1
    assert actions.ask_about([(twins[1], twins[0])], why="A40") == 0, "the same question once, in whatever order"
    review = Review.objects.get()
    assert (review.status, review.explanation["said"]) == ("open", "A40")
    actions.decide_review(by=STEWARD, review_id=review.pk, same=True)
    assert actions.ask_about([twins], why="A40") == 0, "one resident already"


def test_merge_unmerge_and_their_undo(twins):
    before = state()
    left, right = (resident for _, resident, _ in before)
    group = actions.merge(by=STEWARD, resident_ids=[right], into=left, reason="同一人")
    assert {resident for _, resident, _ in state()} == {left}
    assert Review.objects.get().status == "same"
    with pytest.raises(Conflict):
        actions.merge(by=STEWARD, resident_ids=[right], into=left, reason="再来")
    apart = actions.unmerge(by=STEWARD, identity_ids=[twins[1]], reason="看错了")
    assert len({resident for _, resident, _ in state()}) == 2
    with pytest.raises(Conflict):
        actions.undo(by=STEWARD, group=group)
    actions.undo(by=STEWARD, group=apart)
    assert {resident for _, resident, _ in state()} == {left}
    actions.undo(by=STEWARD, group=group)
    assert state() == before


def test_every_decision_is_audited_and_has_its_history(twins):
    left, right = (resident for _, resident, _ in state())
    group = actions.merge(by=STEWARD, resident_ids=[right], into=left, reason="同一人")
    assert set(AuditEvent.objects.filter(action="residents.merge").values_list("resident_id", flat=True)) == {
        left,
        right,
    }
    change = LinkChange.objects.get(group=group)
    assert (change.from_resident_id, change.to_resident_id, change.account_id) == (right, left, 1)
    assert queries.link_history(left)[0]["reason"] == "同一人"


def test_who_may_not_and_what_is_no_decision(twins):
    left, right = (resident for _, resident, _ in state())
    with pytest.raises(NotAllowed):
        actions.merge(by=DOCTOR, resident_ids=[right], into=left, reason="同一人")
    with pytest.raises(Invalid):
        actions.merge(by=STEWARD, resident_ids=[right], into=left, reason=" ")
    with pytest.raises(Invalid):
        actions.unmerge(by=STEWARD, identity_ids=[twins[0]], reason="只有一个来源")


def test_reviews_show_both_sides(twins):
    (found,) = queries.reviews(STEWARD)
    assert {found.left.name, found.right.name} == {"张佳怡", "张佳悦"}
    assert found.explanation["veto"] == "同日出生、同姓、名不同，可能是双胞胎"
    with pytest.raises(NotAllowed):
        queries.reviews(DOCTOR)


@pytest.mark.parametrize("text", ["张佳", "zjy", "zhangjia", "ZHANG JIA", "13800001111", "1111"])
def test_a_hospital_doctor_finds_by(twins, text):
    assert "张佳怡" in {row.name for row in queries.find(DOCTOR, text, "treatment")}


@pytest.mark.parametrize("text", ["", "z", "111", "李", "9999"])
def test_nothing_is_found_by(twins, text):
    assert queries.find(DOCTOR, text, "treatment") == []


def test_other_purposes_see_only_ones_own_area(twins):
    assert queries.find(DOCTOR, "张佳怡", "public-health") == []
    with pytest.raises(NotAllowed):
        queries.resident(DOCTOR, Resident.objects.first().pk, "public-health")


WORDS = st.tuples(
    st.sampled_from(["", "张三", "张叁", "王芳之子"]), st.sampled_from([None, "13800000001", "13800000002"])
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, min_size=1, max_size=5))
def test_the_golden_record_follows_the_written_precedence(words):
    Link.objects.all().delete()
    source = county.source("his-a").pk
    resident = Resident.objects.create()
    said_names, said_phones = [], []
    for name, phone in words:
        identity = Identity.objects.create(
            source_id=source, source_key=f"{Identity.objects.count()}", name=name, phone=phone
        )
        Link.objects.create(identity=identity, resident=resident, rule="new")
        said_names.append(Said(identity.pk, name, identity.updated, named="之" not in name))
        said_phones.append(Said(identity.pk, phone, identity.updated))
    golden.refresh([resident.pk])
    resident.refresh_from_db()
    assert (resident.name, resident.phone) == (survivor("name", said_names) or "", survivor("phone", said_phones))


def hangings(resident: int) -> dict[str, int]:
    """What names a resident: his account, grants on both sides, contracts, a doctor's deferral, bookings."""
    found = {
        "account": Account.objects.filter(resident_id=resident).count(),
        "acted for": Proxy.objects.filter(principal_id=resident, revoked_at=None).count(),
        "acts": Proxy.objects.filter(agent_id=resident, revoked_at=None).count(),
        "contracts": Contract.objects.filter(resident_id=resident).count(),
        "deferrals": Deferral.objects.filter(resident_id=resident).count(),
        "bookings": Booking.objects.filter(resident_id=resident).count(),
    }
    return {name: count for name, count in found.items() if count}


@pytest.fixture
def bound(twins) -> tuple[int, int]:
    """Two residents; all that can hang on one hangs on the second, and one contract on both."""
    kept, gone = (Link.objects.get(pk=identity).resident_id for identity in twins)
    now, today = dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC), dt.date(2026, 11, 22)
    place = Organisation.objects.create(code="V1", name="东村卫生室", kind="village", path="/1/")
    team = Team.objects.create(code="T1", name="东村团队", organisation=place)
    Account.objects.create(username="x", name="张佳悦", role="resident", organisation=place, resident_id=gone)
    grant = {"relation": "daughter", "basis": "consent", "scopes": ["record"], "starts": today, "ends": today,
             "granted_by": 1, "granted_at": now}  # fmt: skip
    Proxy.objects.create(principal_id=gone, principal_name="x", agent_id=900, agent_name="y", **grant)
    Proxy.objects.create(principal_id=901, principal_name="y", agent_id=gone, agent_name="x", **grant)
    for resident, year in ((kept, 2026), (gone, 2026), (gone, 2025)):
        Contract.objects.create(resident_id=resident, team=team, starts=dt.date(year, 1, 1), ends=dt.date(year, 12, 31))
    Deferral.objects.create(
        resident_id=gone, programme="copd", kind="refused", reason="不愿做", from_date=today, until=today
    )
    Booking.objects.create(
        resident_id=gone, channel="phone", asked_by=1, asked_at=now, purpose="dialysis", posture="walks",
        idempotency=uuid.uuid4(),
    )  # fmt: skip
    return kept, gone


ALL = {"account": 1, "acted for": 1, "acts": 1, "contracts": 2, "deferrals": 1, "bookings": 1}


@pytest.mark.parametrize("back", ["undo", "un-merge"])
def test_what_hangs_on_a_resident_follows_a_merge_and_comes_back(bound, twins, back):
    kept, gone = bound
    assert (hangings(kept), hangings(gone)) == ({"contracts": 1}, ALL)
    group = actions.merge(by=STEWARD, resident_ids=[gone], into=kept, reason="一个人")
    assert hangings(kept) == ALL  # the contract both have stays where it is: once is enough
    assert hangings(gone) == {"contracts": 1}
    if back == "undo":
        actions.undo(by=STEWARD, group=group)
    else:
        actions.unmerge(by=STEWARD, identity_ids=[twins[1]], reason="两个人")
    assert Link.objects.get(pk=twins[1]).resident_id == gone
    assert (hangings(kept), hangings(gone)) == ({"contracts": 1}, ALL)
    assert Resident.objects.get(pk=gone).merged_into is None


def test_a_part_of_what_was_merged_becomes_a_new_resident(bound, twins):
    kept, gone = bound
    third = county.source("his-c").pk
    (other,) = actions.upsert_identities([PersonRow(third, "1", "张佳悦", "2", BORN, None, "13800001111")]).values()
    actions.match_new([other])
    assert Link.objects.get(pk=other).resident_id == gone
    actions.merge(by=STEWARD, resident_ids=[gone], into=kept, reason="一个人")
    actions.unmerge(by=STEWARD, identity_ids=[other], reason="两个人")
    assert Link.objects.get(pk=other).resident_id not in {kept, gone}
    assert hangings(kept) == ALL
