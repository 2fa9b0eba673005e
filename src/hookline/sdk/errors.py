"""What a connector may raise, and what the engine does about it.

::

    ActionError                 (never raised itself)
    ├── BadInput                bad_input            the caller's values are wrong; not retried
    │   └── AlreadyExists       bad_input            there is something under this name; not replaced
    ├── AuthenticationFailed    authentication       the connection must be repaired; not retried
    ├── InsufficientCredit      insufficient_credit  somebody must pay; not retried
    │   └── OverBudget          insufficient_credit  a budget of ours does not allow it; nothing was done
    ├── NotFound                not_found            the thing named does not exist; not retried
    ├── ContentRejected         content_rejected     the service refuses this content; not retried
    ├── RateLimited             rate_limited         nothing was done; retried after `retry_after`
    ├── Unavailable             unavailable          nothing was done; may be retried
    ├── TimedOut                timeout              gave up waiting for something that was started
    ├── MalformedOutput         malformed_output     the service answered something unreadable
    ├── Canceled                canceled             stopped on request
    ├── OutcomeUnknown          unknown              sent, and no way to tell what became of it
    └── InternalError           internal             a fault of ours

`RateLimited` and `Unavailable` promise that **nothing was done**, so that the engine may send
the request again. Where that is not certain, raise `OutcomeUnknown`: the step becomes
``unknown`` and is resolved by look-up, never by sending blindly.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ERROR_TYPES",
    "ActionError",
    "AlreadyExists",
    "AuthenticationFailed",
    "BadInput",
    "Canceled",
    "ContentRejected",
    "InsufficientCredit",
    "InternalError",
    "MalformedOutput",
    "NotFound",
    "OutcomeUnknown",
    "OverBudget",
    "RateLimited",
    "TimedOut",
    "Unavailable",
]


class ActionError(Exception):
    """Base of everything an action, trigger or connection raises on purpose.

    Args:
        message: For the person who wrote the workflow. Never holds a secret.
        code: A stable code such as ``C201``; the class's own code when empty.
        hint: What to do about it.
        retry_after: Seconds to wait before trying again, where the service said so.
        detail: For the operator's log only; redacted, and never shown to callers.
    """

    type: ClassVar[str] = "internal"
    default_code: ClassVar[str] = "C900"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.retry_after = retry_after
        self.detail = detail


class BadInput(ActionError):
    """The values given are wrong; the same call will fail again."""

    type = "bad_input"
    default_code = "C901"


class AlreadyExists(BadInput):
    """There is something under this name already, and it was left as it is."""

    default_code = "C912"


class AuthenticationFailed(ActionError):
    """The connection's credential was refused."""

    type = "authentication"
    default_code = "C902"


class InsufficientCredit(ActionError):
    """The account has no credit left."""

    type = "insufficient_credit"
    default_code = "C903"


class OverBudget(InsufficientCredit):
    """`Context.reserve`: a budget of the workflow or of the installation does not allow it.

    Attributes:
        fallback: Whether the workflow wants something cheaper to be tried, where there is any.
    """

    default_code = "R212"

    def __init__(self, message: str, *, hint: str = "", fallback: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.fallback = fallback


class NotFound(ActionError):
    """The thing named does not exist (any more)."""

    type = "not_found"
    default_code = "C904"


class ContentRejected(ActionError):
    """The service refuses this content, for example as unsafe."""

    type = "content_rejected"
    default_code = "C905"


class RateLimited(ActionError):
    """Too many requests; nothing was done."""

    type = "rate_limited"
    default_code = "C906"


class Unavailable(ActionError):
    """The service could not be reached or refused to work; nothing was done."""

    type = "unavailable"
    default_code = "C907"


class TimedOut(ActionError):
    """What was started did not end in time."""

    type = "timeout"
    default_code = "C908"


class MalformedOutput(ActionError):
    """The service answered something that cannot be read or breaks its own contract."""

    type = "malformed_output"
    default_code = "C909"


class Canceled(ActionError):
    """The work was stopped on request."""

    type = "canceled"
    default_code = "C910"


class OutcomeUnknown(ActionError):
    """The request may or may not have been acted upon; it must not be sent again blindly.

    Args:
        final: No look-up will ever tell (a permission is missing, a history is too long): the step
            ends as unknown instead of being looked up again and again.
    """

    type = "unknown"
    default_code = "C911"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        retry_after: float | None = None,
        detail: str = "",
        final: bool = False,
    ) -> None:
        super().__init__(message, code=code, hint=hint, retry_after=retry_after, detail=detail)
        self.final = final


class InternalError(ActionError):
    """A fault in Hookline or in a component."""

    type = "internal"
    default_code = "C900"


ERROR_TYPES: tuple[str, ...] = (
    *(
        cls.type
        for cls in (
            BadInput,
            AuthenticationFailed,
            InsufficientCredit,
            NotFound,
            ContentRejected,
            RateLimited,
            Unavailable,
            TimedOut,
            MalformedOutput,
            Canceled,
            OutcomeUnknown,
            InternalError,
        )
    ),
    "rejected",
    "expression",
)
"""Every ``error.type`` a step can end with: the classes above, a refused approval, a failed expression."""
