"""What dispatch tells rooms it does not know, on `kernel.bus`, in the transaction of the deed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServicesCharged:
    """Rows of `models.ServiceCharge` were written. They stay: who subscribes later reads what came before."""

    charge_ids: Sequence[int]
