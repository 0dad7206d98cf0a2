"""The county's numbers, from `knowledge/demo/county.yaml`; each one with its source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml


@dataclass(frozen=True)
class Parameters:
    """A tree of `{value, source, check}` leaves, read by dotted name."""

    tree: dict[str, Any]

    def leaf(self, name: str) -> dict[str, Any]:
        node: Any = self.tree
        for part in name.split("."):
            node = node[part]
        found: dict[str, Any] = node
        return found

    def __call__(self, name: str) -> Any:
        return self.leaf(name)["value"]

    def steps(self, name: str, highest: int = 130) -> np.ndarray:
        """A `[[from age, value], …]` list as an array indexed by age."""
        out = np.zeros(highest)
        for start, value in self(name):
            out[int(start) :] = value
        return out


@cache
def parameters() -> Parameters:
    text = files("healthbrain.knowledge").joinpath("demo/county.yaml").read_text(encoding="utf-8")
    return Parameters(yaml.safe_load(text))
