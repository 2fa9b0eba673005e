"""What reaches the outside for a component: HTTP, mail, and the artifact store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from .files import File

__all__ = [
    "Files",
    "Http",
    "Imap",
    "MailFound",
    "MailboxLook",
    "Response",
    "Smtp",
    "Streamed",
]

Json = Any


class Response(Protocol):
    """An answer of the guarded HTTP client, read in full and capped."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str: ...

    def json(self) -> Json:
        """The body as strict JSON.

        Raises:
            MalformedOutput: It is not JSON, too deep, or too large.
        """


class Streamed(Protocol):
    """An answer of the guarded HTTP client whose body is still on its way."""

    status: int
    headers: Mapping[str, str]

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, once.

        Raises:
            OutcomeUnknown, Unavailable: It broke off, or the time was over.
            MalformedOutput: It is longer than allowed.
        """


class Http(Protocol):
    """The guarded HTTP client: checked addresses, no redirects, a deadline and a byte cap.

    A credential given when the client was made is attached only to its own origin.
    """

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Json = ...,
        content: bytes | None = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        timeout: float | None = None,
        max_bytes: int | None = None,
        follow_redirects: int = 0,
    ) -> Response:
        """Send one request; any status is an answer.

        Args:
            url: Absolute, or a path below the base address the client was made with.
            timeout: Seconds for everything together.
            max_bytes: Largest body accepted.

        Raises:
            RateLimited, Unavailable: Nothing was sent: refused, not resolved, not connected.
            OutcomeUnknown: Sent, but no readable answer came back.
            MalformedOutput: The answer broke HTTP or a cap.
            BadInput: The address is not allowed.
        """

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Json = ...,
        timeout: float | None = None,
        max_bytes: int | None = None,
    ) -> AbstractAsyncContextManager[Streamed]:
        """As `request`, for a body that is read while it comes, such as server-sent events.

        The connection is closed on leaving. Redirects are not followed.
        """

    async def download(self, url: str, *, name: str = "", max_bytes: int | None = None) -> File:
        """Copy an address into the artifact store, without any credential for foreign origins."""


class Smtp(Protocol):
    """A mail server: one message, one connection, which is never in the clear with a password."""

    async def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Mapping[str, str]:
        """Hand over a message; returns the recipients that were refused, with the server's reason.

        Args:
            sender, recipients: Bare addresses, of the envelope.
            message: As RFC 5322 wants it, with CRLF.

        Raises:
            Unavailable: Nothing was taken: not connected, or put off.
            OutcomeUnknown: The message was sent, and the server's answer was lost.
            AuthenticationFailed: The password was refused.
            ContentRejected: The server does not want this message.
            NotFound: Not one of the recipients was accepted.
            BadInput: The server cannot do what the connection wants, or refuses the sender.
        """

    async def check(self) -> None:
        """Connect and log in, and send nothing; raises as `send` does."""


@dataclass(frozen=True, slots=True)
class MailFound:
    """A message in a mailbox.

    Attributes:
        uid: Its number in the mailbox, as long as the mailbox's validity stays the same.
        size: In bytes, as the server says.
        received_at: When the server took it in.
        content: The message, or its header when it is not `is_whole`.
        is_gone: It was removed before it could be read.
    """

    uid: int
    size: int
    received_at: datetime
    flags: Sequence[str] = ()
    content: bytes = field(default=b"", repr=False)
    is_whole: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class MailboxLook:
    """What is new in a mailbox.

    Attributes:
        validity: Of the numbers: when it is another one than before, all numbers are new.
        last: The highest number that was gone through.
        more: Whether there is more behind it.
    """

    validity: int
    last: int
    messages: Sequence[MailFound]
    more: bool


class Imap(Protocol):
    """A mailbox server; a password is never sent in the clear."""

    async def look(
        self,
        mailbox: str,
        *,
        validity: int | None,
        after: int,
        limit: int,
        max_bytes: int,
        known: Callable[[MailFound, int], bool] | None = None,
    ) -> MailboxLook:
        """Messages behind a number, the oldest first; nothing is marked or changed.

        Args:
            validity: What the look before gave; None reads nothing and tells where the mailbox ends. When
                it has changed, `after` means nothing any more and the whole mailbox is gone through.
            limit: Most messages.
            max_bytes: Of a larger message only the header is read.
            known: Asked, with the validity, before a message is read; True passes over it.

        Raises:
            Unavailable: The server cannot be reached, or broke off.
            AuthenticationFailed: The password was refused.
            NotFound: There is no such mailbox.
            BadInput, MalformedOutput: The server cannot do what is wanted.
        """

    async def put_away(
        self,
        mailbox: str,
        validity: int,
        uids: Sequence[int],
        what: Literal["seen", "delete", "move"],
        target: str = "",
    ) -> bool:
        """Mark messages as read, delete them, or move them; repeating it does no harm.

        False when the numbers are not valid any more; raises as `look` does.
        """

    async def check(self) -> None:
        """Connect and log in; raises as `look` does."""


class Files(Protocol):
    """The artifact store and everything that connections can read."""

    async def read(self, file: File, *, max_bytes: int | None = None) -> bytes:
        """All bytes, verified against the digest when it is known.

        Raises:
            NotFound: The file is gone.
            BadInput: It is larger than `max_bytes`.
        """

    def stream(self, file: File) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes in pieces, for what may be large."""

    async def save(self, content: bytes | AsyncIterator[bytes], *, name: str, mime: str = "") -> File:
        """Keep bytes in the artifact store; the media type is guessed from the name when empty."""

    async def local_path(self, file: File) -> Path:
        """A readable path of the bytes, for libraries that insist on one. Read-only."""
