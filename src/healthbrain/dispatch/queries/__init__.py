"""The reads of the room, one file a page: `calls`, `recommend`, `fleet`, `crew`, `arrivals`, `mass`, `planning`."""
