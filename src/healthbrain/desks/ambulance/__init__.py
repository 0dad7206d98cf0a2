"""The crew's phone and the hospital's arrival board."""
