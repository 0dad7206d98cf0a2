"""The HTTP side: content negotiation, bodies, and the frame around every FHIR view."""

from __future__ import annotations

import functools
import json
import logging
import re
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from healthbrain.access.gate import page
from healthbrain.kernel.errors import HealthBrainError
from healthbrain.records.fhir.outcome import FhirError, answer, error_answer
from healthbrain.records.rules import exact
from healthbrain.records.rules.search import SearchError

log = logging.getLogger(__name__)
FORMATS = {"json", "application/json", "application/fhir+json", "application/fhir json", "text/json"}
RESOURCE_LIMIT = 16 << 20  # bytes of one resource; a bundle may have Django's whole limit
DEEPEST = 200
_VERSION = re.compile(r"fhirversion\s*=\s*\"?([0-9.]+)", re.IGNORECASE)

View = Callable[..., HttpResponse]


def fhir(view: View) -> View:
    """A FHIR endpoint: any error is an OperationOutcome.

    Declared public to the gate, because a missing token is answered with 401 instead of the sign-in page: every view
    behind it but `metadata` asks `auth.caller_of` first.
    """

    @functools.wraps(view)
    def framed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            negotiate(request)
            return view(request, *args, **kwargs)
        except FhirError as error:
            return error_answer(error)
        except SearchError as error:
            return error_answer(FhirError(400, str(error), error.code))
        except HealthBrainError as error:
            return error_answer(FhirError(error.status, str(error), issues=getattr(error, "issues", ())))
        except (RequestDataTooBig, UnreadablePostError):
            return error_answer(FhirError(413, "内容过大或未传完 (body too large or cut short)"))
        except IntegrityError:
            return error_answer(FhirError(409, "同时有人写入同一资源,请重试 (written by somebody else, try again)"))
        except DataError:
            return error_answer(
                FhirError(400, "含有数据库无法保存的字符或数值 (a value the database cannot hold)", "value")
            )
        except DatabaseError:
            log.exception("FHIR request failed in the database")
            return error_answer(FhirError(503, "数据库暂时不可用,请重试 (try again)"))
        except Exception:
            log.exception("FHIR request failed")
            return error_answer(FhirError(500, "内部错误,已记录 (internal error, logged)"))

    return csrf_exempt(page(permission="public")(framed))


def fhir_atomic(view: View) -> View:
    """The same in one transaction: what was changed or shown, and its audit event."""
    return fhir(transaction.atomic(view))


def negotiate(request: HttpRequest) -> None:
    """JSON only: FhirError 406 for a client that accepts nothing we speak."""
    wanted = request.GET.get("_format")
    accept = (wanted or request.headers.get("Accept") or "*/*").lower()
    if (wanted and wanted.split(";")[0].strip().lower() not in FORMATS) or (
        not wanted and not any(word in accept for word in ("json", "*/*", "application/*"))
    ):
        raise FhirError(406, f"只支持 JSON (only JSON): {accept[:60]}")
    _only_r4(accept, 406)


def _only_r4(media_type: str, status: int) -> None:
    """A client may name its version of FHIR (R4 http.html#version-parameter)."""
    version = _VERSION.search(media_type)
    if version and version[1] != "4.0":
        raise FhirError(status, f"只支持 FHIR 4.0 (only R4): {media_type[:60]}")


def body_of(request: HttpRequest, *, kinds: tuple[str, ...] = ("json",), limit: int = RESOURCE_LIMIT) -> Any:
    """The parsed body. FhirError 415 for another type, 413 for too much, 400 for what is not JSON or too deep."""
    kind = (request.content_type or "").lower()
    if kind and not any(kind.endswith(word) for word in kinds):
        raise FhirError(415, f"不支持的内容类型 (unsupported content type): {kind[:80]}")
    if (charset := (request.content_params or {}).get("charset", "utf-8").lower()) not in {"utf-8", "utf8", "us-ascii"}:
        raise FhirError(415, f"JSON 应为 UTF-8 (must be UTF-8): {charset[:40]}")
    if encoding := request.headers.get("Content-Encoding", "").replace("identity", "").strip():
        raise FhirError(415, f"不支持压缩内容 (unsupported content encoding): {encoding[:40]}")
    _only_r4(request.headers.get("Content-Type", ""), 415)
    data = request.body
    if len(data) > limit:
        raise FhirError(413, f"超过 {limit >> 20} MB (too large)")
    content, base = parsed(data), base_of(request)
    return _relative(content, f"{base}/", _full_urls(content)) if base.encode() in data else content


def _full_urls(content: Any) -> set[Any]:
    """What the entries of a bundle are called in it: references to them are resolved there."""
    entries = content.get("entry") if isinstance(content, dict) else None
    named = [entry.get("fullUrl") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return {url for url in named if isinstance(url, str)}


def _relative(node: Any, base: str, kept: set[Any]) -> Any:
    """References that name this server, without its name: Patient/x is Patient/x, however it is called (R4
    references.html#literal)."""
    if isinstance(node, dict):
        text = node.get("reference")
        if isinstance(text, str) and text.startswith(base) and text not in kept:
            node["reference"] = text.removeprefix(base)
        for value in node.values():
            _relative(value, base, kept)
    elif isinstance(node, list):
        for item in node:
            _relative(item, base, kept)
    return node


def parsed(data: bytes) -> Any:
    """JSON that is not nested absurdly."""
    data = data.removeprefix(BOM_UTF8)
    if not data.strip():
        raise FhirError(400, "没有内容 (empty body)", "required")
    try:
        content = exact.loads(data)
    except orjson.JSONDecodeError as error:
        deep = "depth" in str(error) or "recursion" in str(error).lower()
        raise FhirError(400, f"JSON 有误 (not JSON): {error}", "too-long" if deep else "structure") from error
    if _deeper(content, DEEPEST):
        raise FhirError(400, "嵌套过深 (nested too deeply)", "too-long")
    json.loads(data, object_pairs_hook=_each_once, parse_int=len, parse_float=len)
    return content


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """orjson keeps the last of two values of one name; which one the sender meant is not for us to guess (R4
    json.html: names are unique). Costs 7 µs a resource."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FhirError(400, f"JSON 里名称重复 (duplicate property): {twice[:80]}", "structure")


def _deeper(content: Any, levels: int) -> bool:
    """Whether anything is nested deeper than `levels`, looked at level by level without recursion."""
    layer = [content]
    for _ in range(levels):
        below: list[Any] = []
        for node in layer:
            if type(node) is dict:
                below.extend(node.values())
            elif type(node) is list:
                below.extend(node)
        layer = [node for node in below if type(node) is dict or type(node) is list]
        if not layer:
            return False
    return True


def prefers(request: HttpRequest, word: str) -> bool:
    """Whether the Prefer header asks for `word`, e.g. handling=lenient."""
    return word in request.headers.get("Prefer", "").replace(" ", "").lower()


def query_of(request: HttpRequest) -> str:
    """The query string; text a client forgot to percent-encode is taken as UTF-8 (WSGI hands it over as Latin-1)."""
    text: str = request.META.get("QUERY_STRING", "")
    return text if text.isascii() else text.encode("latin-1", "replace").decode("utf-8", "replace")


def base_of(request: HttpRequest) -> str:
    """The service's base URL, as the client sees it."""
    return request.build_absolute_uri("/fhir")


def empty(status: int, **headers: str) -> HttpResponse:
    """An answer without content."""
    response = answer(b"", status, **headers)
    del response["Content-Type"]
    return response
