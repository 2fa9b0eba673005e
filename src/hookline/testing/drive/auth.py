"""The token endpoint: a service account's signed assertion, or a person's refresh token, for an access token.

Sources: https://developers.google.com/identity/protocols/oauth2/service-account and
https://developers.google.com/identity/protocols/oauth2/web-server#offline
"""

from __future__ import annotations

import base64
import functools
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hookline.testing.clock import Clock
from hookline.testing.drive.errors import DriveError, TokenError
from hookline.testing.httpd import Request, Response

__all__ = ["GOOGLE_TOKEN_URL", "JWT_BEARER", "SCOPES", "WRITES", "Accounts", "Grant"]

GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
WRITES = "https://www.googleapis.com/auth/drive"
SCOPES = frozenset({WRITES, f"{WRITES}.readonly"})
LIFETIME = 3600
_LEEWAY = 300


@dataclass(frozen=True, slots=True)
class Grant:
    """What an access token allows."""

    who: Literal["service_account", "user"]
    scopes: frozenset[str]
    expires: float


class Accounts:
    """One service account and one person, both of whom see the same files.

    Attributes:
        issued: How many access tokens were given out.
        revoked: The refresh token and the key are worth nothing any more.
    """

    client_id = "standin.apps.googleusercontent.com"
    client_secret = "GOCSPX-stand-in-for-loopback-tests"
    refresh_token = "1//stand-in-for-loopback-tests"
    email = "hookline@standin.iam.gserviceaccount.com"
    person = "ada@example.com"
    key_id = "5tandin0key"

    def __init__(self, clock: Clock, token_url: str) -> None:
        self._clock = clock
        self._token_url = token_url
        self._key = _new_key()
        self._grants: dict[str, Grant] = {}
        self.issued = 0
        self.revoked = False
        self.user_scopes = frozenset({WRITES})

    def service_account_key(self) -> str:
        """The key file, as Google gives it out. Its addresses are Google's own, as they are in real ones."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "standin",
                "private_key_id": self.key_id,
                "private_key": private.decode(),
                "client_email": self.email,
                "client_id": "100000000000000000001",
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": GOOGLE_TOKEN_URL,
                "universe_domain": "googleapis.com",
            }
        )

    def expire(self) -> None:
        """No access token that was given out is good any more."""
        self._grants.clear()

    def token(self, request: Request) -> Response:
        """Answer the token endpoint. Raises `TokenError`."""
        if (request.header("Content-Type") or "").partition(";")[0] != "application/x-www-form-urlencoded":
            raise TokenError(400, "invalid_request", "Could not parse the request body.")
        form = parse_qs(request.body.decode(), keep_blank_values=True)
        if any(len(values) != 1 for values in form.values()):
            raise TokenError(400, "invalid_request", "A parameter is given twice.")
        given = {name: values[0] for name, values in form.items()}
        match given.get("grant_type"):
            case "refresh_token":
                grant = self._refreshed(given)
            case kind if kind == JWT_BEARER:
                grant = self._asserted(given)
            case kind:
                raise TokenError(400, "unsupported_grant_type", f"Invalid grant_type: {kind}")
        token = f"ya29.{secrets.token_urlsafe(40)}"
        self._grants[token] = grant
        self.issued += 1
        answer: dict[str, Any] = {"access_token": token, "expires_in": LIFETIME - 1, "token_type": "Bearer"}
        if grant.who == "user":
            answer["scope"] = " ".join(sorted(grant.scopes))
        return Response.of(200, answer, headers={"Cache-Control": "no-store"})

    def check(self, request: Request) -> Grant:
        """Whose request it is. Raises `DriveError` (401)."""
        scheme, _, token = (request.header("Authorization") or "").partition(" ")
        if not token:
            raise DriveError(
                401, "required", "Login Required.", location="Authorization", location_type="header"
            )
        grant = self._grants.get(token)
        if scheme != "Bearer" or grant is None or grant.expires <= self._clock.now() or self.revoked:
            raise DriveError(
                401, "authError", "Invalid Credentials", location="Authorization", location_type="header"
            )
        return grant

    def _refreshed(self, given: Mapping[str, str]) -> Grant:
        if given.get("client_id") != self.client_id:
            raise TokenError(401, "invalid_client", "The OAuth client was not found.")
        if given.get("client_secret") != self.client_secret:
            raise TokenError(401, "invalid_client", "Unauthorized")
        if given.get("refresh_token") != self.refresh_token or self.revoked:
            raise TokenError(400, "invalid_grant", "Token has been expired or revoked.")
        return self._grant("user", self.user_scopes)

    def _asserted(self, given: Mapping[str, str]) -> Grant:
        claims = self._claims(given.get("assertion", ""))
        now = self._clock.now()
        issued, expires = claims.get("iat"), claims.get("exp")
        scopes = str(claims.get("scope", "")).split()
        if claims.get("iss") != self.email or self.revoked:
            raise TokenError(400, "invalid_grant", "Invalid grant: account not found")
        if "sub" in claims:
            raise TokenError(401, "unauthorized_client", "Client is unauthorized to retrieve access tokens.")
        if claims.get("aud") not in (GOOGLE_TOKEN_URL, self._token_url):
            raise TokenError(400, "invalid_grant", "Invalid JWT: Failed audience check.")
        if not isinstance(issued, int) or not isinstance(expires, int):
            raise TokenError(400, "invalid_grant", "Invalid JWT: iat and exp must be whole seconds.")
        if expires - issued > LIFETIME or issued > now + _LEEWAY or expires <= now:
            raise TokenError(
                400,
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe.",
            )
        if not scopes or not set(scopes) <= SCOPES:
            raise TokenError(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return self._grant("service_account", frozenset(scopes))

    def _claims(self, assertion: str) -> dict[str, Any]:
        try:
            head, body, signature = assertion.split(".")
            header = json.loads(_decoded(head))
            if header.get("alg") != "RS256" or header.get("kid", self.key_id) != self.key_id:
                raise ValueError("not signed with this key")
            self._key.public_key().verify(
                _decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            claims: dict[str, Any] = json.loads(_decoded(body))
        except (ValueError, AttributeError, InvalidSignature):
            raise TokenError(400, "invalid_grant", "Invalid JWT Signature.") from None
        return claims

    def _grant(self, who: Literal["service_account", "user"], scopes: frozenset[str]) -> Grant:
        return Grant(who, scopes, self._clock.now() + LIFETIME)


@functools.cache
def _new_key() -> rsa.RSAPrivateKey:
    """One key for all stand-ins of a process: making it takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _decoded(text: str) -> bytes:
    if "=" in text:
        raise ValueError("padded")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
