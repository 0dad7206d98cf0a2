"""Who asks for which form of which event."""

from __future__ import annotations

import datetime as dt
from typing import Any

from healthbrain.access.rules import Actor
from healthbrain.desks.i18n import t
from healthbrain.kernel.clock import local
from healthbrain.kernel.errors import NotFound
from healthbrain.surveillance.models import PublicHealthEvent
from healthbrain.surveillance.queries.response import Room


class Asked:
    """Who asks for which form of which event, when, and about which row."""

    def __init__(self, by: Actor, room: Room, at: dt.datetime, row: int | None) -> None:
        self.by, self.room, self.at, self._row = by, room, at, row
        self.event: PublicHealthEvent = room.event
        self.now = local(at)

    @property
    def row(self) -> int:
        if self._row is None:
            raise NotFound(t("没有说明是哪一行", "Which row is not said"))
        return self._row

    def one(self, rows: Any) -> Any:
        """The row asked about among `rows`."""
        found = next((row for row in rows if (row.id if hasattr(row, "id") else row.pk) == self.row), None)
        if found is None:
            raise NotFound(t("没有这一行", "No such row"))
        return found

    def case_options(self, *, without: int | None = None) -> list[tuple[str, str]]:
        return [(str(c.id), f"{c.number} {c.name} {c.group}".strip()) for c in self.room.counted if c.id != without]
