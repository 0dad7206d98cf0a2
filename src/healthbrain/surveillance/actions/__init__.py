"""Writes of surveillance: `signals` in and answered, `response` and its neighbours, `notify`."""
