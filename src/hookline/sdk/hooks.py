"""What a trigger that is told is given, and what it answers."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, BinaryIO, Protocol, TypeVar

from .clients import Files, Http
from .files import File

__all__ = [
    "HookAnswered",
    "HookContext",
    "HookEvent",
    "HookRefused",
    "HookReply",
    "HookRequest",
]

Json = Any
T = TypeVar("T")

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request to ``/hooks/<path>``, as it came.

    Attributes:
        body: Raw bytes, read before anything was parsed; empty while they are in `stream`.
        headers: Lower-case names.
        query: Each name's last value.
        stream: A body that is too large to be held in memory, seekable; only triggers that declare
            `streams` are given one.
        stream_bytes: Its size.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    received_at: datetime
    remote_addr: str = ""
    stream: BinaryIO | None = field(default=None, repr=False)
    stream_bytes: int = 0

    @property
    def size(self) -> int:
        """Bytes of the body, wherever they are."""
        return len(self.body) if self.stream is None else self.stream_bytes

    def pieces(self) -> Iterator[bytes]:
        """The raw body from its beginning, wherever it is; may be asked for again."""
        if self.stream is None:
            yield self.body
            return
        self.stream.seek(0)
        while piece := self.stream.read(_PIECE):
            yield piece

    def in_memory(self) -> HookRequest:
        """The same request with its whole body in `body`."""
        if self.stream is None:
            return self
        return replace(self, body=b"".join(self.pieces()), stream=None, stream_bytes=0)


@dataclass(frozen=True, slots=True)
class HookReply:
    """What a sender is answered that insists on an answer of its own.

    Attributes:
        headers: Further ones; those of the connection and those that protect pages are left out.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HookEvent:
    """An accepted request.

    Attributes:
        data: The event.
        key: Its identity; ``""`` when the sender gives none (every request is an event then).
        also: What only a copy of the very request shares with it, such as the digest of what was signed:
            had before under another `key`, it is a repetition.
        answer: Sent once the event is stored, and for a repetition too; None for the usual document.
        skip: Why the event is only recorded and starts nothing; ``""`` when it starts a run.
    """

    data: Mapping[str, Json]
    key: str = ""
    answer: HookReply | None = None
    skip: str = ""
    also: str = ""


@dataclass(frozen=True, slots=True)
class HookAnswered:
    """Returned in place of a `HookEvent` by a request that is no event: answered, and not recorded.

    A sender that asks whether the address is ours (Slack's ``url_verification``) is answered so.
    """

    answer: HookReply


class HookRefused(Exception):
    """The request is refused: recorded with its reason, and nothing runs.

    Args:
        status: HTTP status of the answer: 400, 401, 405, 413, 415, 422, 429.
        reason: Kept with the event and shown to the operator, not to the sender.
        code: A stable code.
        retry_after: Seconds after which the sender may come again; None to say nothing.
    """

    def __init__(self, status: int, reason: str, *, code: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.code = code
        self.retry_after = retry_after


class HookContext(Protocol):
    """What a webhook trigger is given. It runs on a thread of the server."""

    workflow: str
    connection: Any
    http: Http
    files: Files

    def ask(self, coroutine: Coroutine[Any, Any, T], *, timeout: float) -> T:
        """Run a coroutine on the engine's loop, and wait for what it gives.

        The sender waits too. For what a request cannot be judged without: a certificate.

        Args:
            timeout: Seconds.

        Raises:
            Unavailable: It took longer.
        """

    def save_file(self, content: bytes | BinaryIO, *, name: str, mime: str) -> File:
        """Keep an uploaded part; its name is made by the server, `name` is only remembered.

        Args:
            content: Bytes, or a file to be read from where it stands to its end.
        """

    def take_turn(self, count: int, seconds: float) -> float:
        """Count a request against a rate; 0 when there is room, else the seconds until there is.

        Args:
            count, seconds: So many at once, and then evenly so many in that time.
        """

    def now(self) -> datetime: ...
