"""Rows of a checked sheet as FHIR resources and ledger events, by building the JSON text column-wise.

Which text a row becomes is the same as `orjson.dumps` of the resource a programmer would write; a test parses the
bodies back and compares ledger and search tokens with the rules that work on one resource.
"""

from __future__ import annotations

import datetime as dt

import orjson
import polars as pl

from healthbrain.records.intake import person_bodies
from healthbrain.records.intake.cells import digests, fhir_time, looked_up, numbers, optional, quoted, uuid_text
from healthbrain.records.intake.prepared import EVENTS, PERSONS, SEPARATOR, joined
from healthbrain.records.rules import codes, index, units
from healthbrain.records.rules.ledger import DISCHARGE, ORGANISATION
from healthbrain.records.rules.templates import DATED, Template

RECORD = "urn:healthbrain:record:"  # + source: identifier system of a source's own record numbers


def _joined(*columns: str | pl.Expr) -> pl.Expr:
    """The parts of a stable id, as `kernel.ids.stable_id` joins them."""
    return pl.concat_str([pl.col(c).fill_null("") if isinstance(c, str) else c for c in columns], separator="\x1f")


def with_value(frame: pl.DataFrame) -> pl.DataFrame:
    """The value cell of observations understood: number or coded answer, canonical value, unit and flag."""
    frame = numbers(frame, "value")
    frame = looked_up(
        frame,
        ["code", "unit"],
        _unit_plan,
        {
            "ledger_code": pl.Utf8,
            "ucum": pl.Utf8,
            "canonical": pl.Utf8,
            "factor": pl.Float64,
            "offset": pl.Float64,
            "decimals": pl.Int64,
            "usable": pl.Boolean,
            "low": pl.Float64,
            "high": pl.Float64,
            "numeric": pl.Boolean,
        },
    )
    frame = (
        looked_up(frame, ["value"], _answer, {"answer": pl.Utf8, "answer_known": pl.Boolean})
        if (frame["number"].null_count())
        else frame.with_columns(answer=pl.lit(None, pl.Utf8), answer_known=False)
    )
    plain = (pl.col("factor") == 1) & (pl.col("offset") == 0)
    exact = pl.col("number") * pl.col("factor") + pl.col("offset")
    scaled = pl.when(pl.col("decimals") == 1).then(exact.round(1)).otherwise(exact.round(10))
    wrong = pl.col("value").is_not_null() & pl.col("number").is_null() & pl.col("numeric") & ~pl.col("answer_known")
    return frame.with_columns(
        pl.when(plain).then("number").otherwise(scaled).alias("ledger_value"),
        wrong.fill_null(False).alias("number_wrong"),
    )


def _unit_plan(code: str | None, unit: str | None) -> tuple[object, ...]:
    ledger = codes.guess(code, "observation") if code else None
    way = units.conversion(ledger or "", unit)
    item = codes.catalogue().get(ledger or "")
    low, high = (item.low, item.high) if item else (None, None)
    given = units.ucum(unit) if unit else way.unit
    scale = (way.factor, way.offset, way.decimals)
    return ledger, given, way.unit, *scale, way.usable, low, high, bool(item and item.unit)


def _answer(value: str | None) -> tuple[str | None, bool]:
    answer = codes.answer(value) if value else None
    return answer, answer != (value or "").strip() or answer in codes.answers()


