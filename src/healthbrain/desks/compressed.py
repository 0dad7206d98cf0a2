"""Pages and their parts go out compressed: a village's line is slow, and a page is a quarter of its size so."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

TEXT = ("text/", "image/svg+xml", "application/javascript")


class CompressedPages(GZipMiddleware):
    """Text only: workbooks are compressed already, and systems that talk FHIR sit on fast lines."""

    def process_response(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        if not response.get("Content-Type", "").startswith(TEXT):
            return response  # type: ignore[no-any-return]
        return super().process_response(request, response)
