"""The record on paper: WeasyPrint, A4, masked identity and page numbers on every page, the demo marked as such."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from healthbrain.desks.shell import as_of, is_synthetic
from healthbrain.kernel import clock


def record_pdf(request: HttpRequest, context: dict[str, Any]) -> bytes:
    """The longitudinal record as PDF. Nothing is fetched: fonts are the system's, styles stand in the template."""
    import weasyprint  # takes half a second to load: only who prints pays for it

    whole = context | {
        "printed": clock.now(),
        "printed_on": as_of(request),
        "actor": request.actor,  # type: ignore[attr-defined]
        "unit": request.user.organisation.name,  # type: ignore[union-attr]
        "synthetic": is_synthetic(),
    }
    html = render_to_string("hospital_doctor/print.html", whole, request=request)
    return bytes(weasyprint.HTML(string=html, url_fetcher=_fetch_nothing).write_pdf())


def _fetch_nothing(url: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    raise ValueError("the printed record loads nothing from outside")
