"""Calls → SQL: one pass over the ledger, one row a resident, one column a call.

The pass, step by step (each step is one named part of the query):
  subject     the residents, with their age at as_of and the date from which each `within` counts
  meaning     which facts each distinct code stands for, and its unit factor: prefixes are matched once a code
  hit         usable events (not flagged, plausible, right answer), one row for each fact they mean
  occurrence  hits, moments of a pair, and days on which two facts came together, or one without the other
  selected    occurrences up to as_of, one row for each selection whose condition and bounds hold
  ranked      … with their place counted from the newest: by moment (`newest`) and by day (`nth_day`)
  fact        one row a resident: each call is one filtered aggregate

The same text runs in PostgreSQL and DuckDB; Spark gets it translated. `facts.rules.reference` says the same slowly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlglot
from sqlglot import exp

from healthbrain.facts.rules.calls import CLOCKS, Call, Selection
from healthbrain.facts.rules.catalogue import Fact
from healthbrain.facts.rules.duration import Duration
from healthbrain.facts.rules.types import interval_node, shifted

RESIDENT_COLUMNS = (
    "resident_id", "birth_date", "sex", "deceased_on", "moved_on", "home_organisation_id", "contract_team_id",
)  # fmt: skip
_MONTHS = (  # full months lived: a birthday on the 31st is kept on the last day of a shorter month
    "CASE WHEN birth_date <= as_of THEN"
    " (EXTRACT(YEAR FROM as_of) - EXTRACT(YEAR FROM birth_date)) * 12"
    " + EXTRACT(MONTH FROM as_of) - EXTRACT(MONTH FROM birth_date)"
    " - CASE WHEN EXTRACT(DAY FROM as_of) >= EXTRACT(DAY FROM birth_date) OR EXTRACT(DAY FROM as_of + 1) = 1"
    " THEN 0 ELSE 1 END END"
)


def facts_sql(calls: Iterable[Call], dialect: str, *, residents: str, events: str, as_of: str, codes: str = "") -> str:
    """The SELECT. `residents` and `events` name relations, `as_of` is a date expression over `residents`.

    residents  resident_id, birth_date, sex, deceased_on, moved_on, home_organisation_id, contract_team_id
    events     resident_id, id, kind, code, "at", value, unit, text, flag, organisation_id; current ones only
    codes      the distinct (kind, code, unit) of `events`, when they can be had cheaper than by reading `events`
    """
    ordered = sorted(set(calls), key=lambda call: call.column)
    text = _Pass(ordered, "postgres" if dialect == "postgres" else "duckdb").sql(residents, events, as_of, codes)
    return sqlglot.transpile(text, read="duckdb", write=dialect, pretty=True)[0] if dialect == "spark" else text


def occurrences_sql(facts: Iterable[Fact], dialect: str, *, residents: str, events: str, as_of: str) -> str:
    """The occurrences of `facts` up to as_of, one row each: resident_id, fact (its name), id, occurred, day,
    organisation_id, value, value2 (second member of a pair), text. Relations as in `facts_sql`."""
    calls = [Call("ever", Selection(fact)) for fact in dict.fromkeys(facts)]
    text = _Pass(calls, "postgres" if dialect == "postgres" else "duckdb").occurrences(residents, events, as_of)
    return sqlglot.transpile(text, read="duckdb", write=dialect, pretty=True)[0] if dialect == "spark" else text


class _Pass:
    """One query being written. Facts and selections are numbered; the query compares numbers, not names."""

    def __init__(self, calls: list[Call], dialect: str) -> None:
        self.calls, self.dialect = calls, dialect
        self.selections = {s: n for n, s in enumerate(sorted({c.selection for c in calls}, key=lambda s: s.name))}
        self.withins = sorted({call.within for call in calls if call.within is not None})
        self.facts = _numbered(selection.fact for selection in self.selections)

    def sql(self, residents: str, events: str, as_of: str, codes: str) -> str:
        if not self.calls:
            return f"WITH {self.subject(residents, as_of)}\nSELECT {_subject_columns()} FROM subject"
        steps = ",\n".join([*self.steps(residents, events, as_of, codes), self.ranked(), self.fact()])
        columns = ",\n  ".join([_subject_columns(), *(self.result(call) for call in self.calls)])
        return (
            f"WITH {steps}\nSELECT\n  {columns}\nFROM subject LEFT JOIN fact ON fact.resident_id = subject.resident_id"
        )

    def occurrences(self, residents: str, events: str, as_of: str) -> str:
        names = " ".join(f"WHEN {n} THEN {_quoted(s.fact.name)}" for s, n in self.selections.items())
        steps = ",\n".join(self.steps(residents, events, as_of, ""))
        return f"""WITH {steps}
