"""The guarded HTTP client: every outgoing request of the engine goes through here."""

from __future__ import annotations

import hashlib
import logging
import math
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Protocol

from hookline import __version__

from .deadline import Deadline, DeadlinePassed
from .errors import BadResponse, HttpError, RefusedByPolicy
from .guarded import GuardedTransport, timed_out
from .headers import Headers, check_headers
from .messages import Credential, DownloadResult, HttpResponse, media_type
from .policy import MAX_REDIRECTS, Guard, Policy, check_host_patterns
from .pool import PoolTransport, Resolver
from .redirects import REDIRECTS, after_redirect, follow
from .stream import StreamResponse
from .transport import ExactBody, Progress, Transport, WireRequest, WireResponse
from .urls import Origin, parse_url
from .wire import BadBody, FilePart, ParamValue, encode_body

if TYPE_CHECKING:
    import ssl

__all__ = ["GuardedClient"]

log = logging.getLogger("hookline.http")
_METHOD = re.compile(r"[A-Z]{1,20}", re.ASCII)
_NO_METHOD = frozenset({"CONNECT", "TRACE"})


class Masks(Protocol):
    """The part of `hookline.engine.redaction.Redactor` that is used here."""

    def redact_text(self, text: str) -> str: ...


class GuardedClient:
    """Sends requests to addresses the operator's policy allows, within a deadline and a byte cap.

    Redirects are off, no cookie is kept, no proxy or certificate setting of the environment is
    read, compressed answers are refused. Connections are kept open between requests. Use one
    client per event loop, from that loop only.

    Args:
        policy: The operator's rules.
        resolver: Resolves names; the system's resolver by default.
        now: Monotonic clock, in seconds.
        wall: Seconds since 1970, for dates in ``Retry-After``.
        redactor: Masks secrets in the details of errors.
        ssl_context: Trusted authorities; those of the certifi package by default.
        transport: Takes the network's place, for tests; all rules still apply on top of it.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        resolver: Resolver | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        redactor: Masks | None = None,
        ssl_context: ssl.SSLContext | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.policy = policy or Policy()
        guard = Guard(self.policy)
        self._redact: Callable[[str], str] = redactor.redact_text if redactor is not None else str
        self._transport = GuardedTransport(
            guard, transport or PoolTransport(guard, resolver=resolver, ssl_context=ssl_context), self._redact
        )
        self._now = now
        self._wall = wall
        self._closed = False

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, ParamValue] | None = None,
        json: Any = ...,
        content: bytes | str | AsyncIterable[bytes] | None = None,
        data: Mapping[str, Any] | None = None,
        files: Mapping[str, FilePart] | None = None,
        credential: Credential | None = None,
        timeout: float | None = None,
        max_bytes: int | None = None,
        follow_redirects: int | None = None,
        idempotency_key: str | None = None,
        hosts: Sequence[str] = (),
        trusted: Sequence[Origin] = (),
    ) -> HttpResponse:
        """Send a request and read the whole answer. Any status is an answer, not an error.

        Args:
            method: Upper-case method; not CONNECT or TRACE.
            url: Absolute URL.
            params: Appended to the URL's query.
            json, content, data, files: The body; `data` is a form, `files` makes it multipart.
                ``json=None`` sends ``null``; leave it out to send nothing.
            credential: Attached only when the URL's origin is one of its own.
            timeout: Seconds for everything together; the policy's when None.
            max_bytes: Largest body of the answer; the policy's when None.
            follow_redirects: How many to follow, at most 3; the policy's when None.
            idempotency_key: Sent as ``Idempotency-Key``.
            hosts: Hosts this request may reach, each redirect included; empty: no further limit.
            trusted: Origins that the operator, not a workflow, has named; see `Policy.allow_origins`.

        Raises:
            RefusedByPolicy: Not allowed; nothing was sent.
            ConnectFailed: No byte of the request was sent.
            SentUnknown: Sent, and no whole answer came back.
            BadResponse: The answer is too large, compressed, or a redirect that is not allowed.
        """
        async with self.stream(
            method,
            url,
            headers=headers,
            params=params,
            json=json,
            content=content,
            data=data,
            files=files,
            credential=credential,
            timeout=timeout,
            max_bytes=max_bytes,
            follow_redirects=follow_redirects,
            idempotency_key=idempotency_key,
            hosts=hosts,
            trusted=trusted,
        ) as response:
            body = await response.read()
            return HttpResponse(
                status=response.status,
                headers=response.headers,
                content=body,
                url=response.url,
                elapsed=response.elapsed,
                retry_after=response.retry_after,
            )

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, ParamValue] | None = None,
        json: Any = ...,
        content: bytes | str | AsyncIterable[bytes] | None = None,
        data: Mapping[str, Any] | None = None,
        files: Mapping[str, FilePart] | None = None,
        credential: Credential | None = None,
        timeout: float | None = None,
        max_bytes: int | None = None,
        follow_redirects: int | None = None,
        idempotency_key: str | None = None,
        hosts: Sequence[str] = (),
        trusted: Sequence[Origin] = (),
    ) -> AsyncIterator[StreamResponse]:
        """As `request`, but the body is read by the caller, under the same deadline and cap."""
        if self._closed:
            raise RuntimeError("the client is closed")
        request = _prepare(
            method, url, headers=headers, params=params, json=json, content=content, data=data,
            files=files, idempotency_key=idempotency_key,
        )  # fmt: skip
        cap = self.policy.max_response_bytes if max_bytes is None else max_bytes
        if cap < 0:
            raise RefusedByPolicy("C108", "max_bytes must not be negative")
        redirects = self.policy.max_redirects if follow_redirects is None else follow_redirects
        if not 0 <= redirects <= MAX_REDIRECTS:
            raise RefusedByPolicy("C108", f"follow_redirects must be between 0 and {MAX_REDIRECTS}")
        deadline = Deadline(self._now, _seconds(self.policy.timeout if timeout is None else timeout))
        response = await self._open(
            request,
            credential=credential,
            hosts=_patterns(hosts),
            trusted=trusted,
            deadline=deadline,
            redirects=redirects,
            cap=min(cap, max(self.policy.max_download_bytes, self.policy.max_response_bytes)),
        )
        try:
            yield response
        finally:
            await response.aclose()

    async def download(
        self,
        url: str,
        write: Callable[[bytes], object],
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, ParamValue] | None = None,
        credential: Credential | None = None,
        timeout: float | None = None,
        max_bytes: int | None = None,
        follow_redirects: int | None = None,
        hosts: Sequence[str] = (),
        trusted: Sequence[Origin] = (),
    ) -> DownloadResult:
        """GET a body piece by piece into `write`.

        What `write` raises is passed on. When anything is raised, what was written is incomplete
        and the caller must throw it away.

        Raises:
            BadResponse: C119 when the status is not 2xx; nothing was written then.
            HttpError: As `request`.
        """
        digest = hashlib.sha256()
        written = 0
        async with self.stream(
            "GET",
            url,
            headers=headers,
            params=params,
            credential=credential,
            timeout=self.policy.download_timeout if timeout is None else timeout,
            max_bytes=self.policy.max_download_bytes if max_bytes is None else max_bytes,
            follow_redirects=follow_redirects,
            hosts=hosts,
            trusted=trusted,
        ) as response:
            response.require_success()
            async for chunk in response.iter_bytes():
                write(chunk)
                digest.update(chunk)
                written += len(chunk)
            return DownloadResult(
                bytes=written,
                sha256=digest.hexdigest(),
                content_type=media_type(response.headers),
                status=response.status,
                headers=response.headers,
                url=response.url,
                elapsed=response.elapsed,
            )

    async def aclose(self) -> None:
        """Close every connection. Safe to call more than once."""
        self._closed = True
        await self._transport.aclose()

    async def __aenter__(self) -> GuardedClient:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _open(
        self,
        request: WireRequest,
        *,
        credential: Credential | None,
        hosts: Sequence[str],
        trusted: Sequence[Origin],
        deadline: Deadline,
        redirects: int,
        cap: int,
    ) -> StreamResponse:
        followed = 0
        while True:
            try:
                answer, progress = await self._exchange(request, credential, hosts, trusted, deadline)
            except HttpError as error:
                if followed:
                    raise after_redirect(error) from error
                raise
            headers = Headers(answer.headers)
            if redirects and answer.status in REDIRECTS and "location" in headers:
                await answer.close()
                if followed == redirects:
                    raise BadResponse(
                        "C117", f"{request.url} redirects more than {redirects} times", status=answer.status
                    )
                request, same_origin = follow(request, answer.status, headers["location"])
                credential = credential if same_origin else None
                followed += 1
                continue
            response = StreamResponse(
                answer, headers, request.url, progress, deadline=deadline, cap=cap,
                redact=self._redact, wall=self._wall,
            )  # fmt: skip
            try:
                response.check_head(request.method)
            except BaseException:
                await response.aclose()
                raise
            log.debug("%s %s %d", request.method, request.url, answer.status)
            return response

    async def _exchange(
        self,
        request: WireRequest,
        credential: Credential | None,
        hosts: Sequence[str],
        trusted: Sequence[Origin],
        deadline: Deadline,
    ) -> tuple[WireResponse, Progress]:
        progress = Progress()
        try:
            answer = await deadline.run(
                lambda: self._transport.send(
                    request, progress, credential=credential, hosts=hosts, trusted=trusted
                )
            )
        except DeadlinePassed:
            raise timed_out(request.url, progress) from None
        return answer, progress


def _prepare(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None,
    params: Mapping[str, ParamValue] | None,
    json: Any,
    content: bytes | str | AsyncIterable[bytes] | None,
    data: Mapping[str, Any] | None,
    files: Mapping[str, FilePart] | None,
    idempotency_key: str | None,
) -> WireRequest:
    if not _METHOD.fullmatch(method) or method in _NO_METHOD:
        raise RefusedByPolicy(
            "C108", "the method is not one that can be sent", hint="upper case, such as GET"
        )
    parsed = parse_url(url, params)
    has_json = not isinstance(json, EllipsisType)
    if sum((has_json, content is not None, data is not None or files is not None)) > 1:
        raise RefusedByPolicy("C108", "the request has more than one body", hint="json, content or a form")
    try:
        body, described = encode_body(
            json=json if has_json else None, has_json=has_json, content=content, data=data, files=files
        )
    except BadBody as error:
        raise RefusedByPolicy(
            "C108", "the body cannot be encoded", detail=type(error.__cause__).__name__
        ) from None
    own = check_headers(headers or {}, streamed=not isinstance(body, bytes))
    if idempotency_key is not None:
        own += check_headers({"Idempotency-Key": idempotency_key})
    given = {name.lower(): value for name, value in own}
    if len(given) != len(own):
        raise RefusedByPolicy("C108", "the header Idempotency-Key is given twice")
    if "content-length" in given and not isinstance(body, bytes):
        length = given["content-length"]
        if not (length.isascii() and length.isdigit() and len(length) < 19):
            raise RefusedByPolicy("C108", "the header Content-Length is not a number of bytes")
        body = ExactBody(body, int(length))
        described = [pair for pair in described if pair[0].lower() != "transfer-encoding"]
    if method in ("GET", "HEAD") and body == b"":
        described = []
    defaults = [("Accept", "*/*"), ("User-Agent", f"hookline/{__version__}"), *described]
    sent = [
        ("Host", parsed.origin.authority),
        ("Accept-Encoding", "identity"),
        *(pair for pair in defaults if pair[0].lower() not in given),
        *own,
    ]
    return WireRequest(method, parsed, tuple(sent), body)


def _patterns(hosts: Sequence[str]) -> tuple[str, ...]:
    if not hosts:
        return ()
    try:
        return check_host_patterns(hosts)
    except ValueError as error:
        raise RefusedByPolicy("C108", str(error)) from error


def _seconds(timeout: float) -> float:
    if not (timeout > 0 and math.isfinite(timeout)):
        raise RefusedByPolicy("C108", "the timeout must be a number of seconds above 0")
    return timeout
