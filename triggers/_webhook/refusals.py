"""Why a request is refused: one function per stable code."""

from __future__ import annotations

from hookline.sdk import HookRefused

__all__ = [
    "expired",
    "foreign_file",
    "no_key",
    "no_secret",
    "too_large",
    "too_many",
    "unauthenticated",
    "unreadable",
    "unsupported",
    "unusable",
    "wrong_body",
]


def unauthenticated(reason: str) -> HookRefused:
    """C601: the signature or credential is missing or wrong."""
    return HookRefused(401, reason, code="C601")


def expired(reason: str) -> HookRefused:
    """C602: rightly signed, but too long ago or in the future."""
    return HookRefused(401, reason, code="C602")


def no_secret(reason: str) -> HookRefused:
    """C603: the connection holds no usable secret, so nobody can be let in."""
    return HookRefused(401, reason, code="C603")


def unsupported(reason: str) -> HookRefused:
    """C604: a content type that is not read."""
    return HookRefused(415, reason, code="C604")


def unreadable(reason: str) -> HookRefused:
    """C605: the body is not what its content type says."""
    return HookRefused(400, reason, code="C605")


def wrong_body(reason: str) -> HookRefused:
    """C606: the body breaks the trigger's ``schema``."""
    return HookRefused(422, reason, code="C606")


def too_large(reason: str) -> HookRefused:
    """C607: more bytes or parts than allowed."""
    return HookRefused(413, reason, code="C607")


def no_key(reason: str) -> HookRefused:
    """C608: the value that ``dedupe`` names is not in the request."""
    return HookRefused(422, reason, code="C608")


def foreign_file(reason: str) -> HookRefused:
    """C609: the request brings a file reference of its own making."""
    return HookRefused(422, reason, code="C609")


def unusable(reason: str) -> HookRefused:
    """C610: the trigger's own parameters cannot be used; the author must correct them."""
    return HookRefused(422, reason, code="C610")


def too_many(wait: float) -> HookRefused:
    """C611: more requests than ``rate_limit`` allows."""
    return HookRefused(429, "more requests than rate_limit allows", code="C611", retry_after=wait)
