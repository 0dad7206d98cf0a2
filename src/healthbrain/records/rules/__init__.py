"""Rules of the records room: pure functions over values. Knowledge files are read once, as constants."""
