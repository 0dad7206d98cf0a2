"""Reads of the county's registers."""

from __future__ import annotations

from dataclasses import dataclass

from healthbrain.county.models import Organisation, Place, Source


@dataclass(frozen=True, slots=True)
class PlaceTile:
    """A township on the schematic map."""

    code: str
    name: str
    x: int
    y: int
    organisation_id: int | None
    path: str | None


def organisation_ids_by_code() -> dict[str, int]:
    """Every organisation's id by its code."""
    return dict(Organisation.objects.values_list("code", "id"))


def source_codes() -> list[str]:
    """The codes of all sources that ever sent something or were named, in order."""
    return list(Source.objects.order_by("code").values_list("code", flat=True))


def responsible_for(division_code: str | None) -> Organisation | None:
    """Who is responsible for a division: the place's own organisation, else the township's, else the county's."""
    for length in (12, 9, 6):
        if division_code and len(division_code) >= length:
            place = Place.objects.filter(code=division_code[:length]).select_related("organisation").first()
            if place and place.organisation:
                return place.organisation
    return None


def subtree(path: str) -> list[Organisation]:
    """An organisation and all below it, by path."""
    return list(Organisation.objects.filter(path__startswith=path).order_by("path"))


def township_tiles() -> list[PlaceTile]:
    """Townships with their place on the schematic map."""
    rows = Place.objects.filter(code__regex=r"^\d{9}$").exclude(tile_x=None).exclude(tile_y=None).order_by("code")
    found = rows.values_list("code", "name", "tile_x", "tile_y", "organisation_id", "organisation__path")
    return [PlaceTile(c, n, x, y, o, p) for c, n, x, y, o, p in found if x is not None and y is not None]
