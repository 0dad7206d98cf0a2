"""A steward's decisions: merge, un-merge, decide a review, undo. Each one transaction, audited, told to the rooms."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from django.db import transaction

from healthbrain.access.gate import require
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.errors import Conflict, Invalid, NotFound
from healthbrain.residents import golden, history
from healthbrain.residents.models import LinkChange, Resident, Review

PERMISSION = "steward.work"


def _identities_of(resident_ids: Collection[int]) -> list[int]:
    rows = db.select("SELECT identity_id FROM residents_link WHERE resident_id = ANY(%s)", (list(resident_ids),))
    return [row[0] for row in rows]


@transaction.atomic
def merge(*, by: Actor, resident_ids: Sequence[int], into: int, reason: str) -> uuid.UUID:
    """All identities of `resident_ids` belong to `into` from now on; the group to undo it by.

    Raises Invalid without a reason or without anybody to merge, NotFound when `into` has no identities.
    """
    require(by, PERMISSION)
    others = sorted(set(resident_ids) - {into})
    if not others or not reason.strip():
        raise Invalid("合并需要另一位居民和理由 A merge needs another resident and a reason")
    list(Resident.objects.select_for_update().filter(pk__in=[into, *others]).order_by("pk"))
    if not _identities_of([into]):
        raise NotFound("目标居民不存在或已被合并 The resident to merge into is gone")
    moved = _identities_of(others)
    if not moved:
        raise Conflict("这些居民已被合并 These residents are merged already")
    group = history.move(
        dict.fromkeys(moved, into), rule="steward", explanation={"reason": reason}, account_id=by.account_id
    )
    _close_reviews(by, moved, into)
    golden.after_moves({into, *others})
    for resident in (into, *others):
        detail = {"into": into, "residents": others, "reason": reason, "group": str(group)}
        audit.record(by=by, action="residents.merge", resident_id=resident, subject=f"resident/{into}", detail=detail)
    return group


def _close_reviews(by: Actor, moved: Collection[int], into: int) -> None:
    """Open questions between identities that are now one resident are answered."""
    db.execute(
        """UPDATE residents_review r SET status = 'same', decided_by = %s, decided_at = now()
           FROM residents_link a, residents_link b
           WHERE r.status = 'open' AND a.identity_id = r.left_id AND b.identity_id = r.right_id
             AND a.resident_id = b.resident_id AND a.resident_id = %s""",
        (by.account_id, into),
    )


@transaction.atomic
def unmerge(*, by: Actor, identity_ids: Sequence[int], reason: str) -> uuid.UUID:
    """Take these identities out of their resident; remembered, so they are never linked again. Those that one merge
    brought are the resident again whom they were, with all that was his; others become a new one.

    Raises Invalid without a reason, when they belong to several residents, or when nobody would stay behind.
    """
    require(by, PERMISSION)
    links = history.lock(identity_ids)
    residents = set(links.values())
    if not reason.strip() or len(residents) != 1 or len(links) != len(set(identity_ids)):
        raise Invalid("拆分需要理由，且只能拆分同一居民的来源 Un-merge needs a reason and identities of one resident")
    (old,) = residents
    staying = sorted(set(_identities_of([old])) - links.keys())
    if not staying:
        raise Invalid("至少要留下一个来源 At least one identity must stay")
    target = history.merged_away(links, old) or history.new_resident()
    group = history.move(
        dict.fromkeys(links, target), rule="steward", explanation={"reason": reason, "unmerge": True},
        account_id=by.account_id,
    )  # fmt: skip
    _remember_different(by, sorted(links), staying, group)
    golden.after_moves({old, target})
    for resident in (old, target):
        detail = {"from": old, "to": target, "identities": sorted(links), "reason": reason, "group": str(group)}
        audit.record(by=by, action="residents.unmerge", resident_id=resident, subject=f"resident/{old}", detail=detail)
    return group


def _remember_different(by: Actor, moved: Sequence[int], staying: Sequence[int], group: uuid.UUID) -> None:
    db.execute(
        """INSERT INTO residents_review (left_id, right_id, score, explanation, status, decided_by, decided_at, created)
           SELECT least(m, s), greatest(m, s), 0, jsonb_build_object('group', %s::text), 'different', %s, now(), now()
           FROM unnest(%s::bigint[]) AS m, unnest(%s::bigint[]) AS s
           ON CONFLICT (left_id, right_id) DO UPDATE SET status = 'different', decided_by = excluded.decided_by,
               decided_at = now(), explanation = residents_review.explanation || excluded.explanation
               || jsonb_build_object('status_before', residents_review.status)""",
        (str(group), by.account_id, list(moved), list(staying)),
    )


@transaction.atomic
def decide_review(*, by: Actor, review_id: int, same: bool) -> uuid.UUID | None:
    """Answer a review. Same: the right one's resident joins the left one's; the group to undo it by. Different:
    remembered, never asked again and never linked by the matcher; None.

    Raises NotFound, or Conflict when somebody decided first.
    """
    require(by, PERMISSION)
    review = Review.objects.select_for_update().filter(pk=review_id).first()
    if review is None:
        raise NotFound("没有这条待定记录 No such review")
    if review.status != Review.Status.OPEN:
        raise Conflict("已有人作出判断 Somebody has decided already")
    links = history.lock([review.left_id, review.right_id])
    keep, gone = links[review.left_id], links[review.right_id]
    db.execute(
        "UPDATE residents_review SET status = %s, decided_by = %s, decided_at = now() WHERE id = %s",
        ("same" if same else "different", by.account_id, review_id),
    )
    group = None
    if same and keep != gone:
        why = {"review": review_id, "levels": review.explanation.get("levels", [])}
        group = history.move(
            dict.fromkeys(_identities_of([gone]), keep), rule="steward", explanation=why, account_id=by.account_id
        )
        golden.after_moves({keep, gone})
    detail = {"same": same, "left": review.left_id, "right": review.right_id, "group": str(group or "")}
    for resident in {keep, gone}:
        audit.record(
            by=by, action="residents.review", resident_id=resident, subject=f"review/{review_id}", detail=detail
        )
    return group


@transaction.atomic
def reopen_review(*, by: Actor, review_id: int) -> None:
    """Take back "different": the pair is asked again. Raises Conflict unless that is how it was decided."""
    require(by, PERMISSION)
    review = Review.objects.select_for_update().filter(pk=review_id, status=Review.Status.DIFFERENT).first()
    if review is None:
        raise Conflict("这一对不是判为不同人的 This pair was not decided as different")
    Review.objects.filter(pk=review_id).update(status=Review.Status.OPEN, decided_by=None, decided_at=None)
    links = history.lock([review.left_id, review.right_id])
    for resident in sorted(set(links.values())):
        audit.record(by=by, action="residents.review.undo", resident_id=resident, subject=f"review/{review_id}")


@transaction.atomic
def ask_about(pairs: Collection[tuple[int, int]], *, why: str) -> int:
    """Open a review for each pair of identities that a source says are one person; how many are new questions.

    A pair that is one resident already, or that a person has decided, is left alone.
    """
    rows = db.select(
        """INSERT INTO residents_review (left_id, right_id, score, explanation, status, created)
           SELECT least(p.a, p.b), greatest(p.a, p.b), 1, jsonb_build_object('said', %s::text), 'open', now()
           FROM unnest(%s::bigint[], %s::bigint[]) AS p (a, b)
             JOIN residents_link l ON l.identity_id = p.a JOIN residents_link r ON r.identity_id = p.b
           WHERE l.resident_id <> r.resident_id
           ON CONFLICT (left_id, right_id) DO NOTHING RETURNING id""",
        (why, [pair[0] for pair in pairs], [pair[1] for pair in pairs]),
    )
    return len(rows)


@transaction.atomic
def undo(*, by: Actor, group: uuid.UUID | str) -> None:
    """Put back what one decision moved. Raises NotFound, or Conflict when a later decision moved it on.

    Reviews the decision answered are open again.
    """
    require(by, PERMISSION)
    changes = list(LinkChange.objects.filter(group=group, account_id__isnull=False).order_by("id"))
    if not changes:
        raise NotFound("没有可以撤销的操作 Nothing to undo")
    links = history.lock([change.identity_id for change in changes])
    if any(links.get(change.identity_id) != change.to_resident_id for change in changes):
        raise Conflict("之后又有变动，请先撤销后来的操作 Changed since: undo the later decision first")
    back: dict[int, int] = {c.identity_id: c.from_resident_id for c in changes if c.from_resident_id is not None}
    history.move(back, rule="undo", explanation={"undo": str(group)}, account_id=by.account_id)
    _restore_reasons(changes)
    _reopen_reviews(changes, str(group))
    touched = {c.to_resident_id for c in changes} | set(back.values())
    golden.after_moves(touched)
    for resident in sorted(touched):
        audit.record(
            by=by, action="residents.undo", resident_id=resident, subject=f"link-change/{group}",
            detail={"identities": sorted(back)},
        )  # fmt: skip


def _restore_reasons(changes: Sequence[LinkChange]) -> None:
    """Each link gets back the rule, score and explanation it had before the decision."""
    db.execute(
        """UPDATE residents_link l SET rule = c.explanation #>> '{before,rule}',
               score = (c.explanation #>> '{before,score}')::float8,
               explanation = c.explanation #> '{before,explanation}'
           FROM residents_linkchange c WHERE c.id = ANY(%s) AND l.identity_id = c.identity_id""",
        ([change.pk for change in changes],),
    )


def _reopen_reviews(changes: Sequence[LinkChange], group: str) -> None:
    decided = [c.explanation["review"] for c in changes if "review" in c.explanation]
    db.execute(
        "UPDATE residents_review SET status = 'open', decided_by = NULL, decided_at = NULL WHERE id = ANY(%s)",
        (decided,),
    )
    db.execute(  # pairs an un-merge called different: back to what they were
        """UPDATE residents_review SET status = 'open', decided_by = NULL, decided_at = NULL
           WHERE explanation ->> 'group' = %s AND explanation ->> 'status_before' = 'open'""",
        (group,),
    )
    db.execute(
        "DELETE FROM residents_review WHERE explanation ->> 'group' = %s AND explanation ->> 'status_before' IS NULL",
        (group,),
    )
