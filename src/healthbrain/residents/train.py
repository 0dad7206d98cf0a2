"""Train the weights: Splink (Fellegi-Sunter) on DuckDB. u by random sampling, m by expectation maximisation."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from healthbrain.residents import persons
from healthbrain.residents.rules.compare import COMPARISONS, Comparison
from healthbrain.residents.rules.decide import Model

WEIGHTS = Path(__file__).parents[1] / "knowledge" / "matching" / "weights.yaml"
SEED = 20260701
# Each session blocks on two fields and learns the others. The blocks are tight on purpose: in a loose one (same birth
# date and sex) expectation maximisation took strangers for half of its matches.
SESSIONS = (("pinyin", "born"), ("born", "phone"), ("pinyin", "phone"))
SESSION_WITH_NUMBER = ("number",)
# A family shares telephone, address and surname, so these are not independent evidence, as the sum of bits assumes:
# what they may add is bounded. The lower bound keeps one rare level from deciding alone.
CAPS = {"phone": (-2.0, 7.0), "address": (-3.0, 6.0), "sex": (-8.0, 1.0), "number": (-12.0, 24.0)}
FLOOR = 1e-5
# Errors that registrars know and the synthetic county plants too seldom to learn from: their m is at least this, set by
# hand and marked `assumed`. No published rate was found.
ASSUMED = {
    "name": {"sound": 0.002, "within": 0.0005},
    "born": {"moon": 0.01, "next-year": 0.01, "placeholder": 0.01, "month": 0.004, "year": 0.003},
}
RAREST_U = {"name": 1e-6}  # a chance that no sampled pair of strangers showed is not known better than this
LINK_BITS = 6.0  # odds of 128 to 1 and no veto: linked
ASK_BITS = 0.0  # as likely as not: a person decides


def graded(weights: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """A finer agreement on the address never weighs less than a coarser one, however few examples it had."""
    best = -math.inf
    for level in reversed(list(weights["address"])):
        best = weights["address"][level] = max(best, weights["address"][level])
    return weights


def _splink_comparison(comparison: Comparison) -> dict[str, Any]:
    levels = [{"sql_condition": comparison.unknown.sql, "label_for_charts": "unknown", "is_null_level": True}]
    levels += [{"sql_condition": level.sql, "label_for_charts": level.key} for level in comparison.levels]
    return {"output_column_name": comparison.key, "comparison_levels": levels}


def _linker(frame: pl.DataFrame, *, with_number: bool) -> Any:
    from splink import Linker
    from splink.backends.duckdb import DuckDBAPI

    chosen = [c for c in COMPARISONS if with_number or c.key != "number"]
    settings = {
        "link_type": "dedupe_only",
        "unique_id_column_name": "id",
        "comparisons": [_splink_comparison(c) for c in chosen],
        "blocking_rules_to_generate_predictions": [],
        "retain_intermediate_calculation_columns": False,
    }
    api = DuckDBAPI(connection=persons.connect())
    return Linker(api.register(frame.to_arrow()), settings, log_level="ERROR")


def train(identities: pl.DataFrame, *, with_number: bool = True) -> dict[str, dict[str, dict[str, float]]]:
    """m and u of each level. Columns as `persons.persons`; 100,000 identities take about half a minute."""
    from splink import block_on

    frame = persons.persons(identities)
    if not with_number:
        frame = frame.with_columns(number=pl.lit(""), number_text=pl.lit(""), own=pl.lit(False))
    known = [
        pl.when(pl.col(c) != "").then(pl.col(c)).alias(f"block_{c}") for c in ("pinyin", "born", "phone", "number")
    ]
    linker = _linker(frame.with_columns(known), with_number=with_number)
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=SEED)
    for session in SESSIONS + ((SESSION_WITH_NUMBER,) if with_number else ()):
        rule = block_on(*(f"block_{c}" for c in session))
        linker.training.estimate_parameters_using_expectation_maximisation(rule, fix_u_probabilities=True)
    return _parameters(linker.misc.save_model_to_json())


def _parameters(settings: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for comparison in settings["comparisons"]:
        name, levels = comparison["output_column_name"], {}
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                m, u, key = level.get("m_probability"), level.get("u_probability"), level["label_for_charts"]
                lowest = ASSUMED.get(name, {}).get(key, FLOOR)
                levels[key] = {"m": max(m or FLOOR, lowest), "u": max(u or 0.0, RAREST_U.get(name, 1e-8))}
        found[name] = levels
    return found


def bits(comparison: str, level: str, m: float, u: float) -> float:
    """A level's weight within the bounds of its comparison."""
    if level == "unnamed":
        return 0.0  # neither has a name: nothing is said
    low, high = CAPS.get(comparison, (-12.0, 24.0))
    return min(high, max(low, math.log2(m / u)))


def name_collision(identities: pl.DataFrame) -> float:
    """The chance that two identities drawn at random bear the same name by sound."""
    counts = persons.persons(identities).filter(pl.col("pinyin") != "")["pinyin"].value_counts()["count"]
    shares = counts.cast(pl.Float64).to_numpy() / float(counts.sum())
    return float((shares**2).sum())


def write(parameters: dict[str, dict[str, dict[str, float]]], collision: float, path: Path = WEIGHTS) -> None:
    """The knowledge file: m, u and bits of each level, with where they come from."""
    comparisons = {
        comparison: {
            level: {
                "m": float(f"{row['m']:.4g}"),
                "u": float(f"{row['u']:.4g}"),
                "bits": round(bits(comparison, level, **row), 2),
            }
            | ({"assumed": True} if row["m"] == ASSUMED.get(comparison, {}).get(level) else {})
            for level, row in levels.items()
        }
        for comparison, levels in parameters.items()
    }
    graded_bits = graded({c: {k: row["bits"] for k, row in rows.items()} for c, rows in comparisons.items()})
    for level, value in graded_bits["address"].items():
        comparisons["address"][level]["bits"] = value
    document = {
        "title": "居民主索引匹配权重",
        "source": "Splink 5 (Fellegi-Sunter) trained on SYNTHETIC identities, `assumed` m by hand; not yet calibrated "
        "on a real county",
        "name_collision": float(f"{collision:.4g}"),
        "thresholds": {"link": LINK_BITS, "ask": ASK_BITS},
        "comparisons": comparisons,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), "utf-8")


@functools.cache
def model() -> Model:
    """The county's model, read once."""
    return load()


def load(path: Path = WEIGHTS) -> Model:
    """The trained model. Raises FileNotFoundError when the knowledge file is missing."""
    text = yaml.safe_load(path.read_text("utf-8"))
    weights = {
        comparison: {level: float(row["bits"]) for level, row in levels.items()}
        for comparison, levels in text["comparisons"].items()
    }
    shared = {c: text["comparisons"][c]["same"] for c in ("phone", "address")}
    return Model(
        bits=weights,
        name_collision=float(text["name_collision"]),
        namesake_bits={c: math.log2(row["m"] / row["u"]) - row["bits"] for c, row in shared.items()},
        link_bits=float(text["thresholds"]["link"]),
        ask_bits=float(text["thresholds"]["ask"]),
    )