def build(template: Template, frame: pl.DataFrame, as_of: dt.date) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(resources, events, persons) of a checked frame."""
    frame = _with_patient(frame)
    if template.name == "persons":
        return person_bodies.build(frame)
    frame = _with_code(frame, template)
    frame = frame.with_columns(BODIES[template.name]().alias("own"))
    identifier = (
        pl.when(pl.col("record_id").is_not_null())
        .then(
            pl.concat_str(
                pl.lit('},"identifier":[{"system":'),
                quoted(pl.lit(RECORD) + pl.col("source")),
                pl.lit(',"value":'),
                quoted("record_id"),
                pl.lit("}]"),
            )
        )
        .otherwise(pl.lit("}"))
    )
    person = "patient" if template.name == "immunizations" else "subject"
    subject = pl.concat_str(pl.lit(f',"{person}":{{"reference":"Patient/'), pl.col("patient_id"), pl.lit('"}'))
    frame = frame.with_columns(pl.concat_str(identifier, pl.col("own"), subject, pl.lit("}")).alias("tail"))
    frame = _keyed(frame, template)
    frame = _with_tokens(frame, template)
    date = DATED[template.name]
    resources = frame.select(
        pl.lit(None, pl.Int64).alias("batch_id"),
        "row",
        "key",
        pl.lit(template.resource).alias("type"),
        "id",
        "source",
        pl.col("source_id").alias("person"),
        pl.lit(None, pl.Binary).alias("patient"),
        pl.col(f"{date}_at").alias("at"),
        "hash",
        "tokens",
        "tail",
        pl.lit(False).alias("weak"),
    )
    events = _events(frame, template, as_of)
    return resources, events, pl.DataFrame(schema=PERSONS)


def _with_patient(frame: pl.DataFrame) -> pl.DataFrame:
    """`patient_id`: what the Patient of that source and number is called here."""
    people = frame.select("source", "source_id").unique()
    named = digests("patient_id", people.select(_joined("source", pl.lit("Patient"), "source_id")).to_series())
    people = people.with_columns(named).with_columns(uuid_text("patient_id").alias("patient_id"))
    return frame.join(people, on=["source", "source_id"], how="left", maintain_order="left")


def _keyed(frame: pl.DataFrame, template: Template) -> pl.DataFrame:
    """id, key and content hash. With a record number that number is the identity, else the whole row is."""
    content = [c.name for c in template.columns if c.name not in {"source", "record_id"}]
    numbered = _joined("source", pl.lit(template.resource), "record_id")
    whole = _joined("source", pl.lit(template.name), *content)
    parts = pl.when(pl.col("record_id").is_not_null()).then(numbered).otherwise(whole)
    frame = frame.with_columns(digests("id", frame.select(parts).to_series())).with_columns(uuid_text("id").alias("id"))
    keys = frame.select(pl.concat_str(pl.lit(template.resource + "/"), pl.col("id"))).to_series()
    return frame.with_columns(digests("key", keys), digests("hash", frame["tail"]))


def _with_code(frame: pl.DataFrame, template: Template) -> pl.DataFrame:
    """Ledger code, and the JSON of the coding, once for each distinct code cell."""
    if template.name == "encounters":
        return looked_up(frame, ["class", "type"], _encounter_plan, {"mode": pl.Utf8, "type_code": pl.Utf8})

    def plan(code: str) -> tuple[str, str]:
        ledger = codes.guess(code, template.kind)
        system, bare = codes.split(ledger)
        return ledger, orjson.dumps({"system": codes.url(system), "code": bare}).decode()[1:-1]

    frame = frame.drop("ledger_code", strict=False)
    return looked_up(frame, ["code"], plan, {"ledger_code": pl.Utf8, "coding": pl.Utf8})


def _encounter_plan(mode: str, kind: str | None) -> tuple[str, str | None]:
    return codes.encounter_class(mode), codes.encounter_type(kind) if kind else None


def _with_tokens(frame: pl.DataFrame, template: Template) -> pl.DataFrame:
    """Search tokens: those of one example for each shape of row, and the row's own subject and identifier."""
    shape = [c for c in ("code", "organisation", "status", "class", "type", "lot") if c in frame.columns]
    examples = frame.unique(shape, keep="first").select(*shape, "tail")
    made = []
    for tail in examples["tail"]:
        resource = orjson.loads('{"resourceType":"' + template.resource + '","meta":{' + tail)
        resource.pop("identifier", None)
        subject = (resource.get("subject") or resource["patient"])["reference"]
        made.append(joined([t for t in index.tokens(resource) if not t.endswith("=" + subject)]))
    table = examples.select(shape).with_columns(pl.Series("shared", made, dtype=pl.Utf8))
    frame = frame.join(table, on=shape, how="left", maintain_order="left", nulls_equal=True)
    name = index.canonical(template.resource).get("patient") or index.canonical(template.resource).get("subject")
    own = pl.concat_str(pl.lit(f"{name}=Patient/"), pl.col("patient_id"))
    ids = pl.concat_str(pl.lit(f"{SEPARATOR}identifier="), "record_id")
    ids += pl.concat_str(pl.lit(f"{SEPARATOR}identifier={RECORD}"), "source", pl.lit("|"), "record_id")
    return frame.with_columns(pl.concat_str("shared", pl.lit(SEPARATOR), own, ids.fill_null("")).alias("tokens"))


