"""JSON whose decimals keep the digits they were sent with: 7.20 comes back as 7.20, and says more than 7.2.

R4 datatypes.html#decimal: the precision of a decimal has significance and is to be preserved. A number that a float
writes differently becomes a `Number`, a float that knows its text; everything else is what orjson makes of it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

# What a float may write otherwise. Each begins with a letter of its own, which the engine finds fast: 4 µs a kilobyte.
_OTHERWISE = tuple(
    re.compile(start + rb"[\s,}\]]").search for start in (rb"\.(?:\d+0|\d{7,})", rb"E[+-]?\d+", rb"e[+-]?\d+")
)


class Number(float):
    """A float and the JSON text it was written with."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]  # copied and pickled by its text
        return (self.text,)


def number(text: str) -> int | float:
    """What a JSON number means, with its text where that says more than the value. Raises ValueError: not JSON."""
    value = orjson.loads(text)
    return value if orjson.dumps(value) == text.encode() else Number(text)


def loads(data: bytes | str) -> Any:
    """Parsed JSON. Raises orjson.JSONDecodeError."""
    content = orjson.loads(data)
    text = data if isinstance(data, bytes) else data.encode()
    if any(found(text) for found in _OTHERWISE):
        return json.loads(text, parse_float=number, parse_int=number)
    return content


def dumps(content: Any, option: int | None = None) -> bytes:
    """JSON text, numbers as they were written. Raises TypeError."""
    return orjson.dumps(content, _text_of, option)


def _text_of(value: Any) -> Any:
    if isinstance(value, Number):
        return orjson.Fragment(value.text)
    raise TypeError(type(value).__name__)
