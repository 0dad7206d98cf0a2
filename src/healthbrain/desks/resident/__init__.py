"""The resident's own desk: what is due for me, my record, who looked at it."""
