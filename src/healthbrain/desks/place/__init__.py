"""A key place on its own page: the ill, or the packs sold, of a day in half a minute; and departments by interface."""
