"""A year of ambulance work, simulated event by event: network tables, call streams, policies, the loop, the figures."""
