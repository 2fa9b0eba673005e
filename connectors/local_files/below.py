"""Naming files below one folder: folder after folder, never through a link, never out of it.

Folders are opened one after the other without following links, each relative to the one before, so a
link that is put in the way, even between a check and its use, leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hookline.sdk import BadInput, InternalError, NotFound, Unavailable

__all__ = ["PARTIAL", "names_below", "open_file", "open_folder", "opened", "parts_of", "translated"]

PARTIAL = ".part"
"""How the names of files end that are still being written; they begin with a full stop."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def parts_of(uri: str) -> list[str]:
    """The names in an address such as ``file:reports/may.pdf``.

    Raises:
        BadInput: C021: it leads elsewhere, or is no such address.
    """
    scheme, colon, path = uri.partition(":")
    if scheme != "file" or not colon or path.startswith("/"):
        raise _outside(uri, "it is not of the form file:folder/name, relative to the allowed folder")
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise _outside(uri, "it has an empty part, . or .., or a character no name can have")
    return parts


def open_folder(root: Path, parts: list[str], *, make: bool = False) -> int:
    """A descriptor of a folder below `root`, made as needed with `make`. Raises `OSError`."""
    folder = os.open(root, _FOLDER)
    for part in parts:
        try:
            if make:
                _make_folder(part, folder)
            inner = os.open(part, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


@contextmanager
def opened(root: Path, parts: list[str], *, make: bool = False) -> Iterator[int]:
    """`open_folder`, closed at the end."""
    folder = open_folder(root, parts, make=make)
    try:
        yield folder
    finally:
        os.close(folder)


def open_file(root: Path, uri: str) -> int:
    """A descriptor to read an ordinary file with.

    Raises:
        BadInput: C021.
        OSError: As the system says.
    """
    parts = parts_of(uri)
    with opened(root, parts[:-1]) as folder:
        # O_NONBLOCK: opening a named pipe must not wait for a writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        handle = os.open(parts[-1], flags, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _outside(uri, "it is not an ordinary file")
    return handle


def names_below(root: Path, parts: list[str], *, recursive: bool, after: str) -> Iterator[str]:
    """Paths of the ordinary files in a folder, relative to it, in order; those behind `after`.

    The order is that of ``a/b`` with the separator before any other character, so that what is in a
    folder stays together and a page can begin anywhere. Files being written are left out.
    Raises `OSError`.
    """
    with opened(root, parts) as folder, os.scandir(folder) as found:
        entries = sorted(
            (entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False))
            for entry in found
        )
    first, _, rest = after.partition("/")
    for name, is_folder, is_file in entries:
        if name < first or not _can_be_named(name) or (name.startswith(".") and name.endswith(PARTIAL)):
            continue
        if is_file and (name > first or not after):
            yield name
        elif is_folder and recursive:
            inner = rest if name == first else ""
            try:
                for below in names_below(root, [*parts, name], recursive=True, after=inner):
                    yield f"{name}/{below}"
            except FileNotFoundError:
                continue  # It has been removed meanwhile.


@contextmanager
def translated(uri: str) -> Iterator[None]:
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


def _outside(uri: str, why: str) -> BadInput:
    return BadInput(
        f"the address {uri!r} cannot be used: {why}",
        code="C021",
        hint="write an address like file:reports/may.pdf",
    )


def _make_folder(name: str, folder: int) -> None:
    try:
        os.mkdir(name, mode=0o750, dir_fd=folder)
    except FileExistsError:
        return
    os.fsync(folder)


def _can_be_named(name: str) -> bool:
    """Whether an address can name it: bytes that are no UTF-8 have no place in JSON."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\\" not in name
