"""Pure rules of identity: numbers, names, comparison of two persons, decision, golden record. No Django, no clock."""
