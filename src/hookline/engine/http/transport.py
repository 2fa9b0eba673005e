"""What lies between the client and the network, in our own terms.

A test replaces the network by an object with the two methods of `Transport`; every rule of the
client (addresses, credentials, redirects, caps, deadlines) still applies on top of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from .urls import Url

__all__ = ["Body", "ExactBody", "Progress", "Transport", "WireFailure", "WireRequest", "WireResponse"]

Body = bytes | AsyncIterable[bytes]
FailureKind = Literal["dns", "connect", "timeout", "lost", "protocol", "request"]


class Progress:
    """How far a request has come, for telling whether it may be sent again.

    Attributes:
        sent: Whether the first byte of the request may have left.
        securing: Whether the TLS handshake has begun.
    """

    __slots__ = ("securing", "sent")

    def __init__(self) -> None:
        self.sent = False
        self.securing = False


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request, complete but for the credential.

    Attributes:
        headers: Names and values as they are sent, in order.
        body: Empty bytes for none.
    """

    method: str
    url: Url
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: Body = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class WireResponse:
    """The head of an answer, and its body as it comes.

    Attributes:
        chunks: Raw bytes of the body; raises `WireFailure` when it breaks off.
        close: Gives the connection back; safe to call more than once.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    chunks: AsyncGenerator[bytes, None]
    close: Callable[[], Awaitable[None]]


class WireFailure(Exception):
    """The network failed.

    Args:
        kind: What failed: ``dns``, ``connect``, ``timeout`` (of the connection), ``lost`` (the
            connection), ``protocol`` (the answer), ``request`` (the request is not valid HTTP).
        detail: For the operator's log.
    """

    def __init__(self, kind: FailureKind, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class ExactBody:
    """A streamed body that must be as long as was announced.

    Iterating raises `WireFailure` when there is more or less: what was sent is then not a whole request.
    """

    def __init__(self, pieces: AsyncIterable[bytes], length: int) -> None:
        self._pieces = pieces
        self._length = length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._length
        async for piece in self._pieces:
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left:
            raise WireFailure("request", f"the body is not the {self._length} bytes that were announced")


class Transport(Protocol):
    """Sends requests."""

    async def send(
        self, request: WireRequest, progress: Progress, *, trusted: bool, connect_timeout: float
    ) -> WireResponse:
        """Send one request and return the head of its answer.

        Args:
            progress: Must be marked `sent` before the first byte leaves.
            trusted: Whether the operator named this origin; see `Guard.check_address`.
            connect_timeout: Seconds for name look-up and connection, and again for TLS.

        Raises:
            WireFailure: The network failed.
            RefusedByPolicy: C105, the name leads to an address that may not be reached.
        """

    async def aclose(self) -> None:
        """Close every connection."""
