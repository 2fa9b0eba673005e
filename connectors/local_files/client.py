"""Files below one folder: nothing outside it can be named, through whichever path or link."""

from __future__ import annotations

import asyncio
import errno
import mimetypes
import os
import secrets
import stat as stat_module
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

from hookline.sdk import BadInput, File, InternalError, NotFound, Unavailable

__all__ = ["LocalFiles"]

_PIECE = 256 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalFiles:
    """Reads and writes addresses such as ``file:reports/may.pdf``.

    Folders are opened one after the other without following links, each relative to the one
    before, so a link that is put in the way, even between a check and its use, leads nowhere.

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
        mime: str,
        metadata: Mapping[str, str] | None = None,
    ) -> File:
        """Write a file, making folders as needed. It appears under its name when it is complete.

        `mime` and `metadata` are not kept: a file system has no place for them.

        Raises:
            BadInput: The address leads outside the folder, through a link, or to a folder.
            Unavailable: The disk is full or may not be written; nothing was left behind.
        """
        parts = _parts(uri)
        with _translated(uri):
            folder = await asyncio.to_thread(self._open_folder, parts[:-1], make=True)
            temporary = f".{secrets.token_hex(8)}.part"
            try:
                handle = await asyncio.to_thread(_create, temporary, folder)
                try:
                    size = 0
                    async for piece in _pieces(source):
                        size += await asyncio.to_thread(_write_all, handle, piece)
                    await asyncio.to_thread(os.fsync, handle)
                finally:
                    os.close(handle)
                await asyncio.to_thread(_publish, temporary, parts[-1], folder)
            except BaseException:
                _discard(temporary, folder)
                raise
            finally:
                os.close(folder)
        return File(uri, name=parts[-1], mime=mime, bytes=size)

    def _stat(self, uri: str) -> File:
        with _translated(uri):
            handle = self._open_file(uri)
            try:
                found = os.fstat(handle)
            finally:
                os.close(handle)
        name = _parts(uri)[-1]
        mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return File(uri, name=name, mime=mime, bytes=found.st_size, etag=f"{found.st_mtime_ns:x}")

    @asynccontextmanager
    async def _stream(self, uri: str) -> AsyncIterator[AsyncIterator[bytes]]:
        with _translated(uri):
            handle = await asyncio.to_thread(self._open_file, uri)

        async def pieces() -> AsyncIterator[bytes]:
            while piece := await asyncio.to_thread(os.read, handle, _PIECE):
                yield piece

        try:
            yield pieces()
        finally:
            os.close(handle)

    def _open_file(self, uri: str) -> int:
        parts = _parts(uri)
        folder = self._open_folder(parts[:-1], make=False)
        try:
            # O_NONBLOCK: opening a named pipe must not wait for a writer.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            handle = os.open(parts[-1], flags, dir_fd=folder)
        finally:
            os.close(folder)
        if not stat_module.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise _outside(uri, "it is not an ordinary file")
        return handle

    def _open_folder(self, parts: list[str], *, make: bool) -> int:
        folder = os.open(self._root, _FOLDER)
        for part in parts:
            try:
                if make:
                    _make_folder(part, folder)
                inner = os.open(part, _FOLDER, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return folder


def _parts(uri: str) -> list[str]:
    scheme, colon, path = uri.partition(":")
    if scheme != "file" or not colon or path.startswith("/"):
        raise _outside(uri, "it is not of the form file:folder/name, relative to the allowed folder")
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise _outside(uri, "it has an empty part, . or .., or a character no name can have")
    return parts


def _outside(uri: str, why: str) -> BadInput:
    return BadInput(
        f"the address {uri!r} cannot be used: {why}",
        code="C021",
        hint="write an address like file:reports/may.pdf",
    )


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    """The operating system's errors, as an action's."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {uri!r}") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG):
            raise _outside(uri, "a part of it is a link or no folder, or it names a folder") from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
            raise Unavailable(f"{uri!r} cannot be written or read: {error.strerror}") from error
        raise InternalError(f"{uri!r}: {error.strerror}") from error


def _make_folder(name: str, folder: int) -> None:
    try:
        os.mkdir(name, mode=0o750, dir_fd=folder)
    except FileExistsError:
        return
    os.fsync(folder)


def _create(name: str, folder: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, mode=0o640, dir_fd=folder)


def _write_all(handle: int, piece: bytes) -> int:
    view = memoryview(piece)
    while view:
        view = view[os.write(handle, view) :]
    return len(piece)


def _publish(temporary: str, name: str, folder: int) -> None:
    # Renaming replaces a link of that name itself, never what it points to.
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _discard(temporary: str, folder: int) -> None:
    try:
        os.unlink(temporary, dir_fd=folder)
    except FileNotFoundError:
        return


async def _pieces(source: AsyncIterator[bytes] | bytes) -> AsyncIterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    async for piece in source:
        yield piece
