"""Intake: files, messages and forms into rows of the store and the ledger.

Comes in: CSV, XLSX, FHIR R4 JSON and NDJSON, HL7v2. Goes out: `Prepared` frames for `records.store`, and for each row
its end: stored, duplicate, rejected or waiting. Conversion is pure and may run in another process; only `run` writes.
"""
