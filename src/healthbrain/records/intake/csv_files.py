"""CSV files as records: encoding, delimiter, and lines no reader can make sense of, each refused alone."""

from __future__ import annotations

import codecs
import csv
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import polars as pl

from healthbrain.records.intake.files import Refused, line_of
from healthbrain.records.intake.report import Meter

SAMPLE = 1 << 20
BLOCK = 4 << 20
LONGEST_FIELD = 1 << 17
NOT_TEXT = "\x00undecodable"
csv.field_size_limit(LONGEST_FIELD)


def encoding_of(path: Path) -> str:
    """UTF-8, UTF-16 by its mark, or GB18030 (which includes GBK and GB2312). Raises Refused for anything else."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for name in ("utf-8-sig", "gb18030"):
        try:
            codecs.getincrementaldecoder(name)().decode(sample, final=len(sample) < SAMPLE)
        except UnicodeDecodeError as error:
            # A few broken bytes in an otherwise good UTF-8 file cost their rows, not the file.
            if name == "utf-8-sig" and _mostly_utf8(sample):
                return name
            found = error
        else:
            if b"\x00" in sample:
                break
            return name
    else:
        raise Refused("file-encoding", f"第 {found.start} 字节") from found
    raise Refused("file-encoding", "文件含有零字节，不是文本")


def _mostly_utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", errors="replace")
    wide = sum(c > "\x7f" for c in text)
    return wide > 0 and text.count("\ufffd") * 20 < wide


def delimiter_of(line: str) -> str:
    """The separator a header line uses."""
    return max(",\t;|", key=line.count)


class Lines:
    """Decoded lines of a file. `pending`: those of the record being read; lines can be put back to be read again.

    A line that is no text comes out marked, its bytes replaced.
    """

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self.pending: list[str] = []
        self.again: list[str] = []
        self._file, self._encoding = file, encoding

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.again.pop() if self.again else self._next()
        self.pending.append(line)
        return line

    def put_back(self, lines: Sequence[str]) -> None:
        self.again += reversed(lines)

    def _next(self) -> str:
        raw = line_of(self._file, LONGEST_FIELD * 8)
        if not raw:
            raise StopIteration
        try:
            return codecs.getincrementaldecoder(self._encoding)().decode(raw, final=_whole(raw)).replace("\x00", "")
        except UnicodeDecodeError:
            return NOT_TEXT + raw.decode(self._encoding, errors="replace")


def _whole(raw: bytes) -> bool:
    """Whether the line was read to its end: where it was cut, half a character is nobody's mistake."""
    return len(raw) < LONGEST_FIELD * 8


@dataclass(slots=True)
class Text:
    """A text file of records: how it is written, and which of its records is the header."""

    path: Path
    encoding: str
    ends: bytes = b"\n"  # of lines; an old Macintosh writes a carriage return
    delimiter: str = ","
    header: list[str] = field(default_factory=list)
    header_number: int = 0
    refused: dict[int, str] = field(default_factory=dict)  # record number → why it cannot be relied on


@dataclass(frozen=True, slots=True)
class Plain:
    """Whole lines as UTF-8, each line a record: each delimiter ends a cell, but within a cell in quotes."""

    first: int  # number of the first record
    lines: bytes


Numbered = list[tuple[int, list[str]]]


def open_text(path: Path) -> Text:
    """Encoding, delimiter and header: the first record with something in it. Raises Refused for what is no text."""
    text = Text(path, encoding_of(path), _ends(path))
    with _opened(text) as file:
        lines = Lines(file, _codec(text))
        first = next(lines, "")
        lines.put_back([first])
        lines.pending.clear()
        text.delimiter = delimiter_of(first)
        for number, row in _records(lines, text, 0):
            if any(cell.strip() for cell in row):
                text.header, text.header_number = [cell.strip() for cell in row], number
                break
    return text


def _ends(path: Path) -> bytes:
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    return b"\r" if b"\r" in sample and b"\n" not in sample else b"\n"


def _codec(text: Text) -> str:
    return "utf-8" if text.encoding == "utf-16" else text.encoding.removesuffix("-sig")


def _opened(text: Text) -> IO[bytes]:
    """The file behind its mark. What is rare, UTF-16 and old ends of lines, is rewritten in memory, or on disk when
    large."""
    file: IO[bytes]
    if text.encoding == "utf-16" or text.ends != b"\n":
        file = tempfile.SpooledTemporaryFile(max_size=64 << 20)  # noqa: SIM115  closed by whoever asked
        for piece in _rewritten(text):
            file.write(piece)
        file.seek(0)
    else:
        file = text.path.open("rb")
    if file.read(3) != codecs.BOM_UTF8:
        file.seek(0)
    return file


