"""Reads of the longitudinal record: one resident over all institutions, what came in, which feeds are healthy."""

from healthbrain.records.queries.batches import BatchRow, ReasonCount, RejectRow, batch, batches, reasons, rejects
from healthbrain.records.queries.feeds import Feed, FeedHealth, feed_health
from healthbrain.records.queries.forms import definition as form_definition
from healthbrain.records.queries.forms import forms, forms_of
from healthbrain.records.queries.forms import parts_of as form_parts
from healthbrain.records.queries.ledger import (
    LIMIT,
    History,
    LedgerEvent,
    StoredResource,
    history,
    latest,
    resource,
    who_looked,
)
from healthbrain.records.queries.longitudinal import diagnoses, medication, results, timeline, visits
from healthbrain.records.queries.sheets import Peek, format_of, peek
from healthbrain.records.rules.reasons import english as reason_in_english

__all__ = [
    "LIMIT",
    "BatchRow",
    "Feed",
    "FeedHealth",
    "History",
    "LedgerEvent",
    "Peek",
    "ReasonCount",
    "RejectRow",
    "StoredResource",
    "batch",
    "batches",
    "diagnoses",
    "feed_health",
    "form_definition",
    "form_parts",
    "format_of",
    "forms",
    "forms_of",
    "history",
    "latest",
    "medication",
    "peek",
    "reason_in_english",
    "reasons",
    "rejects",
    "resource",
    "results",
    "timeline",
    "visits",
    "who_looked",
]
