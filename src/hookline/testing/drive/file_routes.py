"""Files: get, list, create and update of metadata, copy, delete, generated ids."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from hookline.testing.drive import query, selection
from hookline.testing.drive.auth import Grant
from hookline.testing.drive.errors import DriveError, bad_parameter, not_found
from hookline.testing.drive.holdings import Holdings
from hookline.testing.drive.media import media
from hookline.testing.drive.parameters import Parameters
from hookline.testing.drive.records import FOLDER, SHORTCUT, Item, is_native
from hookline.testing.drive.resources import (
    DEFAULT_FILE,
    FILE,
    FILES,
    REVISION,
    file_resource,
    revision_resource,
    written,
)
from hookline.testing.faults import FaultPlan
from hookline.testing.httpd import Answer, Request, Response

__all__ = ["CREATE", "UPDATE", "Files"]

CREATE = frozenset(
    [
        "supportsAllDrives",
        "enforceSingleParent",
        "ignoreDefaultVisibility",
        "keepRevisionForever",
        "ocrLanguage",
        "useContentAsIndexableText",
        "uploadType",
    ]
)
UPDATE = CREATE | {"addParents", "removeParents"}
_LIST = frozenset(
    [
        "q",
        "pageSize",
        "pageToken",
        "orderBy",
        "spaces",
        "corpora",
        "driveId",
        "includeItemsFromAllDrives",
        "supportsAllDrives",
        "includeLabels",
        "includePermissionsForView",
    ]
)
_GET = frozenset({"supportsAllDrives", "acknowledgeAbuse", "includeLabels", "includePermissionsForView"})
_ORDERS: Mapping[str, Callable[[Item], Any]] = {
    "name": lambda item: item.name,
    "createdTime": lambda item: item.created,
    "modifiedTime": lambda item: item.modified,
    "folder": lambda item: item.mime != FOLDER,
}


class Files:
    """The resource ``files``.

    Args:
        with_quota: Whether the service account may own files. Real ones have no storage of their own.
    """

    def __init__(self, holdings: Holdings, faults: FaultPlan, *, with_quota: bool) -> None:
        self._holdings = holdings
        self._faults = faults
        self._with_quota = with_quota
        self._lists: dict[str, tuple[str, int]] = {}

    def get(self, request: Request, file_id: str) -> Answer:
        """files.get, of the metadata or of the bytes."""
        given = Parameters(request.query, _GET)
        item = self._holdings.find(file_id, all_drives=given.all_drives)
        if given.media:
            return media(item, request, self._faults, acknowledged=given.flag("acknowledgeAbuse"))
        return self.resource(item, given)

    def revision(self, request: Request, file_id: str, revision: str) -> Answer:
        """revisions.get, of the metadata or of the bytes. Only who may edit a file sees its revisions."""
        given = Parameters(request.query, {"acknowledgeAbuse"})
        item = self._allowed(self._holdings.find(file_id, all_drives=True), "writer")
        is_head = item.content is not None and revision == item.head_revision
        content = item.content if is_head else item.history.get(revision)
        if content is None or is_native(item.mime):
            raise DriveError(404, "notFound", f"Revision not found: {revision}.", location="revisionId")
        if given.media:
            acknowledged = given.flag("acknowledgeAbuse")
            return media(item, request, self._faults, acknowledged=acknowledged, earlier=content)
        tree = selection.check(given.text("fields", "kind,id,mimeType,modifiedTime"), REVISION)
        return Response.of(200, selection.select(revision_resource(item, revision, content), tree))

    def resource(self, item: Item, given: Parameters, status: int = 200) -> Response:
        """The answer about one item, with the fields that were asked for."""
        tree = selection.check(given.text("fields", DEFAULT_FILE), FILE)
        return Response.of(status, selection.select(file_resource(self._holdings, item), tree))

    def list(self, request: Request) -> Response:
        """files.list."""
        given = Parameters(request.query, _LIST)
        default = f"kind,nextPageToken,incompleteSearch,files({DEFAULT_FILE})"
        tree = selection.check(given.text("fields", default), FILES)
        drive = self._corpus(given)
        wanted = self._wanted(given)
        found = [
            item
            for item in self._holdings.items.values()
            if item.id != self._holdings.root
            and item.id not in self._holdings.drives
            and self._holdings.may(item, "reader")
            and (given.text("corpora", "user") != "user" or not item.drive)
            and (not drive or item.drive == drive)
            and wanted(item)
        ]
        _order(found, given.text("orderBy"))
        size = given.whole("pageSize", 100, 1, 1000)
        start = self._start(given)
        page = found[start : start + size]
        answer: dict[str, Any] = {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": [file_resource(self._holdings, item) for item in page],
        }
        if start + size < len(found):
            token = base64.urlsafe_b64encode(f"~!!~{len(self._lists)}".encode()).decode()
            self._lists[token] = (given.text("q"), start + size)
            answer["nextPageToken"] = token
        return Response.of(200, selection.select(answer, tree))

    def _corpus(self, given: Parameters) -> str:
        drive, corpora = given.text("driveId"), given.text("corpora", "user")
        if corpora not in ("user", "drive", "allDrives", "domain"):
            raise bad_parameter("corpora")
        if (corpora == "drive") is not bool(drive):
            raise bad_parameter(
                "driveId", "driveId must be specified if and only if corpora is set to drive."
            )
        if given.flag("includeItemsFromAllDrives") and not given.all_drives:
            raise bad_parameter(
                "supportsAllDrives", "supportsAllDrives must be true when includeItemsFromAllDrives is."
            )
        if corpora in ("drive", "allDrives") and not given.flag("includeItemsFromAllDrives"):
            raise bad_parameter(
                "includeItemsFromAllDrives", f"includeItemsFromAllDrives must be true for corpora {corpora}."
            )
        if drive and drive not in self._holdings.drives:
            raise DriveError(404, "notFound", f"Shared drive not found: {drive}", location="driveId")
        return drive

    def _wanted(self, given: Parameters) -> query.Matches:
        def parent(named: str) -> str:
            all_drives = given.flag("includeItemsFromAllDrives")
            try:
                return self._holdings.find(named, all_drives=all_drives).id
            except DriveError:
                raise not_found(".") from None

        text = given.text("q")
        return query.parse(text, parent, self._holdings.is_trashed) if text else lambda item: True

    def _start(self, given: Parameters) -> int:
        token = given.text("pageToken")
        if not token:
            return 0
        known = self._lists.get(token)
        if self._faults.take("files.expired_page_token") or known is None or known[0] != given.text("q"):
            raise bad_parameter("pageToken")
        return known[1]

    def generate_ids(self, request: Request) -> Response:
        """files.generateIds."""
        given = Parameters(request.query, {"count", "space", "type"})
        ids = [self._holdings.new_id() for _ in range(given.whole("count", 10, 1, 1000))]
        self._holdings.reserved.update(ids)
        return Response.of(200, {"kind": "drive#generatedIds", "space": "drive", "ids": ids})

    def create(self, request: Request, grant: Grant) -> Response:
        """files.create without content: a folder, a shortcut, or a file that is empty as yet."""
        given = Parameters(request.query, CREATE)
        item = self.new(request_json(request), given, grant, content=None)
        return self.resource(item, given)

    def new(self, body: Any, given: Parameters, grant: Grant, *, content: bytes | None) -> Item:
        """Make an item. Raises `DriveError`."""
        fields = written(body)
        parents = fields.get("parents") or [self._holdings.root]
        if len(parents) != 1:
            raise DriveError(400, "invalid", "A file must have exactly one parent.", location="parents")
        parent = self._folder(str(parents[0]), given)
        mime = str(fields.get("mimeType") or "application/octet-stream")
        needs_quota = not is_native(mime) and not parent.drive and grant.who == "service_account"
        if needs_quota and not self._with_quota:
            raise DriveError(
                403,
                "storageQuotaExceeded",
                "Service Accounts do not have storage quota. Leverage shared drives, or use OAuth "
                "delegation instead.",
                domain="usageLimits",
            )
        id = self._new_id(fields.get("id"))
        now = self._holdings.clock.now()
        item = Item(id, str(fields.get("name") or "Untitled"), mime, parent.id, now, now)
        if mime == SHORTCUT:
            target = (fields.get("shortcutDetails") or {}).get("targetId", "")
            item.target, item.target_mime = target, self._holdings.find(target, all_drives=True).mime
        _write(item, fields)
        if content is not None:
            item.content, item.revision = content, 1
        return self._holdings.add(item)

    def update(self, request: Request, file_id: str) -> Response:
        """files.update of the metadata."""
        given = Parameters(request.query, UPDATE)
        item = self.editable(file_id, given)
        self.change(item, request_json(request), given)
        self._holdings.note(item)
        return self.resource(item, given)

    def editable(self, file_id: str, given: Parameters) -> Item:
        """An item that the account may change. Raises `DriveError`."""
        return self._allowed(self._holdings.find(file_id, all_drives=given.all_drives), "writer")

    def change(self, item: Item, body: Any, given: Parameters) -> None:
        """Change an item's metadata and folder. Raises `DriveError`."""
        fields = written(body, refused=("id", "parents"))
        _write(item, fields)
        added, removed = given.text("addParents"), given.text("removeParents")
        if added:
            folder = self._folder(added, given)
            if removed != item.parent:
                raise DriveError(
                    403,
                    "cannotAddParent",
                    "Increasing the number of parents is not allowed.",
                    location="addParents",
                )
            self._holdings.move(item, folder.id)
        elif removed:
            raise bad_parameter("removeParents", "A file must have a parent.")

    def copy(self, request: Request, file_id: str, grant: Grant) -> Response:
        """files.copy."""
        given = Parameters(request.query, CREATE)
        source = self._holdings.find(file_id, all_drives=given.all_drives)
        if source.mime == FOLDER:
            raise DriveError(403, "cannotCopyFile", "This file cannot be copied by the user.")
        body = {
            "name": f"Copy of {source.name}",
            "mimeType": source.mime,
            "parents": [source.parent],
            **request_json(request),
        }
        made = self.new(body, given, grant, content=source.content)
        made.exports = source.exports
        return self.resource(made, given)

    def delete(self, request: Request, file_id: str) -> Response:
        """files.delete: for good, past the trash."""
        given = Parameters(request.query, {"supportsAllDrives", "enforceSingleParent"})
        item = self._holdings.find(file_id, all_drives=given.all_drives)
        self._holdings.remove(self._allowed(item, "organizer"))
        return Response(204)

    def _allowed(self, item: Item, role: Any) -> Item:
        if not self._holdings.may(item, role):
            raise DriveError(
                403,
                "insufficientFilePermissions",
                "The user does not have sufficient permissions for this file.",
            )
        return item

    def _folder(self, file_id: str, given: Parameters) -> Item:
        item = self._holdings.find(file_id, all_drives=given.all_drives)
        if item.mime != FOLDER:
            raise DriveError(403, "parentNotAFolder", "The specified parent is not a folder.")
        if not self._holdings.may(item, "writer"):
            raise DriveError(
                403, "insufficientParentPermissions", "Insufficient permissions for this parent."
            )
        return item

    def _new_id(self, given: str | None) -> str:
        if given is None:
            return self._holdings.new_id()
        if given in self._holdings.items:
            raise DriveError(
                409, "fileIdInUse", "A file already exists with the provided ID.", location="file.id"
            )
        if given not in self._holdings.reserved:
            raise DriveError(400, "invalid", "The provided file ID is not usable.", location="file.id")
        self._holdings.reserved.discard(given)
        return given


