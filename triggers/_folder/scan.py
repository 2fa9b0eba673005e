"""Looking through a directory without ever leaving it."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookline.sdk import BadInput

__all__ = ["Entry", "Unstable", "entry_of", "open_folder", "read", "scan"]

MAX_ENTRIES = 100_000
"""Files and folders that one look goes through."""

_MAX_DEPTH = 32
_PIECE = 256 * 1024
# A file that became a symbolic link is refused; one that became a pipe does not block.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class Unstable(Exception):
    """The file is not what was seen any more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file below the directory.

    Attributes:
        path: Relative, with ``/``; as the system spells it.
    """

    path: str
    bytes: int
    mtime_ns: int
    inode: int

    @property
    def shown(self) -> str:
        """The path as text that can be kept: what is no UTF-8 is replaced."""
        return os.fsencode(self.path).decode("utf-8", "replace")

    @property
    def identity(self) -> str:
        """The path and this state of the file."""
        exact = os.fsencode(self.path)
        path = self.shown if self.shown.encode() == exact else f"hex:{exact.hex()}"
        return f"{path}#{self.mtime_ns}:{self.bytes}:{self.inode}"

    @classmethod
    def read(cls, identity: str) -> Entry:
        """The file that has this identity."""
        path, _, state = identity.rpartition("#")
        mtime_ns, size, inode = map(int, state.split(":"))
        if path.startswith("hex:"):
            path = os.fsdecode(bytes.fromhex(path.removeprefix("hex:")))
        return cls(path, size, mtime_ns, inode)


def scan(root: Path, *, recursive: bool, without: str = "") -> Iterator[Entry]:
    """Every regular file below `root`, neither hidden nor behind a symbolic link.

    Args:
        without: A folder, relative to the root, that is left out.

    Raises:
        BadInput: `root` is gone, or there are more than `MAX_ENTRIES`.
    """
    try:
        descriptor = os.open(root, _FOLDER)
    except OSError as error:
        raise BadInput(f"the watched folder cannot be read: {error.strerror}") from error
    count = 0

    def inside(folder: int, prefix: str, depth: int) -> Iterator[Entry]:
        nonlocal count
        with os.scandir(folder) as entries:
            for entry in entries:
                count += 1
                if count > MAX_ENTRIES:
                    raise BadInput(
                        f"the watched folder holds more than {MAX_ENTRIES} files", hint="watch a part of it"
                    )
                if entry.name.startswith("."):
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode):
                        yield entry_of(prefix + entry.name, found)
                    elif (
                        stat.S_ISDIR(found.st_mode)
                        and recursive
                        and depth < _MAX_DEPTH
                        and prefix + entry.name != without
                    ):
                        below = os.open(entry.name, _FOLDER, dir_fd=folder)
                        try:
                            yield from inside(below, f"{prefix}{entry.name}/", depth + 1)
                        finally:
                            os.close(below)
                except OSError:
                    # Gone meanwhile, or not ours to read: there is nothing to start with.
                    continue

    try:
        yield from inside(descriptor, "", 0)
    finally:
        os.close(descriptor)


async def read(root: Path, entry: Entry) -> AsyncIterator[bytes]:
    """The bytes of a file, in pieces, if it stays what it was.

    Raises:
        Unstable: It was changed, replaced or removed before the last byte was read.
        OSError: It cannot be read.
    """
    descriptor = await asyncio.to_thread(_open_beneath, root, entry.path)
    try:
        _check(entry, descriptor)
        while piece := await asyncio.to_thread(os.read, descriptor, _PIECE):
            yield piece
        _check(entry, descriptor)
    finally:
        os.close(descriptor)


def open_folder(root: Path, names: Sequence[str]) -> int:
    """A folder below the root, opened without following any link.

    Raises:
        OSError: It is not there.
    """
    folder = os.open(root, _FOLDER)
    try:
        for each in names:
            below = os.open(each, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
    except BaseException:
        os.close(folder)
        raise
    return folder


def _open_beneath(root: Path, path: str) -> int:
    *folders, name = path.split("/")
    try:
        folder = open_folder(root, folders)
        try:
            return os.open(name, _FILE, dir_fd=folder)
        finally:
            os.close(folder)
    except FileNotFoundError as error:
        raise Unstable from error


def _check(entry: Entry, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or entry_of(entry.path, found) != entry:
        raise Unstable


def entry_of(path: str, found: os.stat_result) -> Entry:
    """A file by what the system says of it."""
    return Entry(path, found.st_size, found.st_mtime_ns, found.st_ino)
