"""Addresses of files in Drive.

======================================  ==================================================================
``gdrive://FILE-ID``                    a file, whatever it is called and wherever it is moved
``gdrive://FILE-ID?export=MIME-TYPE``   one of Google's own documents, as a file of this type
``gdrive://FOLDER-ID/name``             the file of this name in the folder
``gdrive://FOLDER-ID/a/b/name``         the same, in folders inside it
``gdrive://FOLDER-ID/``                 the folder itself
======================================  ==================================================================

``root`` is the id of My Drive; a shared drive's id is that of its topmost folder. Names are written as
they are, without any escaping; one that contains ``/`` can only be named by its id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hookline.sdk import BadInput

__all__ = ["SCHEME", "Address", "folder_id"]

SCHEME = "gdrive"
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_FOLDER_PAGE = re.compile(
    r"https://drive\.google\.com/drive/(?:u/\d+/)?folders/([A-Za-z0-9_-]+)/?(?:[?#].*)?", re.ASCII
)
_EXPORT = re.compile(r"[a-z]+/[A-Za-z0-9.+-]+", re.ASCII)
_MAX_NAME = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a file is.

    Attributes:
        id: Of the file, or of the folder that `path` begins in.
        path: Names of folders, the file's last; empty when `id` is the file's.
        export: Media type to export a document as.
    """

    id: str
    path: tuple[str, ...] = ()
    export: str = ""

    @classmethod
    def parse(cls, uri: str) -> Address:
        """Read the address of a file.

        Raises:
            BadInput: C040.
        """
        scheme, separator, rest = uri.partition("://")
        id, slash, path = rest.partition("/")
        id, _, query = id.partition("?")
        if scheme != SCHEME or not separator or not _ID.fullmatch(id):
            raise _wrong(uri)
        if query:
            name, _, value = query.partition("=")
            if slash:
                value = f"{value}/{path}"
            if name != "export" or not _EXPORT.fullmatch(value):
                raise _wrong(uri)
            return cls(id, export=value)
        if not slash:
            return cls(id)
        names = tuple(path.split("/"))
        if any(_is_no_name(name) for name in names):
            raise _wrong(uri)
        return cls(id, names)

    @classmethod
    def parse_folder(cls, uri: str) -> Address:
        """Read the address of a folder.

        Raises:
            BadInput: C040.
        """
        found = cls.parse(uri.rstrip("/"))
        if found.export:
            raise _wrong(uri)
        return found

    @property
    def uri(self) -> str:
        """The address as text."""
        query = f"?export={self.export}" if self.export else ""
        return f"{SCHEME}://{'/'.join((self.id, *self.path))}{query}"


def folder_id(text: str) -> str:
    """The id of a folder, given as such or as the address of its page in a browser.

    Raises:
        BadInput: C040.
    """
    match = _FOLDER_PAGE.fullmatch(text.strip())
    id = match[1] if match else text.strip()
    if not _ID.fullmatch(id):
        raise BadInput(
            f"{text[:100]!r} is no folder of Google Drive",
            code="C040",
            hint="write the folder's id, or copy the address of its page: https://drive.google.com/drive/folders/…",
        )
    return id


def _is_no_name(name: str) -> bool:
    return name in ("", ".", "..") or len(name) > _MAX_NAME or any(ord(char) < 32 for char in name)


def _wrong(uri: str) -> BadInput:
    return BadInput(
        f"{uri[:200]!r} is not the address of a file in Google Drive",
        code="C040",
        hint="write gdrive://FILE-ID, or gdrive://FOLDER-ID/name",
    )
