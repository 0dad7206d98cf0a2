"""The writes of the index: identities in, links out, a steward's decisions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from healthbrain.residents import aside, candidates, identities, match, restating
from healthbrain.residents.aside import compare_again
from healthbrain.residents.contracts import ContractRow, load_contracts
from healthbrain.residents.following import follows
from healthbrain.residents.identities import PersonRow
from healthbrain.residents.settle import Settled
from healthbrain.residents.stewarding import ask_about, decide_review, merge, reopen_review, undo, unmerge

__all__ = [
    "ContractRow",
    "PersonRow",
    "Settled",
    "ask_about",
    "compare_again",
    "count_names",
    "decide_review",
    "follows",
    "identity_stubs",
    "load_contracts",
    "match_all",
    "match_new",
    "merge",
    "reopen_review",
    "restate_identities",
    "undo",
    "unmatched",
    "unmerge",
    "upsert_identities",
    "upsert_identities_frame",
]


def upsert_identities(rows: pl.DataFrame | Sequence[PersonRow | Mapping[str, Any]]) -> dict[tuple[int, str], int]:
    """Store what sources say about people; (source_id, source_key) → identity id.

    Columns as `PersonRow`: source_id (a county.Source id) and source_key are needed, the rest may be absent or null;
    sex and numbers are normalised here. Unknown values never erase known ones. Call `match_new` with the ids after.
    """
    found = identities.upsert_frame(rows)
    return {(source, key): identity for source, key, identity in found.iter_rows()}


def upsert_identities_frame(rows: pl.DataFrame | Sequence[PersonRow | Mapping[str, Any]]) -> pl.DataFrame:
    """The same for millions: a frame of source_id, source_key, identity_id."""
    return identities.upsert_frame(rows)


def identity_stubs(pairs: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Identity ids of (source_id, source_key); unknown persons get an identity without a name, not yet linked."""
    return identities.stubs(pairs)


def match_new(identity_ids: Iterable[int], *, mode: str = "auto") -> Settled:
    """Link these identities to residents. `mode`: auto, online (few, scored in Python) or batch (many, in DuckDB).

    Ids that are linked already and unchanged cost nothing; changed ones are looked at again. Stubs stay waiting.
    Runs in the caller's transaction when there is one. Raises ValueError for an unknown mode.
    """
    return match.match_new(list(identity_ids), mode=mode)


def match_all(identity_ids: Iterable[int]) -> Settled:
    """The same for whatever came in: who breaks the comparison gets a resident of his own, and a steward sees him."""
    return aside.match_all(list(identity_ids))


def restate_identities(words: pl.DataFrame, *, identity_ids: Collection[int], since: dt.datetime) -> int:
    """These identities as `words` alone say (columns of `PersonRow`, in the order they were said); how many nobody
    describes any more: their link goes, their events wait again, and a resident left without identities is buried.

    Links that moved by themselves from `since` on go back where they were. Then they are matched.
    """
    return restating.restate(words, identity_ids=identity_ids, since=since)


def unmatched() -> list[int]:
    """Identities with a person's data that nobody has matched yet: what an intake killed before its match left behind.

    Cost: one anti-join of two primary keys.
    """
    return match.unmatched()


def count_names() -> None:
    """Count anew how common each name is: nightly work where identities arrive one by one. Batches do it themselves."""
    candidates.count_names()
