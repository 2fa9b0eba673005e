"""Files kept by their content: the same bytes are kept once, under their SHA-256.

A file is written to a temporary name, flushed to disk, and only then renamed to its digest; so
a name that exists holds the whole content, whatever crashed. Reading checks the digest again.
A temporary file is locked by the process that writes it; those without a lock are left over from
a crash and are removed at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hookline.crashpoints import crashpoint

from .port import CorruptStore, StoreUnavailable

__all__ = ["ArtifactMissing", "ArtifactStore", "ArtifactTooLarge", "Stored"]

PIECE = 256 * 1024
"""Bytes read or written at a time."""

STALE_SECONDS = 60.0
"""Age from which a temporary file that nobody has locked is left over from a crash."""


class ArtifactMissing(Exception):
    """There is no content with this digest."""


class ArtifactTooLarge(Exception):
    """More bytes came than are allowed; nothing was kept."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was kept: hex digest and size in bytes."""

    sha256: str
    size: int


class ArtifactStore:
    """A folder of contents, two levels deep.

    Args:
        folder: Made when it does not exist.

    Raises:
        StoreUnavailable: It cannot be made or read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._temporary = self.folder / "tmp"
        with _as_unavailable():
            self._temporary.mkdir(parents=True, exist_ok=True)
            self._clean_up()

    def _clean_up(self) -> None:
        newest = time.time() - STALE_SECONDS
        for path in self._temporary.iterdir():
            with contextlib.suppress(FileNotFoundError, BlockingIOError):
                if path.stat().st_mtime < newest:
                    with path.open("rb") as file:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        path.unlink()

    def path(self, sha256: str) -> Path:
        """Where a content is kept.

        Raises:
            ArtifactMissing: It is not there.
        """
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ArtifactMissing(f"{sha256[:70]!r} is no SHA-256")
        path = self.folder / sha256[:2] / sha256
        if not path.is_file():
            raise ArtifactMissing(f"artifact {sha256} is gone")
        return path

    def save(self, content: bytes) -> Stored:
        """Keep bytes.

        Raises:
            StoreUnavailable: The disk is full or cannot be written.
        """
        with self.writer() as writer:
            writer.write(content)
        return writer.stored

    async def save_stream(self, pieces: AsyncIterator[bytes], max_bytes: int | None = None) -> Stored:
        """Keep a stream, holding one piece in memory at a time. What the stream raises is passed on.

        Raises:
            ArtifactTooLarge: It has more than `max_bytes`.
            StoreUnavailable: The disk is full or cannot be written.
        """
        writer = self._begin(max_bytes)
        try:
            async for piece in pieces:
                writer.write(piece)
            # Flushing a large file takes as long as the disk takes; the event loop goes on.
            await asyncio.to_thread(writer.keep)
        finally:
            writer.discard()
        return writer.stored

    @contextlib.contextmanager
    def writer(self, max_bytes: int | None = None) -> Iterator[ArtifactWriter]:
        """A sink for one content; it is kept when the block ends without an error.

        Raises:
            ArtifactTooLarge: It has more than `max_bytes`.
            StoreUnavailable: The disk is full or cannot be written.
        """
        writer = self._begin(max_bytes)
        try:
            yield writer
            writer.keep()
        finally:
            writer.discard()

    def _begin(self, max_bytes: int | None) -> ArtifactWriter:
        with _as_unavailable():
            descriptor, name = tempfile.mkstemp(dir=self._temporary)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        return ArtifactWriter(self.folder, Path(name), open(descriptor, "wb"), max_bytes)

    def read(self, sha256: str, max_bytes: int | None = None) -> bytes:
        """All bytes, checked.

        Raises:
            ArtifactMissing, ArtifactTooLarge, CorruptStore, StoreUnavailable
        """
        with self._open(sha256) as file:
            size = os.fstat(file.fileno()).st_size
            if max_bytes is not None and size > max_bytes:
                raise ArtifactTooLarge(f"{size} bytes; {max_bytes} are allowed")
            with _as_unavailable():
                content = file.read()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorruptStore(f"artifact {sha256} is damaged on disk")
        return content

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """The bytes in pieces; a damaged content raises `CorruptStore` at its end."""
        digest = hashlib.sha256()
        with self._open(sha256) as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                yield piece
        if digest.hexdigest() != sha256:
            raise CorruptStore(f"artifact {sha256} is damaged on disk")

    def _open(self, sha256: str) -> BinaryIO:
        path = self.path(sha256)
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise ArtifactMissing(f"artifact {sha256} is gone") from None
        except OSError as error:
            raise StoreUnavailable(f"artifact {sha256} cannot be read: {error.strerror}") from error


class ArtifactWriter:
    """Takes the pieces of one content; `stored` is set when it is kept."""

    def __init__(self, folder: Path, temporary: Path, file: BinaryIO, max_bytes: int | None) -> None:
        self._folder = folder
        self._path = temporary
        self._file = file
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self.size = 0
        self.stored = Stored("", 0)

    def write(self, piece: bytes) -> None:
        """Add bytes.

        Raises:
            ArtifactTooLarge: There are more than allowed.
            StoreUnavailable: The disk is full or cannot be written.
        """
        self.size += len(piece)
        if self._max_bytes is not None and self.size > self._max_bytes:
            raise ArtifactTooLarge(f"more than {self._max_bytes} bytes")
        self._digest.update(piece)
        with _as_unavailable():
            self._file.write(piece)

    def keep(self) -> None:
        """Flush the content to disk and give it its name.

        Raises:
            StoreUnavailable: The disk is full or cannot be written.
        """
        stored = Stored(self._digest.hexdigest(), self.size)
        folder = self._folder / stored.sha256[:2]
        with _as_unavailable():
            self._file.flush()
            os.fsync(self._file.fileno())
            crashpoint("artifact.written")
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                _flush_folder(self._folder)
            self._path.rename(folder / stored.sha256)
            _flush_folder(folder)
            crashpoint("artifact.renamed")
        self.stored = stored

    def discard(self) -> None:
        """Let go of the file; what was not kept is gone."""
        # Closing writes what is buffered, which may fail again; it is not wanted any more.
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"the artifact store cannot be used: {error.strerror or error}") from error
