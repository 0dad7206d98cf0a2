"""NDJSON lines that differ from one seen before only in ids, references, dates and numbers.

A sender writes the same few kinds of line over and over: the constant text says what it is, the places in between say
whose, when and how much. The second line of a kind is converted by `Builder` with marks in those places; where the
marks come out says how every further line of that kind is converted, without parsing it. What that cannot vouch for
(escapes, broken dates, findings, a mark that does not come out once) is left to `Builder`, row by row: same result.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
import polars as pl

from healthbrain.records.intake.fhir import Builder, Feed, Naming, digest_of, source_of
from healthbrain.records.rules import exact, index, ledger, units

HEAD = r'^\{"resourceType":"([A-Z][A-Za-z]+)","id":"([A-Za-z0-9\-.]{1,64})"'
DAY = r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
TIME = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
CHANGES = (  # what stands before, what changes, what stands behind: the id of a reference, a date, a decimal
    r'("reference":"[A-Z][A-Za-z]+/)([A-Za-z0-9\-.]{1,64})(")'
    rf'|(:")({DAY})(")|(:")({DAY}{TIME})((?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])")'
    r'|("value":)(-?(?:[1-9][0-9]{0,8}(?:\.[0-9]{1,4})?|0\.[0-9]{1,4})|0)([,}])'
)
CUT = "\x01"  # around what changes; no JSON text holds it
REFERENCE = re.compile(r'"reference":"([A-Z][A-Za-z]+)/$')  # before an id
MANY = 5_000  # kinds of line remembered: more are no kinds but free text
FAR = dt.date(9000, 1, 1)  # no date is later: what lies ahead is decided line by line
MARK = "hb-mark-"
FIRST_DAY = dt.date(1907, 1, 1)
FIRST_NUMBER = 7_000_003


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with places: pieces at even positions, the numbers of the changes at odd ones."""

    cells: list[str]
    places: list[int]

    def of(self, values: Sequence[str]) -> str:
        cells = self.cells.copy()
        cells[1::2] = [values[place] for place in self.places]
        return "".join(cells)


@dataclass(frozen=True, slots=True)
class Told:
    """One ledger row of a kind of line; numbers of changes where a value changes, None where it does not."""

    row: ledger.EventRow
    at: int | None
    value: int | None
    unit: tuple[str | None] | None  # as the line gives it, when the value is to be converted
    organisation: int | None


@dataclass(frozen=True, slots=True)
class Kind:
    """What every line of one kind becomes."""

    type: str
    source: str
    dates: list[tuple[int, str]]  # number of the change, what follows the date up to its end
    references: list[tuple[int, str]]  # number of the change, type
    alike: bool  # whether two references are of one type
    person: int | None
    constant_person: str | None
    patient: int | None
    constant_patient: bytes | None
    at: int | None
    constant_at: dt.datetime | None
    tokens: Filled
    tail: Filled
    events: list[Told]


Split = tuple[str, str, list[str]]  # type, id, and what follows: constants at even positions, changes at odd ones


def split(lines: Sequence[bytes]) -> list[Split | None]:
    """Each line taken apart; None: not one for us. A Patient's words are all his own."""
    text = pl.col("line").cast(pl.Utf8, strict=False).str.strip_chars()
    head = pl.col("text").str.extract_groups(HEAD).struct.rename_fields(["type", "own"])
    cut = CUT.join("".join(f"${{{group}}}" for group in range(first, 13, 3)) for first in (1, 2, 3))
    odd = pl.col("text").str.contains_any(["\\", CUT]) | (pl.col("type") == "Patient")
    frame = (
        pl.DataFrame({"line": pl.Series(lines, dtype=pl.Binary)})
        .lazy()
        .select(text.alias("text"))
        .with_columns(head.alias("head"))
        .unnest("head")
        .select(
            pl.when(~odd).then("type"),
            "own",
            pl.col("text").str.replace(HEAD, "").str.replace_all(CHANGES, cut).alias("rest"),
        )
        .collect()
    )
    return [(type_, own, rest.split(CUT)) if type_ else None for type_, own, rest in frame.iter_rows()]


