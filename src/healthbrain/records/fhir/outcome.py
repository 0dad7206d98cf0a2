"""Answers: resources and bundles as bytes, and every error as an OperationOutcome."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson
from django.http import HttpResponse
from django.utils.http import http_date

from healthbrain.records.rules import exact
from healthbrain.records.rules.r4 import Issue

JSON = "application/fhir+json; charset=utf-8"
CODES = {  # HTTP status → FHIR issue type
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    410: "deleted",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    500: "exception",
    503: "transient",
}


class FhirError(Exception):
    """An error with its HTTP status and what to tell the client."""

    def __init__(self, status: int, text: str, code: str = "", issues: Sequence[Issue] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code or CODES.get(status, "processing")
        self.issues = list(issues)


def outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """An OperationOutcome resource; without issues it says that all is well."""
    found = issues or [Issue("information", "informational", "", "没有问题 (no issues)")]
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in found]}


def _issue(issue: Issue) -> dict[str, Any]:
    row: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "diagnostics": issue.text}
    return row | ({"expression": [issue.path]} if issue.path else {})


def error_resource(error: FhirError) -> dict[str, Any]:
    """The OperationOutcome of an error."""
    return outcome(error.issues or [Issue("error", error.code, "", error.text)])


def answer(body: bytes | dict[str, Any], status: int = 200, **headers: str) -> HttpResponse:
    """A FHIR response."""
    content = body if isinstance(body, bytes) else exact.dumps(body)
    response = HttpResponse(content, status=status, content_type=JSON)
    for name, value in headers.items():
        response[name.replace("_", "-")] = value
    return response


def error_answer(error: FhirError) -> HttpResponse:
    """An error as an answer."""
    response = answer(error_resource(error), error.status)
    if error.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="Health Brain FHIR"'
    return response


def versioned(body: bytes, version: int, updated: dt.datetime, status: int = 200) -> HttpResponse:
    """One resource with its version as ETag."""
    return answer(body, status, ETag=f'W/"{version}"', Last_Modified=http_date(updated.timestamp()))


def bundle(kind: str, links: dict[str, str], entries: Sequence[bytes], total: int | None = None) -> bytes:
    """A Bundle around entries that are JSON text already: nothing stored is parsed to be sent."""
    head: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if total is not None:
        head["total"] = total
    head["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    text = orjson.dumps(head)
    return text[:-1] + b',"entry":[' + b",".join(entries) + b"]}" if entries else text


def entry(url: str, body: bytes, **extra: Any) -> bytes:
    """One bundle entry: fullUrl, the stored resource as it is, and `search`, `request` or `response`."""
    rest = b"".join(b"," + orjson.dumps(name) + b":" + orjson.dumps(value) for name, value in extra.items())
    return b'{"fullUrl":' + orjson.dumps(url) + b',"resource":' + body + rest + b"}"
