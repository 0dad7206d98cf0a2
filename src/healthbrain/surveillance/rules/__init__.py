"""Pure rules of surveillance: no Django, no clock, no files."""
