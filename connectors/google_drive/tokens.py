"""Access tokens: kept while they are good, asked for once however many requests wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    Http,
    MalformedOutput,
    OutcomeUnknown,
    RateLimited,
    Response,
    Unavailable,
    retry_after,
)

from .credentials import Credential

__all__ = ["Tokens"]

_EARLY = timedelta(seconds=120)
"""A token is renewed before it ends, so that none ends between here and Google."""
_TIMEOUT = 30.0
_HINTS: Mapping[str, str] = {
    "invalid_grant": "the refresh token or the key was revoked, or this machine's clock is wrong; "
    "refresh tokens of an app in testing end after seven days",
    "invalid_client": "check client_id and client_secret",
    "invalid_scope": "the account may not have this scope",
    "unauthorized_client": "enable the Drive API for the account's project",
}


class Tokens:
    """The access token of one account.

    Args:
        http: Sends to the token endpoint, without any credential of its own.
        url: Of the token endpoint; also what an assertion is made out to.
    """

    def __init__(self, http: Http, url: str, credential: Credential, now: Callable[[], datetime]) -> None:
        self._http = http
        self._url = url
        self._credential = credential
        self._now = now
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = datetime.min

    async def get(self) -> str:
        """A token that is good now.

        Raises:
            AuthenticationFailed: Google refuses the credential.
            RateLimited, Unavailable, MalformedOutput: No token came; asking again does no harm.
        """
        async with self._lock:
            if not self._token or self._now() >= self._until:
                # Cleared first: when no new one comes, the old one is not handed out again.
                self._token = ""
                asked_at = self._now()
                token, seconds = await self._ask(asked_at)
                self._until = asked_at + max(timedelta(seconds=seconds) - _EARLY, timedelta(seconds=1))
                self._token = token
            return self._token

    def reject(self, token: str) -> None:
        """Say that Google refused this token; another one is asked for next."""
        if token == self._token:
            self._token = ""

    async def _ask(self, at: datetime) -> tuple[str, float]:
        form = self._credential.form(at.timestamp(), self._url)
        try:
            response = await self._http.request("POST", self._url, data=form, timeout=_TIMEOUT)
        except (MalformedOutput, OutcomeUnknown) as error:
            raise Unavailable("Google's answer with an access token was lost") from error
        if response.status != 200:
            raise _refused(response)
        try:
            found = response.json()
        except MalformedOutput:
            found = None
        token = found.get("access_token") if isinstance(found, Mapping) else None
        seconds = found.get("expires_in") if isinstance(found, Mapping) else None
        is_sound = isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token
        if not is_sound or not token or not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise MalformedOutput("Google's answer holds no access token")
        return str(token), float(seconds)


def _refused(response: Response) -> ActionError:
    """The error for an answer of the token endpoint (RFC 6749, 5.2). Its text may repeat what was sent."""
    status = response.status
    try:
        found = response.json()
    except MalformedOutput:
        found = None
    error = found.get("error") if isinstance(found, Mapping) else None
    code = error if isinstance(error, str) and error in _HINTS else ""
    if status == 429:
        wait = retry_after(response.headers)
        return RateLimited("Google gives out no more access tokens for now", retry_after=wait)
    if status >= 500 or status == 408:
        return Unavailable(
            f"Google's token endpoint answered {status}", retry_after=retry_after(response.headers)
        )
    if status in (400, 401, 403):
        return AuthenticationFailed(
            f"Google refused the credential: {code or status}",
            code="C042",
            hint=_HINTS.get(code, "test the connection; its credential is wrong, expired or revoked"),
        )
    return MalformedOutput(
        f"Google's token endpoint answered {status}", hint="check token_url of the connection"
    )
