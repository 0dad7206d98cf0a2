"""What a sender claims about who is who (HL7v2 A40): not done, but asked of a steward."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence

from healthbrain.kernel import db
from healthbrain.kernel.ids import resource_key
from healthbrain.residents import actions as residents

MERGE = "ADT^A40"
LINK = "link=Patient/"  # search token of Patient.link.other, which the A40 mapping writes


def ask(identity_ids: Collection[int], kinds: Container[str]) -> int:
    """A review for each pair that a merge message among `kinds` names; how many are new questions.

    Call after matching: only two residents can be asked about. Costs nothing where no such message came.
    """
    if MERGE not in kinds or not identity_ids:
        return 0
    rows = db.select(
        "SELECT identity_id, tokens FROM records_resource WHERE type = 'Patient' AND identity_id = ANY(%s)",
        (list(identity_ids),),
    )
    claims = [
        (identity, resource_key("Patient", token.removeprefix(LINK)))
        for identity, tokens in rows
        for token in tokens
        if token.startswith(LINK)
    ]
    return residents.ask_about(_pairs(claims), why=MERGE)


def _pairs(claims: Sequence[tuple[int, object]]) -> list[tuple[int, int]]:
    held = dict(
        db.select(
            "SELECT key, identity_id FROM records_resource WHERE key = ANY(%s) AND identity_id IS NOT NULL",
            ([key for _, key in claims],),
        )
    )
    return [(identity, held[key]) for identity, key in claims if key in held]
