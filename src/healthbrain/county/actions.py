"""Registers of the county: organisations, places, teams, sources; and stubs for what a feed names before we know it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from django.db import transaction

from healthbrain.audit import actions as audit
from healthbrain.county.models import Organisation, Place, Source, Team
from healthbrain.kernel.errors import Invalid

Row = Mapping[str, str]


def source(code: str) -> Source:
    """The source of that code; an unknown one registers itself, unapproved, for the steward to look at."""
    found, _ = Source.objects.get_or_create(code=code, defaults={"name": code})
    return found


def sources(codes: Iterable[str]) -> dict[str, int]:
    """Ids of many sources by code, registering the unknown: two queries for any number of codes."""
    wanted = set(codes)
    Source.objects.bulk_create([Source(code=c, name=c) for c in sorted(wanted)], ignore_conflicts=True)
    return dict(Source.objects.filter(code__in=wanted).values_list("code", "id"))


def organisation_stub(code: str) -> Organisation:
    """The organisation of that code; an unknown one is kept as it was named, kind "unregistered"."""
    return Organisation.objects.get(pk=organisation_stubs([code])[code])


def organisation_stubs(codes: Iterable[str]) -> dict[str, int]:
    """Ids of many organisations by code, registering the unknown outside every scope: three queries in all."""
    wanted = {c for c in codes if c}
    known = dict(Organisation.objects.filter(code__in=wanted).values_list("code", "id"))
    missing = sorted(wanted - known.keys())
    if missing:
        new = [Organisation(code=c, name=c, kind=Organisation.Kind.UNREGISTERED, path=f"?{c}/") for c in missing]
        Organisation.objects.bulk_create(new, ignore_conflicts=True)
        known |= dict(Organisation.objects.filter(code__in=missing).values_list("code", "id"))
    return known


@transaction.atomic
def load_register(folder: Path, *, by: audit.By | None = None) -> dict[str, int]:
    """Load organisations, places, teams and sources from the CSV files of a register folder; counts by register.

    Loading again updates names and connections; nothing is removed. Raises Invalid when a column, a kind or a parent
    is not there.
    """
    counts = {
        "organisations": _load_organisations(
            _rows(folder / "organisations.csv", "code", "name", "kind", "parent_code")
        ),
        "places": _load_places(_rows(folder / "places.csv", "code", "name", "parent_code", "organisation_code")),
        "teams": _load_teams(_rows(folder / "teams.csv", "code", "name", "organisation_code")),
        "sources": _load_sources(_rows(folder / "sources.csv", "code", "name", "organisation_code")),
    }
    audit.record(by=by, action="county.load_register", subject="register", detail=counts)
    return counts


def _rows(path: Path, *needed: str) -> list[Row]:
    if not path.exists():
        return []
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("gb18030", errors="replace")  # what a Chinese Excel writes as "CSV"
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    if missing := [name for name in ("code", "name", *needed) if name not in (reader.fieldnames or ())]:
        raise Invalid(f"{path.name} 缺少列 has no column: {', '.join(missing)}")
    return list(reader)


def _load_organisations(rows: list[Row]) -> int:
    """Parents first, whatever the order of the file, because a path contains the parent's id."""
    waiting = {row["code"]: row for row in rows}
    done: dict[str, Organisation] = {o.code: o for o in Organisation.objects.all()}
    while waiting:
        ready = [r for r in waiting.values() if not r["parent_code"] or r["parent_code"] not in waiting]
        if not ready:
            raise Invalid(f"机构登记有循环上级 Organisations form a cycle: {', '.join(sorted(waiting)[:5])}")
        for row in ready:
            del waiting[row["code"]]
            done[row["code"]] = _save_organisation(row, done)
    return len(rows)


def _save_organisation(row: Row, known: dict[str, Organisation]) -> Organisation:
    parent = known.get(row["parent_code"]) if row["parent_code"] else None
    if row["parent_code"] and parent is None:
        raise Invalid(f"机构 {row['code']} 的上级 {row['parent_code']} 不在登记中 Unknown parent organisation")
    if row["kind"] not in Organisation.Kind.values:
        raise Invalid(
            f"机构 {row['code']} 的类别 {row['kind']} 不明 Unknown kind; one of {', '.join(Organisation.Kind.values)}"
        )
    organisation = known.get(row["code"]) or Organisation(code=row["code"], path=f"?{row['code']}/")
    organisation.name, organisation.kind, organisation.parent = row["name"], row["kind"], parent
    organisation.connected = row.get("connected", "true").lower() in {"true", "1", "yes"}
    organisation.save()
    organisation.path = f"{parent.path if parent else '/'}{organisation.pk}/"
    organisation.save(update_fields=["path"])
    return organisation


def _load_places(rows: list[Row]) -> int:
    organisations = dict(Organisation.objects.values_list("code", "id"))
    places = [
        Place(
            code=row["code"],
            name=row["name"],
            parent_id=row["parent_code"] or None,
            organisation_id=organisations.get(row["organisation_code"]),
            tile_x=int(row["tile_x"]) if row.get("tile_x") else None,
            tile_y=int(row["tile_y"]) if row.get("tile_y") else None,
        )
        for row in sorted(rows, key=lambda r: len(r["code"]))  # county, township, village: parents first
    ]
    Place.objects.bulk_create(
        places,
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name", "parent_id", "organisation_id", "tile_x", "tile_y"],
    )
    return len(places)


def _load_teams(rows: list[Row]) -> int:
    organisations = dict(Organisation.objects.values_list("code", "id"))
    if lost := [r["code"] for r in rows if r["organisation_code"] not in organisations]:
        raise Invalid(f"团队 {', '.join(lost[:5])} 的机构不在登记中 Unknown organisation of a team")
    teams = [Team(code=r["code"], name=r["name"], organisation_id=organisations[r["organisation_code"]]) for r in rows]
    Team.objects.bulk_create(
        teams, update_conflicts=True, unique_fields=["code"], update_fields=["name", "organisation_id"]
    )
    return len(teams)


def _load_sources(rows: list[Row]) -> int:
    organisations = dict(Organisation.objects.values_list("code", "id"))
    found = [
        Source(
            code=row["code"],
            name=row["name"],
            organisation_id=organisations.get(row["organisation_code"]),
            approved=True,
            expected_every_hours=int(row["expected_every_hours"]) if row.get("expected_every_hours") else None,
        )
        for row in rows
    ]
    Source.objects.bulk_create(
        found,
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name", "organisation_id", "approved", "expected_every_hours"],
    )
    return len(found)


@transaction.atomic
def approve_source(*, by: audit.By, source_id: int, name: str, organisation_id: int) -> Source:
    """A steward names a self-registered source and the organisation it speaks for."""
    found = Source.objects.select_for_update().get(pk=source_id)
    found.name, found.organisation_id, found.approved = name, organisation_id, True
    found.save()
    audit.record(by=by, action="county.approve_source", subject=f"source/{found.code}", detail={"name": name})
    return found
