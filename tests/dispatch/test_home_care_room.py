"""Home care from application to discharge on real rows with the real solver."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from healthbrain.audit.models import AuditEvent
from healthbrain.dispatch import knowledge_homecare as knowledge
from healthbrain.dispatch.actions import homecare
from healthbrain.dispatch.actions import homecare_visits as visits
from healthbrain.dispatch.models import Application, HomeBed, HomeVisit, PlanItem, VisitNurse
from healthbrain.dispatch.queries import homecare as reads
from healthbrain.dispatch.rules import homecare as rules
from healthbrain.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.dispatch import homecare_county
from tests.dispatch.homecare_county import ABLE, DEPENDENT, NOW, TODAY, TOMORROW, line

QUICK = 0.3  # seconds of planning


@pytest.fixture
def town(db):
    return homecare_county.build()


def at(hour: float) -> dt.datetime:
    return NOW.replace(hour=0) + dt.timedelta(hours=hour)


def nurses_of(visit: int) -> set[int]:
    return set(VisitNurse.objects.filter(visit=visit).values_list("nurse_id", flat=True))


def make_day(town, *, day: dt.date = TODAY, now: dt.datetime = NOW) -> list[HomeVisit]:
    by = town.actors["head"]
    visits.generate_visits(by=by, first=day, last=day)
    visits.plan_day(by=by, now=now, day=day, seconds=QUICK)
    return list(HomeVisit.objects.filter(day=day).order_by("pk"))


# --- rules ---------------------------------------------------------------------------------------------------------


def test_barthel_sums_ten_items_and_refuses_holes_and_scores_that_do_not_exist() -> None:
    best = {name: max(scores) for name, scores in knowledge.scores().items()}
    assert rules.barthel(best, knowledge.scores()) == 100  # Mahoney & Barthel 1965: an independent person
    assert rules.barthel(DEPENDENT, knowledge.scores()) == 25
    assert rules.barthel(ABLE, knowledge.scores()) == 95
    with pytest.raises(Invalid):
        rules.barthel({k: v for k, v in best.items() if k != "stairs"}, knowledge.scores())
    with pytest.raises(Invalid):
        rules.barthel(best | {"bathing": 10}, knowledge.scores())


@pytest.mark.parametrize(
    ("total", "zh"), [(0, "重度"), (40, "重度"), (41, "中度"), (60, "中度"), (61, "轻度"), (99, "轻度"), (100, "无需")]
)
def test_bands_of_dependency(total: int, zh: str) -> None:
    assert rules.band(total, knowledge.assessment()["bands"])["zh"].startswith(zh)


def test_visits_fall_on_the_weekdays_within_the_plan() -> None:
    first, last = dt.date(2026, 4, 1), dt.date(2026, 4, 14)  # Wednesday to Tuesday
    found = list(rules.visit_days({0, 2}, dt.date(2026, 4, 2), dt.date(2026, 4, 12), first, last))
    assert found == [dt.date(2026, 4, 6), dt.date(2026, 4, 8)]


def test_every_service_is_whole_and_unverified_knowledge_says_so() -> None:
    assert knowledge.verified() is False
    assert set(knowledge.services()) == {"pressure-sore", "catheter", "rehabilitation", "vital-signs", "injection"}
    for service in knowledge.services().values():
        assert service.done
        assert service.teach
        assert service.insurance in knowledge.items()
        assert all(person <= set(knowledge.skills()) for person in service.needs)


# --- the thread ----------------------------------------------------------------------------------------------------


def test_from_application_to_discharge(town) -> None:
    head = town.actors["head"]
    number = town.apply(0, by="patient", channel="self")
    homecare.recommend(by=town.actors["doctor"], application_id=number, text="长期卧床，建议建床")
    assert [row.recommendation for row in reads.applications(head)] == ["长期卧床，建议建床"]
    bed = homecare.assess(by=head, now=NOW, application_id=number, assessment=town.found(), plan=(line(),))
    assert HomeBed.objects.get().assessment["total"] == 25
    (visit,) = make_day(town)
    assert visit.status == "planned"
    assert 480 <= visit.begins <= 960
    assert visits.tell_families(by=head, now=NOW, day=TODAY) == 1
    nurse = next(town.actors[n] for n in ("head", "second") if town.accounts[n].pk in nurses_of(visit.pk))
    assert [stop.id for stop in reads.tour(nurse, TODAY)] == [visit.pk]
    row = HomeBed.objects.get()
    metres = visits.arrive(by=nurse, now=at(9), visit_id=visit.pk, x=row.x + 0.1, y=row.y)
    assert metres == pytest.approx(100)  # the schematic map counts in km
    given = {
        "visit_id": visit.pk, "measures": {"urine": 800.0, "pulse": 76.0}, "done": ["clean"],
        "taught": {"bag": "alone"}, "signed_by": "试卧家属", "client_id": uuid.uuid4(),
    }  # fmt: skip
    assert visits.record_visit(by=nurse, now=at(9.5), **given) is True
    assert visits.record_visit(by=nurse, now=at(9.6), **given) is False
    with pytest.raises(Conflict):
        visits.record_visit(by=nurse, now=at(9.7), **(given | {"client_id": uuid.uuid4()}))
    shown = reads.visit(nurse, visit.pk)
    assert (shown.record["measures"]["urine"], shown.taught, shown.signed_by) == (800.0, {"bag": "alone"}, "试卧家属")
    visits.generate_visits(by=head, first=TOMORROW, last=TOMORROW + dt.timedelta(days=2))
    item = PlanItem.objects.get()
    assert homecare.review(by=head, now=at(10), bed_id=bed, results={item.pk: "partly"}) == TODAY + dt.timedelta(
        days=30
    )
    assert homecare.discharge(by=head, now=at(11), bed_id=bed, outcome="family") == 3
    assert reads.beds(head) == []
    assert HomeVisit.objects.get(pk=visit.pk).status == "done"  # what was made stays
    assert visits.generate_visits(by=head, first=TOMORROW, last=TOMORROW + dt.timedelta(days=9)) == 0
    told = set(AuditEvent.objects.filter(resident_id=town.residents[0].pk).values_list("action", flat=True))
    acts = ("apply", "recommend", "admit", "arrive", "record", "review", "discharge")
    assert told >= {f"homecare.{act}" for act in acts}


def test_one_open_application_and_the_same_form_twice_is_one(town) -> None:
    key = uuid.uuid4()
    assert town.apply(0, key=key) == town.apply(0, key=key)
    with pytest.raises(Conflict):
        town.apply(0, by="patient", channel="self")
    homecare.decline(by=town.actors["head"], now=NOW, application_id=Application.objects.get().pk, reason="家属能照护")
    assert town.apply(0) != 0
    assert Application.objects.count() == 2
    with pytest.raises(Conflict):  # decided already
        homecare.decline(
            by=town.actors["head"], now=NOW, application_id=Application.objects.earliest("pk").pk, reason="x"
        )


def test_who_is_not_dependent_is_admitted_only_as_a_reasoned_exception(town) -> None:
    number = town.apply(0)
    well = {"by": town.actors["head"], "now": NOW, "application_id": number, "plan": (line("vital-signs"),)}
    with pytest.raises(Invalid, match="95"):
        homecare.assess(assessment=town.found(scores=ABLE, findings=()), **well)
    assert Application.objects.get().status == "applied"
    homecare.assess(assessment=town.found(scores=ABLE, findings=()), override="独居，县里批准", **well)
    assert HomeBed.objects.get().assessment["override"] == "独居，县里批准"


@pytest.mark.parametrize(
    "bad",
    [
        {"goal": " "}, {"weekdays": ()}, {"weekdays": (7,)}, {"service": "surgery"},
        {"window_from": dt.time(12), "window_until": dt.time(12)},
    ],
)  # fmt: skip
def test_a_broken_plan_admits_nobody(town, bad: dict) -> None:
    number = town.apply(0)
    with pytest.raises(Invalid):
        homecare.assess(
            by=town.actors["head"], now=NOW, application_id=number, assessment=town.found(),
            plan=(line(), line(**({"service": "catheter"} | bad))),
        )  # fmt: skip
    assert (HomeBed.objects.count(), Application.objects.get().status) == (0, "applied")


def test_visits_are_made_once_an_item_and_day(town) -> None:
    town.admit(0, line(weekdays=(2, 4)), line("vital-signs", weekdays=(3,)))
    week = {"by": town.actors["head"], "first": TODAY, "last": TODAY + dt.timedelta(days=6)}
    assert visits.generate_visits(**week) == 3  # Wednesday, Friday; Thursday
    assert visits.generate_visits(**week) == 0


def test_two_come_together_and_skills_decide_who(town) -> None:
    town.admit(0, line("pressure-sore"))
    town.admit(1, line("catheter"))
    sore, catheter = make_day(town)
    third = town.accounts["third"].pk  # basic nursing only
    assert len(nurses_of(sore.pk)) == 2
    assert nurses_of(sore.pk) - {third}
    assert nurses_of(catheter.pk)
    assert third not in nurses_of(catheter.pk)
    assert sore.begins is not None


def test_a_visit_nobody_can_make_is_said_with_its_reason(town) -> None:
    town.admit(0, line("pressure-sore", people=4))
    (visit,) = make_day(town)
    board = reads.board(town.actors["head"], TODAY)
    assert visit.status == "uncovered"
    assert [stop.id for stop in board.uncovered] == [visit.pk]
    assert board.uncovered[0].why["zh"]


def test_a_nurse_ill_today_gives_her_visits_to_others_within_the_told_windows(town) -> None:
    for who in range(4):
        town.admit(who, line("catheter"))
    rows = make_day(town)
    head = town.actors["head"]
    visits.tell_families(by=head, now=NOW, day=TODAY)
    ill = town.accounts["second"].pk
    hers = {row.pk for row in rows if ill in nurses_of(row.pk)}
    if not hers:  # the other able nurse has the whole day
        ill = town.accounts["head"].pk
        hers = {row.pk for row in rows}
    changes = visits.nurse_out(by=head, now=at(7.2), nurse_id=ill, day=TODAY, seconds=QUICK)
    assert hers <= {change.visit for change in changes}
    for row in HomeVisit.objects.filter(day=TODAY):
        assert ill not in nurses_of(row.pk)
        if row.status == "planned":
            assert row.promised_from <= row.begins <= row.promised_until
    assert visits.nurse_out(by=head, now=at(7.3), nurse_id=ill, day=TODAY, seconds=QUICK) == ()
    assert [n.id for n in reads.board(head, TODAY).nurses if n.out] == [ill]


def test_an_urgent_visit_finds_its_place_and_begun_ones_stand(town) -> None:
    bed = town.admit(0, line("catheter", window_until=dt.time(9)))
    town.admit(1, line("vital-signs"))
    first, _ = make_day(town)
    nurse = next(town.actors[n] for n in ("head", "second") if town.accounts[n].pk in nurses_of(first.pk))
    visits.arrive(by=nurse, now=at(8.2), visit_id=first.pk)
    before = HomeVisit.objects.values().get(pk=first.pk)
    number, changes = visits.urgent_visit(
        by=town.actors["head"],
        now=at(8.3),
        bed_id=bed,
        service="injection",
        day=TODAY,
        window=(500, 600),
        seconds=QUICK,
    )
    urgent = HomeVisit.objects.get(pk=number)
    assert (urgent.status, urgent.urgent) == ("planned", True)
    assert 500 <= urgent.begins <= 600
    assert number in {change.visit for change in changes}
    assert HomeVisit.objects.values().get(pk=first.pk) == before
    with pytest.raises(Invalid):
        visits.urgent_visit(
            by=town.actors["head"], now=at(11), bed_id=bed, service="injection", day=TODAY, window=(500, 600)
        )


def test_nobody_at_home_and_a_second_press(town) -> None:
    town.admit(0)
    (visit,) = make_day(town)
    nurse = next(town.actors[n] for n in ("head", "second") if town.accounts[n].pk in nurses_of(visit.pk))
    visits.no_show(by=nurse, now=at(9), visit_id=visit.pk, seconds=QUICK)
    assert visits.no_show(by=nurse, now=at(9), visit_id=visit.pk, seconds=QUICK) == ()
    assert HomeVisit.objects.get().status == "no-show"
    with pytest.raises(Conflict):
        visits.arrive(by=nurse, now=at(9), visit_id=visit.pk)


@pytest.mark.parametrize(
    "bad",
    [
        {"measures": {}}, {"measures": {"urine": 99999.0}}, {"measures": {"urine": 1.0, "blood": 1.0}}, {"done": []},
        {"done": ["dance"]}, {"taught": {"bag": "perhaps"}}, {"signed_by": "  "},
    ],
)  # fmt: skip
def test_a_record_that_is_not_whole_is_refused(town, bad: dict) -> None:
    town.admit(0)
    (visit,) = make_day(town)
    nurse = next(town.actors[n] for n in ("head", "second") if town.accounts[n].pk in nurses_of(visit.pk))
    given = {
        "measures": {"urine": 800.0},
        "done": ["clean"],
        "taught": {},
        "signed_by": "家属",
        "client_id": uuid.uuid4(),
    }
    with pytest.raises(Conflict):  # not arrived
        visits.record_visit(by=nurse, now=at(9), visit_id=visit.pk, **given)
    visits.arrive(by=nurse, now=at(9), visit_id=visit.pk)
    with pytest.raises(Invalid):
        visits.record_visit(by=nurse, now=at(9), visit_id=visit.pk, **(given | bad))
    assert HomeVisit.objects.get().status == "arrived"


# --- who may what --------------------------------------------------------------------------------------------------


def test_only_ones_own_unit_and_ones_own_visits(town) -> None:
    bed = town.admit(0)
    (visit,) = make_day(town)
    away = town.actors["elsewhere"]
    assert (reads.beds(away), reads.applications(away), reads.board(away, TODAY).total) == ([], [], 0)
    with pytest.raises(NotFound):
        homecare.discharge(by=away, now=NOW, bed_id=bed, outcome="family")
    with pytest.raises(NotFound):
        visits.arrive(by=away, now=at(9), visit_id=visit.pk)
    idle = next(town.actors[n] for n in ("third",) if town.accounts[n].pk not in nurses_of(visit.pk))
    with pytest.raises(NotAllowed):
        visits.arrive(by=idle, now=at(9), visit_id=visit.pk)
    for role in ("doctor", "patient", "dispatcher"):
        with pytest.raises(NotAllowed):
            visits.plan_day(by=town.actors[role], now=NOW, day=TODAY)
    with pytest.raises(NotAllowed):
        town.apply(6)  # another township's resident
    with pytest.raises(NotAllowed):
        town.apply(1, by="patient", channel="self")
