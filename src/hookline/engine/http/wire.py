"""The one module that knows httpx and httpcore.

httpx parses URLs and encodes bodies; httpcore holds the connections. Everything else of this
package uses the plain types below, so that either library can be replaced here alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias

import httpcore
import httpx

if TYPE_CHECKING:
    import ssl

__all__ = [
    "NETWORK_ERRORS",
    "Backend",
    "BadBody",
    "BadUrl",
    "FilePart",
    "NetworkStream",
    "ParamValue",
    "Pool",
    "RawResponse",
    "UrlParts",
    "anyio_backend",
    "encode_body",
    "failure_kind",
    "join_url",
    "make_pool",
    "make_request",
    "make_ssl_context",
    "split_url",
]

ParamScalar: TypeAlias = str | int | float | bool | None
ParamValue: TypeAlias = ParamScalar | Sequence[ParamScalar]
FilePart: TypeAlias = tuple[str, bytes | IO[bytes], str]
"""File name, content, media type."""

Backend = httpcore.AsyncNetworkBackend
NetworkStream = httpcore.AsyncNetworkStream
Pool = httpcore.AsyncConnectionPool
RawResponse = httpcore.Response
SocketOptions: TypeAlias = Iterable[Any]

NETWORK_ERRORS: tuple[type[Exception], ...] = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    OSError,
)
"""What httpcore lets through; `OSError` because TLS errors on an open connection are not wrapped."""


class BadUrl(ValueError):
    """The text is not a URL."""


class BadBody(ValueError):
    """The body cannot be encoded."""


class UrlParts(NamedTuple):
    """A parsed URL: lower-case scheme, ASCII host, explicit port or None, percent-encoded target."""

    scheme: str
    has_userinfo: bool
    host: str
    port: int | None
    target: str


def split_url(text: str, params: Mapping[str, ParamValue] | None = None) -> UrlParts:
    """Parse a URL; `params` are appended to its query, which is left as it is.

    Raises:
        BadUrl: It cannot be parsed.
    """
    try:
        url = httpx.URL(text)
        if params:
            # Not httpx's own merge: that re-encodes the query and breaks presigned addresses.
            added = str(httpx.QueryParams({name: _param(value) for name, value in params.items()}))
            url = url.copy_with(query=b"&".join(part for part in (url.query, added.encode()) if part))
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise BadUrl(str(error)) from error
    return _parts(url)


def join_url(base: str, location: str) -> UrlParts:
    """Resolve `location` against `base` as RFC 3986 says.

    Raises:
        BadUrl: It cannot be parsed.
    """
    try:
        url = httpx.URL(base).join(location)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise BadUrl(str(error)) from error
    return _parts(url)


def _parts(url: httpx.URL) -> UrlParts:
    return UrlParts(
        scheme=url.scheme,
        has_userinfo=bool(url.userinfo),
        host=url.raw_host.decode("ascii"),
        port=url.port,
        target=url.raw_path.decode("ascii"),
    )


def _param(value: ParamValue) -> str | int | float | list[ParamScalar] | None:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def encode_body(
    *,
    json: Any,
    has_json: bool,
    content: bytes | str | AsyncIterable[bytes] | None,
    data: Mapping[str, Any] | None,
    files: Mapping[str, FilePart] | None,
) -> tuple[bytes | AsyncIterable[bytes], list[tuple[str, str]]]:
    """Encode a body and say which headers describe it.

    Returns:
        The body, as bytes wherever it fits, and its ``Content-Type``, ``Content-Length`` or
        ``Transfer-Encoding``.

    Raises:
        BadBody: The value cannot be encoded, for example NaN in JSON.
    """
    if has_json and json is None:
        content, extra = b"null", [("Content-Type", "application/json")]
    else:
        extra = []
    try:
        request = httpx.Request(
            "POST",
            "http://unused.invalid/",
            content=content,
            data=dict(data) if data is not None else None,
            files=dict(files) if files is not None else None,
            json=json,
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise BadBody(f"{type(error).__name__}: {error}") from error
    headers = [
        (name.title(), value)
        for name, value in request.headers.items()
        if name in ("content-type", "content-length", "transfer-encoding")
    ]
    body: bytes | AsyncIterable[bytes]
    try:
        body = request.content
    except httpx.RequestNotRead:
        if not isinstance(request.stream, AsyncIterable):
            raise BadBody("a streamed body must be an asynchronous iterable of bytes") from None
        body = request.stream
    return body, extra + headers


def make_ssl_context() -> ssl.SSLContext:
    """The trusted certificate authorities of the certifi package; the environment is not read."""
    return httpx.create_ssl_context(trust_env=False)


def make_pool(backend: Backend, ssl_context: ssl.SSLContext, *, connections: int, idle: int) -> Pool:
    """A pool that never retries by itself, speaks HTTP/1.1 and uses no proxy."""
    return httpcore.AsyncConnectionPool(
        ssl_context=ssl_context,
        max_connections=connections,
        max_keepalive_connections=idle,
        keepalive_expiry=30.0,
        http1=True,
        http2=False,
        retries=0,
        network_backend=backend,
    )


def make_request(
    *,
    method: str,
    scheme: str,
    host: str,
    port: int,
    target: str,
    headers: Sequence[tuple[str, str]],
    body: bytes | AsyncIterable[bytes],
    connect_timeout: float,
    trace: Callable[[str, Mapping[str, Any]], Any],
) -> httpcore.Request:
    """A request for `Pool.handle_async_request`."""
    return httpcore.Request(
        method=method.encode("ascii"),
        url=httpcore.URL(
            scheme=scheme.encode("ascii"), host=host.encode("ascii"), port=port, target=target.encode("ascii")
        ),
        headers=[(name.encode("ascii"), value.encode("utf-8")) for name, value in headers],
        content=_Once(body) if isinstance(body, bytes) else body,
        extensions={"timeout": {"connect": connect_timeout}, "trace": trace},
    )


class _Once:
    """Bytes as the asynchronous stream that httpcore wants."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._content:
            yield self._content


def anyio_backend() -> Backend:
    """The backend that opens real sockets."""
    return httpcore.AnyIOBackend()


def failure_kind(error: Exception) -> str:
    """Sort a member of `NETWORK_ERRORS`: ``connect``, ``timeout``, ``lost``, ``protocol``, ``request``."""
    if isinstance(error, httpcore.ConnectError):
        return "connect"
    if isinstance(error, httpcore.TimeoutException):
        return "timeout"
    if isinstance(error, httpcore.RemoteProtocolError):
        return "protocol"
    if isinstance(error, httpcore.LocalProtocolError | httpcore.UnsupportedProtocol):
        return "request"
    return "lost"
