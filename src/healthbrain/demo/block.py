"""One block of the county from people to joined tables: the truth before anybody writes it down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from healthbrain.demo.care_use import tell_use
from healthbrain.demo.chronic import tell_chronic
from healthbrain.demo.disease import Health, make_health
from healthbrain.demo.geography import County
from healthbrain.demo.parameters import Parameters
from healthbrain.demo.people import People, make_people
from healthbrain.demo.screening import tell_colorectal, tell_copd_screening
from healthbrain.demo.services import tell_children, tell_examinations
from healthbrain.demo.story import DAY, Story, Table

TABLES = ("observations", "conditions", "medications", "immunizations", "procedures", "referrals")


@dataclass(frozen=True)
class Block:
    people: People
    health: Health
    states: dict[str, np.ndarray]  # planted scenario of each person, by programme
    visits: dict[str, np.ndarray]
    tables: dict[str, dict[str, np.ndarray]]  # by table, each row names its visit


def make_block(p: Parameters, county: County, seed: int, as_of: date, number: int, first: int, count: int) -> Block:
    people = make_people(p, county, seed, as_of, number, first, count)
    health = make_health(p, people, seed)
    story = Story(people.as_of)
    states = tell_chronic(p, county, people, health, story, seed)
    states |= tell_examinations(p, county, people, health, story, seed, states)
    states |= tell_children(p, county, people, story, seed)
    states |= tell_colorectal(p, county, people, health, story, seed)
    states |= tell_copd_screening(p, county, people, health, story, seed)
    tell_use(p, county, people, health, story, seed)
    return _alive_only(people, health, states, story)


def _alive_only(people: People, health: Health, states: dict[str, np.ndarray], story: Story) -> Block:
    """Drops what would have happened after death or before birth, or lies ahead of as_of; renumbers the visits."""
    visits = story.visits.join()
    day = visits["at"] // DAY
    person = visits["person"]
    kept = (day <= people.died[person]) & (day >= people.birth[person]) & (day <= people.as_of)
    number = np.cumsum(kept) - 1

    def cut(table: Table) -> dict[str, np.ndarray]:
        columns = table.join()
        rows = kept[columns["visit"]]
        return {k: (number[v[rows]] if k == "visit" else v[rows]) for k, v in columns.items()}

    return Block(
        people, health, states, {k: v[kept] for k, v in visits.items()}, {t: cut(getattr(story, t)) for t in TABLES}
    )
