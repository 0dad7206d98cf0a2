"""From findings to signals on record: opened, grown, unchanged, over; said in words; told to the open pages."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from healthbrain.county.models import Organisation
from healthbrain.county.models import Place as Division
from healthbrain.kernel import db
from healthbrain.kernel.clock import COUNTY_ZONE
from healthbrain.surveillance.knowledge import classifier, rules, spreads_days
from healthbrain.surveillance.models import Signal, SignalStep
from healthbrain.surveillance.rules import life
from healthbrain.surveillance.rules.life import Candidate, Change, Finding, Place, Standing
from healthbrain.surveillance.rules.syndromes import Words
from healthbrain.surveillance.watching import Scope, series

CHART_DAYS = 60
NEWS = dt.timedelta(days=1)  # a signal is called new, or grown, until the desk's next day: passes run every minute
LEVEL_WORDS = {
    "watch": Words("关注线", "watch line"),
    "cluster": Words("聚集性疫情标准", "cluster criterion"),
    "outbreak": Words("暴发标准", "outbreak criterion"),
    "report": Words("突发事件报告标准", "event-report criterion"),
}


def standing(since: dt.date) -> list[Standing]:
    """Signals that new findings may belong to."""
    rows = Signal.objects.filter(last_day__gte=since).exclude(life=Signal.Life.OVER, answer="")
    return [_standing(row) for row in rows] + [
        _standing(row) for row in Signal.objects.filter(last_day__gte=since, life=Signal.Life.OVER, answer="")
    ]


def _standing(row: Signal) -> Standing:
    return Standing(
        row.pk, Place(row.place_kind, row.organisation_id, row.place_code), row.syndrome, row.first_day, row.last_day,
        row.observed, row.level, row.life, row.answer, row.quiet_until, row.detail.get("answered_observed"),
        row.opened_at.astimezone(COUNTY_ZONE).date(),
    )  # fmt: skip


def write(
    findings: Iterable[Finding], scope: Scope, *, test_from: dt.date, now: dt.datetime, data_at: dt.datetime | None
) -> list[int]:
    """Bring the signals up to what was found; ids of those the desk should hear of."""
    today = now.date()
    known = standing(test_from - dt.timedelta(days=life.GAP_DAYS))
    candidates = _absorbed(life.group(findings))
    changes = life.follow(candidates, known, today=today, grows_by=rules().grows_by)
    names = _Names(candidates)
    spoken = [pk for change in changes if (pk := _apply(change, names, now, data_at)) is not None]
    said = {c.standing.id: c.candidate.last_day for c in changes if c.standing}
    spoken += _close(known, said, scope, test_from, now)
    if spoken:
        db.notify("signals", json.dumps({"signals": spoken[:200]}))
    return spoken


def _absorbed(candidates: list[Candidate]) -> list[Candidate]:
    """A township's or county's rise that a school or village of it explains is not a second signal."""
    townships = _townships({c.place.organisation_id for c in candidates if c.place.organisation_id})
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: c.place.kind in {"township", "county"}):
        inner = next((k for k in kept if _inside(k, candidate, townships)), None)
        if inner is None or candidate.place.kind not in {"township", "county"}:
            kept.append(candidate)
            continue
        rest = tuple(f for f in candidate.findings if f.source not in {g.source for g in inner.findings})
        findings = (*inner.findings, *rest)
        position = kept.index(inner)
        kept[position] = Candidate(
            inner.place, inner.family, inner.first_day, inner.last_day, inner.lead, findings,
            life.score_of(findings, inner.lead),
        )  # fmt: skip
    return kept


def _townships(organisation_ids: set[int]) -> dict[int, str]:
    rows = db.select(
        "SELECT organisation_id, township_id FROM surveillance_site WHERE organisation_id = ANY(%s)",
        [list(organisation_ids)],
    )
    return {organisation: township or "" for organisation, township in rows}


def _inside(inner: Candidate, outer: Candidate, townships: dict[int, str]) -> bool:
    if inner.family != outer.family or outer.place.kind not in {"township", "county"} or inner.place == outer.place:
        return False
    code = townships.get(inner.place.organisation_id or 0, "") if inner.place.organisation_id else inner.place.code
    overlaps = inner.first_day <= outer.last_day and outer.first_day <= inner.last_day
    return overlaps and bool(code) and code.startswith(outer.place.code)


class _Names:
    """Names and paths of the places of one pass, in two queries."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        ids = {c.place.organisation_id for c in candidates if c.place.organisation_id}
        codes = {c.place.code for c in candidates if c.place.code}
        self.organisations = {o.pk: (o.name, o.path) for o in Organisation.objects.filter(pk__in=ids)}
        rows = Division.objects.filter(pk__in=codes).values_list("code", "name", "organisation__path", "parent__name")
        self.divisions = {
            code: (f"{parent or ''}{name}" if len(code) == 12 else name, path or "")
            for code, name, path, parent in rows
        }

    def of(self, place: Place) -> tuple[str, str]:
        """(name, path); an unknown place is called by its code."""
        if place.organisation_id:
            return self.organisations.get(place.organisation_id, (str(place.organisation_id), ""))
        return self.divisions.get(place.code, (place.code, ""))