# --- the JSON of each template -------------------------------------------------------------------------------------

_PERFORMER = f'{{"type":"Organization","identifier":{{"system":"{ORGANISATION}","value":'


def _concept(name: str) -> pl.Expr:
    return pl.concat_str(
        pl.lit(f',"{name}":{{"coding":[{{'),
        pl.col("coding"),
        pl.lit("}]"),
        optional(',"text":', "display"),
        pl.lit("}"),
    )


def _observation() -> pl.Expr:
    quantity = pl.concat_str(
        pl.lit(',"valueQuantity":{"value":'),
        pl.col("number_json"),
        optional(',"comparator":', "comparator"),
        optional(',"unit":', pl.coalesce("unit", "ucum")),
        optional(',"system":"http://unitsofmeasure.org","code":', "ucum"),
        pl.lit("}"),
    )
    words = optional(',"valueCodeableConcept":{"text":', "value", "}")
    value = pl.when(pl.col("number").is_not_null()).then(quantity).otherwise(words)
    return pl.concat_str(
        pl.lit(',"status":"final"'),
        _concept("code"),
        pl.lit(',"effectiveDateTime":"'),
        fhir_time("effective"),
        pl.lit('"'),
        optional(f',"performer":[{_PERFORMER}', "organisation", "}}]"),
        value,
    )


def _condition() -> pl.Expr:
    status = pl.col("status").fill_null("active")
    return pl.concat_str(
        pl.lit(
            ',"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":'
        ),
        quoted(status),
        pl.lit("}]}"),
        _concept("code"),
        pl.lit(',"onsetDateTime":"'),
        fhir_time("onset"),
        pl.lit('"'),
        optional(f',"asserter":{_PERFORMER}', "organisation", "}}"),
    )


def _encounter() -> pl.Expr:
    end = pl.concat_str(pl.lit(',"end":"'), fhir_time("end"), pl.lit('"')).fill_null("")
    kind = optional(',"type":[{"coding":[{"system":"urn:healthbrain:encounter-type","code":', "type_code", "}]}]")
    return pl.concat_str(
        pl.lit(',"status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":'),
        quoted("mode"),
        pl.lit("}"),
        kind,
        pl.lit(',"period":{"start":"'),
        fhir_time("start"),
        pl.lit('"'),
        end,
        pl.lit("}"),
        optional(f',"serviceProvider":{_PERFORMER}', "organisation", "}}"),
    )


def _medication() -> pl.Expr:
    end = pl.concat_str(pl.lit(',"end":"'), fhir_time("end"), pl.lit('"')).fill_null("")
    return pl.concat_str(
        pl.lit(',"status":'),
        quoted(pl.col("status").fill_null("active")),
        _concept("medicationCodeableConcept"),
        pl.lit(',"effectivePeriod":{"start":"'),
        fhir_time("start"),
        pl.lit('"'),
        end,
        pl.lit("}"),
        optional(',"dosage":[{"text":', "dosage", "}]"),
        optional(f',"informationSource":{_PERFORMER}', "organisation", "}}"),
    )


