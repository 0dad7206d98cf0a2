"""FHIR JSON, NDJSON and HL7v2 files as chunks, and each chunk converted. Files of any size in bounded memory."""

from __future__ import annotations

import datetime as dt
import json
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from healthbrain.records.intake.fhir import UNPACKED, Builder, Feed, Naming, entries_of, source_of
from healthbrain.records.intake.files import Refused, line_of
from healthbrain.records.intake.lines import lines_of, split
from healthbrain.records.intake.prepared import Note, Prepared, Reject
from healthbrain.records.intake.report import Meter
from healthbrain.records.rules import exact, hl7v2
from healthbrain.records.rules.reasons import message

WHOLE = 32 << 20  # a JSON file up to this size is read at once
WINDOW = 8 << 20
LONGEST_LINE = 64 << 20
LINES = 8_000
BLOCK = 4 << 20
RAW = 20_000


@dataclass(frozen=True, slots=True)
class MessageChunk:
    """A piece of a file: its bytes, the number of its first row, and where the file goes on after it."""

    form: str  # ndjson, bundle, entries, hl7v2
    data: Any
    first_row: int
    position: int
    feed: Feed
    as_of: dt.date


def convert(chunk: MessageChunk) -> Prepared:
    """One chunk converted. Pure: may run in another process."""
    return {"ndjson": _ndjson, "bundle": _bundle, "entries": _entries, "hl7v2": _hl7v2}[chunk.form](chunk)


# --- NDJSON --------------------------------------------------------------------------------------------------------


def read_ndjson(
    path: Path, feed: Feed, as_of: dt.date, start: int = 0, meter: Meter | None = None
) -> Iterator[MessageChunk]:
    """Lines in chunks; `start` = rows already taken."""
    meter = meter or Meter()
    with path.open("rb") as file:
        row, lines, size = 0, [], 0
        while line := line_of(file, LONGEST_LINE):
            if not line.strip():
                continue
            row += 1
            meter.read += len(line)
            if row <= start:
                continue
            lines.append(line)
            size += len(line)
            if len(lines) == LINES or size > WINDOW:
                yield MessageChunk("ndjson", lines, row - len(lines) + 1, row, feed, as_of)
                lines, size = [], 0
        if lines:
            yield MessageChunk("ndjson", lines, row - len(lines) + 1, row, feed, as_of)


def _ndjson(chunk: MessageChunk) -> Prepared:
    builder = Builder(chunk.as_of)
    namings: dict[str, Naming] = {}
    lines = lines_of(chunk.feed)
    for row, (line, parts) in enumerate(zip(chunk.data, split(chunk.data), strict=True), chunk.first_row):
        if lines.add(parts, row, builder, namings):
            continue
        try:
            resource = exact.loads(line.removeprefix(BOM_UTF8))
        except orjson.JSONDecodeError as error:
            _unreadable(builder, row, line, error)
            continue
        source = source_of(resource, chunk.feed)
        naming = namings.get(source) or namings.setdefault(source, Naming(source))
        builder.add(resource, naming, row, raw=line)
    return builder.prepared(chunk.position)


def _unreadable(builder: Builder, row: int, raw: bytes, error: orjson.JSONDecodeError) -> None:
    builder.rows += 1
    builder.by_type["unknown"] += 1
    reason = "nesting-too-deep" if "recursion" in error.msg.lower() or "depth" in error.msg.lower() else "json-invalid"
    detail = f"第 {error.lineno} 行第 {error.colno} 个字符（字节位置约 {error.pos}）：{error.msg}"
    builder.rejects.append(Reject(row, "", reason, message(reason, detail), raw[:RAW].decode(errors="replace")))


# --- JSON ------------------------------------------------------------------------------------------------------------


