"""Small feeds for the intake tests, and the one way they are taken. All people are made up: id numbers begin 330197."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path
from typing import Any

import orjson
import xlsxwriter

from healthbrain.records import actions
from healthbrain.records.models import Batch, Event, RejectedRow, Superseded

AS_OF = dt.date(2026, 4, 1)
ROW = "jw01,P1,8480-6,2026-03-20 08:30,138,mmHg,H1"
PERSONS = "source,source_id,name,sex,birth_date,id_number,phone,address,division_code"
OBSERVATIONS = "source,source_id,code,effective,value,unit,organisation"


def take(*paths, **more):
    """Ingest and check what must hold for any input: the counts add up, in the report and in each batch."""
    report = actions.ingest(paths, as_of=AS_OF, **more)
    assert report.rows_in == report.stored + report.duplicates + report.rejected + report.waiting
    assert sum(report.by_type.values()) == report.rows_in
    for batch in Batch.objects.all():
        assert batch.rows_in == batch.stored + batch.duplicates + batch.rejected + batch.waiting
        assert RejectedRow.objects.filter(batch=batch).count() == batch.rejected
    return report


def reasons():
    """(row, field, reason) of every rejected row, in order."""
    return list(RejectedRow.objects.order_by("id").values_list("row", "field", "reason"))


def current():
    """Events nothing has withdrawn, in order."""
    withdrawn = Superseded.objects.values("event_id")
    return Event.objects.exclude(id__in=withdrawn).order_by("id")


def text_file(folder: Path, name: str, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def json_file(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_bytes(orjson.dumps(content))
    return path


def workbook(folder: Path, name: str, rows: list[list[Any]], *, merge: tuple[int, int, int, int] | None = None) -> Path:
    path = folder / name
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                sheet.write(r, c, cell)
        if merge:
            sheet.merge_range(*merge, rows[merge[0]][merge[1]])
    return path


def zip_bomb(folder: Path, name: str) -> Path:
    """A workbook whose one sheet unfolds to 400 MB of blanks."""
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            block = io.BytesIO(b" " * (1 << 20)).getvalue()
            for _ in range(400):
                sheet.write(block)
    return path


def observation(
    patient: str, code: str = "8480-6", value: float = 138, unit: str = "mm[Hg]", **more: Any
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": patient},
        "effectiveDateTime": "2026-03-20T08:30:00+08:00",
        "valueQuantity": {"value": value, "unit": unit},
        **more,
    }


def patient(own: str = "p1", name: str = "赵样本", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": own,
        "name": [{"text": name}],
        "gender": "female",
        "birthDate": "1958-04-02",
        **more,
    }


def bundle(*resources: dict[str, Any], source: str = "hosp") -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "meta": {"source": source},
        "entry": [
            {
                "fullUrl": f"urn:uuid:{i}",
                "resource": resource,
                "request": {"method": "POST", "url": resource.get("resourceType", "")},
            }
            for i, resource in enumerate(resources)
        ],
    }


def hl7(*segments: str) -> bytes:
    return ("\r".join(segments) + "\r").encode()


def oru(control: str, person: str, value: str = "6.1", name: str = "张^三") -> bytes:
    return hl7(
        f"MSH|^~\\&|LIS|HOSP|HB|C|20260320083000||ORU^R01|{control}|P|2.5",
        f"PID|1||{person}^^^HOSP^MR||{name}||19800101|M",
        f"OBR|1|{control}|{control}|GLU",
        f"OBX|1|NM|14771-0^GLU^LN||{value}|mmol/L|||||F|||20260320080000",
    )
