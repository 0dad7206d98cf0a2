"""A page or endpoint without a declared permission does not start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.urls import URLPattern, URLResolver, get_resolver


def _patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry.callback
        else:
            yield from _patterns(entry, route)


@register()
def every_view_declares_its_permission(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Walk the URL map; any callback without `.permission` is an error, so the server refuses to start."""
    return [
        Error(
            f"/{route} has no declared permission",
            hint="Decorate the view with healthbrain.access.gate.page(permission=…)",
            id="access.E001",
        )
        for route, callback in _patterns(get_resolver())
        if not hasattr(callback, "permission")
    ]
