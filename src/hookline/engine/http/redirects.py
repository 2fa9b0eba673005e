"""Following a redirect without taking anything along that belongs to the first origin."""

from __future__ import annotations

from dataclasses import replace

from .errors import BadResponse, HttpError, RefusedByPolicy, SentUnknown
from .headers import FRAMING_HEADERS, kept_across_origins
from .transport import WireRequest
from .urls import join

__all__ = ["REDIRECTS", "after_redirect", "follow"]

REDIRECTS = frozenset({301, 302, 303, 307, 308})


def follow(request: WireRequest, status: int, location: str) -> tuple[WireRequest, bool]:
    """The next request, and whether it stays at the same origin (so that a credential may too).

    Raises:
        BadResponse: C117: https to http, an unusable address, or a body that would have to be
            sent to another origin or cannot be sent twice.
    """
    origin = request.url.origin
    try:
        url = join(request.url, location)
    except RefusedByPolicy as error:
        raise after_redirect(error, status=status) from error
    if origin.scheme == "https" and url.origin.scheme == "http":
        raise BadResponse("C117", f"{origin} redirects from https to http", status=status)
    method, headers, body = request.method, request.headers, request.body
    if status == 303 or (status in (301, 302) and method == "POST"):
        method = "HEAD" if method == "HEAD" else "GET"
        body = b""
        headers = tuple(
            (name, value)
            for name, value in headers
            if name.lower() not in FRAMING_HEADERS and name.lower() != "idempotency-key"
        )
    same_origin = url.origin == origin
    if not same_origin and body != b"":
        raise BadResponse("C117", f"{origin} redirects a body to another origin", status=status)
    if not isinstance(body, bytes):
        raise BadResponse("C117", f"{origin} redirects a streamed body, which is gone", status=status)
    if not same_origin:
        headers = (
            ("Host", url.origin.authority),
            ("Accept-Encoding", "identity"),
            *kept_across_origins(headers),
        )
    return replace(request, method=method, url=url, headers=headers, body=body), same_origin


def after_redirect(error: HttpError, *, status: int | None = None) -> HttpError:
    """What an error means when an earlier request of the chain was already sent and answered."""
    if error.phase == "refused_by_policy":
        return BadResponse(
            "C117",
            f"the answer is a redirect that may not be followed ({error.code}: {error.message})",
            status=status,
            detail=error.detail,
        )
    if error.phase == "connect":
        return SentUnknown(error.code, f"{error.message}, after a redirect", detail=error.detail)
    return error
