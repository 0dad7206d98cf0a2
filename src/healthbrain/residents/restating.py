"""Identities as if some words had never been said: what a rolled-back batch told of people is taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import polars as pl
from django.db import transaction

from healthbrain.kernel import db
from healthbrain.residents import golden, history, identities, match


@transaction.atomic
def restate(words: pl.DataFrame, *, identity_ids: Collection[int], since: dt.datetime) -> int:
    """See `actions.restate_identities`."""
    ids = sorted(set(identity_ids))
    db.execute(
        """UPDATE residents_identity SET name = '', pinyin = '', surname = '', given = '', initials = '', sex = '0',
               birth_date = NULL, id_number = NULL, id_number_raw = NULL, phone = NULL, address = NULL,
               division_code = NULL, deceased_on = NULL, moved_on = NULL, updated = clock_timestamp()
           WHERE id = ANY(%s)""",
        (ids,),
    )
    nth = words.with_columns(nth=pl.int_range(pl.len()).over("source_id", "source_key"))
    for _, one_each in sorted(nth.group_by("nth"), key=lambda item: item[0]):
        identities.upsert_frame(one_each.drop("nth"))
    # Later than any link, even when intake and rollback are one transaction: the match must look at each of them.
    db.execute("UPDATE residents_identity SET updated = clock_timestamp() WHERE id = ANY(%s)", (ids,))
    nobody = [
        row[0]
        for row in db.select(
            """SELECT id FROM residents_identity
               WHERE id = ANY(%s) AND name = '' AND id_number IS NULL AND birth_date IS NULL""",
            (ids,),
        )
    ]
    _move_back(set(ids) - set(nobody), since)
    _unlink(nobody)
    match.match_new(ids)
    return len(nobody)


def _move_back(identity_ids: Collection[int], since: dt.datetime) -> None:
    """Links that moved on an exact key the words taken back had brought; where a person decided later, that stands."""
    rows = db.select(
        """SELECT DISTINCT ON (c.identity_id) c.identity_id, c.from_resident_id, l.resident_id
           FROM residents_linkchange c JOIN residents_link l ON l.identity_id = c.identity_id
           WHERE c.identity_id = ANY(%(ids)s) AND c.at >= %(since)s AND c.rule = 'id-number'
             AND c.from_resident_id IS NOT NULL
             AND NOT EXISTS (SELECT FROM residents_linkchange d WHERE d.identity_id = c.identity_id
                             AND d.at >= %(since)s AND d.account_id IS NOT NULL)
           ORDER BY c.identity_id, c.id""",
        {"ids": list(identity_ids), "since": since},
    )
    if rows:
        history.move({identity: before for identity, before, _ in rows}, rule="undo", explanation={"rollback": True})
        golden.after_moves({resident for row in rows for resident in row[1:]})


def _unlink(identity_ids: Collection[int]) -> None:
    """Identities nobody describes any more wait for their person again; questions about them are no questions."""
    ids = list(identity_ids)
    rows = db.select("DELETE FROM residents_link WHERE identity_id = ANY(%s) RETURNING resident_id", (ids,))
    db.execute(
        "DELETE FROM residents_review WHERE status = 'open' AND (left_id = ANY(%s) OR right_id = ANY(%s))", (ids, ids)
    )
    golden.after_moves({row[0] for row in rows})