class Lines:
    """The kinds of line met so far in one feed."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.kinds: dict[tuple[str, ...], Kind | bool | None] = {}

    def add(self, found: Split | None, row: int, builder: Builder, namings: dict[str, Naming]) -> bool:
        """Add a line to the builder; False when it is one for the builder itself."""
        if found is None:
            return False
        type_, own, parts = found
        key = (type_, *parts[0::2])
        kind = self.kinds.get(key, False)
        if kind is False:  # the first of its kind; perhaps the only one
            if len(self.kinds) == MANY:
                self.kinds.clear()
            self.kinds[key] = True
            return False
        if kind is True:
            kind = self.kinds[key] = learn(type_, parts, self.feed)
        return isinstance(kind, Kind) and _take(kind, own, parts, row, builder, namings)


_moment = functools.lru_cache(maxsize=65_536)(ledger.moment)  # what is done at one visit bears one time


def _take(kind: Kind, own: str, parts: list[str], row: int, builder: Builder, namings: dict[str, Naming]) -> bool:
    values = parts[1::2]
    naming = namings.get(kind.source) or namings.setdefault(kind.source, Naming(kind.source))
    moments: list[dt.datetime | None] = [None] * len(values)
    texts = values.copy()
    for place, zone in kind.dates:
        at = moments[place] = _moment(values[place] + zone)
        if at is None:
            return False
    for place, type_ in kind.references:
        texts[place] = naming.new_id(type_, values[place])
    if kind.alike and len({texts[place] for place, _ in kind.references}) < len(kind.references):
        return False  # the same thing mentioned twice is one search token, not two
    identifier = naming.new_id(kind.type, own)
    tail = kind.tail.of(texts)
    key = digest_of(f"{kind.type}/{identifier}")
    digest = blake2b(tail.encode(), digest_size=16).digest()
    builder.rows += 1
    builder.by_type[kind.type] += 1
    builder.resources.append(
        (
            builder.part,
            row,
            key,
            kind.type,
            identifier,
            kind.source,
            kind.constant_person if kind.person is None else values[kind.person],
            kind.constant_patient if kind.patient is None else digest_of(f"Patient/{texts[kind.patient]}"),
            kind.constant_at if kind.at is None else moments[kind.at],
            digest,
            kind.tokens.of(texts),
            tail,
            False,
        )
    )
    for told in kind.events:
        builder.events.append((key, digest, *_event(told, values, moments, builder.as_of)))
    return True


def _event(told: Told, values: Sequence[str], moments: Sequence[dt.datetime | None], as_of: dt.date) -> ledger.EventRow:
    kind, code, at, value, unit, text, flag, organisation = told.row
    if told.at is not None:
        at = moments[told.at] or at
    if told.value is not None:
        value = float(values[told.value])
        if told.unit is not None:
            value, unit, found = units.normalise(code, value, told.unit[0])
            flag = flag if flag == ledger.IN_ERROR else found
    if told.organisation is not None:
        organisation = values[told.organisation]
    return ledger.dated(ledger.EventRow(kind, code, at, value, unit, text, flag, organisation), as_of)


# --- learning a kind of line ---------------------------------------------------------------------------------------


def learn(type_: str, parts: Sequence[str], feed: Feed) -> Kind | None:
    """What lines of this kind become, from one with marks in the places that change; None when that cannot be told."""
    before, behind = parts[0:-1:2], parts[2::2]
    found = [REFERENCE.search(text) for text in before]
    types = [match and match[1] for match in found]
    dated = [not match and not text.endswith('"value":') for match, text in zip(found, before, strict=True)]
    zones = [text.partition('"')[0] if is_date else None for is_date, text in zip(dated, behind, strict=True)]
    places = zip(types, zones, parts[1::2], strict=True)
    marks = [_mark(place, *said) for place, said in enumerate(places)]
    text = f'{{"resourceType":"{type_}","id":"{MARK}own"' + "".join(
        constant + mark for constant, mark in zip(parts[0::2], [*marks, ""], strict=True)
    )
    resource = exact.loads(text)
    source = source_of(resource, feed)
    builder, naming = Builder(FAR), Naming(source)
    if not builder.add(resource, naming, 1) or builder.notes or builder.persons:
        return None
    (_, _, key, _, identifier, _, person, patient, at, _, tokens, tail, _) = builder.resources[0]
    if identifier != naming.new_id(type_, MARK + "own") or key != digest_of(f"{type_}/{identifier}"):
        return None
    outputs = [naming.new_id(t, mark) if t else mark for t, mark in zip(types, marks, strict=True)]
    named = {mark: place for place, mark in enumerate(marks) if types[place]}
    patients = {digest_of(f"Patient/{outputs[p]}"): p for p, t in enumerate(types) if t == "Patient"}
    days = {ledger.moment(marks[p] + zone): p for p, zone in enumerate(zones) if zone is not None}
    filled, searched = _filled(tail, outputs), _filled(tokens, outputs)
    events = [_told(ledger.EventRow(*event[2:]), orjson.loads(text), named, days, marks) for event in builder.events]
    sound = (
        sorted(filled.places) == list(range(len(marks)))
        and all(types[place] for place in searched.places)
        and not any(MARK in piece for piece in (*filled.cells[0::2], *searched.cells[0::2]))
        and not any(str(FIRST_DAY.year) in piece for piece in searched.cells[0::2])
        and all(len(token) < index.LONGEST for token in tokens.split("\x00"))
        and (person is None or person in named or MARK not in person)
        and None not in events
    )
    if not sound:
        return None
    return Kind(
        type_,
        source,
        [(place, zone) for place, zone in enumerate(zones) if zone is not None],
        [(place, named_type) for place, named_type in enumerate(types) if named_type],
        len(set(types) - {None}) < len(types) - types.count(None),
        named.get(person),
        person,
        patients.get(patient),
        patient,
        days.get(at),
        at,
        searched,
        filled,
        [event for event in events if event is not None],
    )


def _mark(place: int, type_: str | None, zone: str | None, value: str) -> str:
    """A value for a place, of the same form as the one that stood there, that stands nowhere else."""
    if type_:
        return f"{MARK}{place}-"
    if zone is not None:
        return (FIRST_DAY + dt.timedelta(days=place)).isoformat() + ("T01:02:03" if len(value) > 10 else "")
    return str(FIRST_NUMBER + place)


def _filled(text: str, outputs: Sequence[str]) -> Filled:
    """The text with the places of the marks that come out in it."""
    if not outputs:
        return Filled([text], [])
    place_of = {output: place for place, output in enumerate(outputs)}
    longest_first = sorted(place_of, key=len, reverse=True)
    cells = re.split("(" + "|".join(map(re.escape, longest_first)) + ")", text)
    return Filled(cells, [place_of[cell] for cell in cells[1::2]])


def _told(
    row: ledger.EventRow,
    resource: dict[str, Any],
    named: dict[str, int],
    days: dict[dt.datetime | None, int],
    marks: Sequence[str],
) -> Told | None:
    """Where the changes of a line come out in one of its ledger rows; None when that cannot be told."""
    if any(mark in text for text in (row.code, row.unit or "", row.text or "") for mark in marks):
        return None
    if row.organisation and row.organisation not in named and MARK in row.organisation:
        return None
    numbers = {float(mark): place for place, mark in enumerate(marks) if mark.isdigit()}
    value, unit = numbers.get(row.value) if row.value is not None else None, None
    if row.value is not None and (quantities := list(_quantities(resource))):
        for quantity in quantities:  # the value of an observation is converted
            unit = (ledger.unit_of(quantity),)
            if units.normalise(row.code, float(quantity["value"]), unit[0])[:2] == (row.value, row.unit):
                value = numbers.get(quantity["value"])
                break
        else:
            return None
    return Told(row, days.get(row.at), value, unit, named.get(row.organisation or ""))


def _quantities(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (resource, *resource.get("component", ())):
        if "valueQuantity" in holder:
            yield holder["valueQuantity"]


@functools.lru_cache(maxsize=64)
def lines_of(feed: Feed) -> Lines:
    """The lines met under this source, kept from chunk to chunk."""
    return Lines(feed)
