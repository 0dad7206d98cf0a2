"""Records: the longitudinal record. Intake, FHIR store, event ledger, lake, FHIR API.

Comes in: FHIR R4, HL7v2, CSV/XLSX, forms. Goes out: resources with versions, ledger events, the lake, reports that
add up. Words: *batch* = one file, message or call; *row* = one thing in it that ends stored, duplicate, rejected or
waiting; *event* = one narrow typed row of the ledger; *superseded* = an event a later one corrected or withdrew.
"""
