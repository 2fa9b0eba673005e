"""ZIP archives: written as a stream, read with distrust.

What is read is looked at before anything is unpacked: the number of entries before their list is
read, then every name, size and place. Declared sizes can be believed because no more than the
declared bytes of an entry are ever unpacked.

Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.3.6, 4.3.14 to 4.3.16, 4.4.5)
"""

from __future__ import annotations

import asyncio
import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hookline.sdk import BadInput

from .sources import Source

__all__ = ["Limits", "open_archive", "packed", "unpacked"]

_PIECE = 256 * 1024
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_MOST_COMMENT = 65_535
_LARGEST_RECORD = 46 + 1024 + 256
"""Bytes of an entry in the list of entries: its head, a long name, what else is known of it."""

_DEEPEST = 32
_LONGEST = 1024
_RATIO_FROM = 1024**2
"""Bytes up to which an entry may be as compressible as it likes."""

_UNNAMEABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BROKEN = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError)
_EARLIEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold.

    Attributes:
        files: Entries, folders included.
        bytes: All entries unpacked.
        ratio: Unpacked bytes for each packed one.
    """

    files: int
    bytes: int
    ratio: float


@contextmanager
def open_archive(path: Path, limits: Limits) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """The opened archive and its files, in their order; folders are left out.

    Raises:
        BadInput: C061 (refused) or C062 (no readable archive).
    """
    with path.open("rb") as handle:
        archive, entries = _checked(handle, limits)
        with archive:
            yield archive, entries


def _checked(archive: BinaryIO, limits: Limits) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    try:
        if _size_of_list(archive) > limits.files * _LARGEST_RECORD:
            raise _refused(f"it has more than {limits.files} entries", "raise max_files")
        opened = zipfile.ZipFile(archive)
    except (*_BROKEN, struct.error) as error:
        raise _unreadable(error) from error
    entries = opened.infolist()
    if len(entries) > limits.files:
        raise _refused(f"it has {len(entries)} entries; {limits.files} are allowed", "raise max_files")
    total = sum(entry.file_size for entry in entries)
    if total > limits.bytes:
        raise _refused(f"it has {total} bytes unpacked; {limits.bytes} are allowed", "raise max_bytes")
    for entry in entries:
        _check_kind(entry, limits)
    _check_places(entries)
    _check_names(entries)
    return opened, [entry for entry in entries if not entry.is_dir()]


async def unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> AsyncIterator[bytes]:
    """The bytes of one entry, checked against its checksum.

    Raises:
        BadInput: C062.
    """
    count = 0
    try:
        with await asyncio.to_thread(archive.open, entry) as content:
            while piece := await asyncio.to_thread(content.read, _PIECE):
                count += len(piece)
                yield piece
    except (*_BROKEN, EOFError, zlib.error) as error:
        raise _unreadable(error) from error
    if count != entry.file_size:
        raise _unreadable(f"{entry.filename!r} has {count} of {entry.file_size} bytes")


async def packed(
    members: Sequence[tuple[str, Source]], *, compress: bool, limit: int
) -> AsyncIterator[bytes]:
    """An archive of these members. The same members make the same bytes: no time is written down.

    Raises:
        BadInput: C026: together they have more than `limit` bytes.
    """
    sink = _Sink()
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    total = 0
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, source in members:
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.compress_type = method
            entry.external_attr = 0o644 << 16
            # Its size is only known at the end, so there must be room for a large one.
            with archive.open(entry, "w", force_zip64=True) as writer:
                async with source.pieces("Packing", limit - total) as pieces:
                    async for piece in pieces:
                        total += len(piece)
                        await asyncio.to_thread(writer.write, piece)
                        if sink.size:
                            yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """What was written since the last look."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    @property
    def size(self) -> int:
        return len(self._waiting)

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        self._waiting += piece
        return len(piece)

    def take(self) -> bytes:
        found = bytes(self._waiting)
        self._waiting.clear()
        return found


def _size_of_list(archive: BinaryIO) -> int:
    """Bytes of the list of entries, which is read into memory as a whole."""
    end = archive.seek(0, io.SEEK_END)
    start = max(0, end - _END.size - _MOST_COMMENT)
    archive.seek(start)
    tail = archive.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        raise zipfile.BadZipFile("it has no list of entries")
    size: int = _END.unpack_from(tail, at)[5]
    locator = start + at - _LOCATOR_64.size
    if locator >= 0:
        archive.seek(locator)
        mark, _, place, _ = _LOCATOR_64.unpack(archive.read(_LOCATOR_64.size))
        if mark == b"PK\x06\x07":
            archive.seek(min(place, end))
            record = archive.read(_END_64.size)
            if len(record) == _END_64.size and record.startswith(b"PK\x06\x06"):
                size = max(size, _END_64.unpack(record)[8])
    archive.seek(0)
    return size


def _check_kind(entry: zipfile.ZipInfo, limits: Limits) -> None:
    what = f"{entry.filename[:100]!r}"
    mode = stat.S_IFMT(entry.external_attr >> 16)
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(f"{what} is a link or a device")
    if entry.flag_bits & 0x1:
        raise _refused(f"{what} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # The others unpack a piece of any size at a time.
        raise _refused(f"{what} is packed with method {entry.compress_type}", "pack it with deflate")
    if entry.file_size > _RATIO_FROM and entry.file_size > limits.ratio * max(1, entry.compress_size):
        ratio = entry.file_size // max(1, entry.compress_size)
        raise _refused(f"{what} is {ratio} times as large unpacked", "raise max_ratio")


def _check_places(entries: Sequence[zipfile.ZipInfo]) -> None:
    """Entries that share their packed bytes are how a small archive becomes a huge one."""
    ends = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < ends:
            raise _refused(f"{entry.filename[:100]!r} overlaps another entry")
        ends = entry.header_offset + 30 + len(entry.orig_filename.encode("utf-8", "replace"))
        if entry.file_size:
            ends = max(ends, entry.header_offset + 30 + entry.compress_size)


def _check_names(entries: Sequence[zipfile.ZipInfo]) -> None:
    files: dict[str, str] = {}
    folders: set[str] = set()
    for entry in entries:
        name = entry.filename
        parts = name.rstrip("/").split("/")
        # Where it is put in the end, capitals and accents may not make a difference.
        plain = unicodedata.normalize("NFC", name.rstrip("/")).casefold()
        if why := _why_unsafe(name, parts):
            raise _refused(f"{name[:100]!r} {why}")
        if not entry.is_dir():
            if plain in files:
                raise _refused(f"{name[:100]!r} is there twice")
            files[plain] = name
        folder = plain if entry.is_dir() else plain.rpartition("/")[0]
        while folder:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for plain in files.keys() & folders:
        raise _refused(f"{files[plain][:100]!r} is a file and a folder")


def _why_unsafe(name: str, parts: Sequence[str]) -> str:
    if "\\" in name or any(unicodedata.category(char) in _UNNAMEABLE for char in name):
        return "has a character that no name should have"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "is an absolute path"
    if any(part in ("", ".", "..") for part in parts):
        return "has an empty part, . or .."
    if len(parts) > _DEEPEST or len(name.encode("utf-8", "replace")) > _LONGEST:
        return "lies too deep or is too long"
    return ""


def _refused(why: str, hint: str = "") -> BadInput:
    return BadInput(f"the archive is refused: {why}", code="C061", hint=hint)


def _unreadable(error: object) -> BadInput:
    return BadInput(f"the archive cannot be read: {error}", code="C062")
