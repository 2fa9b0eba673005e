"""What an action reads: a file reference, or an address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from hookline.sdk import BadInput, Context, File, FileStore

from .progress import capped, followed, too_large

__all__ = ["Source", "source_of"]

_ARTIFACT = "artifact:"


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes somewhere, which can be read any number of times.

    Attributes:
        file: What is known about them.
        store: The store that keeps them, where they were named by an address.
        connection: Connection to it that the step names.
    """

    ctx: Context
    file: File
    store: FileStore | None = None
    connection: str = ""

    async def kept_by(self) -> FileStore | None:
        """The store that keeps them, None for the artifact store.

        Raises:
            BadInput: C924: no reference may name it.
        """
        if self.store is not None or self.file.uri.startswith(_ARTIFACT):
            return self.store
        return await self.ctx.open_store(self.file, self.connection)

    @property
    def identity(self) -> str:
        """What tells these bytes from others, as far as that is known without reading them."""
        file = self.file
        return file.sha256 or f"{file.uri} {file.etag} {file.bytes}"

    @asynccontextmanager
    async def pieces(self, doing: str, limit: int | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes, with lines about the progress in the step's log.

        Args:
            doing: ``Copying``, for those lines.
            limit: Most bytes accepted.

        Raises:
            BadInput: C026.
        """
        if limit is not None and self.file.bytes is not None and self.file.bytes > limit:
            raise too_large(self.file.name, limit)
        async with self._opened() as content:
            if limit is not None:
                content = capped(content, self.file.name, limit)
            yield followed(self.ctx, content, f"{doing} {self.file.name}", self.file.bytes)

    async def kept(self, doing: str, limit: int) -> File:
        """The same bytes in the artifact store, which may be where they are.

        Raises:
            BadInput: C026.
        """
        if self.file.uri.startswith(_ARTIFACT):
            if (self.file.bytes or 0) > limit:
                raise too_large(self.file.name, limit)
            return self.file
        async with self.pieces(doing, limit) as pieces:
            return await self.ctx.files.save(pieces, name=self.file.name, mime=self.file.mime)

    def _opened(self) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self.store.stream(self.file.uri) if self.store else self.ctx.files.stream(self.file)


async def source_of(ctx: Context, file: File | str, connection: str = "") -> Source:
    """What a step names.

    A reference is read as references are; an address (a text) may also be one that no reference can
    name, such as ``file:reports/may.pdf``.

    Raises:
        BadInput: C924: nothing keeps such addresses.
        NotFound: There is no file under the address.
    """
    if isinstance(file, File):
        return Source(ctx, file, None, connection)
    if file.startswith(("https://", "http://")):
        raise BadInput(
            f"{file[:100]!r} is not kept by a connection",
            code="C924",
            hint="fetch it with files.download first, and give its file",
        )
    store = await ctx.open_store(file, connection)
    return Source(ctx, await store.stat(file), store, connection)
