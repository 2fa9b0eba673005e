"""What the account proves itself with: a service account's key, or a person's refresh token.

Sources: https://developers.google.com/identity/protocols/oauth2/service-account and
https://developers.google.com/identity/protocols/oauth2/web-server#offline
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hookline.sdk import AuthenticationFailed

__all__ = ["Credential", "RefreshToken", "ServiceAccount"]

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600
"""Seconds: the longest that Google takes."""


class Credential(Protocol):
    """Asks for an access token."""

    @property
    def account(self) -> str: ...

    def form(self, now: float, audience: str) -> Mapping[str, str]:
        """What is posted to the token endpoint, at `now` (Unix seconds)."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A person's consent, given once."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)

    @property
    def account(self) -> str:
        """Two consents of one person are one account for Google; nobody says so, and each has its own."""
        return f"{self.client_id}/{hashlib.sha256(self.refresh_token.encode()).hexdigest()[:16]}"

    def form(self, now: float, audience: str) -> Mapping[str, str]:
        return {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account and the key it signs with.

    The addresses in a key file are never used: whoever writes one could have a valid assertion sent to a
    place of their choice.
    """

    account: str
    key_id: str
    scope: str
    key: Any = field(repr=False)

    @classmethod
    def parse(cls, text: str, scope: str) -> ServiceAccount:
        """Read the key file that Google gives out.

        Raises:
            AuthenticationFailed: C041: it is none. The message holds nothing of it.
        """
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            found = json.loads(text)
        except ValueError:
            raise _unusable("it is not JSON") from None
        if not isinstance(found, Mapping):
            raise _unusable("it is not a JSON object")
        if found.get("type") != "service_account":
            # Other kinds (external_account) may name addresses, files and commands.
            raise _unusable("its type is not service_account")
        email, private = found.get("client_email"), found.get("private_key")
        if not isinstance(email, str) or not isinstance(private, str):
            raise _unusable("client_email or private_key is missing")
        try:
            key = load_pem_private_key(private.encode(), password=None)
        except Exception:
            # Whatever the library raises: its message may hold a part of the key.
            raise _unusable("private_key cannot be read") from None
        if not isinstance(key, RSAPrivateKey):
            raise _unusable("private_key is no RSA key")
        return cls(email, str(found.get("private_key_id") or ""), scope, key)

    def form(self, now: float, audience: str) -> Mapping[str, str]:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        header = {"alg": "RS256", "typ": "JWT", **({"kid": self.key_id} if self.key_id else {})}
        claims = {
            "iss": self.account,
            "scope": self.scope,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + _LIFETIME,
        }
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        signature = self.key.sign(signed.encode(), PKCS1v15(), SHA256())
        return {"grant_type": _JWT_BEARER, "assertion": f"{signed}.{_base64url(signature)}"}


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _unusable(why: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        f"service_account_key cannot be used: {why}",
        code="C041",
        hint="paste the whole JSON file that Google gave out when the key of the service account was made",
    )
