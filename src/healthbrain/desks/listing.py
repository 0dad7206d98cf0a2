"""A list as the table component shows it: columns, sorting, paging, export, and addresses that keep all other choices.

Rows a page and columns put away are remembered for the account, list by list (`ListChoice`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token

from healthbrain.desks.bureau.workbook import Sheet, hand_out
from healthbrain.desks.i18n import t
from healthbrain.desks.models import ListChoice

PAGE_SIZES = (20, 50, 100, 200)
EXPORT_ROWS = 100_000  # what Excel still opens on an office PC; a longer list says that it was cut


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `label` is already in the page's language; `value` is what a row says in it, as plain text or number:
    the cell when the template draws none of its own, and the cell of the export."""

    key: str
    label: str
    number: bool = False
    sortable: bool = False
    unit: str = ""
    value: Callable[[Any], Any] | None = None

    def text(self, row: Any) -> Any:
        found = self.value(row) if self.value else None
        return "—" if found in (None, "") else found


@dataclass(slots=True)
class Listing:
    """What the person chose (address, account) and what there is (`rows`, `total`, set by the view)."""

    path: str
    query: dict[str, str]
    every: Sequence[Column]
    csrf: str = ""
    hidden: frozenset[str] = frozenset()
    sort: str = ""
    descending: bool = False
    page: int = 1
    size: int = 50
    rows: Sequence[Any] = field(default_factory=list)
    total: int = 0

    @classmethod
    def of(cls, request: HttpRequest, columns: Sequence[Column], *, sort: str = "", size: int = 50) -> Listing:
        """Read sort, page and size from the address, the rest from memory; anything unknown falls back, never fails."""
        query = {key: str(value) for key, value in request.GET.items() if value}
        wanted = query.get("sort", sort)
        name = wanted.removeprefix("-")
        allowed = {column.key for column in columns if column.sortable} | {sort.removeprefix("-")}
        asked = query.get("size", "")
        liked = ListChoice.objects.filter(account=request.user.pk, list=request.path).first()
        size = liked.size if liked else size
        return cls(
            path=request.path,
            query=query,
            every=columns,
            csrf=get_token(request),
            hidden=frozenset(liked.hidden if liked else ()),
            sort=name if name in allowed else sort.removeprefix("-"),
            descending=(wanted if name in allowed else sort).startswith("-"),
            page=max(1, int(query["page"])) if query.get("page", "").isdigit() else 1,
            size=int(asked) if asked.isdigit() and int(asked) in PAGE_SIZES else size,
        )

    @property
    def columns(self) -> list[Column]:
        """Those shown; the first always is: it names the row."""
        return [column for n, column in enumerate(self.every) if n == 0 or column.key not in self.hidden]

    @property
    def sizes(self) -> list[int]:
        return sorted({*PAGE_SIZES, self.size})

    @property
    def order(self) -> str:
        """ "-started": what a query is asked for."""
        return f"-{self.sort}" if self.descending else self.sort

    @property
    def exporting(self) -> bool:
        return self.query.get("export") == "xlsx"

    @property
    def limit(self) -> int:
        return EXPORT_ROWS if self.exporting else self.size

    @property
    def offset(self) -> int:
        return 0 if self.exporting else (self.page - 1) * self.size

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))

    @property
    def export_url(self) -> str:
        """The whole filtered list as a workbook, where every column can say its value."""
        return self.url(export="xlsx") if self.every and all(column.value for column in self.every) else ""

    def url(self, **changes: object) -> str:
        """This list's address with `changes`; None or "" removes a choice; any change but `page` goes to page one."""
        query = {k: v for k, v in self.query.items() if ("page" in changes or k != "page") and k != "export"}
        query |= {key: "" if value is None else str(value) for key, value in changes.items()}
        kept = {key: value for key, value in query.items() if value}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def sort_url(self, key: str) -> str:
        return self.url(sort=f"-{key}" if self.sort == key and not self.descending else key)

    def of_all(self, rows: Sequence[Any]) -> Listing:
        """Take one page of rows that are already in memory, sorted by the chosen column's value."""
        column = next((c for c in self.every if c.key == self.sort and c.value), None)
        if column is not None:
            rows = sorted(rows, key=column.text, reverse=self.descending)
        self.total = len(rows)
        self.page = min(self.page, self.pages)
        self.rows = rows[self.offset : self.offset + self.limit]
        return self

    def workbook(self, request: HttpRequest, title: str) -> HttpResponse:
        """What the person sees, all pages of it, in her columns and order; the export is audited."""
        shown = [column for column in self.columns if column.label]
        heads = [f"{c.label} ({c.unit})" if c.unit else c.label for c in shown]
        rows = [[column.text(row) for column in shown] for row in self.rows]
        notes = []
        if len(rows) < self.total:
            notes = [t("共 {n} 行，只导出前 {k} 行；请加条件分次导出", "{n} rows, the first {k} are here; filter and "
                       "export in parts", n=self.total, k=len(rows))]  # fmt: skip
        return hand_out(request, title, [Sheet(title, heads, rows)], notes)
