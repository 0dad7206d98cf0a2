"""YAML that remembers where each word stood, so that an error can name file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from healthbrain.kernel.errors import DefinitionError


class Located(str):
    """A string of a knowledge file, with its place ("vitals.yaml:12")."""

    __slots__ = ("where",)
    where: str


def located(text: str, place: str) -> Located:
    """`text`, said to stand at `place`."""
    result = Located(text)
    result.where = place
    return result


def where(value: object, default: str = "") -> str:
    """Where `value` stood: "file:line", or `default` for a value that did not come from a file."""
    return getattr(value, "where", default)


def wrong(message: str, value: object = "") -> DefinitionError:
    """The error to raise for `value`, with its place in front."""
    place = where(value)
    return DefinitionError(f"{place}: {message}" if place else message)


class _Loader(yaml.SafeLoader):
    file = ""


def _string(loader: _Loader, node: yaml.ScalarNode) -> Located:
    return located(loader.construct_scalar(node), f"{loader.file}:{node.start_mark.line + 1}")


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    result = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in result:
            raise DefinitionError(f"{loader.file}:{key_node.start_mark.line + 1}: {key!r} is defined twice")
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_Loader.add_constructor("tag:yaml.org,2002:str", _string)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(path: Path) -> dict[str, Any]:
    """A knowledge file. Its strings and keys are `Located`; a key given twice is an error, not the last one wins."""
    loader = _Loader(path.read_text(encoding="utf-8"))
    loader.file = path.name
    try:
        content = loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise DefinitionError(f"{path.name}{line}: not valid YAML: {getattr(error, 'problem', error)}") from error
    finally:
        loader.dispose()
    if not isinstance(content, dict):
        raise DefinitionError(f"{path.name}:1: a mapping is expected at the top")
    return content
