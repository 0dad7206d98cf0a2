"""Home care: the nurse's phone, the unit's day, the application."""
