"""Registers: parents before children whatever the file's order; unknown codes kept, outside every scope."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthbrain.county import actions as county
from healthbrain.county.models import Organisation
from healthbrain.county.queries import organisation_ids_by_code, responsible_for, subtree, township_tiles
from healthbrain.kernel.errors import Invalid

ORGANISATIONS = """code,name,kind,parent_code,connected
V1,湖山村卫生室,village,T1,true
T1,湖山镇卫生院,township,C,true
T2,竹溪镇卫生院,township,C,false
C,安澜区,county,,true
"""
PLACES = """code,name,parent_code,organisation_code,tile_x,tile_y
330197001101,湖山村,330197001,V1,,
330197001,湖山镇,330197,T1,2,3
330197,安澜区,,C,,
330197002,竹溪镇,330197,,3,3
"""


@pytest.fixture
def register(tmp_path: Path) -> Path:
    (tmp_path / "organisations.csv").write_text(ORGANISATIONS, encoding="utf-8")
    (tmp_path / "places.csv").write_text(PLACES, encoding="utf-8-sig")
    return tmp_path


@pytest.mark.django_db
def test_children_may_stand_before_their_parents(register: Path) -> None:
    county.load_register(register)
    village = Organisation.objects.get(code="V1")
    assert [o.code for o in subtree(village.parent.path)] == ["T1", "V1"]
    assert village.path.startswith(Organisation.objects.get(code="C").path)
    assert not Organisation.objects.get(code="T2").connected


@pytest.mark.django_db
def test_loading_twice_changes_nothing(register: Path) -> None:
    county.load_register(register)
    before = organisation_ids_by_code()
    county.load_register(register)
    assert organisation_ids_by_code() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("division", "code"),
    [
        ("330197001101", "V1"),  # the village's own station
        ("330197001999", "T1"),  # a village nobody registered: its township
        ("330197002101", "C"),  # a township without a centre: the county
        ("330197", "C"),
        ("110101001001", None),  # another county
        ("", None),
        (None, None),
    ],
)
def test_who_is_responsible(register: Path, division: str | None, code: str | None) -> None:
    county.load_register(register)
    found = responsible_for(division)
    assert (found.code if found else None) == code


@pytest.mark.django_db
def test_tiles_of_the_schematic_map(register: Path) -> None:
    county.load_register(register)
    assert [(t.name, t.x, t.y) for t in township_tiles()] == [("湖山镇", 2, 3), ("竹溪镇", 3, 3)]


@pytest.mark.django_db
def test_an_unknown_organisation_is_kept_but_in_nobodys_scope(register: Path) -> None:
    county.load_register(register)
    stub = county.organisation_stub("诊所-没登记")
    assert stub.kind == "unregistered"
    assert not stub.path.startswith("/")
    assert county.organisation_stub("诊所-没登记").pk == stub.pk


@pytest.mark.django_db
@pytest.mark.parametrize(
    "rows",
    ["A,a,village,B,true\nB,b,township,A,true\n", "A,a,village,NOWHERE,true\n"],
)
def test_cycles_and_missing_parents_are_refused_whole(tmp_path: Path, rows: str) -> None:
    (tmp_path / "organisations.csv").write_text("code,name,kind,parent_code,connected\n" + rows, encoding="utf-8")
    with pytest.raises(Invalid):
        county.load_register(tmp_path)
    assert not Organisation.objects.exists()
