"""The bytes of files: downloads, with ranges, and exports of Google's own kinds of documents."""

from __future__ import annotations

import re

from hookline.testing.drive.errors import DriveError
from hookline.testing.drive.records import Item, is_native
from hookline.testing.faults import FaultPlan
from hookline.testing.httpd import Answer, Request, Response

__all__ = ["MAX_EXPORT_BYTES", "export", "media"]

MAX_EXPORT_BYTES = 10 * 1024 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def media(
    item: Item, request: Request, faults: FaultPlan, *, acknowledged: bool, earlier: bytes | None = None
) -> Answer:
    """The bytes of a file, or of a part of it; of an earlier revision, when that is given.

    Raises `DriveError`.
    """
    if is_native(item.mime):
        raise DriveError(
            403,
            "fileNotDownloadable",
            "Only files with binary content can be downloaded. Use Export with Docs Editors files.",
            location="alt",
        )
    if not item.can_download:
        raise DriveError(403, "cannotDownloadFile", "This file cannot be downloaded by the user.")
    if item.abusive and not acknowledged:
        raise DriveError(
            403,
            "cannotDownloadAbusiveFile",
            "This file has been identified as malware or spam and cannot be downloaded.",
        )
    content = (item.content or b"") if earlier is None else earlier
    if faults.take("content.corrupt"):
        content = bytes([content[0] ^ 1]) + content[1:]
    if faults.take("content.cut"):
        headers = {"Content-Length": str(len(content) + 1)}
        return Response(200, content, item.mime, headers)
    wanted = request.header("Range")
    if wanted is None:
        return Response(200, content, item.mime)
    match = _RANGE.fullmatch(wanted)
    start = int(match[1]) if match else len(content)
    if match is None or start >= len(content):
        raise DriveError(
            416,
            "requestedRangeNotSatisfiable",
            "Request range not satisfiable",
            location="Range",
            location_type="header",
            headers={"Content-Range": f"bytes */{len(content)}"},
        )
    end = min(int(match[2]) + 1 if match[2] else len(content), len(content))
    headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
    return Response(206, content[start:end], item.mime, headers)


def export(item: Item, mime: str) -> Response:
    """A document in another format. Raises `DriveError`."""
    if not is_native(item.mime) or not item.exports:
        raise DriveError(403, "fileNotExportable", "Export only supports Docs Editors files.")
    if mime not in item.exports:
        raise DriveError(
            400, "badRequest", "The requested conversion is not supported.", location="convertTo"
        )
    content = item.exports[mime]
    if len(content) > MAX_EXPORT_BYTES:
        raise DriveError(403, "exportSizeLimitExceeded", "This file is too large to be exported.")
    return Response(200, content, mime)
