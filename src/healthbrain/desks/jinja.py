"""The Jinja2 environment of every page."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from django.contrib.messages import get_messages
from django.templatetags.static import static
from django.urls import reverse
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from healthbrain.desks import i18n
from healthbrain.kernel import masking

STATIC = Path(__file__).parent / "static"


@functools.cache
def asset(name: str) -> str:
    """The address of a file of static/, marked by its content: browsers keep it for good, a changed one has another."""
    mark = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:8]
    return f"{static(name)}?v={mark}"


def data_json(value: Any) -> Markup:
    """`value` for a <script type="application/json">: data the browser never runs, safe inside a script element."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def environment(**options: Any) -> Environment:
    """Called by Django's template backend. An unknown name in a template is an error, not an empty string."""
    options["undefined"] = StrictUndefined
    options["trim_blocks"] = options["lstrip_blocks"] = True
    made = Environment(**options)  # noqa: S701 - Django's backend passes autoescape=True
    made.globals.update(
        static=asset,
        url=lambda name, *args, **kwargs: reverse(name, args=args or None, kwargs=kwargs or None),
        t=i18n.t,
        said=i18n.said,
        english=i18n.english,
        messages_of=get_messages,
    )
    made.filters.update(
        day=i18n.day,
        date=i18n.date,
        moment=i18n.moment,
        until=i18n.until,
        age=i18n.age_of,
        sex=i18n.sex_of,
        figure=i18n.number,
        said=i18n.said,
        told=i18n.told,
        data_json=data_json,
        mask_name=masking.mask_name,
        mask_id=masking.mask_id_number,
        mask_phone=masking.mask_phone,
    )
    return made
