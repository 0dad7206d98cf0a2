"""The county page's blocks, each with the moment its data are of. What is costly to read is kept for a while."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache

from healthbrain.access.rules import Actor
from healthbrain.care import queries as care
from healthbrain.care.queries import Overview
from healthbrain.county.queries import township_tiles
from healthbrain.desks.bureau.definitions import name
from healthbrain.desks.bureau.disclosure import suppress
from healthbrain.desks.bureau.tiles import TileMap, tile_map
from healthbrain.desks.bureau.workbook import Sheet
from healthbrain.desks.i18n import number, said, t
from healthbrain.kernel import clock
from healthbrain.records import queries as records
from healthbrain.records.queries import Feed, FeedHealth

LONGEST = 60  # seconds a figure is kept
SHARE = 20  # kept that many times as long as it took to read: reading takes at most a twentieth of one core
RATES = frozenset({"rate", "standard_rate"})
MEASURES = (
    "residents", "enrolled", "controlled", "uncontrolled", "unknown", "standard", "substandard", "overdue", "rate",
    "standard_rate",
)  # fmt: skip
STATES = {
    "silent": ("overdue", "静默", "Silent"),
    "never": ("unknown", "从未收到", "Never heard"),
    "unapproved": ("due", "待登记", "To register"),
    "feeding": ("done", "正常", "Feeding"),
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A value, the moment it was read, and from when on it is read anew."""

    value: Any
    at: dt.datetime
    until: dt.datetime


def _kept(key: str, make: Callable[[], Any]) -> Kept:
    found: Kept | None = cache.get(key)
    if found is None:
        started = time.perf_counter()
        value, at = make(), clock.now()
        seconds = min(LONGEST, 1 + SHARE * (time.perf_counter() - started))
        found = Kept(value, at, at + dt.timedelta(seconds=seconds))
        cache.set(key, found, seconds)
    return found


def overview(actor: Actor, as_of: dt.date) -> Kept:
    """Care's overview for this actor's scope."""
    return _kept(f"county:{actor.path}:{actor.role}:{as_of}", lambda: care.overview(actor, as_of))


def feeds() -> Kept:
    return _kept("county:feeds", lambda: records.feed_health(clock.now()))


def programmes(found: Overview) -> list[str]:
    """Programmes with anybody in them: those with a control rate first, then the largest."""
    totals: dict[str, int] = {}
    for township in found.townships:
        for key, figures in township.programmes.items():
            totals[key] = totals.get(key, 0) + figures.enrolled
    return sorted(totals, key=lambda key: (key not in found.sources, -totals[key]))


def value(township: Any, programme: str, measure: str) -> float | None:
    """One figure of one township; None where it has no meaning (a rate of nobody)."""
    if measure == "residents":
        return float(township.residents)
    figures = township.programmes.get(programme)
    found = getattr(figures, measure) if figures else None
    return None if found is None else float(found)


def words(found: float | None, measure: str) -> str:
    if found is None:
        return "—"
    return f"{found:.1%}" if measure in RATES else number(found)


def total(found: Overview, programme: str, measure: str) -> float | None:
    """The county's figure; a rate from its sums, not a mean of rates."""
    if measure == "rate":
        enrolled, controlled = total(found, programme, "enrolled"), total(found, programme, "controlled")
        return controlled / enrolled if enrolled and controlled is not None else None
    if measure == "standard_rate":
        kept, missed = total(found, programme, "standard"), total(found, programme, "substandard")
        return kept / (kept + missed) if kept is not None and missed is not None and kept + missed else None
    known = [one for township in found.townships if (one := value(township, programme, measure)) is not None]
    return sum(known) if known else None


def county_map(found: Overview, programme: str, measure: str) -> TileMap:
    """Townships on the grid, each by the organisation responsible for it."""
    places = township_tiles()
    by_organisation = {township.organisation_id: township for township in found.townships}
    values = {
        place.code: value(by_organisation[place.organisation_id], programme, measure)
        for place in places
        if place.organisation_id in by_organisation
    }
    return tile_map(places, values, {code: words(one, measure) for code, one in values.items()})


def township_sheet(found: Overview, programme: str, title: str, *, published: bool) -> Sheet:
    """Townships × measures; published: small cells withheld, column by column, and no totals to subtract from."""
    columns = [t("乡镇街道", "Township"), *(name(measure) for measure in MEASURES)]
    counted = {m: [value(one, programme, m) for one in found.townships] for m in MEASURES}
    shown: dict[str, Sequence[Any]] = {
        m: [None if v is None else round(v, 4) for v in row] for m, row in counted.items()
    }
    if published:
        for measure in MEASURES:
            if measure not in RATES:
                shown[measure] = suppress([None if v is None else int(v) for v in counted[measure]])
        for rate, parts in (("rate", ("enrolled", "controlled")), ("standard_rate", ("standard", "substandard"))):
            small = [any(isinstance(one, str) for one in pair) for pair in zip(*(shown[p] for p in parts), strict=True)]
            shown[rate] = [None if hide else v for hide, v in zip(small, shown[rate], strict=True)]
    rows = [[one.name, *(shown[m][i] for m in MEASURES)] for i, one in enumerate(found.townships)]
    return Sheet(title, columns, rows)


def team_sheet(found: Overview, *, published: bool) -> Sheet:
    columns = [t("责任单位", "Responsible"), t("待办任务", "Open tasks"), t("逾期任务", "Overdue tasks")]
    opened: Sequence[Any] = [team.open for team in found.teams]
    late: Sequence[Any] = [team.overdue for team in found.teams]
    if published:
        opened, late = suppress(opened), suppress(late)
    rows = [[team.name, opened[i], late[i]] for i, team in enumerate(found.teams)]
    return Sheet(t("各单位逾期任务", "Overdue by responsible unit"), columns, rows)


def feed_state(feed: Feed) -> tuple[str, str]:
    badge, zh, en = STATES[feed.state]
    return badge, t(zh, en)


def percent(share: float | None) -> str:
    return "—" if share is None else f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def complete(share: float | None) -> str:
    """A share of the usual number: more than usual is complete, and how much more says nothing."""
    return "≥100%" if share is not None and share > 1.05 else percent(share)


def feed_sheet(found: FeedHealth) -> Sheet:
    columns = [
        t("来源", "Source"), t("编码", "Code"), t("机构", "Institution"), t("状态", "State"),
        t("今日入库", "Stored today"),
        t("完整度", "Completeness"), t("时延中位数（小时）", "Median delay (h)"),
        t("退回率", "Rejected"), t("最近一条发生于", "Newest happened"),
    ]  # fmt: skip
    rows = [
        [
            feed.name, feed.code, feed.organisation, feed_state(feed)[1], feed.rows_today, percent(feed.completeness),
            None if feed.delay_hours is None else round(feed.delay_hours, 1), percent(feed.error_share),
            clock.local(feed.last_at).strftime("%Y-%m-%d %H:%M") if feed.last_at else "—",
        ]
        for feed in found.feeds
    ]  # fmt: skip
    rows += [
        [missing, "", missing, t("未接入", "Not connected"), None, "", None, "", ""] for missing in found.not_connected
    ]
    return Sheet(t("数据接入", "Feeds"), columns, rows)


def title_of(programme: str) -> str:
    return said(care.programme_title(programme))
