# ruff: noqa: E501 (a table of messages and expectations reads best one to a line)
"""JSON Patch and Merge Patch against the examples of RFC 6902 appendix A and RFC 7396 appendix A."""

import copy

import pytest

from healthbrain.records.rules import patch

MERGE = [  # original, patch, result
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "foo"}, None, None),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("document", "change", "expected"), MERGE)
def test_merge(document, change, expected):
    before = copy.deepcopy(document)
    assert patch.merge(document, change) == expected
    assert document == before


PATCHES = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    ({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
     [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}], {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
    ({"foo": ["all", "grass", "cows", "eat"]}, [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
     {"foo": ["all", "cows", "eat", "grass"]}),
    ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"grandchild": {}}}], {"foo": "bar", "child": {"grandchild": {}}}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}], {"foo": ["bar", ["abc", "def"]]}),
    ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/b/0", "value": 0}], {"a": [1], "b": [0, 1]}),
    ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("document", "operations", "expected"), PATCHES)
def test_patch(document, operations, expected):
    before = copy.deepcopy(document)
    assert patch.apply(document, operations) == expected
    assert document == before


BAD = [
    {"op": "test", "path": "/baz", "value": "bar"},
    {"op": "test", "path": "/one", "value": True},
    {"op": "add", "path": "/no/such", "value": 1},
    {"op": "remove", "path": "/none"},
    {"op": "remove", "path": ""},
    {"op": "replace", "path": "/none", "value": 1},
    {"op": "add", "path": "/list/9", "value": 1},
    {"op": "add", "path": "/list/01", "value": 1},
    {"op": "add", "path": "list", "value": 1},
    {"op": "add", "path": "/x"},
    {"op": "move", "from": "/deep", "path": "/deep/er"},
    {"op": "frobnicate", "path": "/baz"},
    "remove",
]


@pytest.mark.parametrize("operation", BAD)
def test_a_bad_operation_is_refused(operation):
    with pytest.raises(patch.PatchError):
        patch.apply({"baz": "qux", "one": 1, "list": [1], "deep": {}}, [operation])
    with pytest.raises(patch.PatchError):
        patch.apply({}, operation)
