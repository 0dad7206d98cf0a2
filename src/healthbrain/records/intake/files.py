"""Which files a folder holds, what each one is, and in which order they are read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from healthbrain.records.rules.templates import by_file_name

FORMATS = {
    ".json": "fhir-bundle",
    ".ndjson": "fhir-ndjson",
    ".jsonl": "fhir-ndjson",
    ".hl7": "hl7v2",
    ".csv": "csv",
    ".txt": "unknown",
    ".xlsx": "xlsx",
}
UNPACKED_LIMIT = 2 << 30  # a workbook may not unfold to more than 2 GiB
RATIO_LIMIT = 150  # real workbooks shrink 5 to 40 times
RATIO_MATTERS = 64 << 20
SMALL = 1 << 20  # JSON files below it are stored many to a transaction
GROUP_FILES, GROUP_BYTES = 200, 3 << 20


class Refused(Exception):
    """A whole file we do not read, with the reason code and what was found."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def readable(name: str) -> str:
    """A file's name as text: an archive packed on a Chinese Windows leaves names in GBK, which no database takes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("gb18030", "replace")
    return name


def collect(paths: Iterable[Path]) -> list[tuple[Path, str]]:
    """(file, format) in reading order: persons, then messages, then the other sheets: people precede events."""
    found: dict[Path, str] = {}
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        found |= {file: FORMATS.get(file.suffix.lower(), "unknown") for file in inside}
    return sorted(found.items(), key=lambda item: (_turn(*item), item[0]))


def folders(paths: Iterable[Path]) -> dict[Path, str]:
    """What the folder of a file is called, for those below a folder given: the first one on the way to it.

    Not that of a file given itself: sent again from another place it would be another sender's.
    """
    given = [path for path in paths if path.is_dir()]
    found = ((file, file.relative_to(path).parts) for path in given for file in path.rglob("*"))
    return {file: readable(parts[0]) for file, parts in found if len(parts) > 1}


def _turn(path: Path, form: str) -> int:
    if form == "fhir-ndjson" and path.name.lower().startswith("patient"):
        return 0
    if form in {"csv", "xlsx"}:
        template = by_file_name(readable(path.name))
        return 0 if template and template.name == "persons" else 2
    return 1


def check_zip(path: Path) -> None:
    """Refuse a workbook that would unfold to something absurd, before anything unfolds it."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise Refused("file-damaged", str(error)[:200]) from error
    total = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries) or 1
    if len(entries) > 10_000 or total > UNPACKED_LIMIT or (total > RATIO_MATTERS and total / packed > RATIO_LIMIT):
        raise Refused("file-too-large", f"解压后 {total / 2**20:.0f} MB，压缩比 {total / packed:.0f}")


def line_of(file: IO[bytes], longest: int) -> bytes:
    """The next line, empty at the end. Of one that is longer only so much: the rest is passed over, it is one row."""
    line = file.readline(longest)
    if len(line) == longest and not line.endswith(b"\n"):
        while (rest := file.readline(longest)) and not rest.endswith(b"\n"):
            pass
    return line


def groups(files: list[tuple[Path, str]]) -> Iterator[list[tuple[Path, str]]]:
    """Neighbouring small JSON files together, everything else alone."""
    group: list[tuple[Path, str]] = []
    size = 0
    for path, form in files:
        bytes_ = path.stat().st_size
        fits = form == "fhir-bundle" and 0 < bytes_ < SMALL
        if group and (not fits or len(group) == GROUP_FILES or size + bytes_ > GROUP_BYTES):
            yield group
            group, size = [], 0
        if fits:
            group.append((path, form))
            size += bytes_
        else:
            yield [(path, form)]
    if group:
        yield group
