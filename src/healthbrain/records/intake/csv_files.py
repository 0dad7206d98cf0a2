"""CSV files as records: encoding, delimiter, and lines no reader can make sense of, each refused alone."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from healthbrain.records.intake.files import Refused
from healthbrain.records.intake.report import Meter

SAMPLE = 1 << 20
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
    """Decoded lines of a file. `pending`: those of the record being read; lines can be put back to be read again."""

    def __init__(self, path: Path, encoding: str, meter: Meter) -> None:
        self.pending: list[str] = []
        self._again: list[str] = []
        self._lines = self._decoded(path, encoding, meter)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        self.pending.append(line)
        return line

    def put_back(self, lines: Sequence[str]) -> None:
        self._again += reversed(lines)

    @staticmethod
    def _decoded(path: Path, encoding: str, meter: Meter) -> Iterator[str]:
        """A line that is no text comes out marked, its bytes replaced."""
        meter.read = 0
        if encoding == "utf-16":
            with path.open(encoding=encoding, errors="replace", newline="") as text:
                yield from text
            return
        name = encoding.removesuffix("-sig")
        with path.open("rb") as file:
            if file.read(3) != codecs.BOM_UTF8:
                file.seek(0)
            while raw := file.readline(LONGEST_FIELD * 8):
                meter.read += len(raw)
                try:
                    yield raw.decode(name).replace("\x00", "")
                except UnicodeDecodeError:
                    yield NOT_TEXT + raw.decode(name, errors="replace")


def records(path: Path, encoding: str, meter: Meter, refused: dict[int, str]) -> Iterator[tuple[int, list[str]]]:
    """(record number, cells); into `refused` goes the reason of a record that cannot be relied on.

    A quote that is not closed would swallow the lines below it: only its own line is refused, the others are read.
    """
    lines = Lines(path, encoding, meter)
    first = next(lines, "")
    lines.put_back([first])
    lines.pending.clear()
    delimiter, number, width = delimiter_of(first), 0, 0
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
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
            refused[number] = "quote-open"
            row = [lines.pending[0].rstrip("\r\n")]
            lines.put_back(lines.pending[1:])
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        if any(NOT_TEXT in line for line in lines.pending[:1] if line[:1] == "\x00"):
            refused[number] = "file-encoding"
            row = [cell.removeprefix(NOT_TEXT) for cell in row]
        lines.pending.clear()
        width = width or len(row)
        yield number, row
