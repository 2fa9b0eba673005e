"""Does a request come from Slack? Signed with the app's signing secret, over the raw bytes.

Source: https://docs.slack.dev/authentication/verifying-requests-from-slack. The official verifier raises for
a timestamp that is no number, a signature outside ASCII and a body that is no UTF-8; this one answers.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from hookline.sdk import HookRefused, HookRequest

__all__ = ["TOLERANCE", "check_signature", "is_genuine", "sign"]

TOLERANCE = 300
"""Seconds a timestamp may lie in the past or in the future."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The value of ``X-Slack-Signature``."""
    signed = b"v0:" + timestamp.encode("utf-8", "replace") + b":" + body
    return "v0=" + hmac.digest(secret.encode("utf-8", "replace"), signed, hashlib.sha256).hex()


def is_genuine(secret: str, timestamp: str | None, signature: str | None, body: bytes, now: float) -> bool:
    """Whether the signature is right and the time is near. Never raises.

    Args:
        now: Unix seconds.
    """
    if not secret or timestamp is None or signature is None or not _TIMESTAMP.fullmatch(timestamp):
        return False
    expected = sign(secret, timestamp, body).encode("ascii")
    is_right = hmac.compare_digest(expected, signature.encode("utf-8", "replace"))
    return is_right and abs(now - int(timestamp)) <= TOLERANCE


def check_signature(secret: str, request: HookRequest, now: float) -> None:
    """Let only Slack in.

    Raises:
        HookRefused: 401: it is not Slack, or too long ago, or there is no secret to tell.
    """
    if not secret:
        raise HookRefused(401, "the Slack connection holds no signing_secret", code="C603")
    timestamp = request.headers.get("x-slack-request-timestamp")
    signature = request.headers.get("x-slack-signature")
    if is_genuine(secret, timestamp, signature, request.body, now):
        return
    if timestamp is not None and _TIMESTAMP.fullmatch(timestamp) and abs(now - int(timestamp)) > TOLERANCE:
        raise HookRefused(401, f"the timestamp is more than {TOLERANCE} seconds away from now", code="C602")
    raise HookRefused(
        401, "the signature does not match" if signature else "there is no signature", code="C601"
    )
