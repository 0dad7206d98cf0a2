"""Dial-a-ride: patients who ride together, each no longer than his limit (Cordeau & Laporte 2003; Cordeau 2006).

`solve` plans a day, `promise` answers a booking, `cancel` and `under_way` change a day, `violations` checks a plan.
"""

from healthbrain.dispatch.rules.darp.booking import Offer, cancel, promise
from healthbrain.dispatch.rules.darp.check import violations
from healthbrain.dispatch.rules.darp.model import Instance, Plan, Promise, Request, Solution, Vehicle
from healthbrain.dispatch.rules.darp.solver import keep, solve, warm_up
from healthbrain.dispatch.rules.darp.under_way import Position, under_way

__all__ = [
    "Instance",
    "Offer",
    "Plan",
    "Position",
    "Promise",
    "Request",
    "Solution",
    "Vehicle",
    "cancel",
    "keep",
    "promise",
    "solve",
    "under_way",
    "violations",
    "warm_up",
]
