"""Report cards: drafted, entered by the doctor, withdrawn."""

from healthbrain.surveillance.cards import draft_card, mark_entered, withdraw_card

__all__ = ["draft_card", "mark_entered", "withdraw_card"]
