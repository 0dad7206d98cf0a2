"""The clinician and report cards: what must be reported by when, a card prefilled from the visit, never sent by us."""
