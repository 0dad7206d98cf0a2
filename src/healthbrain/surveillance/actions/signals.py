"""Signals in, thought about, answered."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction

from healthbrain.access.gate import require, visible
from healthbrain.access.rules import Actor
from healthbrain.audit import actions as audit
from healthbrain.kernel import db
from healthbrain.kernel.errors import Invalid, NotFound
from healthbrain.surveillance import counting, signalling, statistics
from healthbrain.surveillance.feeding import check_feeds
from healthbrain.surveillance.imports import import_counts
from healthbrain.surveillance.knowledge import classifier, rules
from healthbrain.surveillance.models import Signal, SignalStep
from healthbrain.surveillance.reporting import Line, Pupil, report_absence, report_rumour, withdraw_report
from healthbrain.surveillance.watching import Scope, threshold_findings

__all__ = [
    "Line",
    "Pass",
    "Pupil",
    "answer_signal",
    "check_feeds",
    "import_counts",
    "report_absence",
    "report_rumour",
    "run_pass",
    "watch",
    "withdraw_report",
]

LOOK_BACK_DAYS = 28  # late data re-open days this far back; older ones are counted, and raise nothing any more
STATISTICS_DAYS = 6  # a rare week that came late is still told
ONE_PASS = 7_301_003  # advisory lock: one pass at a time


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass did."""

    marks: int
    findings: int
    signals: tuple[int, ...]  # those the desk heard of


def run_pass(*, now: dt.datetime, everything: bool = False) -> Pass:
    """Recount what changed, run the rules and detectors over it, open and update signals. One transaction.

    `everything`: the whole county, as at each new day. Another pass under way: nothing is done.
    """
    with transaction.atomic():
        if not db.select("SELECT pg_try_advisory_xact_lock(%s)", [ONE_PASS])[0][0]:
            return Pass(0, 0, ())
        dirt = counting.take()
        counting.recount(dirt)
        if not dirt and not everything:
            return Pass(0, 0, ())
        today = now.date()
        test_from = today - dt.timedelta(days=LOOK_BACK_DAYS)
        scope = _scope(dirt, everything)
        findings = threshold_findings(scope, test_from, today)
        findings += statistics.findings(scope, test_from=today - dt.timedelta(days=STATISTICS_DAYS), today=today)
        spoken = signalling.write(findings, scope, test_from=test_from, now=now, data_at=dirt.since)
        marks = len(dirt.ledger) + len(dirt.schools) + len(dirt.counts)
        return Pass(marks, len(findings), tuple(spoken))


def watch(*, now: dt.datetime) -> Pass:
    """The pass of a new day: everything, and the health of the feeds."""
    done = run_pass(now=now, everything=True)
    check_feeds(now=now)
    return done


def _scope(dirt: counting.Dirt, everything: bool) -> Scope:
    organisations = {o for o, _ in dirt.schools} | {o for o, _, _ in dirt.counts if o}
    family = classifier().family
    touched: set[str] = {s for s, _ in dirt.ledger} | {s for o, s, _ in dirt.counts if o is None}
    families = {family.get(s, s) for s in touched}
    return Scope(
        everything, frozenset(organisations), frozenset(touched | {s for s, f in family.items() if f in families})
    )


def answer_signal(*, by: Actor, signal_id: int, answer: str, reason: str, now: dt.datetime) -> int | None:
    """Say what a signal is: noise, watch, or verify, which opens an event; the event's id, if any.

    Noise and watch keep the criterion of that place quiet for the days of thresholds.yaml, unless it grows.
    """
    require(by, "signals.work")
    if answer not in Signal.Answer.values:
        raise Invalid("答复只能是 排除、关注、核实 The answer is noise, watch or verify")
    if answer == Signal.Answer.NOISE and not reason.strip():
        raise Invalid("排除信号要写明依据 Say why it is noise")
    with transaction.atomic():
        own = visible(Signal.objects.all(), by, "public-health").select_for_update(of=("self",))
        signal = own.filter(pk=signal_id).first()
        if signal is None:
            raise NotFound("没有这个信号，或不在您的范围内 No such signal in your scope")
        event = None
        if answer == Signal.Answer.VERIFY:
            from healthbrain.surveillance.actions.response import open_event

            event = open_event(by=by, signal_ids=[signal_id], at=now, reason=reason)
            signal.refresh_from_db()
        else:
            signal.answer, signal.answered_at, signal.answered_by_id = answer, now, by.account_id
            signal.answer_reason = reason.strip()
            SignalStep.objects.create(signal=signal, at=now, kind=answer, note=reason, account_id=by.account_id)
        signal.quiet_until = now.date() + dt.timedelta(days=rules().quiet_days)
        signal.detail = {**signal.detail, "answered_observed": signal.observed}
        signal.save()
        audit.record(
            by=by, action="signal.answer", subject=f"signal/{signal_id}", detail={"answer": answer, "reason": reason}
        )
        db.notify("signals")
    return event
