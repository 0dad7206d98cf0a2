"""Geometry of the small drawings: sparklines, the map of points, transmission chains, the curve on paper. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healthbrain.surveillance.rules.chains import Chain
from healthbrain.surveillance.rules.curve import Bin

KINDS = ("confirmed", "probable", "suspected")  # from the axis up


@dataclass(frozen=True, slots=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    kind: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Spark:
    """A row of bars, 120 × 32; `bound`: y of the line above which we speak, None without one."""

    bars: tuple[Rect, ...]
    bound: float | None
    width: int = 120
    height: int = 32


@dataclass(frozen=True, slots=True)
class Node:
    x: float
    y: float
    label: str
    kind: str
    number: int


@dataclass(frozen=True, slots=True)
class ChainPicture:
    """Nodes, curved links (SVG paths) and day marks of a chain."""

    nodes: tuple[Node, ...]
    links: tuple[str, ...]
    marks: tuple[tuple[float, str], ...]
    width: float
    height: float


def spark(counts: Sequence[float], bound: float | None, since: int = 0) -> Spark:
    """The last 28 counts as bars; those from index `since` of the whole series on are the signal's own."""
    start = max(0, len(counts) - 28)
    shown = counts[start:]
    most = max([*shown, bound or 0, 1])
    step = 120 / max(len(shown), 1)
    bars = tuple(
        Rect(round(n * step, 1), round(32 - 30 * value / most, 1), round(step * 0.75, 1), round(30 * value / most, 1),
             "now" if start + n >= since else "")
        for n, value in enumerate(shown) if value
    )  # fmt: skip
    return Spark(bars, round(32 - 30 * bound / most, 1) if bound else None)


def chain_picture(chain: Chain[int], first: dt.date | None, kinds: Mapping[int, tuple[str, str]]) -> ChainPicture:
    """`kinds`: case number → (classification, label). Columns are days of onset, rows stand under one another."""
    across = max(28.0, min(72.0, 640 / max(chain.columns, 1)))
    down = 30.0
    at = {n.key: (24 + n.column * across, 40 + n.row * down) for n in chain.nodes}
    links = tuple(_bow(at[a], at[b]) for a, b in chain.links)
    nodes = tuple(
        Node(*at[n.key], kinds.get(n.key, ("suspected", ""))[1], kinds.get(n.key, ("suspected", ""))[0], n.key)
        for n in chain.nodes
    )
    every = max(1, round(56 / across))
    marks = tuple(
        (24 + column * across, f"{day.month}/{day.day}")
        for column in range(0, chain.columns, every)
        if first is not None
        for day in (first + dt.timedelta(days=column),)
    )
    return ChainPicture(nodes, links, marks, 24 + chain.columns * across + 96, 56 + chain.rows * down)


def _bow(a: tuple[float, float], b: tuple[float, float]) -> str:
    return f"M{a[0]:.1f} {a[1]:.1f}V{b[1]:.1f}H{b[0]:.1f}"


def curve_picture(
    bins: Sequence[Bin], width: int = 640, height: int = 180
) -> tuple[list[Rect], list[tuple[float, str]], int]:
    """The epidemic curve for paper: stacked bars, marks under the axis, and the highest count."""
    most = max((one.total for one in bins), default=1) or 1
    step = width / max(len(bins), 1)
    found: list[Rect] = []
    for n, one in enumerate(bins):
        base = float(height)
        for kind in KINDS:
            tall = height * one.counts.get(kind, 0) / most
            if tall:
                base -= tall
                found.append(Rect(round(n * step, 1), round(base, 1), round(step * 0.9, 1), round(tall, 1), kind))
    every = max(1, len(bins) // 8)
    marks = [(round((n + 0.45) * step, 1), mark(one)) for n, one in enumerate(bins) if n % every == 0]
    return found, marks, most


def mark(one: Bin) -> str:
    """3/9, or 3/9 14时 for bars under a day."""
    day = f"{one.start.month}/{one.start.day}"
    return day if one.hours >= 24 else f"{day} {one.start.hour}:00"
