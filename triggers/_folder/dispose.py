"""Taking a file out of the watched folder, if it still is the one that was worked on.

A file is set aside under a name of its own first, looked at once more, and only then deleted or moved.
So what has been written anew meanwhile is never lost, and a process that dies in between finds the
file under that name and goes on.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath

from hookline.sdk import BadInput

from .scan import Entry, entry_of, open_folder

__all__ = ["delete", "move"]

_COPIES = 1000


def delete(root: Path, entry: Entry) -> bool:
    """Remove a file; False when it is not there any more, or not the same.

    Raises:
        OSError: It cannot be removed.
    """
    folder = _set_aside(root, entry)
    if folder is None:
        return False
    try:
        os.unlink(_aside(entry), dir_fd=folder)
    finally:
        os.close(folder)
    return True


def move(root: Path, entry: Entry, target: str) -> bool:
    """Move a file below ``root/target``, into the same folder there; never onto another file.

    Raises:
        BadInput: The target leads elsewhere, or to another disk.
        OSError: It cannot be moved.
    """
    folder = _set_aside(root, entry)
    if folder is None:
        return False
    try:
        place = _made(root, [*PurePosixPath(target).parts, *entry.path.split("/")[:-1]])
        try:
            _give_name(folder, _aside(entry), place, entry.path.rpartition("/")[2])
        finally:
            os.close(place)
    finally:
        os.close(folder)
    return True


def _set_aside(root: Path, entry: Entry) -> int | None:
    """The file's folder, opened, once the file has its other name; None when it is not the same file."""
    try:
        folder = open_folder(root, entry.path.split("/")[:-1])
    except FileNotFoundError:
        return None
    try:
        name, aside = entry.path.rpartition("/")[2], _aside(entry)
        if not _is(entry, aside, folder):
            if not _is(entry, name, folder):
                os.close(folder)
                return None
            os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
            if not _is(entry, aside, folder):
                # It was replaced at the last moment: it gets its name back, unless there is a newer one.
                _give_name(folder, aside, folder, name)
                os.close(folder)
                return None
        return folder
    except BaseException:
        os.close(folder)
        raise


def _aside(entry: Entry) -> str:
    # Hidden, so that no look takes it for a file of its own.
    return f".hookline-{hashlib.sha256(entry.identity.encode()).hexdigest()[:24]}"


def _is(entry: Entry, name: str, folder: int) -> bool:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return entry_of(entry.path, found) == entry


def _made(root: Path, names: list[str]) -> int:
    """A folder below the root, made if it is not there."""
    if not names or any(name in ("", ".", "..", "/") or "\0" in name for name in names):
        raise BadInput("move_to is not a folder below the watched one", hint='write "done"')
    path: list[str] = []
    for name in names:
        parent = open_folder(root, path)
        try:
            os.mkdir(name, 0o777, dir_fd=parent)
        except FileExistsError:
            pass
        finally:
            os.close(parent)
        path.append(name)
    return open_folder(root, path)


def _give_name(source: int, aside: str, target: int, name: str) -> None:
    stem, dot, suffix = name.rpartition(".")
    stem, ending = (stem, dot + suffix) if stem else (name, "")
    for number in range(_COPIES):
        free = name if number == 0 else f"{stem} ({number + 1}){ending}"
        try:
            # A link never replaces anything, unlike a rename.
            os.link(aside, free, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except FileExistsError:
            try:
                if os.path.samestat(
                    os.stat(aside, dir_fd=source, follow_symlinks=False),
                    os.stat(free, dir_fd=target, follow_symlinks=False),
                ):
                    os.unlink(aside, dir_fd=source)
                    return
            except FileNotFoundError:
                pass
            continue
        except OSError as error:
            raise BadInput(
                f"move_to: the file cannot be moved there: {error.strerror}",
                hint="the folder must be on the same disk, which must know hard links",
            ) from error
        os.unlink(aside, dir_fd=source)
        return
    raise BadInput(f"move_to holds {_COPIES} files named {name[:60]!r} already", hint="clear it")