def _rewritten(text: Text) -> Iterator[bytes]:
    if text.encoding == "utf-16":
        with text.path.open(encoding="utf-16", errors="replace", newline="") as wide:
            while words := wide.read(1 << 20):
                yield words.encode(errors="replace")
        return
    with text.path.open("rb") as file:  # no character of UTF-8 or GB18030 holds a carriage return
        while piece := file.read(1 << 20):
            yield piece.replace(b"\r", b"\n")


def blocks(text: Text, meter: Meter, start: int = 0) -> Iterator[tuple[int, Plain | Numbered]]:
    """(number of the last record, records) behind the header and behind record `start`, in blocks of whole records.

    A line is a record unless there are quotes that do not simply stand around cells. A block with such quotes, or with
    anything a plain split would not read as `csv` does, is read record by record.
    """
    number = 0
    with _opened(text) as file:
        while lines := file.read(BLOCK) + file.readline(LONGEST_FIELD * 8):
            begin = file.tell() - len(lines)
            meter.read = file.tell()
            plain = _plain(lines, text)
            if plain is None:
                file.seek(begin)
                rows = list(_through(file, text, number, begin + len(lines)))
                number = rows[-1][0] if rows else number
                yield number, [(n, row) for n, row in rows if n > max(start, text.header_number)]
                continue
            count = plain.count(b"\n") + (not plain.endswith(b"\n"))
            known = min(max(start, text.header_number, number) - number, count)
            number += count
            yield number, Plain(number - count + known + 1, _without(plain, known))


def _plain(lines: bytes, text: Text) -> bytes | None:
    """The lines as UTF-8 with plain ends, or None when they must be read record by record."""
    if b"\x00" in lines or lines.count(b"\r") != lines.count(b"\r\n"):
        return None
    try:
        decoded = lines if lines.isascii() else lines.decode(_codec(text)).encode()
    except UnicodeError:
        return None
    decoded = decoded.replace(b"\r\n", b"\n")
    separate = decoded.split(b"\n")
    if b'"' in decoded and not _around_cells([line.decode() for line in separate if b'"' in line], text.delimiter):
        return None
    return decoded if max(map(len, separate)) < LONGEST_FIELD else None


def _around_cells(lines: Sequence[str], delimiter: str) -> bool:
    """Whether all quotes stand around whole cells of their own line."""
    d = re.escape(delimiter)
    cell = f'(?:"(?:[^"]|"")*"|[^"{d}]*)'
    return pl.Series(lines).str.contains(f"^{cell}(?:{d}{cell})*$").all()


def _without(lines: bytes, count: int) -> bytes:
    """The lines behind the first `count`."""
    place = 0
    for _ in range(count):
        place = lines.find(b"\n", place) + 1 or len(lines)
    return lines[place:]


def _through(file: IO[bytes], text: Text, number: int, end: int) -> Iterator[tuple[int, list[str]]]:
    """The records from where the file stands up to the one that reaches `end`."""
    lines = Lines(file, _codec(text))
    for found in _records(lines, text, number):
        yield found
        if file.tell() >= end and not lines.again:
            return


def records(text: Text) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each record behind the header."""
    with _opened(text) as file:
        for number, row in _records(Lines(file, _codec(text)), text, 0):
            if number > text.header_number:
                yield number, row


def _records(lines: Lines, text: Text, number: int) -> Iterator[tuple[int, list[str]]]:
    """(record number, cells); into `refused` goes the reason of a record that cannot be relied on.

    A quote that is not closed would swallow the lines below it: only its own line is refused, the others are read.
    """
    width = len(text.header)
    reader = csv.reader(lines, delimiter=text.delimiter, strict=True)
    while True:
        broken = False
        try:
            row: list[str] = next(reader)
            broken = bool(width) and len(lines.pending) > 1 and len(row) != width
        except StopIteration:
            return
        except csv.Error:
            broken = True
        number += 1
        if broken:
            too_long = any(len(line) > LONGEST_FIELD for line in lines.pending[:1])
            text.refused[number] = "row-too-large" if too_long else "quote-open"
            row = [lines.pending[0].rstrip("\r\n")]
            lines.put_back(lines.pending[1:])
            reader = csv.reader(lines, delimiter=text.delimiter, strict=True)
        if any(NOT_TEXT in line for line in lines.pending[:1] if line[:1] == "\x00"):
            text.refused[number] = "file-encoding"
            row = [cell.removeprefix(NOT_TEXT) for cell in row]
        lines.pending.clear()
        width = width or len(row)
        yield number, row
