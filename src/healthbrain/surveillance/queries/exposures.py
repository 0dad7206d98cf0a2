"""What the ill of an event have in common that the well have not: class, dormitory, and what they were asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from healthbrain.surveillance import handbook
from healthbrain.surveillance.models import PublicHealthEvent
from healthbrain.surveillance.rules.linelist import Person, Suspect, Table, attributes, suspects


class Line(Protocol):
    """What is needed of a row of the line list; rows classified as excluded are the well who were asked."""

    @property
    def classification(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def household(self) -> str: ...
    @property
    def exposures(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Common:
    """One exposure. kind: group (a class with its pupils), household (dormitory), answer (an item of the form).

    name: the class or dormitory as written, or the item's id. asked: people compared, all pupils or all who were asked.
    """

    kind: str
    name: str
    found: Suspect

    @property
    def asked(self) -> int:
        return self.found.table.exposed + self.found.table.others


def common(event: PublicHealthEvent, lines: Sequence[Line]) -> tuple[Common, ...]:
    """All exposures that can be compared (somebody had it, somebody had not), the most suspect first."""
    ill = [line.classification != "excluded" for line in lines]
    rooms = attributes([{"household": line.household} for line in lines], ill)
    items = [item["id"] for item in handbook.form_of(event.disease)["items"] if item.get("exposure")]
    people = [
        Person(sick, {**room.exposures, **{f"answer={i}": line.exposures[i] == "yes" for i in items if _told(line, i)}})
        for sick, room, line in zip(ill, rooms, lines, strict=True)
    ]
    return tuple(_named(one) for one in suspects(people, cohorts=_classes(event, lines)) if _compares(one.table))


def _named(found: Suspect) -> Common:
    kind, name = found.exposure.split("=", 1)
    return Common(kind, name, found)


def _compares(table: Table) -> bool:
    well = table.exposed_well + table.other_well
    return bool(table.exposed and table.others and table.exposed_ill and well)


def _told(line: Line, item: str) -> bool:
    return line.exposures.get(item) in {"yes", "no"}


def _classes(event: PublicHealthEvent, lines: Sequence[Line]) -> dict[str, Table]:
    """Each class against the other classes, by their pupils; one with more ill than pupils is not compared."""
    cases = Counter(line.group for line in lines if line.classification != "excluded")
    sizes = {group: size for group, size in event.groups.items() if size >= cases[group]}
    everybody, ill = sum(sizes.values()), sum(cases[group] for group in sizes)
    return {
        f"group={group}": Table(
            cases[group], size - cases[group], ill - cases[group], everybody - size - ill + cases[group]
        )
        for group, size in sizes.items()
    }