def _apply(change: Change, names: _Names, now: dt.datetime, data_at: dt.datetime | None) -> int | None:
    """Write one change; the signal's id when the desk should hear of it."""
    candidate, known = change.candidate, change.standing
    name, path = names.of(candidate.place)
    words = life.sentence(candidate, name, classifier().title(candidate.lead.syndrome), _rule_words(candidate.lead))
    lead = candidate.lead
    values: dict[str, Any] = {
        "syndrome": candidate.family, "source": lead.source, "method": lead.method, "rule": lead.rule,
        "level": lead.level, "last_day": candidate.last_day, "observed": candidate.observed,
        "expected": lead.expected, "bound": lead.bound, "pvalue": lead.pvalue, "recurrence_days": lead.recurrence_days,
        "score": candidate.score, "sentence_zh": words.zh, "sentence_en": words.en, "path": path,
    }  # fmt: skip
    detail = _detail(candidate, name, now.date())
    if known is None:
        signal, fresh = Signal.objects.get_or_create(
            key=candidate.key,
            defaults={
                **values, "place_kind": candidate.place.kind, "organisation_id": candidate.place.organisation_id,
                "place_code": candidate.place.code, "first_day": candidate.first_day, "life": Signal.Life.NEW,
                "opened_at": now, "updated_at": now, "data_at": data_at or now, "detail": detail,
            },
        )  # fmt: skip
        if fresh:
            SignalStep.objects.create(signal=signal, at=now, kind="new", observed=candidate.observed, note=words.zh)
        return signal.pk if fresh else None
    signal = Signal.objects.select_for_update().get(pk=known.id)
    if signal.life == Signal.Life.OVER and change.life == "unchanged" and candidate.last_day <= signal.last_day:
        return None  # found again in the days that are looked back on: nothing new
    lives = change.life
    if lives == "unchanged" and signal.life in {"new", "grown"} and now - signal.updated_at < NEWS:
        lives = signal.life
    if change.life == "unchanged" and lives == signal.life and signal.detail.get("findings") == detail["findings"]:
        return None
    values["first_day"] = min(signal.first_day, candidate.first_day)
    if change.life == "unchanged" and candidate.observed < signal.observed:
        values |= {k: getattr(signal, k) for k in ("sentence_zh", "sentence_en", "level", "rule", "score", "observed")}
    kept = {k: v for k, v in signal.detail.items() if k not in detail}
    for field, value in {**values, "life": lives, "detail": {**kept, **detail}}.items():
        setattr(signal, field, value)
    if change.life == "grown":
        signal.updated_at, signal.data_at = now, signal.data_at
        SignalStep.objects.create(signal=signal, at=now, kind="grown", observed=candidate.observed, note=words.zh)
    signal.save()
    return signal.pk if change.speaks else None


def _rule_words(lead: Finding) -> Words | None:
    rule = rules().by_id(lead.rule)
    if rule is None:
        return None
    level = LEVEL_WORDS[rule.level]
    return Words(
        f"{level.zh}（{rule.days}天≥{rule.cases}例，{rule.source.document}）",
        f"the {level.en} (≥{rule.cases} in {rule.days} days, {rule.source.document})",
    )


def _detail(candidate: Candidate, name: str, today: dt.date) -> dict[str, Any]:
    first = today - dt.timedelta(days=CHART_DAYS - 1)
    keys = [key for key, family in classifier().family.items() if family == candidate.family]
    lead = candidate.lead
    shown = [lead.syndrome] if lead.syndrome not in {candidate.family} else [candidate.family]
    return {
        "place": name,
        "disease": "" if lead.syndrome == candidate.family else lead.syndrome,
        "findings": [
            _told(f) for f in sorted(candidate.findings, key=lambda f: (f.level, f.rule, f.part, f.first_day))
        ],
        "parts": _parts(candidate),
        "sources": sorted(life.sources_of(candidate.findings)),
        "series": {
            "first": first.isoformat(),
            "syndrome": shown[0],
            "counts": series(candidate.place, shown, "", first, today),
        },
        "syndromes": keys,
    }


def _parts(candidate: Candidate) -> dict[str, float]:
    """Cases by class or unit: the largest that any finding tells."""
    found: dict[str, float] = {}
    for finding in candidate.findings:
        if finding.part:
            found[finding.part] = max(found.get(finding.part, 0), finding.observed)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _told(finding: Finding) -> dict[str, Any]:
    rule = rules().by_id(finding.rule)
    told: dict[str, Any] = {
        "source": finding.source, "syndrome": finding.syndrome, "method": finding.method, "rule": finding.rule,
        "level": finding.level, "part": finding.part, "first": finding.first_day.isoformat(),
        "last": finding.last_day.isoformat(), "observed": finding.observed, "expected": finding.expected,
        "bound": finding.bound, "pvalue": finding.pvalue, **finding.detail,
    }  # fmt: skip
    if rule is not None:
        told |= {
            "document": rule.source.document, "clause": rule.source.clause, "date": rule.source.date.isoformat(),
            "verified": rule.source.verified, "binding": rule.binding, "report_hours": rule.report_hours,
        }  # fmt: skip
    return told


def _close(
    known: Sequence[Standing], said: Mapping[int, dt.date], scope: Scope, test_from: dt.date, now: dt.datetime
) -> list[int]:
    """Over: nothing new for one generation; or the data were corrected and no longer say it.

    said: the last day of each that was found again. Being found again within the look-back is nothing new.
    """
    closed = []
    for before in known:
        row = replace(before, last_day=max(before.last_day, said.get(before.id, before.last_day)))
        if row.life == "over":
            continue
        # Only a whole pass reads every source of a place: what a part of them says takes no statistical signal back.
        looked = scope.covers(row.place, row.family) and (scope.everywhere or row.level != "statistical")
        corrected = row.id not in said and row.first_day >= test_from and looked
        if not corrected and not life.ended(row, today=now.date(), spreads_days=spreads_days(row.family)):
            continue
        note = "数据更正后不再成立" if corrected else "一个代际内没有新病例"
        Signal.objects.filter(pk=row.id).update(life=Signal.Life.OVER, updated_at=now)
        SignalStep.objects.create(signal_id=row.id, at=now, kind="over", note=note)
        closed.append(row.id)
    return closed
