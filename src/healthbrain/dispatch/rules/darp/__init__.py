"""Dial-a-ride: patients who ride together, each no longer than his limit (Cordeau & Laporte 2003; Cordeau 2006).

`solve` plans a day, `promise` answers a booking, `violations` checks a plan; values in `model`.
"""
