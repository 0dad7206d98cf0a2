"""Killed after the rows were stored and before they were matched: the next intake catches up."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthbrain.county import actions as county
from healthbrain.records import actions as records
from healthbrain.residents import actions as residents
from healthbrain.residents.models import Link

HEADER = "source,source_id,name,sex,birth_date,id_number,phone,address,division_code\n"


@pytest.mark.django_db
def test_the_next_intake_matches_whom_a_killed_one_left_behind(tmp_path: Path) -> None:
    source = county.source("H1").pk
    residents.upsert_identities([{"source_id": source, "source_key": "1", "name": "张小明", "sex": "1"}])
    assert not Link.objects.exists()
    assert len(residents.unmatched()) == 1
    (tmp_path / "persons.csv").write_text(HEADER + "H1,2,李桂芳,2,1955-11-20,,,,\n", encoding="utf-8")
    records.ingest([tmp_path])
    assert set(Link.objects.values_list("identity__source_key", flat=True)) == {"1", "2"}
    assert residents.unmatched() == []
