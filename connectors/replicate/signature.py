"""Checking that a webhook comes from Replicate (https://replicate.com/docs/topics/webhooks/verify-webhook).

The scheme is Standard Webhooks: HMAC-SHA256 over ``id.timestamp.body`` under the key that follows
``whsec_`` in base64. The key is the decoded bytes, not the text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

__all__ = ["TOLERANCE", "is_signed"]

TOLERANCE = 300.0
"""Seconds a timestamp may differ from the clock, either way."""


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, *, now: datetime | None) -> bool:
    """Whether one of the ``v1`` signatures is right. Never raises.

    Args:
        secret: ``whsec_…``.
        headers: With lower-case names.
        body: As received.
        now: To refuse old messages; None when that was done before.
    """
    message, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if now is not None and abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        content = f"{message}.{timestamp}.".encode() + body
    except (binascii.Error, ValueError):
        return False
    right = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").split()
    # Every signature is compared, so that the time taken does not tell which one was close.
    matches = [
        hmac.compare_digest(right, value.encode("utf-8", "replace"))
        for version, _, value in (entry.partition(",") for entry in given)
        if version == "v1"
    ]
    return bool(key) and any(matches)
