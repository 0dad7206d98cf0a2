"""What each system calls each person, with the planted duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from healthbrain.demo.errors import KINDS, spoil
from healthbrain.demo.geography import County
from healthbrain.demo.parameters import Parameters
from healthbrain.demo.people import People
from healthbrain.demo.story import CENTRE, CHANNELS, HIS, IPD, LIS, PH
from healthbrain.demo.streams import stream

PRIME = 99_999_989  # largest prime below 10^8: k → k × 48271 mod it never meets itself


@dataclass(frozen=True)
class Identities:
    """One row per person known to a source; a duplicate is a second row of the same person in the same source."""

    frame: pl.DataFrame  # source, source_id, name, sex, birth_date, id_number, phone, address, division_code
    source: np.ndarray  # row of county.sources
    person: np.ndarray  # position in the block
    duplicate_of: np.ndarray  # row, −1 for a first registration
    errors: list[str]
    of_visit: np.ndarray  # row of the identity each visit was written under


def source_rows(county: County) -> np.ndarray:
    """[channel, organisation row] → row of `sources`, −1 where that system feeds nothing."""
    out = np.full((len(CHANNELS), county.organisations.height), -1, np.int32)
    org = {code: i for i, code in enumerate(county.codes)}
    for row, (code, organisation) in enumerate(county.sources.select("code", "organisation_code").iter_rows()):
        channel = {"PH": PH, "HIS": HIS, "LIS": LIS, "IPD": IPD, "CHC": CENTRE}[code.rstrip("0123456789")]
        out[channel, slice(None) if channel == PH else org[organisation]] = row
    return out


def channel_of(county: County) -> np.ndarray:
    kinds = {"PH": PH, "HIS": HIS, "LIS": LIS, "IPD": IPD, "CHC": CENTRE}
    return np.array([kinds[code.rstrip("0123456789")] for code in county.sources["code"]])


def make_identities(
    p: Parameters, county: County, people: People, visits: dict[str, np.ndarray], seed: int
) -> Identities:
    rng, n = stream(seed, "identities", people.block), len(people)
    lookup = source_rows(county)
    of_visit = lookup[visits["channel"], visits["organisation"]].astype(np.int64)
    met = np.r_[_registered(p, county, people, rng, lookup), (of_visit * n + visits["person"])[of_visit >= 0]]
    known = np.unique(met)
    source, person = known // n, known % n
    duplicate = _duplicates(p, people, rng, person)
    source, person = np.r_[source, source[duplicate]], np.r_[person, person[duplicate]]
    duplicate_of = np.r_[np.full(len(known), -1), duplicate]
    frame = _recorded(p, county, people, rng, source, person, duplicate_of >= 0)
    kinds = _kinds(people, rng, person, duplicate_of >= 0)
    frame, errors = spoil(frame, kinds, people, person, rng)
    rows = _row_of_visit(rng, known, duplicate_of, of_visit * n + visits["person"], of_visit >= 0)
    return Identities(frame, source, person, duplicate_of, errors, rows)


def _registered(
    p: Parameters, county: County, people: People, rng: np.random.Generator, lookup: np.ndarray
) -> np.ndarray:
    """People a system knows whether or not they came within the year: source × n + position."""
    n = len(people)
    parts = [lookup[PH, 0] * n + np.arange(n)]
    for channel, organisation in (
        (CENTRE, county.village_centre[people.village]),
        (HIS, np.full(n, county.hospitals[0])),
    ):
        source = lookup[channel, organisation]
        known = (source >= 0) & (rng.random(n) < p("identities.registered")[CHANNELS[channel]])
        parts.append((source.astype(np.int64) * n + np.arange(n))[known])
    return np.concatenate(parts)


def _duplicates(p: Parameters, people: People, rng: np.random.Generator, person: np.ndarray) -> np.ndarray:
    """Rows registered a second time. Newborns more often: the hospital writes one before it has a name."""
    newborn = (people.age[person] < 1) & (people.mother[person] >= 0)
    chance = np.where(newborn, 6.0, 1.0)
    chance *= p("identities.duplicates") / (1 - p("identities.duplicates")) / chance.mean()
    again = rng.random(len(person)) < chance
    if people.block == 0 and (again & newborn).sum() < 2:
        again[np.flatnonzero(newborn)[:2]] = True
    return np.flatnonzero(again)


def _kinds(
    people: People, rng: np.random.Generator, person: np.ndarray, duplicate: np.ndarray
) -> list[tuple[int, list[str]]]:
    """Errors of each duplicate: kinds in turn, so that a small county misses none; a second error for a fifth."""
    out, turn = [], 0
    names = [k for k in KINDS if k != "mothers-id"]
    for row in np.flatnonzero(duplicate).tolist():
        who = person[row]
        if people.age[who] < 1 and people.mother[who] >= 0:
            out.append((row, ["mothers-id"]))
            continue
        kinds = [names[turn % len(names)]]
        turn += 1
        if rng.random() < 0.2:
            kinds.append(names[int(rng.integers(0, len(names)))])
        out.append((row, list(dict.fromkeys(kinds))))
    return out


def _recorded(
    p: Parameters,
    county: County,
    people: People,
    rng: np.random.Generator,
    source: np.ndarray,
    person: np.ndarray,
    duplicate: np.ndarray,
) -> pl.DataFrame:
    n = len(person)
    channel = channel_of(county)[source]
    missing = np.array([p("identities.id_missing")[c] for c in CHANNELS])[channel]
    no_id = rng.random(n) < np.maximum(missing, 0.30 * duplicate)
    no_phone = rng.random(n) < p("identities.phone_missing")
    village = pl.Series(county.village_codes).gather(people.village[person])
    number = ((people.person[person].astype(np.int64) * 2 + duplicate + 1) * 48271 + source * 7919) % PRIME
    short = pl.Series(number).cast(pl.String).str.zfill(8)
    birth = pl.Series(people.birth[person]).cast(pl.Date)
    frame = pl.DataFrame(
        {
            "source": county.sources["code"].gather(source),
            "source_id": short,
            "name": people.name.gather(person),
            "sex": pl.Series(people.sex[person]).cast(pl.String),
            "birth_date": birth.dt.to_string("%Y-%m-%d"),
            "id_number": people.id_number.gather(person),
            "phone": people.phone.gather(person),
            "address": people.address.gather(person),
            "division_code": village,
        }
    )
    blank = pl.lit(None, pl.String)
    return frame.with_columns(
        source_id=pl.when(pl.Series(channel == PH)).then(village + short).otherwise(pl.col("source_id")),
        id_number=pl.when(pl.Series(no_id)).then(blank).otherwise("id_number"),
        phone=pl.when(pl.Series(no_phone)).then(blank).otherwise("phone"),
        division_code=pl.when(pl.Series(channel >= HIS)).then(blank).otherwise("division_code"),
    )


def _row_of_visit(
    rng: np.random.Generator, known: np.ndarray, duplicate_of: np.ndarray, key: np.ndarray, recorded: np.ndarray
) -> np.ndarray:
    """A third of a double-registered person's visits went under the second registration; −1: recorded nowhere."""
    row = np.where(recorded, np.searchsorted(known, key), 0)
    second = np.full(len(known), -1)
    twins = np.flatnonzero(duplicate_of >= 0)
    second[duplicate_of[twins]] = twins
    use = (second[row] >= 0) & (rng.random(len(key)) < 0.33)
    return np.where(recorded, np.where(use, second[row], row), -1)
