"""The report of one intake: counts that add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

from healthbrain.records.intake.prepared import Note, Reject

KEPT = 200  # rejects and notes a report carries itself; all rejects are in the database


@dataclass(slots=True)
class Report:
    """What came in and how each row ended: rows_in = stored + duplicates + rejected + waiting."""

    files: int = 0
    rows_in: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    waiting: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    batch_ids: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)  # the first KEPT
    notes: list[Note] = field(default_factory=list)  # the first KEPT
    cancelled: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The contract of `healthbrain ingest --json`."""
        return {
            "files": self.files,
            "rows_in": self.rows_in,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "waiting": self.waiting,
            "by_type": dict(sorted(self.by_type.items())),
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows_in / self.seconds, 1) if self.seconds else 0.0,
        }


class Progress(Protocol):
    """Told after each chunk: bytes done, bytes in all, and where we are."""

    def __call__(self, done: float, total: float | None = None, text: str = "") -> None: ...


@dataclass(slots=True)
class Meter:
    """How far the file being read has been read."""

    read: int = 0
