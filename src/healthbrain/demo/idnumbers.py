"""Resident identity numbers (GB 11643), computed on whole columns."""

from __future__ import annotations

import numpy as np
import polars as pl

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK = "10X98765432"


def with_check_digit(body: np.ndarray) -> pl.Series:
    """17-digit integers → 18-character numbers."""
    total, rest = np.zeros(len(body), np.int64), body.astype(np.int64)
    for weight in reversed(WEIGHTS):
        rest, digit = np.divmod(rest, 10)
        total += digit * weight
    digits = pl.Series(list(CHECK)).gather(total % 11)
    return pl.Series(body).cast(pl.String) + digits


def sequence(block: int, birth: np.ndarray, sex: np.ndarray) -> np.ndarray:
    """A slot 0–999, unique in the whole county among people with the same birthday and sex.

    A day and sex has 500 sequence numbers under each of two prefixes. Block b owns 38 of the 1,000 slots, so blocks
    never need to know of one another (26 blocks; a block has about one birth per day and sex). 617 is coprime to 1,000,
    and the shift is one for a day and sex, so distinct slots stay distinct.
    """
    frame = pl.DataFrame({"birth": birth, "sex": sex})
    rank = frame.select(pl.int_range(pl.len()).over("birth", "sex")).to_series().to_numpy()
    shift = birth.astype(np.int64) * 7919 + sex.astype(np.int64) * 331
    return np.asarray((((block % 26) * 38 + rank % 38) * 617 + shift) % 1000)


def id_numbers(prefixes: list[str], block: int, birth: np.ndarray, ymd: np.ndarray, sex: np.ndarray) -> pl.Series:
    """`birth`: day number; `ymd`: the same day as yyyymmdd."""
    slot = sequence(block, birth, sex)
    prefix = np.array([int(p) for p in prefixes])[slot // 500]
    order = (slot % 500) * 2 + (sex == 1)
    return with_check_digit(prefix * 10**11 + ymd.astype(np.int64) * 1000 + order)
