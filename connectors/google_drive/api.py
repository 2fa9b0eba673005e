"""Requests to the Drive API: with a good access token, and with refusals as typed errors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from hookline.sdk import Http, MalformedOutput, OutcomeUnknown, Response, Unavailable
from hookline.sdk.components import Effect

from .errors import error_for
from .tokens import Tokens

__all__ = ["FILES", "TIMEOUT", "TRANSFER_TIMEOUT", "UPLOAD", "Api"]

Json = Any

FILES = "drive/v3/files"
UPLOAD = "upload/drive/v3/files"
TIMEOUT = 30.0
TRANSFER_TIMEOUT = 300.0
"""Seconds for a request that carries a piece of a file."""


class Api:
    """The API under one account.

    Args:
        connect: Makes a client that sends this access token to the API's origin, and nowhere else.
        base_url: ``https://www.googleapis.com``; anything else is somebody's stand-in.
    """

    def __init__(self, connect: Callable[[str], Http], tokens: Tokens, base_url: str) -> None:
        self._connect = connect
        self._opened: tuple[str, Http] | None = None
        self.tokens = tokens
        self.base_url = base_url

    def __repr__(self) -> str:
        return f"Api({self.base_url!r})"

    async def send(
        self,
        method: str,
        path: str,
        what: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Json = ...,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        effect: Effect = "read",
        accept: Collection[int] = (200,),
        timeout: float = TIMEOUT,
        max_bytes: int | None = None,
    ) -> Response:
        """Send one request; twice when the access token was not good any more, which did nothing.

        Args:
            path: Below the API's address, or an address that Drive gave out.
            what: What it is for, for messages: ``reading gdrive://…``.
            effect: What a lost answer means: nothing, when the request may simply be repeated.
            accept: Statuses that the caller understands.

        Raises:
            ActionError: See `errors`; RateLimited and Unavailable when sending it again does no harm.
        """
        for is_last in (False, True):
            token = await self.tokens.get()
            try:
                response = await self._client(token).request(
                    method,
                    path,
                    params=params,
                    json=json,
                    content=content,
                    headers=headers,
                    timeout=timeout,
                    max_bytes=max_bytes,
                )
            except (MalformedOutput, OutcomeUnknown) as error:
                kind = Unavailable if effect in ("read", "idempotent") else OutcomeUnknown
                raise kind(f"{what}: Google Drive's answer was lost: {error.message}") from error
            if response.status != 401:
                break
            self.tokens.reject(token)
            if is_last:
                break
        if response.status not in accept:
            raise error_for(response, what, effect)
        return response

    async def ask(self, method: str, path: str, what: str, **options: Any) -> Mapping[str, Json]:
        """As `send`; returns the JSON object of the answer.

        Raises:
            MalformedOutput: The answer is none.
        """
        response = await self.send(method, path, what, **options)
        try:
            found = response.json()
        except MalformedOutput:
            found = None
        if not isinstance(found, Mapping):
            effect = options.get("effect", "read")
            if effect in ("read", "idempotent"):
                raise MalformedOutput(f"{what}: Google Drive's answer is no JSON object")
            raise OutcomeUnknown(f"{what}: Google Drive's answer cannot be read; it may have acted")
        return found

    def _client(self, token: str) -> Http:
        if self._opened is None or self._opened[0] != token:
            self._opened = (token, self._connect(token))
        return self._opened[1]
