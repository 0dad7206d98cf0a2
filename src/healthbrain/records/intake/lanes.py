"""Chunks side by side: while one is being finished, the next one's rows are already written. They commit in order.

What only one chunk can want, new rows under keys of its own, is written at once. Before anything two may both want
(a person nobody has spoken of, a correction, the marks and counts at the end) a chunk takes its turn: it waits until
the one before is committed. So the one before never waits for a lock of the one after, and a crash leaves what a crash
between two chunks would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from django.db import connection

from healthbrain.records.intake.prepared import Prepared

LANES = 3  # so that a small chunk waiting for its turn keeps no processor idle
PATIENCE = 30.0  # seconds a chunk keeps its locks while it waits; longer, and it may be what the other waits for


class Late(Exception):
    """The turn has not come in time: take back what was written, then wait without holding anything."""


@dataclass(slots=True)
class Turn:
    """A chunk's place in the order. Called, it waits for the chunk before, and says whether there was one to wait for.

    Raises what stopped the chunk before, and Late.
    """

    before: Future[Any] | None = None

    def __call__(self) -> bool:
        return self._wait(PATIENCE)

    def at_last(self) -> None:
        """Wait as long as it takes, holding nothing."""
        self._wait(None)

    def _wait(self, seconds: float | None) -> bool:
        if self.before is None:
            return False
        if not wait([self.before], timeout=seconds).done:
            raise Late
        self.before.result()
        self.before = None
        return True


def apart(one: Prepared, other: Prepared) -> bool:
    """Whether neither writes a resource the other writes, nor `other` describes a person `one` speaks of."""
    if not one.resources.join(other.resources, on="key", how="semi").is_empty():
        return False
    if other.persons.is_empty():
        return True
    return _called(other.persons).join(pl.concat([_called(one.persons), _spoken_of(one)]), on="name").is_empty()


def _called(persons: pl.DataFrame) -> pl.DataFrame:
    names = [persons.select("source", name=column) for column in ("source_key", "alias")]
    return _names(pl.concat(names))


def _spoken_of(prepared: Prepared) -> pl.DataFrame:
    return _names(prepared.resources.select("source", name="person").unique())


def _names(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop_nulls("name").select(name=pl.concat_str("source", "name", separator="\x00", ignore_nulls=True))


@dataclass(slots=True)
class _Step:
    """Something under way: a chunk being stored, or (without `future`) what is only to be told in its order."""

    then: Callable[..., None]
    future: Future[Any] | None = None
    prepared: Prepared | None = None

    def tell(self) -> None:
        self.then(self.future.result()) if self.future else self.then()


@dataclass(slots=True)
class Lanes:
    """What is under way, in its order. Without lanes everything is done at once."""

    lanes: list[ThreadPoolExecutor] = field(default_factory=list)
    under_way: deque[_Step] = field(default_factory=deque)
    stored: int = 0

    def store(self, prepared: Prepared, work: Callable[[Turn], Any], then: Callable[[Any], None]) -> None:
        """Do `work` for a chunk, soon; `then` with what it gives, here, when everything before has been told."""
        if not self.lanes:
            then(work(Turn()))
            return
        if any(step.prepared and not apart(step.prepared, prepared) for step in self.under_way):
            self.drain()
        while len(running := [step.future for step in self.under_way if step.future]) >= len(self.lanes):
            self._tell_first()
        lane = self.lanes[self.stored % len(self.lanes)]
        future = lane.submit(work, Turn(running[-1] if running else None))
        self.under_way.append(_Step(then, future, prepared))
        self.stored += 1

    def after(self, then: Callable[[], None]) -> None:
        """Do this here, when everything before has been told."""
        self.under_way.append(_Step(then))
        while self.under_way and self.under_way[0].future is None:
            self._tell_first()

    def drain(self) -> None:
        """Wait until nothing is under way."""
        while self.under_way:
            self._tell_first()

    def stop(self) -> None:
        """Wait until nothing runs any more, and tell nobody: something went wrong."""
        wait([step.future for step in self.under_way if step.future])
        self.under_way.clear()

    def _tell_first(self) -> None:
        self.under_way.popleft().tell()


@contextmanager
def lanes_for(many: bool) -> Iterator[Lanes]:
    """Lanes for much work; inside a transaction there is but one: other connections would not see what it wrote."""
    if not many or connection.in_atomic_block:
        yield Lanes()
        return
    pools = [ThreadPoolExecutor(1, thread_name_prefix="lane") for _ in range(LANES)]
    try:
        yield Lanes(pools)
    finally:
        for pool in pools:
            pool.submit(_close)
            pool.shutdown()


def _close() -> None:
    connection.close()  # looked up here: a connection belongs to its thread