SELECT resident_id, CASE selection {names} END AS fact, id, occurred, day, organisation_id, value, value2, text
FROM selected"""

    def steps(self, residents: str, events: str, as_of: str, codes: str) -> list[str]:
        parts = [
            self.subject(residents, as_of),
            f"event AS (SELECT * FROM {events} AS source_event)",
            self.meaning(codes or "(SELECT DISTINCT kind, code, unit FROM event)"),
            self.hit(),
            self.moment(),
            self.occurrence(),
            self.selected(),
        ]
        return [part for part in parts if part]

    def subject(self, residents: str, as_of: str) -> str:
        columns = ", ".join(RESIDENT_COLUMNS)
        as_of_column = exp.column("as_of")
        starts = "".join(
            f",\n    {shifted(as_of_column, interval_node(within), exp.Sub).sql(self.dialect)} AS {_start(within)}"
            for within in self.withins
        )
        return f"""subject AS (
  SELECT {columns}, as_of, CAST(age_months AS INTEGER) AS age_months,
    CAST(FLOOR(age_months / 12.0) AS INTEGER) AS age{starts}
  FROM (SELECT {columns}, as_of, {_MONTHS} AS age_months
        FROM (SELECT {columns}, CAST({as_of} AS DATE) AS as_of FROM {residents} AS source_resident) AS dated) AS aged
)"""

    def meaning(self, codes: str) -> str:
        rows = ",\n    ".join(row for fact, n in self.facts.items() for row in _meanings(fact, n))
        return f"""definition (fact, kind, code, prefix, unit, factor, lowest, highest) AS (VALUES
    {rows}
),
meaning AS (
  SELECT seen.kind, seen.code, COALESCE(seen.unit, '') AS unit, definition.fact, MAX(factor) AS factor,
    MAX(lowest) AS lowest, MAX(highest) AS highest
  FROM {codes} AS seen JOIN definition ON definition.kind = seen.kind
    AND definition.code = CASE WHEN prefix THEN LEFT(seen.code, LENGTH(definition.code)) ELSE seen.code END
    AND (definition.unit IS NULL OR definition.unit = COALESCE(seen.unit, ''))
  GROUP BY seen.kind, seen.code, COALESCE(seen.unit, ''), definition.fact
)"""

    def hit(self) -> str:
        answers = [f"WHEN {n} THEN {test}" for fact, n in self.facts.items() if (test := _answer_test(fact))]
        condition = f" AND CASE meaning.fact {' '.join(answers)} ELSE TRUE END" if answers else ""
        return f"""hit AS (
  SELECT event.resident_id, meaning.fact, event.id, event."at" AS occurred, CAST(event."at" AS DATE) AS day,
    event.organisation_id,
    event.value * meaning.factor AS value, CAST(NULL AS DOUBLE PRECISION) AS value2, event.text
  FROM event JOIN meaning
    ON meaning.kind = event.kind AND meaning.code = event.code AND meaning.unit = COALESCE(event.unit, '')
  WHERE event.flag = 0
    AND (meaning.factor IS NULL OR event.value * meaning.factor BETWEEN meaning.lowest AND meaning.highest){condition}
)"""

    def moment(self) -> str:
        """Moments of the pairs. A moment may miss one member: conditions see it, whole pairs do not count it."""
        selects = []
        for pair, n in self.facts.items():
            if pair.shape != "pair":
                continue
            first, second = (self.facts[member] for member in pair.members)
            selects.append(f"""SELECT resident_id, {n} AS fact, MAX(id) AS id, occurred, CAST(occurred AS DATE) AS day,
    organisation_id,
    {self.last_recorded(first)} AS value,
    {self.last_recorded(second)} AS value2,
    CAST(NULL AS TEXT) AS text
  FROM hit WHERE fact IN ({first}, {second}) GROUP BY resident_id, organisation_id, occurred""")
        return f"moment AS (\n  {'\n  UNION ALL '.join(selects)}\n)" if selects else ""

    def last_recorded(self, fact: int) -> str:
        """Of two values of one fact at one moment and organisation, the one recorded later counts."""
        if self.dialect == "postgres":
            return f"(ARRAY_AGG(value ORDER BY id DESC) FILTER (WHERE fact = {fact}))[1]"
        return f"ARG_MAX(value, id) FILTER (WHERE fact = {fact})"

    def occurrence(self) -> str:
        has_pairs = any(fact.shape == "pair" for fact in self.facts)
        base = "SELECT * FROM hit UNION ALL SELECT * FROM moment" if has_pairs else "SELECT * FROM hit"
        joined = [(fact, n) for fact, n in self.facts.items() if fact.shape in {"together", "apart"}]
        if not joined:
            return f"occurrence AS ({base})"
        days = "\n  UNION ALL ".join(self.together(fact, n) for fact, n in joined)
        return f"single AS ({base}),\noccurrence AS (\n  SELECT * FROM single\n  UNION ALL {days}\n)"

    def together(self, fact: Fact, number: int) -> str:
        first, second = fact.members
        there = "EXISTS" if fact.shape == "together" else "one.organisation_id IS NOT NULL AND NOT EXISTS"
        return f"""SELECT resident_id, {number} AS fact, id, occurred, day, organisation_id, value, value2, text
  FROM single AS one WHERE one.fact = {self.facts[first]} AND {_whole_pair(first)} AND {there} (
    SELECT 1 FROM single AS other WHERE other.fact = {self.facts[second]} AND other.resident_id = one.resident_id
      AND other.day = one.day AND other.organisation_id = one.organisation_id
      AND {_whole_pair(second, "other.")})"""

    def selected(self) -> str:
        rows = ", ".join(f"({self.facts[s.fact]}, {n})" for s, n in self.selections.items())
        tests = [f"WHEN {n} THEN {test}" for s, n in self.selections.items() if (test := self.selection_test(s))]
        condition = f"\n    AND CASE selection.selection {' '.join(tests)} ELSE TRUE END" if tests else ""
        flags = "".join(f", day > {_start(within)} AS {_flag(within)}" for within in self.withins) + self.held()
        return f"""selection (fact, selection) AS (VALUES {rows}),
