"""Facts: what is known about a resident, as named, typed, dated facts; one definition, several engines.

Comes in: `knowledge/facts/*.yaml`, ledger events. Goes out: one row a resident, one column a fact call.
Words: *call* = a function over facts in an expression, e.g. latest(sbp); *dirty* = a resident whose facts may have
changed; *reference engine* = the slow obvious interpreter every fast engine must agree with.
"""
