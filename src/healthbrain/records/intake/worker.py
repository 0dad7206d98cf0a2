"""The other process of an intake: it converts while we store."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SELDOM = (200_000, 20, 100)  # rows make no cycles: looking for some as often as Python does costs up to a fifth
WORTH = 4 << 20  # bytes; below it starting a process costs more than it saves


@dataclass(slots=True)
class Worker:
    """The process that converts. Until it is up, which takes as long as many rows, we convert ourselves."""

    pool: ProcessPoolExecutor
    up: Future[int]

    def start(self, function: Callable[[Any], Any], chunk: Any) -> Future[Any] | Any:
        """What `function` makes of the chunk, now or later."""
        return self.pool.submit(function, chunk) if self.up.done() else function(chunk)


def _begin() -> None:
    """In the worker: as long as the intake lives, and no longer. One that was killed ends nothing itself."""
    gc.set_threshold(*SELDOM)
    threading.Thread(target=_end_with_it, daemon=True).start()


def _end_with_it() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


@contextmanager
def worker_for(work: int) -> Iterator[Worker | None]:
    """A worker for so many bytes; None when there are too few."""
    if work < WORTH:
        yield None
        return
    # spawn, not fork: a forked copy of our threads and database connection would be neither safe nor closed.
    spawn, before = multiprocessing.get_context("spawn"), gc.get_threshold()
    pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin)
    gc.set_threshold(*SELDOM)
    try:
        yield Worker(pool, pool.submit(os.getpid))
    finally:
        gc.set_threshold(*before)
        pool.shutdown(wait=False, cancel_futures=True)
