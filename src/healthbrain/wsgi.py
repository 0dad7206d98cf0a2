"""WSGI entry point for Granian."""

import os

from django.core.wsgi import get_wsgi_application
from django.template import engines
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthbrain.settings")
application = get_wsgi_application()


def _load() -> None:
    """Before the first request, what it would wait for (2 s on a quiet machine): pages, templates, name readings."""
    from healthbrain.residents.rules import names

    len(get_resolver().url_patterns)
    engines.all()
    names.form("健康")


_load()
