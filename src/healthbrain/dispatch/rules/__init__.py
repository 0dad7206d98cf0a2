"""Pure rules of dispatch: no Django, no clock, no files."""
