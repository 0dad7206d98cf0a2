"""Errors that carry what to do next. One line each: what happened, what to do."""

from __future__ import annotations


class HealthBrainError(Exception):
    """Base of every error shown to a person. `status` is the HTTP status it maps to."""

    status = 400

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class NotFound(HealthBrainError):
    status = 404


class NotAllowed(HealthBrainError):
    status = 403


class Conflict(HealthBrainError):
    """Somebody else changed or took it first."""

    status = 409


class Invalid(HealthBrainError):
    status = 422


class DefinitionError(HealthBrainError):
    """A knowledge file is wrong; the message names file and line."""