selected AS (
  SELECT occurrence.resident_id, selection.selection, id, occurred, day, organisation_id, value, value2, text{flags}
  FROM occurrence JOIN selection ON selection.fact = occurrence.fact
    JOIN subject ON subject.resident_id = occurrence.resident_id
  WHERE day <= as_of{condition}
)"""

    def held(self) -> str:
        """Where runs are asked: whether the condition held, which otherwise has decided already what is a row."""
        tests = [f"WHEN {n} THEN ({s.condition.node.sql(self.dialect)})" for s, n in self.streaks() if s.condition]
        return f",\n    CASE selection.selection {' '.join(tests)} ELSE TRUE END AS held" if tests else ""

    def streaks(self) -> list[tuple[Selection, int]]:
        return [(s, n) for s, n in self.selections.items() if s.streak]

    def selection_test(self, selection: Selection) -> str:
        tests = []
        if selection.condition and selection.streak:
            tests.append(f"({selection.condition.node.sql(self.dialect)}) IS NOT NULL")
        elif selection.condition:
            tests.append(f"({selection.condition.node.sql(self.dialect)})")
        elif selection.fact.shape == "pair":
            tests.append(_whole_pair(selection.fact))
        withins = {call.within for call in self.calls if call.selection == selection}
        if None not in withins:  # older ones are asked by no call, and places count from the newest
            tests.append("(" + " OR ".join(sorted(f"day > {_start(w)}" for w in withins if w)) + ")")
        for bound, operator in ((selection.since, ">="), (selection.after, ">"), (selection.until, "<=")):
            if bound:
                tests.append(f"day {operator} ({bound.node.sql(self.dialect)})")
        return " AND ".join(tests)

    def ranked(self) -> str:
        """Only what a call asks the place of is sorted; the sort is the dearest step."""
        sorted_ones = [n for s, n in self.selections.items() if self.functions(s) & _NEED_PLACE]
        runs = [n for _, n in self.streaks()]
        if not sorted_ones and not runs:
            return "ranked AS (SELECT selected.* FROM selected)"
        by = "PARTITION BY resident_id, selection ORDER BY"
        oldest = f",\n    ROW_NUMBER() OVER ({by} occurred, id) AS oldest" if self.uses("first_id") else ""
        no_oldest = ", NULL" if oldest else ""
        no_run = ", NULL" if runs else ""
        parts = [
            f"""SELECT selected.*,
    ROW_NUMBER() OVER ({by} day DESC, occurred DESC, id DESC) AS newest,
    DENSE_RANK() OVER ({by} day DESC) AS nth_day,
    LAG(day) OVER ({by} day DESC, occurred DESC, id DESC) IS DISTINCT FROM day AS last_of_day{oldest}
    {", CAST(NULL AS BIGINT) AS run_day" if runs else ""}
  FROM selected WHERE selection IN ({_list(sorted_ones) or "0"})"""
        ]
        if runs:
            columns = ", ".join(("resident_id", *_SELECTED, *(_flag(within) for within in self.withins), "held"))
            parts.append(f"""SELECT {columns}, NULL, NULL, NULL{no_oldest}, DENSE_RANK() OVER ({by} day)
  FROM (SELECT selected.*, MAX(CASE WHEN NOT held THEN occurred END)
      OVER (PARTITION BY resident_id, selection) AS broken
    FROM selected WHERE selection IN ({_list(runs)})) AS run
  WHERE held AND (broken IS NULL OR occurred > broken)""")
        if len(placed := [*sorted_ones, *runs]) < len(self.selections):
            parts.append(
                f"SELECT selected.*, NULL, NULL, NULL{no_oldest}{no_run} FROM selected "
                f"WHERE selection NOT IN ({_list(placed)})"
            )
        return "ranked AS (\n  " + "\n  UNION ALL ".join(parts) + "\n)"

    def functions(self, selection: Selection) -> set[str]:
        return {call.function for call in self.calls if call.selection == selection}

    def uses(self, function: str) -> bool:
        return any(call.function == function for call in self.calls)

    def fact(self) -> str:
        columns = ",\n    ".join(f"{self.aggregate(call)} AS {call.column}" for call in self.calls)
        return f"fact AS (\n  SELECT resident_id,\n    {columns}\n  FROM ranked GROUP BY resident_id\n)"

    def aggregate(self, call: Call) -> str:
        what, extra = _AGGREGATES[call.function]
        value = "text" if call.selection.fact.value == "text" else "value"
        if call.member and call.member == call.selection.fact.members[1].name:
            value = "value2"
        tests = [f"selection = {self.selections[call.selection]}"]
        tests += [extra.format(nth=call.nth)] if extra else []
        tests += [_flag(call.within)] if call.within else []
        aggregate, of = what.format(value=value).removesuffix(")").split("(")
        return f"{aggregate}(CASE WHEN {' AND '.join(tests)} THEN {of.replace('*', '1')} END)"

    def result(self, call: Call) -> str:
        """A resident without any row counts 0 and has "never"; everything else stays unknown."""
        column = f"fact.{call.column}"
        if call.function == "ever":
            return f"COALESCE({column}, 0) > 0 AS {call.column}"
        if call.function in CLOCKS:
            return f"CAST(EXTRACT(EPOCH FROM {column}) AS DOUBLE PRECISION) / 3600 AS {call.column}"
        return f"COALESCE({column}, 0) AS {call.column}" if call.function.startswith("count") else column


_SELECTED = ("selection", "id", "occurred", "day", "organisation_id", "value", "value2", "text")
_NEED_PLACE = {
    "latest",
    "latest_id",
    "latest_organisation",
    "previous",
    "previous_at",
    "previous_id",
    "first_id",
    "count_days",
}
_LAST_OF_DAY = "last_of_day AND nth_day = {nth}"
_AGGREGATES = {  # function → aggregate, and which rows besides the selection's own
    "latest": ("MAX({value})", "newest = 1"),
    "latest_at": ("MAX(day)", ""),
    "latest_clock": ("MAX(occurred)", ""),
    "latest_id": ("MAX(id)", "newest = 1"),
    "latest_organisation": ("MAX(organisation_id)", "newest = 1"),
    "previous": ("MAX({value})", _LAST_OF_DAY),
    "previous_at": ("MAX(day)", _LAST_OF_DAY),
    "previous_id": ("MAX(id)", _LAST_OF_DAY),
    "first_at": ("MIN(day)", ""),
    "first_clock": ("MIN(occurred)", ""),
    "first_id": ("MIN(id)", "oldest = 1"),
    "streak_at": ("MIN(day)", "run_day = {nth}"),
    "count": ("COUNT(*)", ""),
    "count_days": ("COUNT(*)", "last_of_day"),
    "ever": ("COUNT(*)", ""),
    "min": ("MIN({value})", ""),
    "max": ("MAX({value})", ""),
}


def _numbered(facts: Iterable[Fact]) -> dict[Fact, int]:
    """The facts and the members they are made of, each with its number."""
    numbers: dict[Fact, int] = {}
    for fact in sorted(facts, key=lambda fact: fact.name):
        for part in (*(inner for member in fact.members for inner in member.members), *fact.members, fact):
            numbers.setdefault(part, len(numbers) + 1)
    return numbers


def _meanings(fact: Fact, number: int) -> Collection[str]:
    """Rows of `definition`: one for each code and unit of a coded fact. No codes: every event of the kind."""
    if fact.shape != "coded":
        return []
    units: list[tuple[str, str]] = [("NULL", "NULL")]
    if fact.value == "number":
        units = [(_quoted(unit), repr(factor)) for unit, factor in ((fact.unit, 1.0), ("", 1.0), *fact.factors)]
    lowest, highest = fact.plausible or ("NULL", "NULL")
    rows = []
    for code, prefix in [(code.text, code.prefix) for code in fact.codes] or [("", True)]:
        for unit, factor in units:
            numbers = ", ".join(f"CAST({n} AS DOUBLE PRECISION)" for n in (factor, lowest, highest))
            kind, known = _quoted(fact.kind), f"CAST({unit} AS TEXT)"
            rows.append(f"({number}, {kind}, {_quoted(code)}, {str(prefix).upper()}, {known}, {numbers})")
    return rows


def _answer_test(fact: Fact) -> str:
    tests = []
    for allowed in (fact.answers, fact.only):
        if allowed:
            tests.append(f"COALESCE(event.text, '') IN ({', '.join(map(_quoted, allowed))})")
    if fact.excluded:
        tests.append(f"COALESCE(event.text, '') NOT IN ({', '.join(map(_quoted, fact.excluded))})")
    return " AND ".join(tests)


def _whole_pair(fact: Fact, of: str = "") -> str:
    return f"{of}value IS NOT NULL AND {of}value2 IS NOT NULL" if fact.shape == "pair" else "TRUE"


def _subject_columns() -> str:
    return ", ".join(f"subject.{name}" for name in (*RESIDENT_COLUMNS, "as_of", "age", "age_months"))


def _start(within: Duration) -> str:
    return f"start_{within}".replace(" ", "_")


def _flag(within: Duration) -> str:
    return f"in_{within}".replace(" ", "_")


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
