"""How often a service may be asked: declared with its connection, kept by the engine.

::

    @slack.connection(limits=[Limit("posts", 60, ["POST chat.postMessage"], by="channel")])
    @replicate.connection(limits=[Limit("creates", 600, ["POST *predictions"]), Limit("reads", 3000)])

All steps of all workflows that use the same credential share its limits. A step whose turn has not
come becomes a row with a time; it costs no attempt, and no action knows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .clients import Response
from .errors import MalformedOutput
from .http import retry_after

__all__ = ["Limit", "Slower", "told_by"]

LONGEST_WAIT = 3600.0
"""Most seconds that a service can keep everybody from asking it."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests a minute with one credential.

    Attributes:
        name: For people, and in ``[connections.<name>.limits]``: ``creates``.
        per_minute: None when it is not known: then only what the service says counts.
        requests: Which ones, as patterns over ``METHOD path`` (the path below the connection's
            address): ``POST *predictions``. A request counts for the first limit it fits.
        burst: How many may come at once after a pause; a minute's worth when None.
        apart: Every method and path for itself.
        by: A field of the request's body, JSON or form: each of its values for itself, such as each
            ``channel`` that is posted to.
    """

    name: str
    per_minute: float | None = None
    requests: Sequence[str] = ("*",)
    burst: int | None = None
    apart: bool = False
    by: str = ""

    def is_for(self, request: str) -> bool:
        """Whether a request, as ``METHOD path``, counts for it."""
        return any(fnmatchcase(request, pattern) for pattern in self.requests)


@dataclass(frozen=True, slots=True)
class Slower:
    """What a service says about how often it wants to be asked.

    Attributes:
        wait: Seconds until the next request.
        per_minute, burst: A limit that holds for now in the place of the usual one.
    """

    wait: float
    per_minute: float | None = None
    burst: int | None = None


def told_by(response: Response) -> Slower | None:
    """What an answer says in one of the usual ways; None when it says nothing.

    A 429 says it in ``Retry-After`` or in ``retry_after`` of its JSON body, and means a second when it
    says nothing else; any answer says it in ``RateLimit-Remaining`` and ``RateLimit-Reset`` (seconds).
    """
    headers = {name.lower(): value.strip() for name, value in response.headers.items()}
    if response.status == 429:
        wait = retry_after(headers)
        if wait is None:
            wait = _in_body(response)
        return Slower(min(max(1.0 if wait is None else wait, 0.0), LONGEST_WAIT))
    remaining, reset = headers.get("ratelimit-remaining", ""), headers.get("ratelimit-reset", "")
    if remaining == "0" and reset.isascii() and reset.isdigit() and 0 < int(reset) <= LONGEST_WAIT:
        return Slower(float(reset))
    return None


def _in_body(response: Response) -> float | None:
    try:
        body = response.json()
    except MalformedOutput:
        return None
    given = body.get("retry_after") if isinstance(body, dict) else None
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else None
