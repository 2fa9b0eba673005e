"""Callback addresses: unguessable, and good for exactly one attempt of one step.

A token carries what it is for and a signature over it, so an open callback needs no row, and
one that arrives before its step is reached still finds its run.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

__all__ = ["CallbackTarget", "CallbackTokens"]

_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """What a callback is for; attempt 0 is any attempt."""

    run_id: str
    path: str
    attempt: int


class CallbackTokens:
    """Makes and reads tokens.

    Args:
        secret: The instance's own secret; whoever knows it can wake any step.
        base_url: Public address of this installation, without a trailing slash.
    """

    def __init__(self, secret: str, base_url: str) -> None:
        self._key = hashlib.sha256(f"hookline callbacks {secret}".encode()).digest()
        self._base_url = base_url.rstrip("/")

    def url(self, run_id: str, path: str, attempt: int) -> str:
        """The address that wakes this attempt."""
        return f"{self._base_url}/callbacks/{self.token(run_id, path, attempt)}"

    def token(self, run_id: str, path: str, attempt: int) -> str:
        """The address's last part."""
        payload = json.dumps([run_id, path, attempt], separators=(",", ":")).encode()
        return f"{_encode(payload)}.{_encode(self._sign(payload))}"

    def read(self, token: str) -> CallbackTarget | None:
        """What a token is for, or None when it was not made here."""
        payload_text, _, signature_text = token.partition(".")
        payload, signature = _decode(payload_text), _decode(signature_text)
        if payload is None or signature is None or not hmac.compare_digest(self._sign(payload), signature):
            return None
        return CallbackTarget(*json.loads(payload))

    def _sign(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")[:_SIGNATURE_BYTES]


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