def read_json(
    path: Path, feed: Feed, as_of: dt.date, start: int = 0, meter: Meter | None = None
) -> Iterator[MessageChunk]:
    """A small file whole; a large Bundle entry by entry through a window."""
    meter = meter or Meter()
    if path.stat().st_size <= WHOLE:
        data = path.read_bytes()
        if data.strip() and not start:
            yield MessageChunk("bundle", data, 1, 1, feed, as_of)
        return
    row, size = 0, 0
    block: list[Any] = []
    broken: Refused | None = None
    entries = _stream_entries(path)
    while True:
        try:
            entry, length = next(entries)
        except StopIteration:
            break
        except Refused as problem:  # what came before it is good
            broken = problem
            break
        row += 1
        meter.read += length
        if row <= start:
            continue
        block.append(entry)
        size += length
        if len(block) == LINES or size > WINDOW:
            yield MessageChunk("entries", block, row - len(block) + 1, row, feed, as_of)
            block, size = [], 0
    if block:
        yield MessageChunk("entries", block, row - len(block) + 1, row, feed, as_of)
    if broken:
        raise broken


def _bundle(chunk: MessageChunk) -> Prepared:
    """A file with one Bundle (its entries are the rows) or one resource (one row)."""
    builder = Builder(chunk.as_of)
    _add_json(builder, chunk)
    return builder.prepared(chunk.position)


