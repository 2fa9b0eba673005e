"""From HTTP status codes to the errors of an action: the same for every connector."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .clients import Response
from .errors import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    InsufficientCredit,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
)

if TYPE_CHECKING:
    from .components import Effect

__all__ = ["is_public_host", "raise_for_status", "retry_after"]

_LONGEST_REASON = 300
_REASON_KEYS = ("message", "detail", "error_description", "error", "title", "errors")


def is_public_host(host: str) -> bool:
    """Whether a host of an address can be one that the whole world reaches, by its looks alone."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.lower().endswith((".localhost", ".local", ".internal"))


def raise_for_status(
    response: Response, *, effect: Effect, service: str = "The service", reason: str = ""
) -> None:
    """Raise what a status outside 2xx means for an action with this effect.

    ===============  =======================================================================
    401, 403         `AuthenticationFailed`
    402              `InsufficientCredit`
    404, 410         `NotFound`
    429              `RateLimited`, with the time the service asks for
    408, 5xx         `Unavailable` when repeating does no harm (``read``, ``idempotent``),
                     otherwise `OutcomeUnknown`: the service may have acted before it failed
    1xx, 3xx         `MalformedOutput`: redirects are never followed with a credential
    other 4xx        `BadInput`
    ===============  =======================================================================

    Args:
        response: The answer.
        effect: Effect of the action that sent the request.
        service: The service's name, for the message.
        reason: The service's own explanation; taken from a JSON body when empty. It is not shown
            for a refused credential, because some services repeat the credential in it.
    """
    status = response.status
    if 200 <= status < 300:
        return
    raise _error(response, effect, f"{service} answered {_status_text(status)}", reason or _reason(response))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a service asks to wait (``Retry-After``, RFC 9110 §10.2.3), None when it does not say.

    A date is understood relative to the answer's own ``Date``, so the clocks need not agree.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    value = lower.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(lower.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


def _error(response: Response, effect: Effect, answered: str, reason: str) -> ActionError:
    status = response.status
    told = f"{answered}: {reason}" if reason else answered
    if status in (401, 403):
        return AuthenticationFailed(
            answered,
            hint="test the connection; its credential is wrong, expired or lacks a permission",
            detail=reason,
        )
    if status == 402:
        return InsufficientCredit(told, hint="add credit to the account of the connection")
    if status in (404, 410):
        return NotFound(told, hint="check the names and identifiers in the step's parameters")
    if status == 429:
        return RateLimited(told, retry_after=retry_after(response.headers))
    if status == 408 or status >= 500:
        if effect in ("read", "idempotent"):
            return Unavailable(told, retry_after=retry_after(response.headers))
        return OutcomeUnknown(
            f"{told}; it may have acted on the request", hint="look at the service before repeating the step"
        )
    if status < 400:
        return MalformedOutput(
            f"{answered}, which is no result", hint="the address of the connection may be wrong or have moved"
        )
    return BadInput(told, hint="correct the step's parameters")


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _reason(response: Response) -> str:
    """What the service says, if it says it in one of the usual ways."""
    try:
        found: Any = response.json()
    except MalformedOutput:
        return ""
    for _ in range(4):  # {"error": {"message": …}}, {"errors": [{"detail": …}]}
        if isinstance(found, list) and found:
            found = found[0]
        elif isinstance(found, Mapping):
            found = next((found[key] for key in _REASON_KEYS if found.get(key)), "")
    if not isinstance(found, str):
        return ""
    found = " ".join(found.split())
    return found if len(found) <= _LONGEST_REASON else f"{found[:_LONGEST_REASON]}…"
