"""A list as the table component shows it: columns, sorting, paging, and addresses that keep all other choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

PAGE_SIZES = (20, 50, 100)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `label` is already in the page's language."""

    key: str
    label: str
    number: bool = False
    sortable: bool = False
    unit: str = ""


@dataclass(slots=True)
class Listing:
    """What the person chose (from the address) and what there is (`rows`, `total`, set by the view)."""

    path: str
    query: dict[str, str]
    columns: Sequence[Column]
    sort: str = ""
    descending: bool = False
    page: int = 1
    size: int = 50
    rows: Sequence[Any] = field(default_factory=list)
    total: int = 0
    export_url: str = ""

    @classmethod
    def of(cls, request: HttpRequest, columns: Sequence[Column], *, sort: str = "", size: int = 50) -> Listing:
        """Read sort, page and size from the address; anything unknown falls back, never fails."""
        query = {key: str(value) for key, value in request.GET.items() if value}
        wanted = query.get("sort", sort)
        name = wanted.removeprefix("-")
        allowed = {column.key for column in columns if column.sortable} | {sort.removeprefix("-")}
        asked = query.get("size", "")
        return cls(
            path=request.path,
            query=query,
            columns=columns,
            sort=name if name in allowed else sort.removeprefix("-"),
            descending=(wanted if name in allowed else sort).startswith("-"),
            page=max(1, int(query["page"])) if query.get("page", "").isdigit() else 1,
            size=int(asked) if asked.isdigit() and int(asked) in PAGE_SIZES else size,
        )

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))

    def url(self, **changes: object) -> str:
        """This list's address with `changes`; None or "" removes a choice; any change but `page` goes to page one."""
        query = {k: v for k, v in self.query.items() if "page" in changes or k != "page"}
        query |= {key: "" if value is None else str(value) for key, value in changes.items()}
        kept = {key: value for key, value in query.items() if value}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def sort_url(self, key: str) -> str:
        return self.url(sort=f"-{key}" if self.sort == key and not self.descending else key)

    def of_all(self, rows: Sequence[Any]) -> Listing:
        """Take one page of rows that are already in memory and sorted."""
        self.total = len(rows)
        self.page = min(self.page, self.pages)
        self.rows = rows[self.offset : self.offset + self.size]
        return self
