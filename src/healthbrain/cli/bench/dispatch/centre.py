"""A full-size 120 centre in a data folder of its own: the county's register and the made-up centre, no residents."""

from __future__ import annotations

from typing import Any

from healthbrain.cli.bench.place import own_home, scratch
from healthbrain.cli.boot import boot
from healthbrain.cli.output import Advance

FULL_SIZE = 1_650_000


def build(residents: int | None, advance: Advance) -> int:
    """Make sure the centre stands (built once a folder); how many residents it serves."""
    size = residents or FULL_SIZE
    own_home(f"dispatch-{size}", keep=True)
    boot()
    from healthbrain.dispatch.models import Vehicle

    if not Vehicle.objects.exists():
        advance(0, 2, "centre")
        _register(size)
        _centre(size)
        advance(2, 2, "centre")
    return size


def _register(size: int) -> None:
    import polars as pl

    from healthbrain.county import actions as county
    from healthbrain.demo.geography import county as made
    from healthbrain.demo.parameters import parameters
    from healthbrain.demo.register import write_register
    from healthbrain.demo.streams import stream

    folder = scratch()
    write_register(folder, made(parameters(), size, stream(1, "geography", 0)), pl.DataFrame({"source": [""]}))
    county.load_register(folder)


def _centre(size: int) -> None:
    from healthbrain.demo import emergency
    from healthbrain.kernel.clock import now
    from healthbrain.kernel.db import execute

    emergency.build(residents=size, seed=1, now=now())
    execute("ANALYZE")


def account(username: str, role: str) -> Any:
    """An account of the bench, made once."""
    from healthbrain.access import actions as access
    from healthbrain.access.models import Account
    from healthbrain.access.rules import SYSTEM
    from healthbrain.county.models import Organisation

    found = Account.objects.filter(username=username).first()
    root = Organisation.objects.get(kind=Organisation.Kind.COUNTY)
    return found or access.create_account(
        by=SYSTEM, username=username, name=f"测量 {username}", role=role, organisation_id=root.pk
    )


def placed_calls(count: int) -> list[int]:
    """Waiting calls at random villages; their ids."""
    import numpy as np

    from healthbrain.access.rules import SYSTEM
    from healthbrain.dispatch.actions import calls
    from healthbrain.dispatch.models import LandMark
    from healthbrain.kernel.clock import now

    random, moment = np.random.default_rng(7), now()
    marks = list(LandMark.objects.filter(kind="village"))
    made = []
    for number in range(count):
        mark = marks[int(random.integers(len(marks)))]
        call = calls.take_call(by=SYSTEM, now=moment, phone=f"1540000{number:04}")
        x, y = mark.x + random.normal(0, 0.2), mark.y + random.normal(0, 0.2)
        calls.locate(by=SYSTEM, now=moment, call_id=call, place=mark.name, x=x, y=y, how="address")
        kind = ("chest-pain", "trauma", "stroke")[number % 3]
        calls.set_priority(by=SYSTEM, now=moment, call_id=call, priority=1 + number % 3, suspected=kind)
        made.append(call)
    return made


def close(call_ids: list[int]) -> None:
    """Take the bench's calls off the desk again."""
    from healthbrain.dispatch.models import Call, Mission, Vehicle
    from healthbrain.kernel.clock import now

    Mission.objects.filter(call__in=call_ids, ended_at=None).update(ended_at=now(), outcome="cancelled")
    Call.objects.filter(pk__in=call_ids).update(state="cancelled", closed_at=now())
    Vehicle.objects.exclude(status="off").update(status="idle")
