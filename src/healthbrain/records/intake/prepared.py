"""What conversion hands to the store: frames ready to be written, and the rows it could not take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import polars as pl

SEPARATOR = "\x00"  # no text of ours holds it
RESOURCES: dict[str, Any] = {
    "batch_id": pl.Int64,  # set when it is known, just before writing
    "row": pl.Int64,  # the sender's row number; several resources may come from one row (an HL7v2 message)
    "key": pl.Binary,  # Resource.key, 16 bytes
    "type": pl.Utf8,
    "id": pl.Utf8,
    "source": pl.Utf8,  # source code
    "person": pl.Utf8,  # the source's own id of the person, null when about nobody
    "patient": pl.Binary,  # key of the Patient resource it refers to
    "at": pl.Datetime("us"),
    "hash": pl.Binary,  # 16 bytes over the content
    "tokens": pl.Utf8,  # of search, with SEPARATOR between them
    "tail": pl.Utf8,  # the JSON text after meta.lastUpdated
    "weak": pl.Boolean,  # only mentioned (the patient of a laboratory message): never written over what is known
}
EVENTS: dict[str, Any] = {
    "key": pl.Binary,
    "hash": pl.Binary,  # of the resource version the event belongs to
    "kind": pl.Utf8,
    "code": pl.Utf8,
    "at": pl.Datetime("us"),
    "value": pl.Float64,
    "unit": pl.Utf8,
    "text": pl.Utf8,
    "flag": pl.Int16,
    "organisation": pl.Utf8,  # organisation code
}
PERSONS: dict[str, Any] = {
    "key": pl.Binary,
    "hash": pl.Binary,
    "source": pl.Utf8,
    "source_key": pl.Utf8,
    "alias": pl.Utf8,  # what references call the person, when that is not source_key: a FHIR server's Patient id
    "name": pl.Utf8,
    "sex": pl.Utf8,
    "birth_date": pl.Date,
    "id_number": pl.Utf8,
    "phone": pl.Utf8,
    "address": pl.Utf8,
    "division_code": pl.Utf8,
    "deceased_on": pl.Date,
    "moved_on": pl.Date,
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A row we could not take."""

    row: int
    field: str
    reason: str
    message: str
    raw: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something odd about a row that was taken all the same."""

    row: int
    field: str
    message: str


@dataclass(slots=True)
class Prepared:
    """One chunk, converted. `position` is where the file continues after it; `size` the bytes it came from."""

    resources: pl.DataFrame
    events: pl.DataFrame
    persons: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    rows: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    position: int = 0


def empty(rows: int = 0) -> Prepared:
    return Prepared(
        pl.DataFrame(schema=RESOURCES), pl.DataFrame(schema=EVENTS), pl.DataFrame(schema=PERSONS), rows=rows
    )


def joined(tokens: list[str]) -> str:
    """Search tokens as the column `tokens` holds them."""
    text = SEPARATOR.join(tokens)
    if text.count(SEPARATOR) >= max(len(tokens), 1):
        text = SEPARATOR.join(token.replace(SEPARATOR, "") for token in tokens)
    return text
