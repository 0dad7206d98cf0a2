"""Domain events between rooms: published and handled inside the publisher's transaction.

A room that does not know another still tells it what happened. Handlers are set-based (a list of ids, not one id a
call) and must be quick: anything slow marks work and returns. A failing handler fails the transaction: better a
rejected write than a record whose consequences are lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

_handlers: dict[type, list[Callable[[Any], None]]] = defaultdict(list)


def subscribe[E](event: type[E], handler: Callable[[E], None]) -> None:
    """Call `handler` for each published `event`. Called once at start-up, from an AppConfig."""
    if handler not in _handlers[event]:
        _handlers[event].append(handler)


def heard(event: type) -> bool:
    """Whether any room listens for this kind of event."""
    return bool(_handlers[event])


def publish(event: object) -> None:
    """Hand `event` to its handlers now, in this transaction."""
    for handler in _handlers[type(event)]:
        handler(event)
