"""The guarded client as connectors see it: `hookline.sdk`'s `Http`, with `hookline.sdk`'s errors."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from hookline.sdk.clients import Files
from hookline.sdk.errors import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
)
from hookline.sdk.files import File

from .client import GuardedClient
from .errors import BadResponse, HttpError
from .messages import Credential, HttpResponse, media_type
from .stream import StreamResponse
from .urls import Origin, parse_url

if TYPE_CHECKING:
    from hookline.engine.limiter import Limiter, Turn
    from hookline.sdk.clients import Http

__all__ = ["SdkHttp", "SdkResponse", "SdkStreamed", "as_action_error"]

_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# RFC 9110, 9.2.1: these ask for nothing to be done, so a lost answer may simply be asked for again.
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DOWNLOAD_REDIRECTS = 3
_UNTOLD = frozenset({"application/octet-stream", "binary/octet-stream"})


@dataclass(slots=True)
class SdkResponse:
    """An answer for a connector: as `HttpResponse`, with the connectors' errors."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    source: HttpResponse = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text; bytes that do not fit the charset become U+FFFD."""
        return self.source.text

    @property
    def retry_after(self) -> float | None:
        """Seconds the service asks to wait, 0 to 3600, None when it does not say."""
        return self.source.retry_after

    def json(self) -> Any:
        """The body as strict JSON.

        Raises:
            MalformedOutput: C118.
        """
        try:
            return self.source.json()
        except BadResponse as error:
            raise as_action_error(error, "GET") from error


class SdkStreamed:
    """An answer whose body is still on its way, with the connectors' errors."""

    def __init__(self, source: StreamResponse, method: str) -> None:
        self.status = source.status
        self.headers: Mapping[str, str] = source.headers
        self._source = source
        self._method = method

    async def pieces(self) -> AsyncIterator[bytes]:
        """See `hookline.sdk.clients.Streamed.pieces`."""
        try:
            async for chunk in self._source.iter_bytes():
                yield chunk
        except HttpError as error:
            raise as_action_error(error, self._method) from error


