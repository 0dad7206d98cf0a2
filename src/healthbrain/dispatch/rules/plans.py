"""A plan of stations: what is moved, added, closed, and which vehicles stand where. Short text for an address.

Words, separated by commas: c3 close station 3; m3@12.1;4.5 move it; a@12.1;4.5*2 add one with two vehicles;
v3+2, v3-1 more or fewer vehicles at station 3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from healthbrain.kernel.errors import Invalid

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_CLOSE = re.compile(r"c(\d+)")
_MOVE = re.compile(rf"m(\d+)@{_NUMBER};{_NUMBER}")
_ADD = re.compile(rf"a@{_NUMBER};{_NUMBER}\*(\d+)")
_VEHICLES = re.compile(r"v(\d+)([+-]\d+)")
MOST = 60  # vehicles at one station


@dataclass(frozen=True, slots=True)
class Site:
    """A station of a plan. `id` 0: new. `change`: "", moved, added."""

    id: int
    name: str
    x: float
    y: float
    vehicles: int
    change: str = ""


def apply(text: str, sites: Sequence[Site]) -> list[Site]:
    """The sites after the plan. Raises Invalid for a word that is none, an unknown station, or no vehicles left."""
    found = {site.id: site for site in sites}
    added: list[Site] = []
    for word in filter(None, text.split(",")):
        if m := _CLOSE.fullmatch(word):
            del found[_known(found, m[1], word)]
        elif m := _MOVE.fullmatch(word):
            one = _known(found, m[1], word)
            found[one] = replace(found[one], x=float(m[2]), y=float(m[3]), change="moved")
        elif m := _ADD.fullmatch(word):
            vehicles = min(int(m[3]), MOST)
            added.append(Site(0, f"新增{len(added) + 1}", float(m[1]), float(m[2]), vehicles, "added"))
        elif m := _VEHICLES.fullmatch(word):
            one = _known(found, m[1], word)
            count = min(MOST, max(0, found[one].vehicles + int(m[2])))
            found[one] = replace(found[one], vehicles=count)
        else:
            raise Invalid(f"方案写法不对 Not a word of a plan: {word[:40]}")
    after = [*found.values(), *added]
    if not sum(site.vehicles for site in after):
        raise Invalid("方案里没有车了 No vehicle is left in this plan")
    return after


def written(now: Sequence[Site], after: Sequence[tuple[Site, int]]) -> str:
    """The plan that turns `now` into `after`, each site with its vehicles (`id` 0: a new one); what `apply` reads."""
    count = {site.id: vehicles for site, vehicles in after if site.id}
    words = [f"c{site.id}" for site in now if site.id not in count]
    changed = [(site.id, count[site.id] - site.vehicles) for site in now if site.id in count]
    words += [f"v{one}{change:+d}" for one, change in changed if change]
    words += [f"a@{site.x:.5f};{site.y:.5f}*{vehicles}" for site, vehicles in after if not site.id]
    return ",".join(words)


def _known(found: dict[int, Site], number: str, word: str) -> int:
    if int(number) not in found:
        raise Invalid(f"没有这个站点 No such station: {word[:40]}")
    return int(number)
