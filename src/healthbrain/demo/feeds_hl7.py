"""HL7 v2.4 of laboratories and older hospitals: ADT^A04/A01/A08/A31 and ORU^R01, segments ended by carriage returns."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl

SEX = {"1": "M", "2": "F", "0": "U"}
NAMES = {
    "8480-6": "收缩压",
    "8462-4": "舒张压",
    "14771-0": "空腹血糖",
    "4548-4": "糖化血红蛋白",
    "14647-2": "总胆固醇",
    "14682-9": "肌酐",
    "718-7": "血红蛋白",
}
RANGES = {
    "14771-0": (3.9, 6.1),
    "4548-4": (4.0, 6.0),
    "14647-2": (2.8, 5.7),
    "14682-9": (41.0, 111.0),
    "718-7": (115.0, 175.0),
}
PER_FILE = 500
Row = dict[str, Any]


def stamp(moment: str) -> str:
    return moment.replace("-", "").replace("T", "").replace(":", "")


def escaped(text: str | None) -> str:
    out = text or ""
    for char, code in (("\\", "E"), ("|", "F"), ("^", "S"), ("&", "T"), ("~", "R")):
        out = out.replace(char, f"\\{code}\\")
    return out


def header(source: str, sent: str, kind: str, control: str) -> str:
    """MSH-4 stays empty: the sending application alone is the source; its institution stands in PV1-39."""
    return f"MSH|^~\\&|{source}||HEALTHBRAIN|330197|{sent}||{kind}|{control}|P|2.4|||AL|NE|CHN|UNICODE UTF-8"


def person_segment(row: Row, died: str | None) -> str:
    """PID-3 own number, PID-19 the resident identity number; PID-30 Y when dead, PID-29 since when."""
    fields = [""] * 31
    fields[0], fields[1] = "PID", "1"
    number = row["id_number"] or ""
    fields[3] = f"{row['source_id']}^^^{row['source']}^MR" + (f"~{number}^^^330197^NI" if number else "")
    fields[5] = f"{escaped(row['name'][:1])}^{escaped(row['name'][1:])}"
    fields[7], fields[8] = row["birth_date"].replace("-", ""), SEX.get(row["sex"], "U")
    fields[11], fields[13], fields[19] = escaped(row["address"]), row["phone"] or "", number
    if died:
        fields[29], fields[30] = died.replace("-", ""), "Y"
    return "|".join(fields).rstrip("|")


def visit_segment(row: Row, organisation: str) -> str:
    cls = {"IMP": "I", "EMER": "E"}.get(row["class"], "O")
    fields = ["PV1", "1", cls, f"{organisation}^^^"] + [""] * 15 + [str(row["visit"])]
    fields += [""] * (39 - len(fields)) + [organisation] + [""] * 4 + [stamp(row["start"]), stamp(row["end"])]
    return "|".join(fields)


def results(rows: list[Row]) -> list[str]:
    first = rows[0]
    out = [
        f"OBR|1||{first['source']}{first['row']}|LAB^检验^L|||{stamp(first['effective'])}"
        + "|" * 15
        + f"{stamp(first['effective'])}|||F"
    ]
    for i, row in enumerate(rows, 1):
        low, high = RANGES.get(row["code"], (None, None))
        value = float(row["value"])
        flag = "" if low is None or high is None else "H" if value > high else "L" if value < low else "N"
        span = "" if low is None else f"{low}-{high}"
        code = f"{row['code']}^{NAMES.get(row['code'], '')}^LN"
        out.append(f"OBX|{i}|NM|{code}||{row['value']}|{row['unit']}|{span}|{flag}|||F|||{stamp(row['effective'])}")
    return out


def write_hl7(
    folder: Path,
    number: int,
    persons: dict[str, Row],
    died: dict[str, str],
    visits: pl.DataFrame,
    frames: dict[str, pl.DataFrame],
) -> None:
    """`visits`: every visit of the source (shown or not), oldest sending first."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = _by_visit(frames["observations"])
    ill = _by_visit(frames["conditions"])
    messages: list[str] = []
    met: set[str] = set()
    for row in visits.iter_rows(named=True):
        new = row["source_id"] not in met
        met.add(row["source_id"])
        made = _messages(row, persons[row["source_id"]], died.get(row["source_id"]), new, seen, ill)
        messages += made + (made[-1:] if row["repeated"] else [])
    for part, start in enumerate(range(0, len(messages), PER_FILE)):
        body = "".join(messages[start : start + PER_FILE])
        (folder / f"messages-{number:03}-{part:03}.hl7").write_text(body, encoding="utf-8", newline="")


def _messages(
    row: Row, who: Row, died: str | None, new: bool, seen: dict[int, list[Row]], ill: dict[int, list[Row]]
) -> list[str]:
    """A registration or an update, then the results if there are any."""
    source, organisation, sent = row["source"], row["organisation"], stamp(row["sent"])
    laboratory = row["type"] == "laboratory"
    admitted = "A01" if row["class"] == "IMP" else "A08"
    kind = "A04" if laboratory or (new and admitted == "A08") else admitted
    person, visit = person_segment(who, died), visit_segment(row, organisation)
    segments = [header(source, sent, f"ADT^{kind}", f"{source}A{row['visit']}"), f"EVN|{kind}|{sent}", person, visit]
    segments += [
        f"DG1|{i}||{d['code']}^^I10||{stamp(d['onset'])}|A" for i, d in enumerate(ill.get(row["visit"], []), 1)
    ]
    out = ["\r".join(segments) + "\r"]
    if laboratory and row["visit"] % 7 == 0 and who["phone"]:  # a telephone number that came later
        out = [message.replace(f"|{who['phone']}|", "||") for message in out]
        update = header(source, sent, "ADT^A31", f"{source}U{row['visit']}")
        out.append("\r".join([update, f"EVN|A31|{sent}", person]) + "\r")
    rows = [r for r in seen.get(row["visit"], []) if r["value"]]
    if rows:
        head = header(source, sent, "ORU^R01", f"{source}R{row['visit']}")
        out.append("\r".join([head, person, visit, *results(rows)]) + "\r")
    return out


def _by_visit(frame: pl.DataFrame) -> dict[int, list[Row]]:
    out: dict[int, list[Row]] = defaultdict(list)
    for row in frame.iter_rows(named=True):
        out[row["visit"]].append(row)
    return out
