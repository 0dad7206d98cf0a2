"""The disease-control officer: signals to answer, one room an event, contacts on the phone, what goes out."""