def _immunization() -> pl.Expr:
    dose = pl.concat_str(
        pl.lit(',"protocolApplied":[{"doseNumberPositiveInt":'),
        pl.col("number").cast(pl.Int64).cast(pl.Utf8),
        pl.lit("}]"),
    ).fill_null("")
    return pl.concat_str(
        pl.lit(',"status":"completed","vaccineCode":{"coding":[{'),
        pl.col("coding"),
        pl.lit('}]},"occurrenceDateTime":"'),
        fhir_time("date"),
        pl.lit('"'),
        optional(',"lotNumber":', "lot"),
        dose,
        optional(f',"performer":[{{"actor":{_PERFORMER}', "organisation", "}}}]"),
    )


def _procedure() -> pl.Expr:
    return pl.concat_str(
        pl.lit(',"status":"completed"'),
        _concept("code"),
        pl.lit(',"performedDateTime":"'),
        fhir_time("performed"),
        pl.lit('"'),
        optional(',"outcome":{"text":', "outcome", "}"),
        optional(f',"performer":[{{"actor":{_PERFORMER}', "organisation", "}}}]"),
    )


BODIES = {
    "observations": _observation,
    "conditions": _condition,
    "encounters": _encounter,
    "medications": _medication,
    "immunizations": _immunization,
    "procedures": _procedure,
}


# --- events ----------------------------------------------------------------------------------------------------------


def _events(frame: pl.DataFrame, template: Template, as_of: dt.date) -> pl.DataFrame:
    nothing = pl.lit(None, pl.Utf8)
    value, unit, text, flag = pl.lit(None, pl.Float64), nothing, nothing, pl.lit(0, pl.Int16)
    code = pl.col("ledger_code") if template.name != "encounters" else pl.concat_str(pl.lit("class|"), pl.col("mode"))
    if template.name == "observations":
        numeric = pl.col("number").is_not_null()
        value, unit = pl.col("ledger_value"), pl.when(numeric).then("canonical")
        text = pl.when(numeric).then("comparator").otherwise("answer")
        outside = (pl.col("ledger_value") < pl.col("low")) | (pl.col("ledger_value") > pl.col("high"))
        flag = (numeric & (outside.fill_null(False) | ~pl.col("usable"))).cast(pl.Int16)
    elif template.name in {"conditions", "medications"}:
        text = pl.col("status").fill_null("active")
    elif template.name == "immunizations":
        value = pl.col("number").cast(pl.Int64).cast(pl.Float64)
    elif template.name == "procedures":
        frame = looked_up(frame, ["outcome"], lambda o: (codes.answer(o) if o else None,), {"outcome_code": pl.Utf8})
        text = pl.col("outcome_code")
    at = pl.col(f"{DATED[template.name]}_at")
    late = at.dt.date() > as_of + dt.timedelta(days=1)  # a day of grace: clocks of senders differ
    columns = {
        "key": pl.col("key"),
        "hash": pl.col("hash"),
        "kind": pl.lit(template.kind),
        "code": code,
        "at": at,
        "value": value,
        "unit": unit,
        "text": text,
        "flag": pl.when(late).then(1).otherwise(flag).cast(pl.Int16),
        "organisation": pl.col("organisation"),
    }
    made = frame.select(expression.alias(name) for name, expression in columns.items())
    if template.name == "encounters":
        typed = frame.filter(pl.col("type_code").is_not_null())
        columns |= {"code": pl.concat_str(pl.lit("type|"), pl.col("type_code")), "text": pl.col("mode")}
        left = frame.filter((pl.col("mode") == "IMP") & pl.col("end_at").is_not_null())
        ended = columns | {"code": pl.lit(DISCHARGE), "at": pl.col("end_at")}
        ended["flag"] = (pl.col("end_at").dt.date() > as_of + dt.timedelta(days=1)).cast(pl.Int16)
        more = [(typed, columns), (left, ended)]
        made = pl.concat([made, *(part.select(e.alias(name) for name, e in said.items()) for part, said in more)])
    return made.select(pl.col(name).cast(kind) for name, kind in EVENTS.items())
