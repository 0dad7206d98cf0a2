"""The errors a Chinese registration desk makes, one function for each kind."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from healthbrain.demo.names import homophones, look_alikes
from healthbrain.demo.people import People

FALLBACK = ("look-alike", "id-typo", "homophone", "birth-swap")  # when the drawn kind cannot touch this record
KINDS = (
    "homophone",
    "look-alike",
    "order-swap",
    "birth-swap",
    "id-15",
    "id-missing",
    "id-typo",
    "phone-reuse",
    "mothers-id",
)


def spoil(
    frame: pl.DataFrame,
    kinds: list[tuple[int, list[str]]],
    people: People,
    person: np.ndarray,
    rng: np.random.Generator,
) -> tuple[pl.DataFrame, list[str]]:
    """Writes the errors into the rows; returns the frame and, for each row, the kinds that changed something."""
    columns = {name: frame[name].to_list() for name in ("name", "birth_date", "id_number", "phone")}
    done = [""] * frame.height
    names, numbers, phones = people.name, people.id_number, people.phone
    for row, wanted in kinds:
        record = {name: values[row] for name, values in columns.items()}
        who = int(person[row])
        mother = int(people.mother[who])
        made = []
        for kind in wanted:
            if kind == "mothers-id":
                record |= {
                    "name": names[mother] + ("之子" if people.sex[who] == 1 else "之女"),
                    "id_number": numbers[mother],
                }
                record["phone"] = phones[mother]
            elif kind == "phone-reuse":
                record["phone"] = phones[int(rng.integers(0, len(people)))]
            else:
                changed = _change(kind, record)
                if changed == record:
                    continue
                record = changed
            made.append(kind)
        for kind in FALLBACK if not made else ():
            changed = _change(kind, record)
            if changed != record:
                record, made = changed, [kind]
                break
        for name, value in record.items():
            columns[name][row] = value
        done[row] = "+".join(made) or "none"
    return frame.with_columns(pl.Series(name, values, pl.String) for name, values in columns.items()), done


def _change(kind: str, record: dict[str, str | None]) -> dict[str, str | None]:
    name, birth, number = record["name"] or "", record["birth_date"] or "", record["id_number"]
    match kind:
        case "homophone":
            return record | {"name": _replace(name, homophones())}
        case "look-alike":
            return record | {"name": _replace(name, look_alikes())}
        case "order-swap":
            return record | {"name": name[0] + name[2] + name[1] if len(name) == 3 else name[::-1]}
        case "birth-swap":
            return record | {"birth_date": _swapped(birth)}
        case "id-15":
            short = number[:6] + number[8:17] if number and number[6:8] == "19" else number
            return record | {"id_number": short}
        case "id-missing":
            return record | {"id_number": None}
        case "id-typo":
            return record | {"id_number": number[:-4] + number[-3] + number[-4] + number[-2:] if number else None}
    return record


def _replace(name: str, table: dict[str, str]) -> str:
    """Changes one character, the last that can be."""
    for i in range(len(name) - 1, -1, -1):
        if name[i] in table:
            return name[:i] + table[name[i]] + name[i + 1 :]
    return name


def _swapped(birth: str) -> str:
    """Two neighbouring digits exchanged, or month and day, whatever still is a date and is another one."""
    year, month, day = birth[:4], birth[5:7], birth[8:10]
    for y, m, d in (
        (year, day, month),
        (year, month, day[::-1]),
        (year, month[::-1], day),
        (year[:2] + year[3] + year[2], month, day),
    ):
        try:
            made = date(int(y), int(m), int(d)).isoformat()
        except ValueError:
            continue
        if made != birth and int(y) <= 2020:
            return made
    return birth
