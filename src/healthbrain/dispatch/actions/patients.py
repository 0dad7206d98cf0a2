"""What the crew finds out: vital signs and ECG sent ahead, who it is, and the handover into the lifelong record."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Q

from healthbrain.access import gate
from healthbrain.access.rules import SYSTEM, Actor
from healthbrain.audit import actions as audit
from healthbrain.dispatch import knowledge
from healthbrain.dispatch.actions import journal
from healthbrain.dispatch.actions.missions import own_mission, step
from healthbrain.dispatch.models import Call, EcgFile, Mission, TimelineEvent, Vitals
from healthbrain.dispatch.rules import handover as bundles
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from healthbrain.records import actions as records
from healthbrain.residents import queries as residents
from healthbrain.residents.models import Resident
from healthbrain.residents.rules import id_number as numbers

SOURCE = "EMS"
PURPOSE = "emergency"
LARGEST_ECG = 5 * 1024 * 1024
ECG_KINDS = {
    b"%PDF": "application/pdf",
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"<?xm": "application/xml",  # HL7 aECG, SCP converted
}


@transaction.atomic
def send_vitals(
    *,
    by: Actor,
    now: dt.datetime,
    mission_id: int,
    values: Mapping[str, float | None],
    note: str = "",
    client_id: uuid.UUID | None = None,
) -> bool:
    """One set of vital signs for the hospital to see before arrival; False when it had come already. Raises Invalid."""
    mission = own_mission(by, mission_id)
    if client_id and Vitals.objects.filter(client_id=client_id).exists():
        return False
    limits = knowledge.vitals()
    given = {name: value for name, value in values.items() if value is not None}
    if not given and not note.strip():
        raise Invalid("没有填写任何体征 Nothing was filled in")
    for name, value in given.items():
        low, high = limits[name]["plausible"]
        if not low <= value <= high:
            title = limits[name]["title"]["zh"]
            raise Invalid(f"{title} {value:g} 不合理，应在 {low:g}–{high:g} 之间 {name} must be {low:g}–{high:g}")
    Vitals.objects.create(mission=mission, at=now, note=note, account_id=by.account_id, client_id=client_id, **given)
    audit.record(
        by=by, action="emergency.vitals", subject=f"mission/{mission.pk}", purpose="emergency",
        resident_id=mission.call.resident_id, detail={"fields": sorted(given)},
    )  # fmt: skip
    journal.tell(call_id=mission.call_id)
    return True


@transaction.atomic
def send_ecg(
    *,
    by: Actor,
    now: dt.datetime,
    mission_id: int,
    name: str,
    content: bytes,
    client_id: uuid.UUID | None = None,
) -> bool:
    """An ECG file for the hospital; False when it had come already. Judged by its bytes. Raises Invalid."""
    mission = own_mission(by, mission_id)
    if client_id and EcgFile.objects.filter(client_id=client_id).exists():
        return False
    kind = next((media for magic, media in ECG_KINDS.items() if content.startswith(magic)), None)
    if kind is None or len(content) > LARGEST_ECG:
        raise Invalid("心电图须是 PDF、PNG、JPEG 或 XML，不超过 5 MB An ECG is PDF, PNG, JPEG or XML of at most 5 MB")
    EcgFile.objects.create(
        mission=mission, at=now, name=name[:120], kind=kind, content=content, account_id=by.account_id,
        client_id=client_id,
    )  # fmt: skip
    audit.record(
        by=by, action="emergency.ecg", subject=f"mission/{mission.pk}", purpose="emergency",
        resident_id=mission.call.resident_id, detail={"bytes": len(content), "kind": kind},
    )  # fmt: skip
    journal.tell(call_id=mission.call_id)
    return True


@transaction.atomic
def identify(*, by: Actor, mission_id: int, name: str, sex: str, id_number: str, age: int | None) -> None:
    """Who the patient is, as the crew learns it. Raises Invalid for an identity number whose check digit fails."""
    mission = own_mission(by, mission_id)
    parsed = numbers.parse(id_number) if id_number.strip() else None
    if id_number.strip() and parsed is None:
        raise Invalid("身份证号校验不通过 The identity number does not check", hint="请核对 look again")
    call = Call.objects.select_for_update().get(pk=mission.call_id)
    call.patient_name, call.patient_sex, call.patient_age = name.strip(), sex, age
    call.patient_id_number = parsed.number if parsed else ""
    if parsed:  # the card in the crew's hand is surer than what the desk found by telephone
        call.resident = Resident.objects.filter(id_number=parsed.number, merged_into__isnull=True).first()
    call.save(update_fields=["patient_name", "patient_sex", "patient_age", "patient_id_number", "resident"])
    audit.record(
        by=by, action="emergency.identify", subject=f"call/{call.pk}", purpose="emergency", resident_id=call.resident_id
    )


@transaction.atomic
def link_resident(*, by: Actor, call_id: int, resident_id: int | None) -> int | None:
    """Say which resident the patient is (None: nobody after all); whom the call named before, to undo it by.

    What the caller said stays as it was said. Also after the call is over, until the mission is in the record.
    Raises NotFound, NotAllowed, Conflict when the record has the mission already.
    """
    gate.require(by, "emergency.dispatch")
    call = Call.objects.select_for_update().filter(pk=call_id).first()
    if call is None:
        raise NotFound("没有这个呼救 No such call")
    if call.missions.filter(handed_over=True).exists():
        raise Conflict("病人已交接，记录已写入健康档案 Handed over: the mission is in the record already")
    before = call.resident_id
    call.resident_id = residents.resident(by, resident_id, PURPOSE).id if resident_id is not None else None
    call.save(update_fields=["resident"])
    audit.record(
        by=by, action="emergency.link" if resident_id is not None else "emergency.unlink", subject=f"call/{call.pk}",
        purpose=PURPOSE, resident_id=call.resident_id or before, detail={"before": before, "after": call.resident_id},
    )  # fmt: skip
    journal.tell(call_id=call.pk)
    return before


def hand_over(
    *,
    by: Actor,
    now: dt.datetime,
    mission_id: int,
    pressed: dt.datetime | None = None,
    sent: dt.datetime | None = None,
    client_id: uuid.UUID | None = None,
) -> bool:
    """The hospital has the patient; False when known already. If it is known who he is, the mission goes on record.

    One transaction: either the press and the record are both there, or neither. Raises Conflict without a destination.
    """
    with transaction.atomic():
        mission = own_mission(by, mission_id)
        if mission.destination_id is None:
            raise Conflict("还没有选择医院 No hospital was chosen", hint="先选医院再交接 choose it first")
        fresh = step(
            by=by, now=now, mission_id=mission_id, kind="handover", pressed=pressed, sent=sent, client_id=client_id
        )
        if not fresh:
            return False
        Mission.objects.filter(pk=mission_id).update(handed_over=True)
        _into_the_record(mission, by=by)
        return True


def _who(call: Call) -> bundles.Patient | None:
    """The patient as the crew identified him, else the resident the desk found; None when neither is known."""
    parsed = numbers.parse(call.patient_id_number)
    if parsed and call.patient_name:
        return bundles.Patient(parsed.number, call.patient_name, call.patient_sex, parsed.birth_date, parsed.number)
    if call.resident_id is None:
        return None
    found = residents.resident(SYSTEM, call.resident_id, PURPOSE)
    key = found.id_number or f"resident-{found.id}"
    return bundles.Patient(key, found.name, found.sex, found.birth_date, found.id_number or "", found.phone or "")


def _into_the_record(mission: Mission, *, by: Actor) -> None:
    call = mission.call
    who = _who(call)
    if who is None:
        return  # who it was is not known: the hospital's own feed will bring the visit
    moments = TimelineEvent.objects.filter(Q(mission__isnull=True) | Q(mission=mission), call=call)
    times = dict(moments.order_by("-at").values_list("kind", "at"))  # the first of each kind stays
    bundle = bundles.bundle(
        bundles.Handover(
            mission_id=mission.pk,
            patient=who,
            suspected=str(knowledge.types().get(call.suspected, {}).get("title", {}).get("zh", "")),
            priority=call.priority or 3,
            destination=mission.destination.code if mission.destination else "",
            vehicle=mission.vehicle.code,
            times=times,
            vitals=tuple(
                (v.at, {n: getattr(v, n) for n in knowledge.vitals() if getattr(v, n) is not None})
                for v in mission.vitals.order_by("at")
            ),
        ),
        knowledge.vitals(),
    )
    records.store_bundle(bundle, source=SOURCE, by=SYSTEM)
    audit.record(
        by=by, action="emergency.handover", subject=f"mission/{mission.pk}", purpose="emergency",
        resident_id=call.resident_id, detail={"resources": len(bundle["entry"])},
    )  # fmt: skip
