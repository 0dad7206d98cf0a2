"""Home-care routing: nurses with skills to patients with windows, two at a door where two are needed.

`plan_day`, `plan_week` and `repair` take and give the frozen values of `model`.
"""
