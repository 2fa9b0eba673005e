"""Webhook signatures as Replicate makes them (Standard Webhooks, https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

__all__ = ["new_secret", "sign"]


def new_secret() -> str:
    """A fresh secret: ``whsec_`` and 24 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` of one delivery.

    Args:
        secret: ``whsec_`` and the key in base64; the key is the decoded bytes, not the text.
        message_id: The ``webhook-id`` header.
        timestamp: The ``webhook-timestamp`` header, Unix seconds.
        body: The raw body.

    Returns:
        ``v1,`` and the HMAC-SHA256 of ``id.timestamp.body`` in base64.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
