"""The demo's people at work: one account a role, each with a fresh one-time sign-in link. No passwords."""

from __future__ import annotations

from healthbrain.access import actions as access
from healthbrain.access.models import Account
from healthbrain.access.queries import actor_of
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.county.models import Organisation
from healthbrain.demo import family, homecare
from healthbrain.demo.emergency import bind_crew
from healthbrain.demo.transport import bind_driver
from healthbrain.kernel.db import select

NAMES = {
    "village_doctor": "村医 演示",
    "township_doctor": "卫生院 演示",
    "hospital_doctor": "医院医生 演示",
    "bureau": "卫健局 演示",
    "steward": "数据管理员 演示",
    "administrator": "系统管理员 演示",
    "auditor": "审计员 演示",
    "school_nurse": "校医 演示",
    "place_reporter": "养老院报告员 演示",
    "disease_control": "疾控人员 演示",
    "dispatcher": "120 调度员 演示",
    "crew": "急救车组 演示",
    "home_nurse": "居家护理护士 演示",
    "resident": "居民 演示",
    "transport_planner": "转运调度员 演示",
    "transport_driver": "转运车组 演示",
}


def _busiest_village() -> Organisation:
    """The station with most work today, so that the first desk a newcomer opens has something on it."""
    busiest = select(
        """
        SELECT o.id FROM county_organisation o LEFT JOIN care_task t
          ON t.organisation_id = o.id AND t.status IN ('due', 'overdue')
        WHERE o.kind = 'village' GROUP BY o.id ORDER BY count(t.id) DESC, o.id LIMIT 1
        """
    )
    return Organisation.objects.get(pk=busiest[0][0])


def _school() -> Organisation | None:
    """The school something is happening in, so that its nurse's desk belongs to the story."""
    schools = Organisation.objects.filter(kind=Organisation.Kind.SCHOOL)
    struck = select(
        """SELECT o.id FROM surveillance_signal s JOIN county_organisation o ON o.id = s.organisation_id
           WHERE o.kind = 'school' ORDER BY s.score DESC LIMIT 1"""
    )
    return schools.filter(pk=struck[0][0]).first() if struck else schools.order_by("id").first()


def _workplaces() -> dict[str, Organisation]:
    village = _busiest_village()
    county = Organisation.objects.get(kind=Organisation.Kind.COUNTY)
    hospital = Organisation.objects.filter(kind=Organisation.Kind.HOSPITAL).order_by("id").first() or county
    home = Organisation.objects.filter(kind=Organisation.Kind.NURSING_HOME).order_by("id").first()
    places = dict.fromkeys(NAMES, county)
    return places | {
        "village_doctor": village,
        "township_doctor": village.parent or county,
        "home_nurse": village.parent or county,
        "school_nurse": _school() or county,
        "place_reporter": home or county,
        "disease_control": Organisation.objects.filter(kind=Organisation.Kind.CDC).first() or county,
        "hospital_doctor": hospital,
        "crew": Organisation.objects.filter(kind=Organisation.Kind.EMS).first() or county,
    }


def disease_control() -> Actor:
    """The demo's officer, who works the past event the demo shows."""
    county = Organisation.objects.get(kind=Organisation.Kind.COUNTY)
    centre = Organisation.objects.filter(kind=Organisation.Kind.CDC).first()
    return actor_of(_account("disease_control", centre or county))


def _account(role: str, organisation: Organisation) -> Account:
    username = f"demo-{role.replace('_', '-')}"
    resident = _rider() if role == "resident" else None
    return Account.objects.filter(username=username).first() or access.create_account(
        by=SYSTEM, username=username, name=NAMES[role], role=role, organisation_id=organisation.pk, resident_id=resident
    )


def _rider() -> int:
    """Somebody with a transport booking, so that the resident's own pages belong to the story; else the first."""
    found = select(
        """SELECT r.id FROM residents_resident r LEFT JOIN dispatch_booking b ON b.resident_id = r.id
           WHERE r.merged_into IS NULL AND r.deceased_on IS NULL ORDER BY b.id NULLS LAST, r.id LIMIT 1"""
    )
    return int(found[0][0])


def demo_accounts() -> dict[str, str]:
    """Make sure each role has its demo account; a new one-time token by role."""
    tokens = {}
    for role, organisation in _workplaces().items():
        account = _account(role, organisation)
        tokens[role] = access.sign_in_link(by=SYSTEM, account_id=account.pk)
        if role == "crew":
            bind_crew(account.pk)
        if role == "home_nurse":
            homecare.begin(account.pk)
        if role == "resident":
            family.begin(account.pk)
        if role == "transport_driver":
            bind_driver(account.pk)
    return tokens
