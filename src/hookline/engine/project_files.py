"""Reading small files that belong to a project: a step names them, so they are held to one folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from hookline.sdk import BadInput, NotFound

__all__ = ["FILES", "FOLDERS", "read_project_file"]

FOLDERS = ("policies",)
"""Folders of a project that steps may read. The rest of it holds settings and secrets."""

FILES = ("prices.json",)
"""Files in the project's own folder that they may read."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def read_project_file(project: Path, path: str, max_bytes: int) -> bytes:
    """The bytes of ``<folder>/<file>`` below a project, or of one of `FILES`.

    Each part is opened relative to the one before, without following a link, so that a link leads
    nowhere even when it is put there between a check and its use.

    Raises:
        NotFound: There is no such file.
        BadInput: The path leads elsewhere, passes through a link, names no ordinary file, or the file is
            larger than `max_bytes`.
    """
    folder, _, name = path.partition("/")
    if path in FILES:
        folder, name = ".", path
    elif folder not in FOLDERS or not name or "/" in name or "\0" in name or name in (".", ".."):
        raise BadInput(
            f"{path[:100]!r} is no file that a step may read",
            hint=f"it is of the form {FOLDERS[0]}/name.json",
        )
    try:
        parent = os.open(project / folder, _FLAGS | os.O_DIRECTORY)
        try:
            file = os.open(name, _FLAGS, dir_fd=parent)
        finally:
            os.close(parent)
    except FileNotFoundError as error:
        raise NotFound(f"the project has no file {path}", hint="file names are case-sensitive") from error
    except OSError as error:
        why = "is a link" if error.errno in (errno.ELOOP, errno.ENOTDIR) else "cannot be read"
        raise BadInput(f"{path} {why}") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise BadInput(f"{path} is no ordinary file")
        with os.fdopen(file, "rb", closefd=False) as opened:
            content = opened.read(max_bytes + 1)
    finally:
        os.close(file)
    if len(content) > max_bytes:
        raise BadInput(f"{path} is larger than {max_bytes} bytes")
    return content
