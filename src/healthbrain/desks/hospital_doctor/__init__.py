"""Find a resident; one record over all institutions: what is known, who said it, since when, and who looked."""
