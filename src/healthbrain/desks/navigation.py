"""Which entries stand in the rail. A desk's `urls.py` lists its own in NAVIGATION; nobody else knows them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from dataclasses import dataclass
from types import ModuleType

from healthbrain.access.queries import home_of
from healthbrain.access.rules import Actor
from healthbrain.desks.i18n import t


@dataclass(frozen=True, slots=True)
class Entry:
    """One place to go: shown to actors who have `permission` (and, when given, one of `roles`)."""

    url: str
    icon: str
    zh: str
    en: str
    permission: str
    roles: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        return t(self.zh, self.en)

    def open_to(self, actor: Actor) -> bool:
        return actor.may(self.permission) and (not self.roles or actor.role in self.roles)


@functools.cache
def desk_modules() -> tuple[ModuleType, ...]:
    """The `urls` modules of all desk folders, found by themselves: a new desk is a new folder."""
    import healthbrain.desks as desks

    found = []
    for info in pkgutil.iter_modules(desks.__path__):
        if info.ispkg and importlib.util.find_spec(f"healthbrain.desks.{info.name}.urls"):
            found.append(importlib.import_module(f"healthbrain.desks.{info.name}.urls"))
    return tuple(found)


def entries_for(actor: Actor) -> list[Entry]:
    """The rail of one actor: the pages of his own desk first, then the others in the order of their folders' names."""
    listed = [entry for module in desk_modules() for entry in getattr(module, "NAVIGATION", ())]
    mine = home_of(actor)
    return sorted(
        (entry for entry in listed if entry.open_to(actor)), key=lambda e: not f"{e.url}/".startswith(f"{mine}/")
    )
