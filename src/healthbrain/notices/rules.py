"""When a message may go out and in which form: quiet hours, digests, retries, bodies of robots and gateways. Pure."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

MOST_ATTEMPTS = 6
FIRST_WAIT = dt.timedelta(seconds=30)
LONGEST_TEXT = 1900  # bytes; WeCom's text message holds 2,048, DingTalk's 20,000
ELLIPSIS = " …"


def after_quiet(moment: dt.datetime, quiet_from: dt.time | None, quiet_to: dt.time | None) -> dt.datetime:
    """`moment`, or the end of the quiet hours it falls into. The hours may span midnight; equal ends mean none."""
    if quiet_from is None or quiet_to is None or quiet_from == quiet_to:
        return moment
    at = moment.timetz().replace(tzinfo=None)
    spans = quiet_from > quiet_to
    quiet = at >= quiet_from or at < quiet_to if spans else quiet_from <= at < quiet_to
    if not quiet:
        return moment
    day = moment.date() + dt.timedelta(days=1 if spans and at >= quiet_from else 0)
    return dt.datetime.combine(day, quiet_to, tzinfo=moment.tzinfo)


def wait_after(attempts: int) -> dt.timedelta | None:
    """How long to wait after the n-th failed attempt: doubling from 30 s; None = give up."""
    return None if attempts >= MOST_ATTEMPTS else FIRST_WAIT * 2 ** (attempts - 1)


def cut(text: str, most: int = LONGEST_TEXT) -> str:
    """`text` in at most `most` bytes of UTF-8, whole characters, marked when shortened."""
    raw = text.encode()
    if len(raw) <= most:
        return text
    return raw[: most - len(ELLIPSIS.encode())].decode(errors="ignore") + ELLIPSIS


def body(kind: str, text: str) -> dict[str, Any]:
    """The JSON a group robot expects. Both speak the same text form: {"msgtype": "text", "text": {"content": …}}.

    DingTalk custom robot and WeCom group robot, message type text. Raises ValueError for another kind.
    """
    if kind not in {"dingtalk", "wecom"}:
        raise ValueError(f"not a webhook: {kind}")
    return {"msgtype": "text", "text": {"content": cut(text)}}


def refused(answer: dict[str, Any]) -> str:
    """What a robot answered when it did not take the message; "" when it did. Both use errcode 0 for taken."""
    code = answer.get("errcode", 0)
    return "" if code == 0 else f"errcode {code}: {answer.get('errmsg', '')}".strip()


def filled(template: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    """A template with {name} replaced by the escaped value; other braces (JSON's own) stay as they are."""
    return re.sub(r"\{(\w+)\}", lambda found: escape(values[found[1]]) if found[1] in values else found[0], template)


def in_json(text: str) -> str:
    """As it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def signed(url: str, secret: str, moment: dt.datetime) -> str:
    """DingTalk's signed address: &timestamp=…&sign=… with HMAC-SHA256 over "timestamp\\nsecret". "" = unsigned."""
    if not secret:
        return url
    stamp = str(int(moment.timestamp() * 1000))
    digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    sign = urllib.parse.quote_plus(base64.b64encode(digest))
    return f"{url}{'&' if '?' in url else '?'}timestamp={stamp}&sign={sign}"
