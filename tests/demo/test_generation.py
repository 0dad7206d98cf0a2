"""The same seed gives the same bytes, whoever computes them; the self-check holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest

from healthbrain.demo import generate, generate_identities, generate_lake, selfcheck
from tests.demo.small_county import AS_OF


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_feeds_do_not_depend_on_the_number_of_workers(tmp_path):
    for workers in (1, 3):
        generate(tmp_path / str(workers), residents=900, seed=3, workers=workers, as_of=AS_OF, block_size=300)
    one, three = digest(tmp_path / "1"), digest(tmp_path / "3")
    assert len(one) > 60
    assert one == three


def test_another_seed_is_another_county(tmp_path):
    for seed in (1, 2):
        generate(tmp_path / str(seed), residents=300, seed=seed, as_of=AS_OF)
    assert digest(tmp_path / "1")["truth/people/000.parquet"] != digest(tmp_path / "2")["truth/people/000.parquet"]


def test_lake_and_identities_do_not_depend_on_workers(tmp_path):
    for workers in (1, 3):
        place = tmp_path / str(workers)
        generate_lake(place, residents=900, workers=workers, as_of=AS_OF, block_size=300)
        generate_identities(place, residents=900, workers=workers, block_size=300)
    for name in ("resident.parquet", "link.parquet", "identities.parquet", "event/*.parquet"):
        assert pl.read_parquet(tmp_path / "1" / name).equals(pl.read_parquet(tmp_path / "3" / name)), name


def test_identifiers_are_unique_over_blocks(tmp_path):
    generate(tmp_path, residents=900, seed=3, as_of=AS_OF, block_size=300)
    persons = pl.concat(
        pl.read_csv(path, infer_schema=False) for path in tmp_path.glob("feeds/*/PH/persons-*.csv")
    ).filter(pl.col("sex") != "5", pl.col("birth_date") != "20260230")
    assert persons["source_id"].is_unique().all()
    lines = [
        line for path in tmp_path.glob("feeds/*/HIS01/Encounter-*.ndjson") for line in path.read_bytes().splitlines()
    ]
    frame = pl.read_ndjson(b"\n".join(lines)).select("id", pl.col("period").struct.field("start"))
    assert frame.unique()["id"].is_unique().all()  # a repeated line is the same line


def test_selfcheck_small(small):
    checks = selfcheck(small)
    assert len(checks) > 60
    assert [f"{c.name}: {c.target} → {c.obtained:.4f} ± {c.tolerance:.4f}" for c in checks if not c.passed] == []


def test_selfcheck_sees_a_wrong_county(small, tmp_path):
    """Truth with every second managed person struck out must fail on what it touches."""
    import shutil

    shutil.copytree(small, tmp_path / "c")
    path = tmp_path / "c" / "truth" / "diseases" / "000.parquet"
    pl.read_parquet(path).filter(pl.col("person") % 2 == 0).write_parquet(path)
    failed = {c.name for c in selfcheck(tmp_path / "c") if not c.passed}
    assert "disease.hypertension.prevalence" in failed
    assert "population.male" not in failed


@pytest.mark.slow
def test_selfcheck_demo_size(tmp_path):
    manifest = generate(tmp_path, residents=50_000, seed=1, as_of=AS_OF)
    assert [c.name for c in selfcheck(tmp_path) if not c.passed] == []
    assert 900_000 < sum(manifest.rows.values()) < 1_300_000


def test_sizes(tmp_path):
    """Institutions of the three sizes, as the county data sheet lists them."""
    from healthbrain.demo.geography import county
    from healthbrain.demo.parameters import parameters
    from healthbrain.demo.streams import stream

    for residents, expected in ((2_000, (1, 2, 6, 6)), (50_000, (2, 4, 20, 16)), (1_650_000, (7, 25, 281, 469))):
        made = county(parameters(), residents, stream(1, "county", 0))
        kinds = made.organisations["kind"].value_counts()
        counts = dict(kinds.iter_rows())
        assert (counts["hospital"], counts["township"], counts["village"], made.teams.height) == expected
        assert made.organisations.filter(~pl.col("connected")).height == 1
        assert made.organisations["name"].is_unique().all()
        assert made.places["code"].is_unique().all()
