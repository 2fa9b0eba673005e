"""What the stand-in keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "FOLDER",
    "SHORTCUT",
    "Channel",
    "Item",
    "Logged",
    "Push",
    "Role",
    "SharedDrive",
    "is_native",
]

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
_NATIVE = "application/vnd.google-apps."

Role = Literal["none", "reader", "writer", "organizer"]


def is_native(mime: str) -> bool:
    """Whether files of this type have no bytes of their own."""
    return mime.startswith(_NATIVE)


@dataclass(slots=True)
class Item:
    """A file, a folder or a shortcut.

    Attributes:
        content: Bytes of the head revision; None for what has none.
        revision: Number of revisions of the content.
        history: Content of earlier revisions that are still kept, by their ids.
        version: Grows with every change, visible or not.
        drive: Id of its shared drive, ``""`` in My Drive.
        role: What the account may do; None is what it may do in the folder above.
        exports: What exporting gives, by media type.
        abusive: Marked as malware: downloaded only by those who acknowledge that.
    """

    id: str
    name: str
    mime: str
    parent: str
    created: float
    modified: float
    content: bytes | None = None
    revision: int = 0
    history: dict[str, bytes] = field(default_factory=dict)
    version: int = 1
    trashed: bool = False
    drive: str = ""
    role: Role | None = None
    app_properties: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    description: str = ""
    starred: bool = False
    target: str = ""
    target_mime: str = ""
    exports: Mapping[str, bytes] = field(default_factory=dict)
    can_download: bool = True
    abusive: bool = False

    @property
    def head_revision(self) -> str:
        """Id of the newest content."""
        return f"{self.id[:12]}R{self.revision:04}"

    def replace(self, content: bytes) -> None:
        """Give it another content; the one before is kept."""
        if self.content is not None:
            self.history[self.head_revision] = self.content
        self.content, self.revision = content, self.revision + 1

    def digest(self, algorithm: str) -> str:
        """Hexadecimal digest of the content."""
        return hashlib.new(algorithm, self.content or b"", usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class SharedDrive:
    """A shared drive; its root folder has the same id."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A push channel.

    Attributes:
        log: ``""`` for the account's own changes, else the shared drive's id.
        expiration: Unix time in seconds.
    """

    id: str
    resource_id: str
    address: str
    token: str
    expiration: float
    log: str


@dataclass(frozen=True, slots=True)
class Push:
    """One notification as it was sent.

    Attributes:
        status: What the receiver answered; 0 when it could not be reached.
    """

    channel: str
    state: str
    number: int
    headers: Mapping[str, str]
    status: int


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as it came.

    Attributes:
        operation: ``files.list``, ``changes.list``, …, ``""`` for an unknown path.
    """

    method: str
    path: str
    query: Mapping[str, str]
    operation: str
    status: int
    body: Any = None
