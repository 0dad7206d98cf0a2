"""How a source's sheet maps to a template, remembered from its first upload."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from healthbrain.records.models import ColumnMapping
from healthbrain.records.rules.templates import plain


def header_hash(header: Sequence[str]) -> bytes:
    """The header's cells, whatever their decoration."""
    return blake2b("\x1f".join(plain(cell) for cell in header).encode(), digest_size=16).digest()


def recall(source_id: int | None, header: Sequence[str]) -> tuple[str, dict[int, str]] | None:
    """(template, position → column) as this source's sheet was mapped before."""
    if source_id is None:
        return None
    found = ColumnMapping.objects.filter(source_id=source_id, header_hash=header_hash(header)).first()
    return (found.template, {int(k): v for k, v in found.mapping.items()}) if found else None


def remember(source_id: int, template: str, header: Sequence[str], mapping: dict[int, str]) -> None:
    """Keep a mapping for the next sheet with this header."""
    ColumnMapping.objects.update_or_create(
        source_id=source_id,
        template=template,
        header_hash=header_hash(header),
        defaults={"mapping": {str(k): v for k, v in mapping.items()}},
    )
