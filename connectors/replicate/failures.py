"""What the error of a failed prediction means, and what to do about it.

Codes stand in the text as ``(E9828)`` or ``(code: PA)``. Documented are E1000, E1001, E4875, E6716,
E8367, E8765, E9243 and E9825 (https://replicate.com/docs/reference/error-codes); E9828 and PA are
seen in production; E001 to E005 come from Replicate's proxy of models that others run.

A failed prediction was started and may have been billed, so none of these is retried unless the step
asks for it: every repetition is a new prediction. Those that a repetition may cure are `timeout`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    ContentRejected,
    InsufficientCredit,
    TimedOut,
)
from hookline.sdk.predictions import failure

__all__ = ["PLATFORM_CODES", "failed"]

_CODE = re.compile(r"\((?:code: )?(E\d{3,4}|PA)\)")
_AGAIN = (
    'running it again is a new, possibly billed prediction: ask for it with "retry": {"max_attempts": 2, '
    '"on": ["timeout"]}, or name another model in models'
)

PLATFORM_CODES: Mapping[str, tuple[type[ActionError], str]] = {
    "PA": (
        TimedOut,
        "the machine was taken away, or the request was too large (give large files as files, not as data: "
        f"URLs); {_AGAIN}",
    ),
    "E1000": (TimedOut, f"Replicate does not know why; {_AGAIN}"),
    "E6716": (
        TimedOut,
        "the model did not start in time: it is large or its machines are short; a deployment with "
        f"min_instances 1 is always warm; {_AGAIN}",
    ),
    "E8367": (TimedOut, f"Replicate stopped it before it was over; {_AGAIN}"),
    "E8765": (TimedOut, f"the model's container failed its health check; {_AGAIN}"),
    "E9243": (
        TimedOut,
        f"the model could not be started; if that repeats, its version is broken: pin another; {_AGAIN}",
    ),
    "E9825": (TimedOut, f"the model ran, and its output could not be uploaded; {_AGAIN}"),
    "E9828": (TimedOut, f"Replicate's own director failed; {_AGAIN}"),
    "E003": (TimedOut, f"the service behind the model is overloaded: wait some minutes; {_AGAIN}"),
    "E004": (TimedOut, f"the service behind the model is down; {_AGAIN}"),
    "E1001": (BadInput, "the model ran out of memory: use a smaller input, fewer outputs or larger hardware"),
    "E4875": (BadInput, "the webhook address is empty: set HOOKLINE_BASE_URL, or webhook to never"),
    "E001": (
        InsufficientCredit,
        "the account of the model's owner at the service behind it has no credit: nothing you send helps; "
        "use another model",
    ),
    "E002": (
        AuthenticationFailed,
        "the service behind the model refuses the key of the model's owner (or the one in the input): "
        "correct it, or use another model",
    ),
    "E005": (
        ContentRejected,
        "input or output was flagged as sensitive: change the input; the same one is refused again",
    ),
}
"""Every known code, the error it becomes, and the advice."""


def failed(error: object, *, job: str, page: str) -> ActionError:
    """The typed error of a prediction whose status is ``failed``.

    Args:
        error: What the API gives as the error, usually text.
        job: The prediction, for people.
        page: Its page on replicate.com, empty when unknown.
    """
    details = f"its logs are at {page}" if page else ""
    found = failure(error, job=job, details=details)
    code = _CODE.search(found.message)
    if code is None or code[1] not in PLATFORM_CODES:
        return found
    kind, advice = PLATFORM_CODES[code[1]]
    return kind(found.message, hint=f"{advice}; {details}" if details else advice)
