"""What the engine says when something asked of it cannot be done."""

from __future__ import annotations

from hookline.core.codes import CODES

from .codes import ENGINE_CODES
from .http.codes import HTTP_CODES

__all__ = ["Busy", "EngineError", "remedy"]


_REMEDIES = {each.code: each.remedy for each in (*CODES.values(), *ENGINE_CODES, *HTTP_CODES)}


def remedy(code: str) -> str:
    """What a code's own page tells people to do: the hint of an error that has none of its own."""
    return _REMEDIES.get(code, "")


class EngineError(Exception):
    """Something asked of the engine cannot be done.

    Attributes:
        code: A stable code.
        status: The HTTP status that says the same.
        hint: What to do; what the code's own page says if nothing better is known.
    """

    def __init__(self, message: str, *, code: str, status: int = 400, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.hint = hint or remedy(code)


class Busy(EngineError):
    """The backlog is full or the store cannot be written; come back after `retry_after` seconds."""

    def __init__(self, message: str, *, code: str, retry_after: int = 5) -> None:
        super().__init__(message, code=code, status=503, hint=f"try again in {retry_after} s")
        self.retry_after = retry_after
