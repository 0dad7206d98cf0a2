"""Chinese names by birth cohort, and the ways a clerk gets them wrong."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import polars as pl
import yaml
from pypinyin import lazy_pinyin

# Share of one-character given names by cohort: common only among people born about 1970–95.
SINGLE = (0.06, 0.14, 0.30, 0.06)
COHORT_FROM = (1900, 1958, 1978, 2003)


@cache
def _lists() -> dict[str, Any]:
    text = files("healthbrain.knowledge").joinpath("demo/names.yaml").read_text(encoding="utf-8")
    lists: dict[str, Any] = yaml.safe_load(text)
    return lists


@cache
def _surnames() -> tuple[list[str], np.ndarray]:
    unique = list("".join(_lists()["surnames"].split()))
    weight = 1.0 / (np.arange(len(unique)) + 2.75) ** 1.10
    return unique, np.cumsum(weight / weight.sum())


@cache
def _given() -> tuple[list[str], list[np.ndarray], list[np.ndarray]]:
    """All characters once; for each (cohort × 2 + sex − 1) the indices into them and the cumulative weights."""
    lists = [_lists()["given"][sex][k] for k in range(4) for sex in ("male", "female")]
    every = list(dict.fromkeys("".join(lists)))
    place = {char: i for i, char in enumerate(every)}
    members, edges = [], []
    for group, own in enumerate(lists):
        near = [c for other in (group - 2, group + 2) if 0 <= other < len(lists) for c in lists[other] if c not in own]
        chars = [*own, *dict.fromkeys(near)]
        weight = np.r_[1.0 / (np.arange(len(own)) + 18.0) ** 0.7, np.full(len(chars) - len(own), 0.022)]
        members.append(np.array([place[c] for c in chars]))
        edges.append(np.cumsum(weight / weight.sum()))
    return every, members, edges


def cohort(year: np.ndarray) -> np.ndarray:
    return (np.searchsorted(COHORT_FROM, year, side="right") - 1).clip(0, 3)


def draw_surnames(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.searchsorted(_surnames()[1], rng.random(n)).clip(0, len(_surnames()[0]) - 1)


def draw_given(rng: np.random.Generator, sex: np.ndarray, year: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second given-name character (index + 1; 0 = none)."""
    _, members, edges = _given()
    group = cohort(year) * 2 + (sex == 2)
    first, second = np.zeros(len(sex), np.int32), np.zeros(len(sex), np.int32)
    u, v, single = rng.random(len(sex)), rng.random(len(sex)), rng.random(len(sex))
    for g in range(8):
        at = np.flatnonzero(group == g)
        last = len(members[g]) - 1
        first[at] = members[g][np.searchsorted(edges[g], u[at]).clip(0, last)] + 1
        second[at] = members[g][np.searchsorted(edges[g], v[at]).clip(0, last)] + 1
    second[single < np.array(SINGLE)[group // 2]] = 0
    return first, second


def surnames(index: np.ndarray) -> pl.Series:
    return pl.Series(_surnames()[0]).gather(index)


def given(index: np.ndarray) -> pl.Series:
    return pl.Series(["", *_given()[0]]).gather(index)


@cache
def homophones() -> dict[str, str]:
    """Another character of our lists with the same pinyin, tones aside: what is heard, not what is written."""
    every = list(dict.fromkeys("".join(_given()[0])))
    groups: dict[str, list[str]] = {}
    for char in every:
        groups.setdefault(lazy_pinyin(char)[0], []).append(char)
    return {c: g[(i + 1) % len(g)] for g in groups.values() if len(g) > 1 for i, c in enumerate(g)}


@cache
def look_alikes() -> dict[str, str]:
    pairs = [pair.split("-") for pair in _lists()["look_alike"].split()]
    return {b: a for a, b in pairs} | dict(pairs)
