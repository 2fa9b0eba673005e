"""What items look like in answers, and which of their fields may be written.

Source: https://developers.google.com/workspace/drive/api/reference/rest/v3/files
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from hookline.testing.clock import rfc3339
from hookline.testing.drive.errors import DriveError
from hookline.testing.drive.holdings import RANK, Holdings
from hookline.testing.drive.records import FOLDER, SHORTCUT, Item, is_native
from hookline.testing.drive.selection import Known

__all__ = [
    "CHANGE",
    "CHANGES",
    "DEFAULT_FILE",
    "FILE",
    "FILES",
    "REVISION",
    "file_resource",
    "revision_resource",
    "written",
]

_CAPABILITIES = ("canAddChildren", "canCopy", "canDelete", "canDownload", "canEdit", "canRename", "canTrash")

FILE: Known = {
    **dict.fromkeys(
        [
            "kind",
            "id",
            "name",
            "mimeType",
            "description",
            "starred",
            "trashed",
            "explicitlyTrashed",
            "parents",
            "properties",
            "spaces",
            "version",
            "webContentLink",
            "webViewLink",
            "iconLink",
            "createdTime",
            "modifiedTime",
            "driveId",
            "fileExtension",
            "fullFileExtension",
            "originalFilename",
            "md5Checksum",
            "sha1Checksum",
            "sha256Checksum",
            "size",
            "quotaBytesUsed",
            "headRevisionId",
            "appProperties",
            "exportLinks",
            "resourceKey",
            "ownedByMe",
            "shared",
            "trashedTime",
        ]
    ),
    "properties": {"*": None},
    "appProperties": {"*": None},
    "exportLinks": {"*": None},
    "capabilities": dict.fromkeys(_CAPABILITIES),
    "shortcutDetails": dict.fromkeys(("targetId", "targetMimeType", "targetResourceKey")),
    "lastModifyingUser": dict.fromkeys(("kind", "displayName", "me", "emailAddress", "permissionId")),
    "owners": dict.fromkeys(("kind", "displayName", "me", "emailAddress", "permissionId")),
}
FILES: Known = {"kind": None, "nextPageToken": None, "incompleteSearch": None, "files": FILE}
REVISION: Known = dict.fromkeys(
    [
        "kind",
        "id",
        "mimeType",
        "modifiedTime",
        "keepForever",
        "published",
        "size",
        "md5Checksum",
        "originalFilename",
    ]
)
CHANGE: Known = {
    **dict.fromkeys(("kind", "removed", "fileId", "time", "driveId", "type", "changeType")),
    "file": FILE,
    "drive": dict.fromkeys(("kind", "id", "name")),
}
CHANGES: Known = {"kind": None, "nextPageToken": None, "newStartPageToken": None, "changes": CHANGE}
DEFAULT_FILE = "kind,id,name,mimeType"

_WRITABLE = frozenset(
    {"id", "name", "mimeType", "parents", "description", "starred", "trashed", "createdTime", "modifiedTime"}
    | {"appProperties", "properties", "originalFilename", "shortcutDetails"}
)
_MAX_PROPERTY_BYTES = 124


def file_resource(holdings: Holdings, item: Item) -> dict[str, Any]:
    """All fields that an item has; those it has not are left out, as Google does."""
    rank = RANK[holdings.role(item)]
    found: dict[str, Any] = {
        "kind": "drive#file",
        "id": item.id,
        "name": item.name,
        "mimeType": item.mime,
        "starred": item.starred,
        "trashed": holdings.is_trashed(item),
        "explicitlyTrashed": item.trashed,
        "spaces": ["drive"],
        "version": str(item.version),
        "webViewLink": f"https://drive.google.com/file/d/{item.id}/view",
        "createdTime": _time(item.created),
        "modifiedTime": _time(item.modified),
        "capabilities": {
            "canAddChildren": item.mime == FOLDER and rank >= RANK["writer"],
            "canCopy": item.mime != FOLDER,
            "canDelete": rank >= RANK["organizer"],
            "canDownload": item.can_download and item.mime != FOLDER,
            "canEdit": rank >= RANK["writer"],
            "canRename": rank >= RANK["writer"],
            "canTrash": rank >= RANK["writer"],
        },
    }
    parent = holdings.items.get(item.parent)
    if parent is not None and holdings.may(parent, "reader"):
        found["parents"] = [item.parent]
    for name, value in (
        ("description", item.description),
        ("driveId", item.drive),
        ("properties", dict(item.properties)),
        ("appProperties", dict(item.app_properties)),
    ):
        if value:
            found[name] = value
    if item.mime == SHORTCUT:
        found["shortcutDetails"] = {"targetId": item.target, "targetMimeType": item.target_mime}
    elif is_native(item.mime):
        found["exportLinks"] = {
            mime: f"https://docs.google.com/export?id={item.id}&mime={mime}" for mime in item.exports
        }
    else:
        found |= {"originalFilename": item.name, "size": str(len(item.content or b""))}
        if item.content is not None:
            found |= {
                "headRevisionId": item.head_revision,
                "md5Checksum": item.digest("md5"),
                "sha1Checksum": item.digest("sha1"),
                "sha256Checksum": item.digest("sha256"),
            }
    return found


def revision_resource(item: Item, revision: str, content: bytes) -> dict[str, Any]:
    """All fields of one revision of a file's content."""
    return {
        "kind": "drive#revision",
        "id": revision,
        "mimeType": item.mime,
        "modifiedTime": _time(item.modified),
        "keepForever": False,
        "published": False,
        "size": str(len(content)),
        "md5Checksum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }


def written(body: Any, *, refused: Collection[str] = ()) -> Mapping[str, Any]:
    """The fields of a request's body, checked.

    Args:
        refused: Fields that this method does not take.

    Raises:
        DriveError: The body, or a field of it, cannot be written.
    """
    if not isinstance(body, Mapping):
        raise DriveError(400, "parseError", "Parse Error")
    for name in body:
        if name not in FILE:
            raise DriveError(400, "invalid", f"Invalid JSON payload received. Unknown name {name!r}.")
        if name not in _WRITABLE or name in refused:
            raise DriveError(
                403,
                "fieldNotWritable",
                f"The resource body includes fields which are not directly writable: {name}.",
            )
    for name, kind in (("name", str), ("mimeType", str), ("trashed", bool), ("parents", list), ("id", str)):
        if name in body and not isinstance(body[name], kind):
            raise DriveError(400, "invalid", f"Invalid value for: {name}")
    for name in ("appProperties", "properties"):
        for key, value in (body.get(name) or {}).items():
            if len(f"{key}{value or ''}".encode()) > _MAX_PROPERTY_BYTES:
                raise DriveError(
                    400, "propertyTooLarge", "The property is longer than 124 bytes.", location=name
                )
            if value is not None and not isinstance(value, str):
                raise DriveError(400, "invalid", f"Invalid value for: {name}")
    return body


def _time(at: float) -> str:
    return rfc3339(at, 3)
