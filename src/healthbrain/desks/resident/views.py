"""What a resident sees of himself, or of whom he acts for: no address names a person, the gate knows whose it is."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from healthbrain.access.gate import page
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.care import queries as care
from healthbrain.desks.hospital_doctor import charts, lines, looks, record
from healthbrain.desks.shell import as_of, render
from healthbrain.kernel.errors import NotFound
from healthbrain.records import queries as records
from healthbrain.residents import queries as residents
from healthbrain.residents.queries import ResidentRow

OPEN = ("urgent", "overdue", "returned", "abnormal", "due", "upcoming")


def _me(request: HttpRequest) -> tuple[Actor, ResidentRow]:
    """Whose page this is: the account's own resident, or the one it acts for; after a merge who has the identities."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    if actor.resident_id is None:
        raise NotFound("这个账号没有对应的居民 This account stands for no resident")
    return actor, residents.resident(actor, actor.resident_id, actor.own_purpose)


@page(permission="self.read")
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What is due for me, by when, where, and why."""
    actor, me = _me(request)
    enrolments = care.enrolments(actor, me.id, as_of(request), actor.own_purpose)
    tasks = sorted((task for one in enrolments for task in one.tasks), key=lambda task: (not task.urgent, task.due))
    context = {"me": me, "enrolments": enrolments, "tasks": [task for task in tasks if task.state in OPEN]}
    return render(request, "resident/home.html", context)


@page(permission="self.read")
@require_GET
def my_record(request: HttpRequest) -> HttpResponse:
    """My record over all institutions, in plain tables; each line says who wrote it."""
    actor, me = _me(request)
    history = records.history(actor, me.id, actor.own_purpose)
    shown = record.build(history, sex=me.sex, birth=me.birth_date, as_of=as_of(request), institution="")
    with transaction.atomic():
        audit.record(by=actor, action="record.open", resident_id=me.id, purpose=actor.own_purpose)
    context = {"me": me, "record": shown, "charts": charts, "lines": lines}
    return render(request, "resident/record.html", context)


@page(permission="self.read")
@require_GET
def who(request: HttpRequest) -> HttpResponse:
    """Who looked at or changed my record, newest first."""
    actor, me = _me(request)
    found = looks.in_words(records.who_looked(actor, me.id, actor.own_purpose))
    return render(request, "resident/who.html", {"looks": found})
