"""Answers requests: authentication, rate-limit headers, faults, routes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from hookline.testing.clock import Clock
from hookline.testing.faults import Fault, FaultPlan
from hookline.testing.httpd import Answer, Chunks, Hang, Request, Reset, Response, Trickle
from hookline.testing.replicate.fault_names import OPERATIONS
from hookline.testing.replicate.routing import MADE_HEADER, Route, find
from hookline.testing.replicate.services import Creations
from hookline.testing.replicate.validation import Refused
from hookline.testing.replicate.wire import problem

__all__ = ["Api"]

LIMITS: dict[str, int] = {"create": 600, "get": 60_000}
DEFAULT_LIMIT = 3000
"""Requests per minute, as Replicate's response headers show them."""

_NO_LIMIT = 1_000_000_000

_HTML_503 = (
    "<!DOCTYPE html><html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>"
)
_NO_CREDIT = (
    "You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing to "
    "purchase credit. Once you purchase credit, please wait a few minutes before trying again."
)
_BEFORE = (
    "reset_before",
    "hang_before",
    "insufficient_credit",
    "throttled",
    "server_error",
    "unavailable_html",
)
_AFTER = (
    "reset_after",
    "hang_after",
    "server_error_after",
    "unavailable_html_after",
    "unparsable_after",
    "slow_after",
)


class Api:
    """The handler of the stand-in's HTTP server.

    Args:
        enforce_limits: Answer 429 past Replicate's documented limits.
        tells_limits: Tell them in the headers; else of limits that nobody reaches.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        token: str,
        clock: Clock,
        faults: FaultPlan,
        creations: Creations,
        enforce_limits: bool,
        tells_limits: bool = True,
    ) -> None:
        self._routes = tuple(routes)
        self._token = token
        self._clock = clock
        self._faults = faults
        self._creations = creations
        self._limiter = _Limiter(clock, lifted=not tells_limits)
        self._enforce = enforce_limits

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        found = find(self._routes, request.method, request.path.rstrip("/") or "/")
        if isinstance(found, frozenset):
            if found:
                return problem(
                    405,
                    f'Method "{request.method}" not allowed.',
                    headers={"Allow": ", ".join(sorted(found))},
                )
            return problem(404, "The requested resource could not be found.", "Not found")
        route, names = found
        if not route.open and (refusal := self._authenticate(request, route)) is not None:
            return refusal.with_headers(self._limiter.count("refused")[0])
        if not route.group:
            return route.answer(request, names)
        headers, allowed = self._limiter.count(route.group)
        if self._enforce and not allowed:
            return _throttled(Fault("", value=headers["ratelimit-reset"])).with_headers(headers)
        if (fault := self._take(route.group, _BEFORE)) is not None:
            return _failure(fault).with_headers(headers) if _answers(fault) else _silence(fault)
        try:
            answer = route.answer(request, names)
        except Refused as refused:
            return Response.of(
                refused.status, refused.body, content_type="application/problem+json", headers=headers
            )
        if isinstance(answer, Chunks):
            return answer
        made = answer.headers.get(MADE_HEADER)
        shown = {name: value for name, value in answer.headers.items() if name != MADE_HEADER}
        answer = replace(answer, headers={**headers, **shown})
        if answer.status < 300 and (fault := self._take(route.group, _AFTER)) is not None:
            return self._spoil(answer, fault, made)
        return answer

    def _authenticate(self, request: Request, route: Route) -> Response | None:
        scheme, _, token = (request.header("Authorization") or "").partition(" ")
        if scheme in ("Bearer", "Token") and token == self._token:
            return None
        variant = route.group == "create" and self._faults.take("auth.create_variants") is not None
        if not scheme:
            if variant:
                return Response.of(
                    401, {"detail": "Authorization header required"}, content_type="application/problem+json"
                )
            return problem(401, "You did not pass an authentication token", "Unauthenticated")
        if variant:
            return problem(401, "Invalid or expired API token.", "Authentication required")
        return problem(401, "You did not pass a valid authentication token", "Unauthenticated")

    def _take(self, group: str, kinds: Sequence[str]) -> Fault | None:
        if group not in OPERATIONS:
            return None
        for kind in kinds:
            if (fault := self._faults.take(f"{group}.{kind}")) is not None:
                return fault
        return None

    def _spoil(self, answer: Response, fault: Fault, made: str | None) -> Answer:
        if made is not None:
            self._creations.answer_lost(made, fault.name)
        match fault.name.partition(".")[2]:
            case "unparsable_after":
                return Response(answer.status, answer.body[: len(answer.body) // 2], answer.content_type)
            case "slow_after":
                return Trickle(answer, float(fault.value or 1.0))
            case "server_error_after" | "unavailable_html_after":
                return _failure(fault)
            case _:
                return _silence(fault)


def _answers(fault: Fault) -> bool:
    return fault.name.partition(".")[2] not in ("reset_before", "hang_before")


def _silence(fault: Fault) -> Reset | Hang:
    return Reset() if "reset" in fault.name else Hang()


def _failure(fault: Fault) -> Response:
    match fault.name.partition(".")[2].removesuffix("_after"):
        case "insufficient_credit":
            return problem(402, _NO_CREDIT, "Insufficient credit")
        case "throttled":
            return _throttled(fault)
        case "unavailable_html":
            return Response.text(503, _HTML_503, "text/html; charset=UTF-8")
        case _:
            return problem(500, "Internal server error", "Internal server error")


def _throttled(fault: Fault) -> Response:
    """429. The value is ``SECONDS`` or ``SECONDS,header|body|text|none``: where the wait is told."""
    seconds, _, where = (fault.value or "7").partition(",")
    wait = int(seconds)
    detail = "Request was throttled."
    if where in ("", "body", "text"):
        detail += f" Your rate limit resets in ~{wait}s."
    headers = {"Retry-After": str(wait)} if where in ("", "header") else {}
    if where in ("", "body"):
        return problem(429, detail, headers=headers, retry_after=wait)
    return problem(429, detail, headers=headers)


class _Limiter:
    """Counts requests per group and minute."""

    def __init__(self, clock: Clock, *, lifted: bool = False) -> None:
        self._clock = clock
        self._lifted = lifted
        self._used: dict[tuple[str, int], int] = {}
        self._guard = threading.Lock()

    def count(self, group: str) -> tuple[dict[str, str], bool]:
        """The rate-limit headers of one more request, and whether it is still within the limit."""
        now = self._clock.now()
        minute = int(now // 60)
        limit = _NO_LIMIT if self._lifted else LIMITS.get(group, DEFAULT_LIMIT)
        with self._guard:
            used = self._used.get((group, minute), 0) + 1
            self._used = {key: value for key, value in self._used.items() if key[1] == minute}
            self._used[group, minute] = used
        reset = max(1, int((minute + 1) * 60 - now))
        return {
            "ratelimit-remaining": str(max(0, limit - used)),
            "ratelimit-reset": str(reset),
        }, used <= limit
