"""What can go wrong with an outgoing request, sorted by what the service may have done.

::

    HttpError
    ├── RefusedByPolicy  phase refused_by_policy  nothing was sent, nothing will be
    ├── ConnectFailed    phase connect            not a byte of the request was sent: safe to repeat
    ├── SentUnknown      phase sent               sent at least in part: may have been acted upon
    └── BadResponse      phase response           answered, and the answer is unusable

Messages name the origin at most: never a path, a query string, a credential, a resolved address
or anything of the answer's body.
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = ["BadResponse", "ConnectFailed", "HttpError", "Phase", "RefusedByPolicy", "SentUnknown"]

Phase = Literal["refused_by_policy", "connect", "sent", "response"]


class HttpError(Exception):
    """Base of all errors of the guarded client; never raised itself.

    Args:
        code: Stable code, C101 to C119.
        message: For the person who wrote the workflow.
        hint: What to do about it.
        status: Status of the answer, where its head had arrived.
        retry_after: Seconds the service asked to wait, where it did.
        detail: For the operator's log only, redacted; may name a resolved address.
    """

    phase: ClassVar[Phase]

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.hint = hint
        self.status = status
        self.retry_after = retry_after
        self.detail = detail

    @property
    def error_type(self) -> str:
        """The engine's error type: ``bad_input``, ``unavailable``, ``timeout`` and so on."""
        if self.code == "C112":
            return "timeout"
        return _ERROR_TYPES[self.phase]


class RefusedByPolicy(HttpError):
    """The request is not allowed; nothing was sent."""

    phase = "refused_by_policy"


class ConnectFailed(HttpError):
    """No byte of the request was sent; it may be repeated, even a POST."""

    phase = "connect"


class SentUnknown(HttpError):
    """Some or all of the request was sent, and no whole answer came back."""

    phase = "sent"


class BadResponse(HttpError):
    """The service answered, and the answer cannot be used."""

    phase = "response"


_ERROR_TYPES: dict[Phase, str] = {
    "refused_by_policy": "bad_input",
    "connect": "unavailable",
    "sent": "unknown",
    "response": "malformed_output",
}
