"""Who is who: unsure pairs side by side, merge and un-merge with history and undo."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_POST

from healthbrain.access.gate import page
from healthbrain.audit import actions as audit
from healthbrain.desks.i18n import t
from healthbrain.desks.listing import Column, Listing
from healthbrain.desks.shell import render, say
from healthbrain.desks.steward.compare import changes, link_words, said, side_by_side
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.residents import actions, queries


@page(permission="steward.work")
@require_GET
def review_list(request: HttpRequest) -> HttpResponse:
    """The queue of unsure pairs, the likeliest first."""
    columns = [
        Column("name", t("这一条", "This one")),
        Column("other", t("那一条", "That one")),
        Column("score", t("把握", "Certainty"), number=True),
    ]
    listing = Listing.of(request, columns, size=20)
    listing.total = queries.open_reviews()
    rows = queries.reviews(request.actor, limit=listing.limit, offset=listing.offset)  # type: ignore[attr-defined]
    listing.rows = list(enumerate(rows, listing.offset))
    return render(request, "steward/reviews.html", {"listing": listing})


def _skip(request: HttpRequest) -> int:
    given = request.POST.get("skip") or request.GET.get("skip", "")
    return int(given) if given.isdigit() else 0


@page(permission="steward.work")
@require_GET
def pair(request: HttpRequest) -> HttpResponse:
    """One open pair side by side; `skip` says how many were put off. The last one put off is followed by the first."""
    total, skip = queries.open_reviews(), _skip(request)
    if not total:
        return HttpResponseRedirect("/steward/reviews")
    skip %= total
    [found] = queries.reviews(request.actor, limit=1, offset=skip)  # type: ignore[attr-defined]
    _record_look(request, found)
    veto = said(found.explanation.get("veto", ""))
    context = {"review": found, "rows": side_by_side(found), "veto": veto, "skip": skip, "total": total}
    return render(request, "steward/review.html", context)


def _record_look(request: HttpRequest, found: queries.ReviewRow) -> None:
    """A pair is shown unmasked, or it could not be judged: a look at both residents."""
    with transaction.atomic():
        for resident_id in sorted({side.resident_id for side in (found.left, found.right) if side.resident_id}):
            audit.record(
                by=request.actor,  # type: ignore[attr-defined]
                action="review.open",
                resident_id=resident_id,
                purpose="data-quality",
                subject=f"review/{found.id}",
            )


@page(permission="steward.work")
@require_POST
def decide(request: HttpRequest, review_id: int) -> HttpResponse:
    """Same, different, or later; then the next pair. A link made here can be undone."""
    answer, skip = request.POST.get("answer", ""), _skip(request)
    if answer == "later":
        return HttpResponseRedirect(f"/steward/reviews/pair?skip={skip + 1}")
    if answer not in {"same", "different"}:
        raise Invalid(t("请选择：同一人、不同人或以后再看", "Choose: same, different or later"))
    group = actions.decide_review(by=request.actor, review_id=review_id, same=answer == "same")  # type: ignore[attr-defined]
    words = t("已判为同一人", "Decided: one person") if answer == "same" else t("已判为不同人", "Decided: two persons")
    say(request, words, undo_url=f"/steward/undo/{group}" if group else f"/steward/reviews/{review_id}/reopen")
    return HttpResponseRedirect(f"/steward/reviews/pair?skip={skip}")


@page(permission="steward.work")
@require_POST
def reopen(request: HttpRequest, review_id: int) -> HttpResponse:
    """Take back "different": the pair stands in the queue again."""
    actions.reopen_review(by=request.actor, review_id=review_id)  # type: ignore[attr-defined]
    say(request, t("已撤销，这一对重新待定", "Undone: the pair waits for a decision again"))
    return HttpResponseRedirect("/steward/reviews")


@page(permission="steward.work")
@require_POST
def undo(request: HttpRequest, group: uuid.UUID) -> HttpResponse:
    """Take back one decision, merge or un-merge."""
    actions.undo(by=request.actor, group=group)  # type: ignore[attr-defined]
    say(request, t("已撤销，恢复到之前的归属", "Undone: everybody is where they were"))
    return HttpResponseRedirect(request.headers.get("Referer", "/steward/reviews"))


@page(permission="steward.work")
@require_GET
def resident(request: HttpRequest, resident_id: int) -> HttpResponse:
    """The identities behind one resident, why each is linked, and the history of links."""
    actor: Any = request.actor  # type: ignore[attr-defined]
    person = queries.resident(actor, resident_id, "data-quality")
    if person.id != resident_id:
        return HttpResponseRedirect(f"/steward/residents/{person.id}")
    context = {
        "person": person,
        "identities": [(one, link_words(one)) for one in queries.identities_of(person.id)],
        "history": changes(queries.link_history(person.id)),
    }
    return render(request, "steward/resident.html", context)


def _chosen(request: HttpRequest, name: str) -> list[int]:
    return [int(value) for value in request.POST.getlist(name) if value.isdigit()]


def _reason(request: HttpRequest) -> str:
    reason = request.POST.get("reason", "").strip()
    if len(reason) < 2:
        raise Invalid(t("写明原因（至少两个字）", "Say why, in at least two characters"))
    return reason


@page(permission="steward.work")
@require_POST
def unmerge(request: HttpRequest, resident_id: int) -> HttpResponse:
    """Take the chosen identities out into a resident of their own."""
    by: Any = request.actor  # type: ignore[attr-defined]
    chosen = _chosen(request, "identity")
    if not chosen:
        raise Invalid(t("先勾选要拆出的身份", "Tick the entries to split off first"))
    group = actions.unmerge(by=by, identity_ids=chosen, reason=_reason(request))
    say(request, t("已拆出 {n} 条身份", "{n} entries split off", n=len(chosen)), undo_url=f"/steward/undo/{group}")
    return HttpResponseRedirect(f"/steward/residents/{resident_id}")


@page(permission="steward.work")
@require_POST
def merge(request: HttpRequest, resident_id: int) -> HttpResponse:
    """Bring another resident's identities into this one."""
    by: Any = request.actor  # type: ignore[attr-defined]
    other = request.POST.get("other", "")
    if not other.isdigit() or int(other) == resident_id:
        raise NotFound(t("填写另一位居民的编号", "Enter the number of the other resident"))
    group = actions.merge(by=by, resident_ids=[int(other)], into=resident_id, reason=_reason(request))
    say(request, t("已合并", "Merged"), undo_url=f"/steward/undo/{group}")
    return HttpResponseRedirect(f"/steward/residents/{resident_id}")
