"""Bodies of requests to hooks: small ones in memory, large ones in a file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol

__all__ = ["IN_MEMORY", "Received", "read_body"]

IN_MEMORY = 256 * 1024
"""Bytes of a body up to which it is held in memory."""

_PIECE = 256 * 1024


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class Received:
    """A whole body. As a context manager it lets go of its file.

    Attributes:
        content: The bytes, empty when they are in `file`.
        file: Seekable, from its beginning.
        size: Bytes in `file`.
    """

    content: bytes = b""
    file: BinaryIO | None = None
    size: int = 0

    def __enter__(self) -> Received:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file is not None:
            self.file.close()


def read_body(source: _Readable, length: int) -> Received | None:
    """Exactly `length` bytes; None when the source ends before.

    Raises:
        OSError: There is no room for a temporary file.
    """
    if length <= IN_MEMORY:
        content = source.read(length)
        return Received(content) if len(content) == length else None
    file = tempfile.TemporaryFile(prefix="hookline-body-")  # noqa: SIM115 - `Received` closes it
    missing = length
    try:
        while missing and (piece := source.read(min(missing, _PIECE))):
            file.write(piece)
            missing -= len(piece)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    if missing:
        file.close()
        return None
    return Received(file=file, size=length)
