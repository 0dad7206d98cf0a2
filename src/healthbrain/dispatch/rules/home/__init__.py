"""Home-care routing: nurses with skills to patients with windows, two at a door where two are needed.

`plan_day`, `plan_week` and `repair` take and give the frozen values of `model`.
"""

from healthbrain.dispatch.rules.home.planner import plan_day, plan_week
from healthbrain.dispatch.rules.home.repair import repair

__all__ = ["plan_day", "plan_week", "repair"]
