"""Files kept by their content: the same bytes are kept once, under their SHA-256.

`Artifacts` is what every such store offers; `ArtifactStore` is a folder, `S3Artifacts` (in
`s3_artifacts`) a place in an object store.

In the folder, a file is written to a temporary name, flushed to disk, and only then renamed to its digest; so
a name that exists holds the whole content, whatever crashed. Reading checks the digest again.
A temporary file is locked by the process that writes it; those without a lock are left over from
a crash and are removed at the next start.

Content that is kept again gets a new file, and with it a new time. Giving a file its name and removing
one exclude each other by a lock, so that what is kept again in the very moment of its removal stays.
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
from typing import BinaryIO, Protocol

from hookline.crashpoints import crashpoint

from .port import CorruptStore, StoreUnavailable

__all__ = [
    "ArtifactMissing",
    "ArtifactStore",
    "ArtifactTooLarge",
    "ArtifactWriter",
    "Artifacts",
    "Stored",
    "StoredAt",
    "is_digest",
]

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


@dataclass(frozen=True, slots=True)
class StoredAt:
    """What is kept, and when it was kept last (seconds since the epoch, by the store's clock)."""

    sha256: str
    size: int
    at: float


class ArtifactWriter(Protocol):
    """Takes the pieces of one content; `stored` is set when it is kept.

    Attributes:
        size: Bytes so far.
    """

    size: int
    stored: Stored

    def write(self, piece: bytes) -> None:
        """Add bytes.

        Raises:
            ArtifactTooLarge: There are more than allowed.
            StoreUnavailable: The store cannot be written.
        """


class Artifacts(Protocol):
    """Contents under their SHA-256. Safe for threads and for several processes.

    Everything may raise `StoreUnavailable`; what names a content may raise `ArtifactMissing`, and what
    reads it `CorruptStore` when it is not what its name says.
    """

    def save(self, content: bytes) -> Stored:
        """Keep bytes; they are safe when this returns."""

    async def save_stream(self, pieces: AsyncIterator[bytes], max_bytes: int | None = None) -> Stored:
        """Keep a stream, with one piece in memory at a time. What the stream raises is passed on.

        Raises:
            ArtifactTooLarge: It has more than `max_bytes`.
        """

    def writer(self, max_bytes: int | None = None) -> contextlib.AbstractContextManager[ArtifactWriter]:
        """A sink for one content; it is kept when the block ends without an error.

        Raises:
            ArtifactTooLarge: It has more than `max_bytes`.
        """

    def read(self, sha256: str, max_bytes: int | None = None) -> bytes:
        """All bytes, checked.

        Raises:
            ArtifactTooLarge: There are more than `max_bytes`.
        """

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """The bytes in pieces; a damaged content raises `CorruptStore` at its end."""

    def size(self, sha256: str) -> int:
        """How many bytes a content has."""

    def path(self, sha256: str) -> Path:
        """A file of this machine with the content, to be read at once and never to be written."""

    def listed(self) -> Iterator[StoredAt]:
        """Everything that is kept, in no order; what comes or goes meanwhile may be left out."""

    def owner(self, name: str) -> str:
        """Whose store this is: `name`, unless somebody asked before with another one.

        Two databases must not share a store: each would remove what only the other refers to.
        """

    def remove(self, sha256: str, kept_before: float) -> bool:
        """Remove a content, unless it was kept again since; True when it is gone.

        Args:
            kept_before: Only if it was kept last before this (seconds since the epoch).
        """


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 as names are made of them."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


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
        if not is_digest(sha256):
            raise ArtifactMissing(f"{sha256[:70]!r} is no SHA-256")
        path = self.folder / sha256[:2] / sha256
        if not path.is_file():
            raise ArtifactMissing(f"artifact {sha256} is gone")
        return path

    def size(self, sha256: str) -> int:
        """How many bytes a content has.

        Raises:
            ArtifactMissing: It is not there.
        """
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            raise ArtifactMissing(f"artifact {sha256} is gone") from None

    def listed(self) -> Iterator[StoredAt]:
        """Everything that is kept, in no order.

        Raises:
            StoreUnavailable: The folder cannot be read.
        """
        with _as_unavailable():
            folders = [entry.path for entry in os.scandir(self.folder) if len(entry.name) == 2]
        for folder in folders:
            with _as_unavailable(), os.scandir(folder) as entries:
                found = [entry for entry in entries if is_digest(entry.name)]
            for entry in found:
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    yield StoredAt(entry.name, stat.st_size, stat.st_mtime)

    def owner(self, name: str) -> str:
        """Whose store this is: `name`, unless somebody asked before with another one.

        Raises:
            StoreUnavailable: The folder cannot be read or written.
        """
        path = self.folder / "owner"
        with _as_unavailable():
            try:
                with path.open("x") as file:
                    file.write(name)
            except FileExistsError:
                return path.read_text() or name
        return name

    def remove(self, sha256: str, kept_before: float) -> bool:
        """Remove a content, unless it was kept again since.

        Raises:
            StoreUnavailable: It cannot be removed.
        """
        if not is_digest(sha256):
            return False
        path = self.folder / sha256[:2] / sha256
        with _as_unavailable(), self._locked(fcntl.LOCK_EX):
            try:
                if path.stat().st_mtime >= kept_before:
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)

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
    def writer(self, max_bytes: int | None = None) -> Iterator[FolderWriter]:
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

    def _begin(self, max_bytes: int | None) -> FolderWriter:
        with _as_unavailable():
            descriptor, name = tempfile.mkstemp(dir=self._temporary)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        return FolderWriter(self, Path(name), open(descriptor, "wb"), max_bytes)

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


class FolderWriter:
    """Takes the pieces of one content; `stored` is set when it is kept."""

    def __init__(self, store: ArtifactStore, temporary: Path, file: BinaryIO, max_bytes: int | None) -> None:
        self._store = store
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
        root = self._store.folder
        folder = root / stored.sha256[:2]
        with _as_unavailable():
            self._file.flush()
            os.fsync(self._file.fileno())
            crashpoint("artifact.written")
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                _flush_folder(root)
            with self._store._locked(fcntl.LOCK_SH):
                # The time of the last writing may be long ago, and counts as when it was kept.
                os.utime(self._path)
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
