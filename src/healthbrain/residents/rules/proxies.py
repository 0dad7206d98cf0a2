"""May this authority be given, and until when: consent, paper, guardianship. Pure; figures come from the knowledge."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from healthbrain.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Wanted:
    """An authority as asked for. basis: consent, paper, minor or incapable; ends: its last day."""

    basis: str
    relation: str
    scopes: tuple[str, ...]
    ends: dt.date
    evidence: str = ""
    evidence_text: str = ""


def comes_of_age(birth: dt.date, adult_age: int) -> dt.date:
    """The birthday on which a person is an adult; born on 29 February: 1 March of a common year."""
    year = birth.year + adult_age
    try:
        return birth.replace(year=year)
    except ValueError:
        return dt.date(year, 3, 1)


def last_day(
    wanted: Wanted, *, birth: dt.date | None, today: dt.date, known: Mapping[str, Any], scopes: Collection[str]
) -> dt.date:
    """Check what is asked and give its last day: authority over a minor ends the day before he comes of age.

    birth: of who is acted for. known: knowledge/proxies/rules.yaml. Raises Invalid.
    """
    figures = {name: int(row["value"]) for name, row in known["figures"].items()}
    if wanted.relation not in known["relations"]:
        raise Invalid("请选择关系 Choose the relation")
    if not wanted.scopes or not set(wanted.scopes) <= set(scopes):
        raise Invalid("请至少勾选一项可代办的事 Tick at least one thing to be done")
    if wanted.ends < today:
        raise Invalid("截止日期已过 The last day is over")
    if wanted.basis != "consent":
        _check_evidence(wanted, known["evidence"])
    ends = wanted.ends
    if wanted.basis == "minor":
        if birth is None:
            raise Invalid("档案里没有出生日期，不能按未成年人登记 No birth date: not known to be a minor")
        adult_on = comes_of_age(birth, figures["adult_age"])
        if adult_on <= today:
            raise Invalid("已满十八周岁，不能按未成年人登记 An adult: no minor's guardian")
        return min(ends, adult_on - dt.timedelta(days=1))
    if wanted.basis in ("consent", "paper") and (ends - today).days > figures["longest_days"]:
        raise Invalid(f"一次授权最长 {figures['longest_days']} 天 At most {figures['longest_days']} days at a time")
    return ends


def _check_evidence(wanted: Wanted, known: Mapping[str, Any]) -> None:
    if wanted.evidence not in known or wanted.basis not in known[wanted.evidence]["for"]:
        raise Invalid("请选择能证明这种关系的文件 Choose a document that proves it")
    if len(wanted.evidence_text.strip()) < 4:
        raise Invalid("请写文件编号和出具单位 Give the document's number and who issued it")
