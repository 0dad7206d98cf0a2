"""knowledge/programmes/*.yaml → Programme. Whatever is wrong is refused with file and line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from healthbrain.care.rules.programme import (
    ALWAYS,
    NEVER,
    Age,
    Due,
    Evidence,
    EvidenceSet,
    Exit,
    From,
    Kind,
    Parameter,
    Programme,
    Source,
    State,
    Task,
    Title,
    span,
)
from healthbrain.facts.rules.catalogue import Catalogue
from healthbrain.facts.rules.duration import Duration
from healthbrain.facts.rules.language import Expression, parse
from healthbrain.facts.rules.located import load_yaml, wrong

_KINDS = {"chain", "once", "calendar", "ages", "series"}
_ALWAYS_OUT = ["died", "moved"]  # named for the reader: they hold for every programme
_FROM = {"visit", "reading", "enrolment", "anchor", "year-end"}
_TOP = {
    "id", "version", "title", "sources", "begins", "parameters", "terms", "population", "enrol", "suspect", "reading",
    "standard", "because", "missing", "states", "evidence", "tasks", "exit", "horizon", "measures", "birthdays",
}  # fmt: skip
_TASK = {
    "id", "title", "kind", "source", "evidence", "due", "never_done", "states", "suspected", "when", "anchor",
    "anchor_name", "again", "opens_before", "grace", "expires", "evidence_after", "quota", "ages", "urgent", "escalate",
    "performer", "modality", "counts_from", "not_before",
}  # fmt: skip


def load_programmes(folders: Iterable[Path], catalogue: Catalogue) -> tuple[Programme, ...]:
    """All programmes of the folders; a file in a later folder replaces the one of the same name."""
    files = {path.name: path for folder in folders for path in sorted(folder.glob("*.yaml"))}
    programmes = tuple(load_programme(path, catalogue) for path in files.values())
    names = [p.id for p in programmes]
    for name in names:
        if names.count(name) > 1:
            raise wrong(f"programme {name!r} stands in two files", name)
    return programmes


def load_programme(path: Path, catalogue: Catalogue) -> Programme:
    """One programme file."""
    return programme_of(load_yaml(path), catalogue)


def programme_of(raw: Mapping[str, Any], catalogue: Catalogue) -> Programme:
    """A programme from its YAML mapping."""
    return _Builder(raw, catalogue).programme()


class _Builder:
    """Holds what every part needs: the raw mapping, the catalogue and the parameters."""

    def __init__(self, raw: Mapping[str, Any], catalogue: Catalogue) -> None:
        _only(raw, _TOP, "programme")
        self.raw, self.catalogue = raw, catalogue
        self.sources = {str(k): _source(v) for k, v in raw["sources"].items()}
        self.parameters = {str(k): self._parameter(k, v) for k, v in raw.get("parameters", {}).items()}

    def programme(self) -> Programme:
        raw, enrol, suspect = self.raw, self.raw["enrol"], self.raw.get("suspect") or {}
        standard = raw.get("standard") or {}
        states = tuple(self._state(row) for row in raw["states"])
        evidence = {str(k): self._evidence(k, v) for k, v in raw.get("evidence", {}).items()}
        horizon = raw.get("horizon", {})
        return Programme(
            id=str(raw["id"]),
            version=str(raw["version"]),
            title=_title(raw["title"]),
            sources=self.sources,
            parameters=self.parameters,
            population=self._parse(raw["population"]["when"]),
            enrol=self._parse(enrol["when"]),
            enrol_source=str(enrol.get("source", "")),
            since=self._optional(enrol.get("since")),
            age_from=self._age(enrol.get("age")),
            begins=self._begins(),
            begins_source=str(raw.get("begins", {}).get("source", "")),
            suspect=self._optional(suspect.get("when")),
            suspect_since=self._optional(suspect.get("since")),
            suspect_source=str(suspect.get("source", "")),
            reading=self._optional(raw.get("reading")),
            standard=self._optional(standard.get("when")),
            standard_source=str(standard.get("source", "")),
            states=states,
            because={str(k): self._parse(v) for k, v in raw.get("because", {}).items()},
            evidence=evidence,
            tasks=tuple(self._task(row, states, evidence) for row in raw["tasks"]),
            exits=tuple(self._exit(row) for row in raw.get("exit", ()) if row not in _ALWAYS_OUT),
            ages=tuple(self._ages(raw)),
            behind=self._span(horizon.get("behind", "60 days")),
            ahead=self._span(horizon.get("ahead", "180 days")),
            measures=raw.get("measures", {}),
            missing={str(k): (self._parse(v["when"]), _title(v["title"])) for k, v in raw.get("missing", {}).items()},
        )

    def _parse(self, text: Any) -> Expression:
        return parse(text, self.catalogue, terms=self.raw.get("terms", {}), parameters=self.raw.get("parameters", {}))

    def _optional(self, text: Any) -> Expression | None:
        return None if text is None else self._parse(text)

    def _parameter(self, name: str, entry: Mapping[str, Any]) -> Parameter:
        if not entry.get("source"):
            raise wrong(f"parameter {name!r} needs a source", name)
        source, document = str(entry["source"]), self._document(entry["source"], f"parameter {name!r}")
        verified = bool(entry.get("verified", document.verified))
        by = tuple((str(row["when"]), row["value"]) for row in entry.get("by", ()))
        note = str(entry.get("note", ""))
        return Parameter(str(name), entry["value"], source, str(entry.get("unit", "")), verified, note, by)

    def _document(self, source: Any, what: str) -> Source:
        found = self.sources.get(str(source).split()[0])
        if found is None:
            raise wrong(f"{what}: source {str(source).split()[0]!r} is not among the sources", source)
        return found

    def _value(self, written: Any) -> Any:
        """The plain value of a parameter when `written` names one, else `written` itself."""
        parameter = self.parameters.get(str(written))
        return written if parameter is None else parameter.value

    def _span(self, written: Any) -> Duration:
        return span(self._value(written))

    def _begins(self) -> dt.date:
        entry = self.raw.get("begins")
        if entry is None:
            return ALWAYS
        _only(entry, {"date", "source"}, "begins")
        if not isinstance(entry["date"], dt.date):
            raise wrong(f"begins: {entry['date']!r} is not a date", entry["date"])
        self._document(entry["source"], "begins")
        return entry["date"]

    def _age(self, written: Any) -> Duration | None:
        return None if written is None else Duration(months=12 * int(self._value(written)))

    def _ages(self, raw: Mapping[str, Any]) -> Iterable[Duration]:
        for written in raw.get("birthdays", ()):
            value = self._value(written)
            yield Duration(months=12 * value) if isinstance(value, int) else span(value)

    def _state(self, row: Mapping[str, Any]) -> State:
        _only(row, {"id", "title", "when", "source", "abnormal", "advice"}, "state")
        when = row.get("when")
        advice = _title(row["advice"]) if "advice" in row else None
        source, abnormal = str(row.get("source", "")), bool(row.get("abnormal", False))
        return State(
            str(row["id"]), _title(row["title"]), self._optional(when), str(when or ""), source, abnormal, advice
        )

    def _evidence(self, name: str, entry: Mapping[str, Any]) -> EvidenceSet:
        return EvidenceSet(str(name), tuple(self._clause(row) for row in entry["any"]), str(entry.get("source", "")))

    def _clause(self, row: Mapping[str, Any]) -> Evidence:
        _only(row, {"fact", "at_institution", "with", "not_remote"}, "evidence")
        for key in ("fact", "with", "not_remote"):
            if row.get(key) and row[key] not in self.catalogue:
                raise wrong(f"evidence names the unknown fact {row[key]!r}", row[key])
        return Evidence(
            str(row["fact"]),
            bool(row.get("at_institution", False)),
            str(row.get("with", "")),
            str(row.get("not_remote", "")),
        )

    def _due(self, entry: Mapping[str, Any]) -> Due:
        _only(entry, {"from", "span", "source"}, "due")
        if entry["from"] not in _FROM:
            raise wrong(f"due from {entry['from']!r} is none of {', '.join(sorted(_FROM))}", entry["from"])
        return Due(
            cast(From, str(entry["from"])), self._span(entry.get("span", "same day")), str(entry.get("source", ""))
        )

    def _task(self, row: Mapping[str, Any], states: tuple[State, ...], evidence: Mapping[str, EvidenceSet]) -> Task:
        _only(row, _TASK, "task")
        if row["kind"] not in _KINDS:
            raise wrong(f"task kind {row['kind']!r} is none of {', '.join(sorted(_KINDS))}", row["kind"])
        if row["evidence"] not in evidence:
            raise wrong(f"task {row['id']!r} names the unknown evidence {row['evidence']!r}", row["evidence"])
        known = {s.id for s in states}
        for name in (*row.get("states", ()), *(k for k in row.get("due", {}) if k != "*")):
            if name not in known:
                raise wrong(f"task {row['id']!r} names the unknown state {name!r}", name)
        if row["kind"] == "once" and "anchor" not in row:
            raise wrong(f"task {row['id']!r} of kind once needs an anchor", row["id"])
        return Task(
            id=str(row["id"]),
            title=_title(row["title"]),
            kind=cast(Kind, str(row["kind"])),
            source=str(row.get("source", "")),
            evidence=str(row["evidence"]),
            due={str(k): self._due(v) for k, v in row.get("due", {}).items()},
            never_done=self._due(row["never_done"]) if "never_done" in row else None,
            states=tuple(map(str, row.get("states", ()))),
            suspected=bool(row.get("suspected", False)),
            when=self._optional(row.get("when")),
            anchor=self._optional(row.get("anchor")),
            again=self._optional(row.get("again")),
            anchor_name=str(row.get("anchor_name", "reading")),
            opens_before=self._span(row["opens_before"]) if "opens_before" in row else None,
            grace=self._span(row.get("grace", "same day")),
            expires=self._span(row["expires"]) if "expires" in row else None,
            evidence_after=self._span(row.get("evidence_after", "same day")).days,
            quota=int(self._value(row["quota"])) if "quota" in row else 0,
            ages=tuple(self._visit(n, visit, row["kind"]) for n, visit in enumerate(row.get("ages", ()), 1)),
            counts_from=self._optional(row.get("counts_from")),
            not_before=self._optional(row.get("not_before")),
            urgent=bool(row.get("urgent", False)),
            escalate=tuple((str(e["to"]), self._span(e["overdue"]).days) for e in row.get("escalate", ())),
            performer=tuple(map(str, row.get("performer", ("contract", "village", "township")))),
            modality=str(row.get("modality", "")),
        )

    def _visit(self, place: int, row: Mapping[str, Any], kind: str) -> Age:
        _only(row, {"number", "title", "opens", "due", "until", "after", "from", "to"}, "ages")
        if kind == "ages" and "until" not in row:
            raise wrong("a row of kind ages needs until", row["title"]["zh"])
        if ("from" in row or "to" in row) and "number" not in row:
            raise wrong("a row with from or to needs its number", row["title"]["zh"])
        return Age(
            ordinal=int(row.get("number", place)),
            title=_title(row["title"]),
            opens=self._span(row["opens"]),
            due=self._span(row["due"]),
            until=self._span(row["until"]) if "until" in row else None,
            after=self._span(row.get("after", "same day")),
            first_day=row.get("from", ALWAYS),
            last_day=row.get("to", NEVER),
        )

    def _exit(self, row: Any) -> Exit:
        if not isinstance(row, Mapping):
            raise wrong(f"exit {row!r}: write died, moved, or a mapping with id, title and day", row)
        _only(row, {"id", "title", "day", "source"}, "exit")
        return Exit(str(row["id"]), _title(row["title"]), self._parse(row["day"]), str(row.get("source", "")))


def _source(entry: Mapping[str, Any]) -> Source:
    document = str(entry["document"])
    short = _title(entry["short"]) if "short" in entry else Title(document, document)
    return Source(document, short, str(entry["number"]), bool(entry["verified"]))


def _title(entry: Mapping[str, str]) -> Title:
    if not entry.get("zh") or not entry.get("en"):
        raise wrong("a title needs zh and en", entry.get("zh", ""))
    return Title(str(entry["zh"]), str(entry["en"]))


def _only(entry: Mapping[str, Any], allowed: set[str], what: str) -> None:
    for key in entry:
        if key not in allowed:
            raise wrong(f"{what}: unknown key {str(key)!r}", key)
