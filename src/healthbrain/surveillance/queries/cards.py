"""Report cards: what waits for one, what is drafted, whether there is one already."""

from healthbrain.surveillance.cards import CLASSIFICATIONS, Due, card, cards, same, waiting

__all__ = ["CLASSIFICATIONS", "Due", "card", "cards", "same", "waiting"]
