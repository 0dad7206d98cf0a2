"""One small county for the whole folder of tests."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from healthbrain.demo import generate
from tests.demo.small_county import AS_OF, is_utf8


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("county")
    generate(folder, residents=2_000, seed=7, as_of=AS_OF)
    return folder


@pytest.fixture(scope="session")
def truth(small: Path):
    """Reads a truth table by name."""
    return lambda table: pl.read_parquet(small / "truth" / table / "*.parquet")


@pytest.fixture(scope="session")
def sheet(small: Path):
    """Reads a template from every CSV that holds it, all columns as text, bad rows included."""

    def read(template: str, source: str = "*") -> pl.DataFrame:
        files = sorted(small.glob(f"feeds/*/{source}/{template}-*.csv"))
        return pl.concat(
            pl.read_csv(f, infer_schema=False, encoding="utf8" if is_utf8(f) else "gbk").with_columns(
                pl.lit(f.name).alias("file")
            )
            for f in files
        )

    return read
