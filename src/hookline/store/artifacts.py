"""Files kept by their content: the same bytes are kept once, under their SHA-256.

A file is written to a temporary name, flushed to disk, and only then renamed to its digest; so
a name that exists holds the whole content, whatever crashed. Reading checks the digest again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hookline.crashpoints import crashpoint

from .port import CorruptStore, StoreUnavailable

__all__ = ["ArtifactMissing", "ArtifactStore", "ArtifactTooLarge", "Stored"]

PIECE = 256 * 1024
"""Bytes read or written at a time."""


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
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)

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
        """Keep a stream, holding one piece in memory at a time.

        Raises:
            ArtifactTooLarge: It has more than `max_bytes`.
            StoreUnavailable: The disk is full or cannot be written.
        """
        with self.writer(max_bytes) as writer:
            async for piece in pieces:
                writer.write(piece)
        return writer.stored

    @contextlib.contextmanager
    def writer(self, max_bytes: int | None = None) -> Iterator[ArtifactWriter]:
        """A sink for one content; it is kept when the block ends without an error."""
        try:
            descriptor, name = tempfile.mkstemp(dir=self.folder / "tmp")
        except OSError as error:
            raise StoreUnavailable(f"the artifact store cannot be written: {error.strerror}") from error
        temporary = Path(name)
        try:
            with open(descriptor, "wb") as file:
                writer = ArtifactWriter(file, max_bytes)
                yield writer
                file.flush()
                os.fsync(file.fileno())
            writer.stored = Stored(writer.digest.hexdigest(), writer.size)
            self._keep(temporary, writer.stored.sha256)
        except OSError as error:
            raise StoreUnavailable(f"the artifact store cannot be written: {error.strerror}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def _keep(self, temporary: Path, sha256: str) -> None:
        crashpoint("artifact.written")
        folder = self.folder / sha256[:2]
        folder.mkdir(exist_ok=True)
        temporary.rename(folder / sha256)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        crashpoint("artifact.renamed")

    def read(self, sha256: str, max_bytes: int | None = None) -> bytes:
        """All bytes, checked.

        Raises:
            ArtifactMissing, ArtifactTooLarge, CorruptStore
        """
        path = self.path(sha256)
        if max_bytes is not None and path.stat().st_size > max_bytes:
            raise ArtifactTooLarge(f"{path.stat().st_size} bytes; {max_bytes} are allowed")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorruptStore(f"artifact {sha256} is damaged on disk")
        return content

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """The bytes in pieces; a damaged content raises `CorruptStore` at its end."""
        digest = hashlib.sha256()
        with self.path(sha256).open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                yield piece
        if digest.hexdigest() != sha256:
            raise CorruptStore(f"artifact {sha256} is damaged on disk")


class ArtifactWriter:
    """Takes the pieces of one content; `stored` is set when it is kept."""

    def __init__(self, file: BinaryIO, max_bytes: int | None) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self.digest = hashlib.sha256()
        self.size = 0
        self.stored = Stored("", 0)

    def write(self, piece: bytes) -> None:
        """Add bytes.

        Raises:
            ArtifactTooLarge: There are more than allowed.
        """
        self.size += len(piece)
        if self._max_bytes is not None and self.size > self._max_bytes:
            raise ArtifactTooLarge(f"more than {self._max_bytes} bytes")
        self.digest.update(piece)
        self._file.write(piece)