def request_json(request: Request) -> Any:
    """A request's JSON body, ``{}`` without one. Raises `DriveError`."""
    if not request.body:
        return {}
    if not (request.header("Content-Type") or "").startswith("application/json"):
        raise DriveError(
            400, "badContent", "Unsupported content with type: " + str(request.header("Content-Type"))
        )
    return parse_json(request.body)


def parse_json(body: bytes) -> Any:
    """JSON. Raises `DriveError`."""
    try:
        return json.loads(body)
    except ValueError:
        raise DriveError(400, "parseError", "Parse Error") from None


def _write(item: Item, fields: Mapping[str, Any]) -> None:
    for name in ("name", "description", "starred", "trashed"):
        if name in fields:
            setattr(item, name, fields[name])
    if fields.get("mimeType") and not is_native(item.mime):
        item.mime = fields["mimeType"]
    for name, kept in (("appProperties", item.app_properties), ("properties", item.properties)):
        for key, value in (fields.get(name) or {}).items():
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value


def _order(items: list[Item], text: str) -> None:
    items.sort(key=lambda item: item.modified, reverse=True)
    for part in reversed(text.split(",") if text else []):
        name, _, direction = part.strip().partition(" ")
        if name not in _ORDERS or direction not in ("", "desc"):
            raise bad_parameter("orderBy")
        items.sort(key=_ORDERS[name], reverse=direction == "desc")
