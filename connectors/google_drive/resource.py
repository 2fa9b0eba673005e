"""A file, folder or shortcut as Drive describes it.

Source: https://developers.google.com/workspace/drive/api/reference/rest/v3/files
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from hookline.sdk import MalformedOutput

__all__ = ["EXPORTS", "FIELDS", "FOLDER", "OURS", "OWN", "OWN_MD5", "SHORTCUT", "Export", "Resource", "texts"]

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
_NATIVE = "application/vnd.google-apps."

FIELDS = (
    "id,name,mimeType,parents,size,md5Checksum,sha256Checksum,headRevisionId,createdTime,modifiedTime,"
    "trashed,driveId,appProperties,shortcutDetails(targetId,targetMimeType),webViewLink"
)

OURS = "hookline-"
"""How the names of the properties begin that are ours."""
OWN = "hookline-run"
"""Property of a file that a run has written; its value is the run."""
OWN_MD5 = "hookline-md5"
"""MD5 of what the run wrote: with another one, somebody else has changed the file since."""

_OFFICE = "application/vnd.openxmlformats-officedocument."
Export = str
EXPORTS: Mapping[str, Mapping[str, Export]] = {
    "pdf": {
        f"{_NATIVE}document": "application/pdf",
        f"{_NATIVE}spreadsheet": "application/pdf",
        f"{_NATIVE}presentation": "application/pdf",
        f"{_NATIVE}drawing": "application/pdf",
    },
    "office": {
        f"{_NATIVE}document": f"{_OFFICE}wordprocessingml.document",
        f"{_NATIVE}spreadsheet": f"{_OFFICE}spreadsheetml.sheet",
        f"{_NATIVE}presentation": f"{_OFFICE}presentationml.presentation",
        f"{_NATIVE}drawing": "image/png",
    },
}
"""What Google's own documents are exported as, by the way that was chosen and their type."""

_SUFFIXES: Mapping[str, str] = {
    "application/pdf": ".pdf",
    "image/png": ".png",
    f"{_OFFICE}wordprocessingml.document": ".docx",
    f"{_OFFICE}spreadsheetml.sheet": ".xlsx",
    f"{_OFFICE}presentationml.presentation": ".pptx",
}


@dataclass(frozen=True, slots=True)
class Resource:
    """What is known about one.

    Attributes:
        parent: The folder it is in, ``""`` when the account may not see it.
        bytes: None for what has no bytes of its own.
        md5, sha256: Hexadecimal, ``""`` when Drive does not say.
        revision: Of the content, ``""`` for what has none.
        drive: Its shared drive, ``""`` in My Drive.
        target: Id of what a shortcut leads to.
    """

    id: str
    name: str
    mime: str
    parent: str = ""
    bytes: int | None = None
    md5: str = ""
    sha256: str = ""
    revision: str = ""
    created: str = ""
    modified: str = ""
    trashed: bool = False
    drive: str = ""
    target: str = ""
    url: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, value: Any) -> Resource:
        """Read an answer.

        Raises:
            MalformedOutput: It is no file.
        """
        if not isinstance(value, Mapping):
            raise MalformedOutput("Google Drive described a file by something that is no object")
        id, name, mime = (value.get(key) for key in ("id", "name", "mimeType"))
        if not isinstance(id, str) or not id or not isinstance(name, str) or not isinstance(mime, str):
            raise MalformedOutput("Google Drive described a file without its id, name or type")
        parents, shortcut = value.get("parents"), value.get("shortcutDetails")
        size, properties = value.get("size"), value.get("appProperties")
        is_sized = isinstance(size, str) and size.isascii() and size.isdigit()
        return cls(
            id=id,
            name=name,
            mime=mime,
            parent=str(parents[0]) if isinstance(parents, list) and parents else "",
            bytes=int(size) if is_sized and not mime.startswith(_NATIVE) else None,
            trashed=value.get("trashed") is True,
            target=str(shortcut.get("targetId") or "") if isinstance(shortcut, Mapping) else "",
            properties=dict(texts(properties)) if isinstance(properties, Mapping) else {},
            **{
                name: str(value.get(key) or "")
                for name, key in (
                    ("md5", "md5Checksum"),
                    ("sha256", "sha256Checksum"),
                    ("revision", "headRevisionId"),
                    ("created", "createdTime"),
                    ("modified", "modifiedTime"),
                    ("drive", "driveId"),
                    ("url", "webViewLink"),
                )
            },
        )

    @property
    def is_native(self) -> bool:
        """Whether it is one of Google's own: a document, a folder, a shortcut."""
        return self.mime.startswith(_NATIVE)

    @property
    def has_content(self) -> bool:
        """Whether there are bytes, or a document: not, while an upload has only begun."""
        return self.is_native or (self.bytes is not None and bool(self.revision or self.md5))

    @property
    def version(self) -> str:
        """Changes whenever the content does; for a document whenever it is edited."""
        return self.revision or self.md5 or self.modified

    @property
    def written_by(self) -> str:
        """The run that wrote the content as it is now, ``""`` when somebody else did."""
        digest = self.properties.get(OWN_MD5, "")
        return "" if digest and digest != self.md5 else self.properties.get(OWN, "")

    def export_name(self, mime: str) -> str:
        """The name of a document that is exported as this type."""
        suffix = _SUFFIXES.get(mime) or mimetypes.guess_extension(mime) or ""
        return self.name if PurePosixPath(self.name).suffix.lower() == suffix else f"{self.name}{suffix}"


def texts(found: Mapping[Any, Any]) -> Mapping[str, str]:
    """The entries that are texts."""
    return {str(key): value for key, value in found.items() if isinstance(value, str)}
