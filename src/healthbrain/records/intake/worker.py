"""The other process of an intake: it converts while we store."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

WORTH = 4 << 20  # bytes; below it starting a process costs more than it saves


@dataclass(slots=True)
class Worker:
    """The process that converts. Until it is up, which takes as long as many rows, we convert ourselves."""

    pool: ProcessPoolExecutor
    up: Future[int]

    def start(self, function: Callable[[Any], Any], chunk: Any) -> Future[Any] | Any:
        """What `function` makes of the chunk, now or later."""
        return self.pool.submit(function, chunk) if self.up.done() else function(chunk)


@contextmanager
def worker_for(work: int) -> Iterator[Worker | None]:
    """A worker for so many bytes; None when there are too few."""
    if work < WORTH:
        yield None
        return
    # spawn, not fork: a forked copy of our threads and database connection would be neither safe nor closed.
    pool = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield Worker(pool, pool.submit(os.getpid))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