def _add_json(builder: Builder, chunk: MessageChunk) -> None:
    try:
        content = exact.loads(chunk.data.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        _unreadable(builder, 1, chunk.data, error)
        return
    if isinstance(content, dict) and content.get("resourceType") == "Bundle" and content.get("type") in UNPACKED:
        _add_bundle(builder, content, chunk.feed)
    else:
        resources = content if isinstance(content, list) else [content]  # some systems export a bare array
        for row, resource in enumerate(resources, 1):
            builder.add(resource, Naming(source_of(resource, chunk.feed)), row)


def _add_bundle(builder: Builder, bundle: dict[str, Any], feed: Feed) -> None:
    entries = entries_of(bundle)
    source = source_of(bundle, feed)
    if source == feed.folder and entries:
        source = source_of(entries[0][1], feed)
    builder.message(entries, Naming(source))


def _entries(chunk: MessageChunk) -> Prepared:
    """Entries of a bundle too large for one piece: references to its other pieces are kept as they came."""
    builder = Builder(chunk.as_of)
    bundle = {"entry": chunk.data}
    entries = entries_of(bundle)
    builder.message(entries, Naming(source_of(entries[0][1], chunk.feed)), chunk.first_row)
    return builder.prepared(chunk.position)


_ENTRY_LIST = re.compile(r'"entry"\s*:\s*\[')
_GAP = re.compile(r"[\s,]*")


def _stream_entries(path: Path) -> Iterator[tuple[Any, int]]:
    """The entries of a large Bundle, one at a time, each with its length. Raises Refused, with the position,
    where the JSON breaks off."""
    decode = json.JSONDecoder(parse_float=exact.number).raw_decode
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        text = file.read(WINDOW)
        found = _ENTRY_LIST.search(text)
        if not found:
            raise Refused("json-invalid", "大于 32 MB 的文件须是 Bundle（entry 数组在前 8 MB 内）或 NDJSON")
        position, before = found.end(), 0
        while True:
            position = _GAP.match(text, position).end()  # type: ignore[union-attr]
            if text[position : position + 1] == "]":
                return
            begin = position
            try:
                entry, position = decode(text, position)
            except RecursionError as error:
                raise Refused("nesting-too-deep", f"字符位置 {before + position}") from error
            except json.JSONDecodeError as error:
                more = file.read(WINDOW) if len(text) - position < LONGEST_LINE else ""
                if not more:
                    raise Refused("json-invalid", f"字符位置 {before + error.pos}：{error.msg}") from error
                before, text, position = before + position, text[position:] + more, 0
                continue
            yield entry, position - begin


# --- HL7v2 -----------------------------------------------------------------------------------------------------------

_NEXT = re.compile(rb"[\r\n\x0b\x1c]MSH")


def read_hl7v2(
    path: Path, feed: Feed, as_of: dt.date, start: int = 0, meter: Meter | None = None
) -> Iterator[MessageChunk]:
    """Messages in blocks that end where the next message begins. `start` = bytes already taken."""
    meter = meter or Meter()
    with path.open("rb") as file:
        file.seek(start)
        position, rest = start, b""
        while True:
            block = file.read(BLOCK)
            data = rest + block
            cut = max((m.start() + 1 for m in _NEXT.finditer(data)), default=0) if block else len(data)
            piece, rest = data[:cut], data[cut:]
            if piece:
                position += len(piece)
                meter.read = position
                yield MessageChunk("hl7v2", piece, 0, position, feed, as_of)
            if not block:
                return


def _hl7v2(chunk: MessageChunk) -> Prepared:
    """Rows are numbered by their place in the chunk; `run` adds what came before."""
    builder = Builder(chunk.as_of)
    for row, found in enumerate(hl7v2.messages(chunk.data), 1):
        builder.rows += 1
        builder.by_type[f"{found.kind}^{found.trigger}" if found.kind else "unknown"] += 1
        resources, issues = hl7v2.to_resources(found, chunk.feed.given)
        fatal = [issue for issue in issues if issue.severity == "fatal"]
        if fatal:
            reject_hl7v2(builder, found, fatal[0], row)
            continue
        builder.notes += [Note(row, issue.path, issue.text) for issue in issues[:3]]
        add_hl7v2(builder, found, resources, row, chunk.feed.given)
    return builder.prepared(chunk.position)


def reject_hl7v2(builder: Builder, found: hl7v2.Message, fatal: hl7v2.Issue, row: int) -> None:
    """Keep the raw text of a message we cannot use, and say why."""
    raw = found.raw[:RAW].decode(found.charset, errors="replace")
    builder.rejects.append(Reject(row, fatal.path, "hl7-invalid", message("hl7-invalid", fatal.text), raw))


def add_hl7v2(builder: Builder, found: hl7v2.Message, resources: list[Any], row: int, given: str | None) -> None:
    """The resources of one message. A laboratory only mentions its patient: that never overwrites what ADT said."""
    source = given or found.source
    whose = hl7v2.person_id(found) or None
    naming = Naming(source, keep_ids=True, whose=whose, weak_patient=found.kind != "ADT")
    builder.message([(None, resource) for resource in resources], naming, one_row=row)


def renumbered(prepared: Prepared, before: int) -> Prepared:
    """The same with `before` added to each row number."""
    if not before:
        return prepared
    prepared.rejects = [replace(reject, row=reject.row + before) for reject in prepared.rejects]
    prepared.notes = [replace(note, row=note.row + before) for note in prepared.notes]
    prepared.resources = prepared.resources.with_columns(prepared.resources["row"] + before)
    return prepared


@dataclass(slots=True)
class Part:
    """What one of many files brought, besides its rows in the common frames."""

    digest: bytes
    rows: int
    rejects: list[Reject]
    notes: list[Note]
    by_type: Counter[str]


@dataclass(slots=True)
class Group:
    """Many small files converted together: `batch_id` in the frames is the file's place in `parts`."""

    prepared: Prepared
    parts: list[Part]

    def alone(self, place: int) -> Prepared:
        """One file's share."""
        part = self.parts[place]
        resources = self.prepared.resources.filter(pl.col("batch_id") == place)
        keys = resources.select("key", "hash")
        return Prepared(
            resources,
            self.prepared.events.join(keys, on=["key", "hash"], how="semi"),
            self.prepared.persons.join(keys, on=["key", "hash"], how="semi"),
            part.rejects,
            part.notes,
            part.rows,
            part.by_type,
            1,
        )


def convert_files(files: list[tuple[str, Feed, dt.date]]) -> Group:
    """Many small JSON files in one pass."""
    builder = Builder(files[0][2])
    parts = []
    for place, (name, feed, as_of) in enumerate(files):
        data = Path(name).read_bytes()
        builder.part, builder.rows = place, 0
        builder.rejects, builder.notes, builder.by_type = [], [], Counter()
        _add_json(builder, MessageChunk("bundle", data, 1, 1, feed, as_of))
        digest = blake2b(data, digest_size=16).digest()
        parts.append(Part(digest, builder.rows, builder.rejects, builder.notes, builder.by_type))
    return Group(builder.prepared(), parts)
