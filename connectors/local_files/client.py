"""Files below one folder, as a store: nothing outside it can be named, through whichever path or link."""

from __future__ import annotations

import asyncio
import itertools
import mimetypes
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from hookline.sdk import AlreadyExists, File, FilePage, IfExists, ListedFile, NotFound, Writing

from .below import PARTIAL, names_below, open_file, open_folder, opened, parts_of, translated

__all__ = ["LocalFiles"]

_PIECE = 256 * 1024


class LocalFiles:
    """Reads and writes addresses such as ``file:reports/may.pdf``; a `hookline.sdk.FileStore`.

    Args:
        root: The folder, absolute and resolved.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def stat(self, uri: str) -> File:
        """What is known about a file, without its bytes."""
        return await asyncio.to_thread(self._stat, uri)

    def stream(self, uri: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes in pieces."""
        return self._stream(uri)

    async def write(
        self,
        uri: str,
        source: AsyncIterator[bytes] | bytes,
        *,
        mime: str = "",
        metadata: Mapping[str, str] | None = None,
        size: int | None = None,
        if_exists: IfExists = "overwrite",
        writing: Writing | None = None,
    ) -> File:
        """Write a file, making folders as needed. It appears under its name when it is complete.

        `mime` and `metadata` are not kept: a file system has no place for them.

        Raises:
            AlreadyExists: Something is there, and `if_exists` is ``fail``.
            BadInput: The address leads outside the folder, through a link, or to a folder.
            Unavailable: The disk is full or may not be written; nothing was left behind.
        """
        parts, writing = parts_of(uri), writing or Writing()
        name, temporary = parts[-1], f".{writing.key or secrets.token_hex(16)}{PARTIAL}"
        with translated(uri):
            folder = await asyncio.to_thread(open_folder, self._root, parts[:-1], make=True)
            try:
                if if_exists == "fail":
                    found = await asyncio.to_thread(_identity, name, folder)
                    if found is not None:
                        return self._already(uri, found, writing)
                handle = await asyncio.to_thread(_create, temporary, folder)
                try:
                    async for piece in _pieces(source):
                        await asyncio.to_thread(_write_all, handle, piece)
                    await asyncio.to_thread(os.fsync, handle)
                    identity = _identity_of(os.fstat(handle))
                finally:
                    os.close(handle)
                if if_exists == "fail":
                    # Whoever repeats this after a crash knows the file again by its inode and time.
                    await writing.keep(written=identity)
                    await asyncio.to_thread(_publish_new, temporary, name, folder)
                else:
                    await asyncio.to_thread(_publish, temporary, name, folder)
            except FileExistsError:
                raise _taken(uri) from None
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=folder)
                os.close(folder)
        return await self.stat(uri)

    async def delete(self, uri: str) -> None:
        """Delete a file or a link; a folder is refused. Nothing happens when there is none."""

        def remove() -> None:
            parts = parts_of(uri)
            with suppress(NotFound), translated(uri), opened(self._root, parts[:-1]) as folder:
                os.unlink(parts[-1], dir_fd=folder)
                os.fsync(folder)

        await asyncio.to_thread(remove)

    async def list_files(
        self, uri: str, *, recursive: bool = True, token: str = "", limit: int = 1000
    ) -> FilePage:
        """One page of a folder; ``file:`` alone is the folder everything is below."""
        return await asyncio.to_thread(self._list, uri, recursive, token, limit)

    def _list(self, uri: str, recursive: bool, token: str, limit: int) -> FilePage:
        at = uri.rstrip("/")
        parts = [] if at == "file:" else parts_of(at)
        prefix = f"{at}/" if parts else at
        listed: list[ListedFile] = []
        with translated(uri):
            names = names_below(self._root, parts, recursive=recursive, after=token)
            page = list(itertools.islice(names, limit + 1))
            for name in page[:limit]:
                with suppress(NotFound):
                    listed.append(self._entry(f"{prefix}{name}"))
        return FilePage(tuple(listed), page[limit - 1] if len(page) > limit else "")

    def _already(self, uri: str, found: list[int], writing: Writing) -> File:
        if writing.kept.get("written") != found:
            raise _taken(uri)
        return self._stat(uri)

    def _stat(self, uri: str) -> File:
        return self._entry(uri).file

    def _entry(self, uri: str) -> ListedFile:
        with translated(uri):
            handle = open_file(self._root, uri)
            try:
                found = os.fstat(handle)
            finally:
                os.close(handle)
        name = parts_of(uri)[-1]
        mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
        file = File(uri, name=name, mime=mime, bytes=found.st_size, etag=f"{found.st_mtime_ns:x}")
        return ListedFile(file, datetime.fromtimestamp(found.st_mtime, UTC))

    @asynccontextmanager
    async def _stream(self, uri: str) -> AsyncIterator[AsyncIterator[bytes]]:
        with translated(uri):
            handle = await asyncio.to_thread(open_file, self._root, uri)

        async def pieces() -> AsyncIterator[bytes]:
            while piece := await asyncio.to_thread(os.read, handle, _PIECE):
                yield piece

        try:
            yield pieces()
        finally:
            os.close(handle)


def _taken(uri: str) -> AlreadyExists:
    return AlreadyExists(
        f"there is a file {uri!r} already", hint="choose another if_exists: overwrite, rename or skip"
    )


def _identity(name: str, folder: int) -> list[int] | None:
    try:
        return _identity_of(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return None


def _identity_of(found: os.stat_result) -> list[int]:
    return [found.st_ino, found.st_mtime_ns, found.st_size]


def _create(name: str, folder: int) -> int:
    # A file of this name is what the same writing left when its process died.
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, mode=0o640, dir_fd=folder)


def _write_all(handle: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(handle, view) :]


def _publish(temporary: str, name: str, folder: int) -> None:
    # Renaming replaces a link of that name itself, never what it points to.
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _publish_new(temporary: str, name: str, folder: int) -> None:
    # Linking, unlike renaming, refuses a name that is taken.
    os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)


async def _pieces(source: AsyncIterator[bytes] | bytes) -> AsyncIterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    async for piece in source:
        yield piece
