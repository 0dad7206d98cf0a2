"""A look into a sheet somebody uploaded, before anything is read from it: header, template, mapping, first rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from healthbrain.county.models import Source
from healthbrain.records.intake import mappings, sheets
from healthbrain.records.intake.files import FORMATS, Refused
from healthbrain.records.rules.reasons import message
from healthbrain.records.rules.templates import TEMPLATES, Template, mapping_of, missing, recognise

SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Peek:
    """What a file is. `problem` says in words why it cannot be read; `template` "" = not a sheet, or nothing fits."""

    format: str
    header: tuple[str, ...] = ()
    samples: tuple[tuple[str, ...], ...] = ()
    template: str = ""
    mapping: tuple[tuple[int, str], ...] = ()  # position → column
    remembered: bool = False
    missing: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_sheet(self) -> bool:
        return self.format in {"csv", "xlsx"}


def format_of(name: str) -> str:
    """fhir-bundle, fhir-ndjson, hl7v2, csv, xlsx, or unknown: by the file's ending."""
    return FORMATS.get(Path(name).suffix.lower(), "unknown")


def _template(name: str, header: Sequence[str], given: Sequence[str], wanted: str) -> Template | None:
    return TEMPLATES.get(wanted) or recognise(name, header, given)


def peek(path: Path, *, source: str = "", template: str = "") -> Peek:
    """Header, first rows and the mapping we would use. `template` overrides what the name and the header say."""
    form = format_of(path.name)
    if form not in {"csv", "xlsx"}:
        return Peek(form, problem=message("file-type", path.suffix) if form == "unknown" else "")
    try:
        opened = sheets.open_sheet(path, form)
    except Refused as refused:
        return Peek(form, problem=message(refused.reason, refused.detail))
    header = tuple(opened.header)
    samples = tuple(tuple(row) for _, row in islice(opened.rows, SAMPLES))
    given = ["source"] if source else []
    known = Source.objects.filter(code=source).values_list("pk", flat=True).first() if source else None
    remembered = None if template else mappings.recall(known, header)
    chosen = TEMPLATES[remembered[0]] if remembered else _template(path.name, header, given, template)
    if chosen is None:
        return Peek(form, header, samples)
    mapping = remembered[1] if remembered else mapping_of(chosen, header)
    lacking = tuple(missing(chosen, mapping, given))
    return Peek(form, header, samples, chosen.name, tuple(sorted(mapping.items())), bool(remembered), lacking)
