"""The life of a signal: what belongs together, what is new, grown, unchanged or over, what stays quiet.

One signal for one place, one family of syndromes and one stretch of time, whatever sources, rules and methods speak.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from healthbrain.surveillance.rules.fusion import VOICE
from healthbrain.surveillance.rules.syndromes import Words
from healthbrain.surveillance.rules.thresholds import LEVELS

GAP_DAYS = 7  # findings closer than this are the same stretch of time (one quiet period, Zanzibar practice)
HEARD_WHOLE = 0.95  # share of the usual count that is here by now, below which a sentence says that more is to come
SOURCE_WORDS = {
    "diagnosis": Words("门诊诊断", "diagnoses"),
    "laboratory": Words("检验阳性", "laboratory positives"),
    "fever-clinic": Words("发热门诊", "fever clinic"),
    "ems": Words("120 呼救", "ambulance calls"),
    "absence": Words("晨检缺课", "school absence"),
    "pharmacy": Words("药店销量", "pharmacy sales"),
    "nursing-home": Words("养老机构", "nursing homes"),
    "hotel": Words("住宿场所", "lodging"),
    "work-site": Words("用人单位", "work sites"),
    "rumour": Words("群众反映", "rumours"),
    "card": Words("传染病报告卡", "report cards"),
    "other": Words("其他部门", "other departments"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where: an institution, or a division of residence."""

    kind: str  # organisation, village, township, county
    organisation_id: int | None = None
    code: str = ""

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.organisation_id or self.code}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule or method says about one place. pvalue None where the method has none."""

    place: Place
    family: str
    syndrome: str
    source: str
    method: str  # threshold, or the name of a detector
    rule: str
    level: str
    first_day: dt.date
    last_day: dt.date
    observed: float
    bound: float | None = None
    expected: float | None = None
    pvalue: float | None = None
    recurrence_days: float | None = None
    part: str = ""  # class or unit within the place
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Findings that belong together; `lead` is the strongest."""

    place: Place
    family: str
    first_day: dt.date
    last_day: dt.date
    lead: Finding
    findings: tuple[Finding, ...]
    score: float

    @property
    def observed(self) -> float:
        """Cases of the lead: never a sum over sources, which would count a child twice."""
        return self.lead.observed

    @property
    def key(self) -> str:
        return f"{self.place.key}|{self.family}|{self.first_day.isoformat()}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A signal that is on record."""

    id: int
    place: Place
    family: str
    first_day: dt.date
    last_day: dt.date
    observed: float
    level: str
    life: str
    answer: str = ""
    quiet_until: dt.date | None = None
    answered_observed: float | None = None  # what it counted when somebody answered
    opened_on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a candidate. standing None: a new signal. `speaks`: the desk hears of it."""

    candidate: Candidate
    standing: Standing | None
    life: str
    speaks: bool


def group(findings: Iterable[Finding]) -> list[Candidate]:
    """Findings of one place and family whose times touch (less than GAP_DAYS apart) become one candidate."""
    by_place: dict[tuple[Place, str], list[Finding]] = {}
    for finding in findings:
        by_place.setdefault((finding.place, finding.family), []).append(finding)
    found = []
    for (place, family), rows in by_place.items():
        rows.sort(key=lambda f: (f.first_day, f.last_day))
        cluster = [rows[0]]
        for row in rows[1:]:
            if (row.first_day - max(f.last_day for f in cluster)).days < GAP_DAYS:
                cluster.append(row)
            else:
                found.append(_candidate(place, family, cluster))
                cluster = [row]
        found.append(_candidate(place, family, cluster))
    return sorted(found, key=lambda c: (-c.score, c.key))


def _candidate(place: Place, family: str, rows: list[Finding]) -> Candidate:
    lead = max(rows, key=_strength)
    return Candidate(
        place, family, min(f.first_day for f in rows), max(f.last_day for f in rows), lead, tuple(rows),
        score_of(rows, lead),
    )  # fmt: skip


def _strength(finding: Finding) -> tuple[int, float, float, bool, str]:
    """Counts of different sources have different scales: their p-values compare, among rules the count itself does."""
    told = surprise(finding) if finding.pvalue is not None else 0.0
    binding = bool(finding.detail.get("binding", True))
    return LEVELS.index(finding.level), told, finding.observed, binding, finding.rule


def surprise(finding: Finding) -> float:
    """Decimal orders of magnitude of the p-value, at most 15; without one, how far the count passed its number."""
    if finding.pvalue is not None:
        return min(15.0, -math.log10(max(finding.pvalue, 1e-15)))
    if finding.bound:
        return min(5.0, finding.observed / finding.bound)
    return 1.0


def score_of(rows: Sequence[Finding], lead: Finding) -> float:
    """Rank on the board: level first, then surprise, then how many independent sources say the same."""
    sources = len({f.source for f in rows})
    return (
        10.0 * LEVELS.index(lead.level)
        + max(surprise(f) for f in rows)
        + 3.0 * (sources - 1)
        + math.log10(1 + lead.observed)
    )


def follow(
    candidates: Iterable[Candidate], standing: Sequence[Standing], *, today: dt.date, grows_by: float
) -> list[Change]:
    """Match candidates to what is on record: same place, family and overlapping time is the same signal."""
    by_place: dict[tuple[Place, str], list[Standing]] = {}
    for row in standing:
        by_place.setdefault((row.place, row.family), []).append(row)
    changes = []
    for candidate in candidates:
        known = [s for s in by_place.get((candidate.place, candidate.family), ()) if _touch(candidate, s)]
        if not known:
            changes.append(Change(candidate, None, "new", True))
            continue
        newest = max(known, key=lambda s: s.last_day)
        grown = _grown(candidate, newest)
        changes.append(
            Change(
                candidate,
                newest,
                "grown" if grown else "unchanged",
                grown and _may_speak(candidate, newest, today, grows_by),
            )
        )
    return changes


def _touch(candidate: Candidate, standing: Standing) -> bool:
    return (
        (candidate.first_day - standing.last_day).days < GAP_DAYS
        and (standing.first_day - candidate.last_day).days < GAP_DAYS
    )  # fmt: skip


def _grown(candidate: Candidate, standing: Standing) -> bool:
    """More cases, a higher level, or a cluster that took in more places."""
    higher = LEVELS.index(candidate.lead.level) > LEVELS.index(standing.level)
    return candidate.observed > standing.observed or higher or candidate.lead.detail.get("change") == "grown"


def _may_speak(candidate: Candidate, standing: Standing, today: dt.date, grows_by: float) -> bool:
    """After an answer a signal is quiet until its day, unless it has grown to a multiple or to a higher level."""
    if standing.quiet_until is None or today > standing.quiet_until:
        return True
    base = standing.answered_observed or standing.observed
    return candidate.observed >= grows_by * base or LEVELS.index(candidate.lead.level) > LEVELS.index(standing.level)


def ended(standing: Standing, *, today: dt.date, spreads_days: int) -> bool:
    """Over: nothing new within one usual generation, and at least the quiet gap, after the last day.

    What came late, and was a signal only then, stands as long from the day on which it was told.
    """
    newest = max(standing.last_day, standing.opened_on or standing.last_day)
    return (today - newest).days > max(GAP_DAYS, spreads_days)


def sources_of(findings: Iterable[Finding]) -> set[str]:
    """Sources that speak: of a fused finding those that raise their voice."""
    found: set[str] = set()
    for finding in findings:
        found.add(finding.source)
        found |= {one["source"] for one in finding.detail.get("sources", ()) if one["pvalue"] <= VOICE}
    return found


def sentence(candidate: Candidate, place: str, title: Words, rule_words: Words | None) -> Words:
    """What a person reads first: where, what, since when, how many, against which number."""
    lead, days = candidate.lead, (candidate.last_day - candidate.first_day).days + 1
    parts = sorted({f.part for f in candidate.findings if f.part})
    where_zh = f"{place}{'（' + '、'.join(parts[:4]) + ('等' if len(parts) > 4 else '') + '）' if parts else ''}"
    where_en = f"{place}{' (' + ', '.join(parts[:4]) + (' and more' if len(parts) > 4 else '') + ')' if parts else ''}"
    source = SOURCE_WORDS.get(lead.source, Words(lead.source, lead.source))
    unit = Words("盒", "packs") if lead.source == "pharmacy" else Words("例", "cases")
    since = f"{candidate.first_day.month}月{candidate.first_day.day}日"
    zh = f"{where_zh}：{title.zh}，{since}起 {days} 天 {lead.observed:g} {unit.zh}（{source.zh}）"
    begun = f"{candidate.first_day.day} {candidate.first_day:%b}"
    span = f"{days} day{'s' if days > 1 else ''}"
    en = f"{where_en}: {title.en}, {lead.observed:g} {unit.en} in {span} since {begun} ({source.en})"
    if rule_words is not None:
        zh, en = f"{zh}，达到{rule_words.zh}", f"{en}; meets {rule_words.en}"
    elif lead.expected is not None:
        heard = float(lead.detail.get("heard", 1.0))
        if heard < HEARD_WHOLE:
            zh = f"{zh}，平常到此时约 {lead.expected:.1f} {unit.zh}（估计已报来 {heard:.0%}）"
            en = f"{en}; usual by now about {lead.expected:.1f} (an estimated {heard:.0%} reported)"
        else:
            zh, en = f"{zh}，平常约 {lead.expected:.1f} {unit.zh}", f"{en}; usual about {lead.expected:.1f}"
    if lead.method == "scan":
        more_zh, more_en = _cluster_words(lead)
        zh, en = zh + more_zh, en + more_en
    others = sorted(sources_of(candidate.findings) - {lead.source})
    if others:
        words = [SOURCE_WORDS.get(name, Words(name, name)) for name in others]
        zh += f"；{'、'.join(w.zh for w in words)}同时升高"
        en += f"; also {', '.join(w.en for w in words)}"
    return Words(zh + "。", en + ".")


def _cluster_words(lead: Finding) -> tuple[str, str]:
    """The members of a space-time cluster and how seldom chance brings one."""
    names, days = list(lead.detail["member_names"]), lead.detail["recurrence_days"]
    more_zh, more_en = ("等", " and more") if len(names) > 4 else ("", "")
    return (
        f"；{len(names)} 处相邻地点（{'、'.join(names[:4])}{more_zh}）一起偏多，碰巧约 {days} 天一次",
        f"; {len(names)} neighbouring places together ({', '.join(names[:4])}{more_en}),"
        f" by chance once in about {days} days",
    )