class SdkHttp:
    """The client of one connection, or of none.

    Args:
        client: The engine's client.
        files: Keeps downloads; without it `download` cannot be used.
        base_url: What relative addresses are below. Set by the operator, so that its origin may be
            private or plain http; empty: only absolute addresses.
        headers: A credential, sent to the origin of `base_url` and nowhere else.
        limiter: Keeps the limits of the service at `base_url`; None without any.

    Raises:
        RefusedByPolicy: `base_url` or a header is not usable.
    """

    def __init__(
        self,
        client: GuardedClient,
        *,
        files: Files | None = None,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        self._client = client
        self._limiter = limiter
        self._files = files
        self._base = base_url.rstrip("/")
        self._trusted: tuple[Origin, ...] = ()
        self._credential: Credential | None = None
        if self._base:
            origin = parse_url(self._base).origin
            self._trusted = (origin,)
            if headers:
                self._credential = Credential(headers, (str(origin),))
        elif headers:
            raise ValueError("credential headers need a base_url to be bound to")

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = ...,
        content: bytes | None = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        timeout: float | None = None,
        max_bytes: int | None = None,
        follow_redirects: int = 0,
    ) -> SdkResponse:
        """See `hookline.sdk.clients.Http.request`."""
        try:
            address = self._absolute(url)
            fields = json if isinstance(json, Mapping) else data
            turn = await self._turn(method, address, fields)
            answer = await self._client.request(
                method,
                address,
                headers=headers,
                params=params,
                json=json,
                content=content,
                data=data,
                files=files,
                credential=self._credential_for(address),
                timeout=timeout,
                max_bytes=max_bytes,
                follow_redirects=follow_redirects,
                trusted=self._trusted,
            )
        except HttpError as error:
            raise as_action_error(error, method) from error
        response = SdkResponse(answer.status, answer.headers, answer.content, answer)
        if turn is not None:
            turn.answered(response)
        return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = ...,
        timeout: float | None = None,
        max_bytes: int | None = None,
    ) -> AsyncIterator[SdkStreamed]:
        """See `hookline.sdk.clients.Http.stream`."""
        async with AsyncExitStack() as stack:
            try:
                address = self._absolute(url)
                await self._turn(method, address)
                answer = await stack.enter_async_context(
                    self._client.stream(
                        method,
                        address,
                        headers=headers,
                        json=json,
                        credential=self._credential_for(address),
                        timeout=timeout,
                        max_bytes=max_bytes,
                        follow_redirects=0,
                        trusted=self._trusted,
                    )
                )
            except HttpError as error:
                raise as_action_error(error, method) from error
            yield SdkStreamed(answer, method)

    async def download(self, url: str, *, name: str = "", max_bytes: int | None = None) -> File:
        """See `hookline.sdk.clients.Http.download`. Up to three redirects are followed."""
        if self._files is None:
            raise RuntimeError("this client was made without a file store")
        try:
            address = self._absolute(url)
            await self._turn("GET", address)
            async with self._download(address, max_bytes) as (chunks, mime):
                return await self._files.save(chunks, name=name or _name_in(address), mime=mime)
        except HttpError as error:
            raise as_action_error(error, "GET") from error

    @asynccontextmanager
    async def _download(
        self, address: str, max_bytes: int | None
    ) -> AsyncIterator[tuple[AsyncIterator[bytes], str]]:
        policy = self._client.policy
        async with self._client.stream(
            "GET",
            address,
            credential=self._credential_for(address),
            timeout=policy.download_timeout,
            max_bytes=policy.max_download_bytes if max_bytes is None else max_bytes,
            follow_redirects=_DOWNLOAD_REDIRECTS,
            trusted=self._trusted,
        ) as response:
            response.require_success()
            mime = media_type(response.headers)
            # Stores say this of everything that they were not told more of; the name may tell.
            yield response.iter_bytes(), "" if mime in _UNTOLD else mime

    def _absolute(self, url: str) -> str:
        if _ABSOLUTE.match(url):
            return url
        if not self._base:
            raise BadInput("the address must be absolute", code="C101", hint="start it with https://")
        path = url.partition("?")[0].partition("#")[0]
        if any(segment in (".", "..") for segment in unquote(path).replace("\\", "/").split("/")):
            raise BadInput(
                "the path leads out of the connection's base address",
                code="C101",
                hint="percent-encode what is put into a path",
            )
        return f"{self._base}/{url.lstrip('/')}"

    async def _turn(self, method: str, address: str, fields: Mapping[str, Any] | None = None) -> Turn | None:
        """Wait for the request's turn, where there is a limit for it."""
        if self._limiter is None or not address.startswith(f"{self._base}/"):
            return None
        path = address[len(self._base) + 1 :].partition("?")[0]
        return await self._limiter.turn(method, path, fields or {})

    def _credential_for(self, address: str) -> Credential | None:
        if self._credential is None or parse_url(address).origin not in self._credential.origins:
            return None
        return self._credential


def as_action_error(error: HttpError, method: str) -> ActionError:
    """The connectors' error for an error of the guarded client.

    Only what certainly did nothing, or asked for nothing to be done, becomes an error that the
    engine may retry.
    """
    kind: type[ActionError]
    if error.phase == "refused_by_policy":
        kind = BadInput
    elif error.phase == "connect":
        kind = Unavailable
    elif error.phase == "sent":
        kind = Unavailable if method in _SAFE_METHODS else OutcomeUnknown
    elif error.code == "C119" and error.status is not None:
        kind = _for_status(error.status)
    else:
        kind = MalformedOutput
    return kind(
        error.message, code=error.code, hint=error.hint, retry_after=error.retry_after, detail=error.detail
    )


def _for_status(status: int) -> type[ActionError]:
    if status in (401, 403):
        return AuthenticationFailed
    if status in (404, 410):
        return NotFound
    if status == 429:
        return RateLimited
    if status >= 500:
        return Unavailable
    return BadInput


def _name_in(address: str) -> str:
    name = unquote(address.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2])
    return "".join(char for char in name if char.isprintable() and char not in "/\\")[-255:] or "download"


if TYPE_CHECKING:

    def _satisfies(http: SdkHttp) -> Http:
        return http
