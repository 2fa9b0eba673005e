"""What a connection offers that keeps files: S3, a local folder, Google Drive.

A connection type says which addresses are its own (``schemes=("s3",)``); its opened client is a
`FileStore`. With that, every ``files.*`` action works with it, and references to its files can be
given to any action that takes a file. Two protocols more are optional: `CopiesFiles` and
`PresignsFiles`.

An address is ``scheme:`` and whatever the store makes of the rest. What ends with ``/`` is a folder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

from .files import File

__all__ = [
    "CopiesFiles",
    "FilePage",
    "FileStore",
    "IfExists",
    "ListedFile",
    "PresignsFiles",
    "Writing",
]

Json = Any
Source = AsyncIterator[bytes] | bytes

IfExists = Literal["overwrite", "fail"]
"""What a store does when there is a file under the address already. What people are offered beyond
it (another name, leaving it alone) is made of these two."""


async def _forget(**values: Json) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Writing:
    """One writing, which may have been begun before by a process that died or lost the answer.

    Attributes:
        key: The same whenever this writing is repeated, and different for every other one: 32
            characters of hex. A store that keeps properties along with a file marks it with this.
        kept: What the earlier try of the same writing kept.
        keep: ``await keep(upload_id=…)``: the values are on disk when it returns.
    """

    key: str = ""
    kept: Mapping[str, Json] = field(default_factory=dict)
    keep: Callable[..., Awaitable[None]] = _forget


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as a listing shows it; `modified` is None where the store does not say."""

    file: File
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class FilePage:
    """A piece of a listing; `next` is the token of the next one, ``""`` at the end."""

    files: tuple[ListedFile, ...]
    next: str = ""


@runtime_checkable
class FileStore(Protocol):
    """What a connection type with `schemes` opens.

    Everything may raise `NotFound`, `AuthenticationFailed`, `RateLimited` and `Unavailable`, and
    `BadInput` for an address that the store cannot use. Nothing retries: the engine does.
    """

    async def stat(self, uri: str) -> File:
        """A reference with size, media type and etag, without the bytes.

        Raises:
            NotFound: There is no such file.
        """

    def stream(self, uri: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes in pieces of at most a few hundred KiB: all of them, or an error.

        A store whose references name a version (`File.version`) takes it as ``version_id=``, too.
        """

    async def write(
        self,
        uri: str,
        source: Source,
        *,
        mime: str = "",
        metadata: Mapping[str, str] | None = None,
        size: int | None = None,
        if_exists: IfExists = "overwrite",
        writing: Writing | None = None,
    ) -> File:
        """Write a file. It appears whole, or not at all: whoever reads meanwhile sees the old one.

        Memory use does not depend on the size. When anything fails, what was sent is taken back.
        With ``fail``, a file that is there is seen before `source` is read where that is possible,
        and is never replaced, not even when it appears at the last moment, where the store can
        promise that.

        Args:
            mime: Media type; guessed from the name when empty.
            metadata: Properties to keep along with it, where the store has a place for them.
            size: Bytes that will come, None while unknown. A hint, not checked.
            if_exists: ``fail`` raises `AlreadyExists`, unless the same `writing` wrote what is there.
            writing: Which writing this is, for a repetition to go on from.

        Raises:
            AlreadyExists: Another file is there.
        """

    async def delete(self, uri: str) -> None:
        """Delete a file; nothing happens when there is none."""

    async def list_files(
        self, uri: str, *, recursive: bool = True, token: str = "", limit: int = 1000
    ) -> FilePage:
        """One page of the files in a folder, in an order that does not change from page to page.

        Args:
            uri: The folder; a missing ``/`` at its end is added.
            recursive: Those in folders inside it, too.
            token: `FilePage.next` of the page before.
            limit: Most files to return; a page may hold fewer although more follow.
        """


@runtime_checkable
class CopiesFiles(Protocol):
    """A store that copies within itself, so that the bytes need not pass through here."""

    async def copy(
        self,
        source: str,
        target: str,
        *,
        mime: str = "",
        metadata: Mapping[str, str] | None = None,
        if_exists: IfExists = "overwrite",
        writing: Writing | None = None,
    ) -> File:
        """Copy a file that this connection can read; see `FileStore.write` for the rest.

        What the source has of media type and properties goes along, unless it is given anew.

        Raises:
            NotFound: There is no such source.
            AlreadyExists: Another file is there.
        """


@runtime_checkable
class PresignsFiles(Protocol):
    """A store that makes addresses which work without a credential, for a time."""

    async def presign(self, uri: str, expires: float, *, method: str = "GET") -> str:
        """An address that whoever has it can read (GET) or write (PUT) the file with.

        Args:
            expires: Seconds from now.

        Raises:
            BadInput: The store does not do this for so long, or not with this method.
        """
