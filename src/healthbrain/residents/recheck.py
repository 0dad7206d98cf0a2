"""A linked identity whose person was corrected: stay, move on an exact key, or ask."""

from __future__ import annotations

from collections.abc import Sequence

from healthbrain.kernel import db
from healthbrain.residents import golden, history
from healthbrain.residents.settle import Facts, Scored, explanation_of, write_reviews


def recheck(changed: Sequence[int], pairs: Sequence[Scored], facts: Facts) -> None:
    """Look again at changed identities. A link moves by itself only on an exact key and when nothing holds it."""
    links = dict(
        db.select("SELECT identity_id, resident_id FROM residents_link WHERE identity_id = ANY(%s)", (list(changed),))
    )
    touched, asked = set(links.values()), []
    for identity, resident in links.items():
        mine = [p for p in pairs if p.left == identity]
        away = max((p for p in mine if p.link and p.right_resident != resident), key=lambda p: p.weight, default=None)
        held = any(p.link and p.right_resident == resident for p in mine)
        if away and away.rule == "id-number" and not held and away.right_resident:
            history.move({identity: away.right_resident}, rule="id-number", explanation=explanation_of(away, facts))
            touched.add(away.right_resident)
        elif away:
            asked.append(away)
    if asked:
        write_reviews(asked, links, facts)
    db.execute("UPDATE residents_link SET linked_at = clock_timestamp() WHERE identity_id = ANY(%s)", (list(changed),))
    golden.after_moves(touched)
