"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396) on parsed JSON; the document given is not changed."""

from __future__ import annotations

import copy
from typing import Any


class PatchError(ValueError):
    """A patch that is malformed, or does not fit the document."""


def merge(document: Any, change: Any) -> Any:
    """RFC 7396: objects are merged, null removes, anything else replaces."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def apply(document: Any, operations: Any) -> Any:
    """RFC 6902: the operations in order; all of them or PatchError."""
    if not isinstance(operations, list):
        raise PatchError("JSON Patch 应为数组 (must be an array)")
    holder = {"": copy.deepcopy(document)}
    for operation in operations:
        if not isinstance(operation, dict):
            raise PatchError("操作应为对象 (an operation is an object)")
        _one(holder, operation)
    return holder[""]


def _one(holder: dict[str, Any], operation: dict[str, Any]) -> None:
    name, path = operation.get("op"), _pointer(operation.get("path"))
    if name in {"add", "replace", "test"} and "value" not in operation:
        raise PatchError(f"{name} 缺少 value (value missing)")
    if name == "add":
        _add(holder, path, copy.deepcopy(operation["value"]))
    elif name == "remove":
        _remove(holder, path)
    elif name == "replace":
        _replace(holder, path, copy.deepcopy(operation["value"]))
    elif name == "move":
        source = _pointer(operation.get("from"))
        if path[: len(source)] == source and len(path) > len(source):
            raise PatchError("不能移入自身之内 (cannot move into itself)")
        _add(holder, path, _remove(holder, source))
    elif name == "copy":
        _add(holder, path, copy.deepcopy(_at(holder, _pointer(operation.get("from")))))
    elif name == "test":
        found = _at(holder, path)
        if found != operation["value"] or isinstance(found, bool) != isinstance(operation["value"], bool):
            raise PatchError(f"test 不成立 (test failed): {operation.get('path')}")
    else:
        raise PatchError(f"未知操作 (unknown operation): {str(name)[:40]}")


def _pointer(text: Any) -> list[str]:
    """Steps of a JSON Pointer below the holder of the document."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise PatchError(f"路径不合法 (bad path): {str(text)[:80]}")
    return ["", *(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])]


def _index(step: str, length: int, *, end: bool = False) -> int:
    if end and step == "-":
        return length
    if not step.isdecimal() or (len(step) > 1 and step[0] == "0") or int(step) > length - (0 if end else 1):
        raise PatchError(f"数组位置不存在 (no such position): {step[:20]}")
    return int(step)


def _at(holder: Any, path: list[str]) -> Any:
    node = holder
    for step in path:
        if isinstance(node, list):
            node = node[_index(step, len(node))]
        elif isinstance(node, dict) and step in node:
            node = node[step]
        else:
            raise PatchError(f"路径不存在 (no such path): {step[:80]}")
    return node


def _add(holder: Any, path: list[str], value: Any) -> None:
    parent, step = _at(holder, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(_index(step, len(parent), end=True), value)
    elif isinstance(parent, dict):
        parent[step] = value
    else:
        raise PatchError(f"路径不存在 (no such path): {step[:80]}")


def _remove(holder: Any, path: list[str]) -> Any:
    found = _at(holder, path)
    if len(path) == 1:
        raise PatchError("不能删除整个资源 (cannot remove the whole document)")
    parent, step = _at(holder, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[_index(step, len(parent))]
    else:
        del parent[step]
    return found


def _replace(holder: Any, path: list[str], value: Any) -> None:
    _at(holder, path)
    parent, step = _at(holder, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent[_index(step, len(parent))] = value
    else:
        parent[step] = value
