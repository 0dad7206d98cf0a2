"""What a form posted, read: a number, an id, the key under which a second sending changes nothing."""

from __future__ import annotations

import math
import uuid

from django.http import HttpRequest

from healthbrain.desks.i18n import t
from healthbrain.kernel.errors import Invalid


def figure(request: HttpRequest, name: str) -> float | None:
    """A typed number; None when empty. Raises Invalid."""
    text = request.POST.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise Invalid(t("“{value}” 不是数字", "“{value}” is no number", value=text)) from error
    if not math.isfinite(value):
        raise Invalid(t("“{value}” 不是数字", "“{value}” is no number", value=text))
    return value


def whole(request: HttpRequest, name: str) -> int:
    """A typed id; 0 when it is none, which nobody has."""
    text = request.POST.get(name, "")
    return int(text) if text.isdigit() and len(text) < 16 else 0


def key(request: HttpRequest, name: str = "key") -> uuid.UUID:
    """The key this form was opened with. Raises Invalid."""
    try:
        return uuid.UUID(request.POST.get(name, ""))
    except ValueError as error:
        raise Invalid(t("提交编号不对，请刷新页面", "Bad submission id: reload the page")) from error
