"""The whole county in PostgreSQL, for benches that need it loaded: residents, identities, links, the ledger.

Loaded by COPY from the synthetic lake with the secondary indexes set aside, not through intake: what is measured here
is reading at full size. Bodies of FHIR resources are not loaded; the pages measured read the ledger.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from django.db import connection

from healthbrain.cli.output import Advance
from healthbrain.kernel.db import execute, select
from healthbrain.kernel.home import folder

AS_OF = dt.date(2026, 11, 22)
STORED = (
    "id", "source_id", "source_key", "name", "pinyin", "surname", "given", "initials", "sex", "birth_date", "id_number",
    "id_number_raw", "phone", "address", "division_code", "deceased_on",
)  # fmt: skip


def load(residents: int, advance: Advance) -> None:
    """Bring the synthetic county of that size into this database, unless it is there already."""
    if select("SELECT count(*) FROM residents_resident")[0][0] >= residents:
        return
    from healthbrain.county import actions as county
    from healthbrain.demo import generate_lake

    lake = folder("lake")
    if not (lake / "resident.parquet").exists():
        advance(0, 4, "generate")
        generate_lake(lake, residents=residents, as_of=AS_OF)
    source = county.source("BENCH").pk
    _organisations(lake)
    advance(1, 4, "residents")
    _residents(lake)
    advance(2, 4, "identities")
    _identities(lake, source)
    advance(3, 4, "ledger")
    _events(lake)
    execute("ANALYZE residents_resident, residents_identity, residents_link, records_event")
    for table in ("residents_resident", "residents_identity", "records_event", "county_organisation"):
        select(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


def _organisations(lake: Path) -> None:
    """The lake names organisations by number; one row each, below one county."""
    numbers = pl.scan_parquet(lake / "resident.parquet").select(pl.col("home_organisation_id").max()).collect().item()
    execute(
        """INSERT INTO county_organisation (id, code, name, kind, path, connected)
           SELECT n, 'B' || n, '合成机构 ' || n, 'village', '/1/' || n || '/', true FROM generate_series(1, %s) n""",
        (numbers,),
    )


@contextmanager
def _indexes_aside(table: str) -> Iterator[None]:
    """Secondary indexes dropped for the load and built again: three times faster than keeping them up row by row."""
    rows = select(
        """SELECT indexdef, indexname FROM pg_indexes i WHERE tablename = %s
           AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)""",
        (table,),
    )
    for _, name in rows:
        execute(f'DROP INDEX "{name}"')
    yield
    for definition, _ in rows:
        execute(definition)


def _copy(table: str, columns: tuple[str, ...], frames: Iterator[pl.DataFrame]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv)") as copy,
    ):
        for frame in frames:
            for part in frame.select(columns).iter_slices(200_000):
                copy.write(part.write_csv(include_header=False).encode())


def _residents(lake: Path) -> None:
    from healthbrain.residents.identities import normalise

    people = pl.read_parquet(lake / "resident.parquet")
    names = normalise(people.with_columns(source_id=pl.lit(1, pl.Int64), source_key=pl.col("id").cast(pl.String)))
    people = people.with_columns(
        name_initials=names["initials"],
        name_pinyin=names["pinyin"],
        created=pl.lit(str(AS_OF)),
        updated=pl.lit(str(AS_OF)),
    )
    with _indexes_aside("residents_resident"):
        _copy("residents_resident", tuple(people.columns), iter([people]))


def _identities(lake: Path, source: int) -> None:
    from healthbrain.residents.identities import normalise

    people = pl.read_parquet(lake / "resident.parquet")
    links = pl.read_parquet(lake / "link.parquet")
    people = normalise(people.with_columns(source_id=pl.lit(source, pl.Int64), source_key=pl.col("id").cast(pl.String)))
    people = people.with_columns(resident_id=pl.col("source_key").cast(pl.Int64)).drop("source_key")
    rows = links.join(people, on="resident_id").with_columns(
        id=pl.col("identity_id"), source_key=pl.col("identity_id").cast(pl.String), updated=pl.lit(str(AS_OF))
    )
    with _indexes_aside("residents_identity"):
        _copy("residents_identity", (*STORED, "updated"), iter([rows]))
    linked = links.with_columns(explanation=pl.lit("{}"), linked_at=pl.lit(str(AS_OF)))
    with _indexes_aside("residents_link"):
        _copy("residents_link", tuple(linked.columns), iter([linked]))


def _events(lake: Path) -> None:
    columns = (
        "id", "identity_id", "kind", "code", "at", "value", "unit", "text", "flag", "organisation_id", "resource",
        "recorded",
    )  # fmt: skip
    nobody = "00000000-0000-0000-0000-000000000000"  # no resource body behind a bench event
    files = sorted((lake / "event").glob("*.parquet"))
    frames = (pl.read_parquet(file).with_columns(resource=pl.lit(nobody)) for file in files)
    with _indexes_aside("records_event"):
        _copy("records_event", columns, frames)
