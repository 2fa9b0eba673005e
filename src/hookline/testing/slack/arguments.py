"""What a method is called with, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["Arguments", "SlackError"]


class SlackError(Exception):
    """Answered as ``{"ok": false, "error": …}`` with HTTP 200.

    Args:
        messages: Details for ``response_metadata.messages``.
        more: Further members of the answer.
    """

    def __init__(self, code: str, *messages: str, **more: str) -> None:
        super().__init__(code)
        self.code = code
        self.messages = messages
        self.more = more


class Arguments:
    """A method's arguments, whichever way they came: JSON values or form texts."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        """A text; numbers in JSON are taken as their text."""
        value = self._values.get(name)
        return None if value is None else str(value)

    def required(self, name: str, error: str = "invalid_arguments") -> str:
        """A text that must be there. Raises `SlackError`."""
        value = self.text(name)
        if not value:
            raise SlackError(error, f"[ERROR] missing required field: {name}")
        return value

    def whole(self, name: str, default: int) -> int:
        """A whole number. Raises `SlackError`."""
        try:
            return int(self.text(name) or default)
        except ValueError:
            raise SlackError("invalid_arguments", f"[ERROR] must be a number: {name}") from None

    def flag(self, name: str) -> bool:
        """A truth value: ``true`` or ``1``."""
        return (self.text(name) or "").lower() in ("true", "1")

    def structure(self, name: str, error: str) -> Any:
        """A JSON value, given as such or as its text. Raises `SlackError`."""
        value = self._values.get(name)
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                raise SlackError(error) from None
        return value
