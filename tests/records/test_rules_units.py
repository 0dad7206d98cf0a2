"""Units as a laboratory technician would check them: value, unit as sent, what the ledger must hold."""

from __future__ import annotations

import pytest

from healthbrain.records.rules import codes, units

# code, value, unit as sent, value and unit in the ledger, flag. Expected values from molar masses, by hand.
CONVERSIONS = [
    # the pairs of WHO/IDF 2006, table 1, and of the Chinese sheets
    ("loinc|14771-0", 126, "mg/dL", 7.0, "mmol/L", 0),
    ("loinc|14771-0", 125, "mg/dL", 6.9, "mmol/L", 0),
    ("loinc|14771-0", 200, "mg/dL", 11.1, "mmol/L", 0),
    ("loinc|14771-0", 140, "mg/dL", 7.8, "mmol/L", 0),
    ("loinc|14771-0", 300, "mg/dL", 16.7, "mmol/L", 0),
    ("loinc|14771-0", 70, "mg/dL", 3.9, "mmol/L", 0),
    ("loinc|14771-0", 7.0, "mmol/l", 7.0, "mmol/L", 0),
    ("loinc|1558-6", 99, "mg/dl", 5.5, "mmol/L", 0),
    ("loinc|14647-2", 200, "mg/dL", 5.172, "mmol/L", 0),  # 200 / 38.67
    ("loinc|2571-8", 150, "mg/dL", 1.6936, "mmol/L", 0),  # 150 / 88.57
    ("loinc|2160-0", 1.0, "mg/dL", 88.4, "umol/L", 0),
    ("loinc|14682-9", 88, "μmol/L", 88, "umol/L", 0),
    ("loinc|14933-6", 7.0, "mg/dL", 416.36, "umol/L", 0),  # 7 × 59.48
    ("loinc|59261-8", 53, "mmol/mol", 7.000, "%", 0),  # 53 × 0.09148 + 2.152
    ("loinc|718-7", 13.5, "g/dL", 135, "g/L", 0),
    ("loinc|8480-6", 16, "kPa", 120.01, "mm[Hg]", 0),
    ("loinc|8480-6", 138, "毫米汞柱", 138, "mm[Hg]", 0),
    ("loinc|8480-6", 138, "mm Hg", 138, "mm[Hg]", 0),
    ("loinc|29463-7", 150, "lb", 68.039, "kg", 0),
    ("loinc|29463-7", 130, "斤", 65, "kg", 0),
    ("loinc|8302-2", 70, "in", 177.8, "cm", 0),
    ("loinc|8302-2", 1.75, "m", 175, "cm", 0),
    ("loinc|8310-5", 98.6, "°F", 37.0, "Cel", 0),
    ("loinc|8310-5", 36.6, "℃", 36.6, "Cel", 0),
    ("loinc|9318-7", 3.0, "mg/mmol", 26.52, "mg/g", 0),
    # no unit: the LOINC code fixes the property
    ("loinc|14771-0", 6.1, "", 6.1, "mmol/L", 0),
    # a slip shows as implausible: kept, flagged
    ("loinc|14771-0", 126, "mmol/L", 126, "mmol/L", 1),
    ("loinc|718-7", 13.5, "g/L", 13.5, "g/L", 1),
    ("loinc|8480-6", 1380, "mmHg", 1380, "mm[Hg]", 1),
    # a unit nobody knows stays and is flagged; a known one that cannot be converted too
    ("loinc|14771-0", 6.1, "个单位", 6.1, "个单位", 1),
    ("loinc|8480-6", 138, "kg", 138, "kg", 1),
    # an item we do not know keeps what it came with
    ("local|X1", 3, "mg/dl", 3, "mg/dL", 0),
]


@pytest.mark.parametrize(("code", "value", "unit", "expected", "canonical", "flag"), CONVERSIONS)
def test_value_in_the_canonical_unit(code, value, unit, expected, canonical, flag):
    found, found_unit, found_flag = units.normalise(code, value, unit)
    assert found == pytest.approx(expected, rel=2e-4)
    assert (found_unit, found_flag) == (canonical, flag)


def test_a_converted_value_keeps_its_round_number():
    assert units.normalise("loinc|29463-7", 65000, "g")[0] == 65.0


def test_every_catalogue_unit_is_one_we_can_spell():
    assert {i.code: i.unit for i in codes.catalogue().values() if i.unit and units.ucum(i.unit) != i.unit} == {}


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("http://loinc.org", "8480-6", "loinc|8480-6"),
        ("urn:oid:2.16.840.1.113883.6.1", "8480-6", "loinc|8480-6"),
        ("LN", "8480-6", "loinc|8480-6"),
        ("http://hl7.org/fhir/sid/icd-10", "I10.x00x002", "icd10|I10.x00x002"),
        ("http://hl7.org/fhir/sid/cvx", "08", "vaccine|HepB"),
        ("http://www.whocc.no/atc", "C08CA01", "atc|C08CA01"),
        (None, "X1", "local|X1"),
        ("http://example.org/own", "7", "http://example.org/own|7"),
    ],
)
def test_code_systems_have_one_name(system, code, expected):
    assert codes.ledger_code(system, code) == expected


@pytest.mark.parametrize(
    ("cell", "kind", "expected"),
    [
        ("8480-6", "observation", "loinc|8480-6"),
        ("收缩压", "observation", "loinc|8480-6"),
        ("copd-sq", "observation", "hb|copd-sq"),
        ("血糖仪读数", "observation", "local|血糖仪读数"),
        ("高压", "observation", "loinc|8480-6"),
        ("alcohol-liang-per-day", "observation", "hb|alcohol-liang-per-day"),
        ("E11.900", "condition", "icd10|E11.900"),
        ("i10.x00x002", "condition", "icd10|I10.x00x002"),
        ("原发性高血压", "condition", "icd10|I10"),
        ("老毛病", "condition", "local|老毛病"),
        ("C08CA01", "medication", "atc|C08CA01"),
        ("苯磺酸氨氯地平片 5mg", "medication", "atc|C08CA01"),
        ("祖传膏药", "medication", "local|祖传膏药"),
        ("乙肝疫苗", "immunization", "vaccine|HepB"),
        ("45.2300", "procedure", "icd9cm3|45.2300"),
        ("hb|crc-questionnaire", "observation", "hb|crc-questionnaire"),
    ],
)
def test_what_a_cell_says(cell, kind, expected):
    assert codes.guess(cell, kind) == expected
