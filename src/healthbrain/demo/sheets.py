"""The block as the systems recorded it: one table of text for each template, ready for CSV, FHIR or HL7v2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from healthbrain.demo.block import Block
from healthbrain.demo.care_use import DRUGS
from healthbrain.demo.dirt import DIRT, Dirt
from healthbrain.demo.geography import County
from healthbrain.demo.identities import Identities
from healthbrain.demo.story import CLASSES, CODES, DAY, REFERRALS, TEXTS, TYPES

TEMPLATES = {
    "persons": ["source", "source_id", "name", "sex", "birth_date", "id_number", "phone", "address", "division_code"],
    "observations": ["source", "source_id", "code", "effective", "value", "unit", "organisation"],
    "conditions": ["source", "source_id", "code", "onset", "organisation"],
    "encounters": ["source", "source_id", "class", "type", "start", "end", "organisation"],
    "medications": ["source", "source_id", "code", "name", "start", "end", "dose", "organisation"],
    "immunizations": ["source", "source_id", "code", "occurrence", "dose_number", "lot", "organisation"],
    "procedures": ["source", "source_id", "code", "performed", "organisation"],
}
TABLE_OF = {
    "observations": "observations",
    "conditions": "conditions",
    "medications": "medications",
    "immunizations": "immunizations",
    "procedures": "procedures",
    "encounters": "visits",
    "referrals": "referrals",  # in FHIR only: no template
}
PER_BLOCK = 10_000_000  # more rows than a block ever has: numbers of visits and rows are unique in the county
MINUTE = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True)
class Sheets:
    """Recorded rows: the template's columns, and `visit`, `row`, `at` (minutes), `late` (days), `repeated`."""

    frames: dict[str, pl.DataFrame]


def moments(minutes: np.ndarray) -> pl.Series:
    return pl.Series(minutes * 60_000_000).cast(pl.Datetime("us"))


def make_sheets(county: County, block: Block, who: Identities, dirt: Dirt) -> Sheets:
    visits = block.visits
    sent = (who.of_visit >= 0) & ~dirt.withheld
    frames = {}
    for template, table in TABLE_OF.items():
        columns = visits if table == "visits" else block.tables[table]
        number = np.arange(len(visits["at"])) if table == "visits" else columns["visit"]
        rows = np.flatnonzero(sent[number] & (visits["shown"] if table == "visits" else True))
        number = number[rows]
        head = _head(county, visits, who, dirt, number, rows, dirt.repeated[table], block.people.block * PER_BLOCK)
        frames[template] = head.with_columns(_columns(template, columns, dirt, rows, head))
    return Sheets(frames)


def _head(
    county: County,
    visits: dict[str, np.ndarray],
    who: Identities,
    dirt: Dirt,
    number: np.ndarray,
    rows: np.ndarray,
    repeated: np.ndarray,
    offset: int,
) -> pl.DataFrame:
    identity = who.of_visit[number]
    at = visits["at"][number]
    return pl.DataFrame(
        {
            "visit": number + offset,
            "row": rows + offset,
            "identity": identity,
            "source_row": who.source[identity],
            "source": who.frame["source"].gather(identity),
            "source_id": who.frame["source_id"].gather(identity),
            "organisation": county.organisations["code"].gather(visits["organisation"][number].astype(np.int64)),
            "at": at,
            "moment": moments(at).dt.to_string(MINUTE),
            "minutes": visits["minutes"][number],
            "late": dirt.late_days[number],
            "repeated": repeated[rows],
        }
    )


def _columns(
    template: str, columns: dict[str, np.ndarray], dirt: Dirt, rows: np.ndarray, head: pl.DataFrame
) -> list[pl.Series]:
    def take(name: str, words: tuple[str, ...] | list[str]) -> pl.Series:
        return pl.Series(words, dtype=pl.String).gather(columns[name][rows].astype(np.int64))

    when = head["moment"]
    match template:
        case "observations":
            number = pl.Series(dirt.value[rows])
            whole = number.round(0).cast(pl.Int64, strict=False).cast(pl.String)
            value = whole.zip_with((number == number.round(0)).fill_null(False), number.cast(pl.String))
            text = take("text", TEXTS)
            return [
                take("code", CODES).alias("code"),
                when.alias("effective"),
                text.zip_with(text != "", value).alias("value"),
                dirt.unit.gather(rows).alias("unit"),
                pl.Series("dirt", DIRT).gather(dirt.kind[rows].astype(np.int64)),
            ]
        case "encounters":
            end = moments(head["at"].to_numpy() + head["minutes"].to_numpy())
            return [
                take("cls", CLASSES).alias("class"),
                take("type", TYPES).alias("type"),
                when.alias("start"),
                end.dt.to_string(MINUTE).alias("end"),
            ]
        case "conditions":
            return [pl.Series("code", columns["code"][rows].astype(str)), when.str.slice(0, 10).alias("onset")]
        case "medications":
            end = moments(head["at"].to_numpy() + columns["days"][rows].astype(np.int64) * DAY)
            code, name, dose = (take("drug", [d[i] for d in DRUGS]) for i in range(3))
            day = when.str.slice(0, 10)
            return [
                code.alias("code"),
                name.alias("name"),
                day.alias("start"),
                end.dt.to_string("%Y-%m-%d").alias("end"),
                dose.alias("dose"),
            ]
        case "referrals":
            return [take("urgent", REFERRALS).alias("code"), when.alias("authored")]
        case "immunizations":
            lot = "L" + pl.Series(columns["visit"][rows] % 97 + 202600).cast(pl.String)
            dose = pl.Series(columns["dose"][rows]).cast(pl.String)
            return [
                pl.Series("code", columns["vaccine"][rows].astype(str)),
                when.str.slice(0, 10).alias("occurrence"),
                dose.alias("dose_number"),
                lot.alias("lot"),
            ]
    return [pl.Series("code", columns["code"][rows].astype(str)), when.str.slice(0, 10).alias("performed")]
