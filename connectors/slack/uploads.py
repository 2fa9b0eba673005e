"""Uploading a file: its place is asked for, its bytes are sent there, and it is shared.

Sources: https://docs.slack.dev/reference/methods/files.getUploadURLExternal and
https://docs.slack.dev/reference/methods/files.completeUploadExternal. ``files.upload`` is retired.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookline.sdk import (
    BadInput,
    Context,
    File,
    MalformedOutput,
    OutcomeUnknown,
    Unavailable,
    raise_for_status,
)

from .client import SlackClient, text_of

__all__ = ["MAX_BYTES", "share_file", "store_file"]

Json = Any

MAX_BYTES = 100_000_000
"""Largest file: it is held in memory while it is sent. Slack's own limit is 1 GB."""

_TIMEOUT = 300.0


async def store_file(
    ctx: Context, client: SlackClient, file: File, name: str, alt_txt: str | None = None
) -> str:
    """Send the bytes; returns the file's ID. Nobody sees it until it is shared.

    Raises:
        Unavailable: The bytes did not arrive, or it is not known; sending them anew does no harm.
        ActionError: Slack refused it.
    """
    content = await ctx.files.read(file, max_bytes=MAX_BYTES)
    if not content:
        raise BadInput(f"the file {name!r} is empty; Slack takes none without bytes")
    arguments = {"filename": name, "length": len(content), "alt_txt": alt_txt}
    place = await client.call(
        "files.getUploadURLExternal", {k: _text(v) for k, v in arguments.items()}, effect="read"
    )
    address = text_of(place, "upload_url", "files.getUploadURLExternal")
    file_id = text_of(place, "file_id", "files.getUploadURLExternal")
    if not client.is_own_address(address):
        raise MalformedOutput("Slack gave an address for the file's bytes that is not its own")
    try:
        response = await client.plain.request(
            "POST",
            address,
            content=content,
            headers={"Content-Type": "application/octet-stream"},
            timeout=_TIMEOUT,
        )
    except OutcomeUnknown as error:
        raise Unavailable("Slack's answer to the file's bytes was lost") from error
    raise_for_status(response, effect="idempotent", service="Slack's file store", reason="see the status")
    return file_id


async def share_file(
    client: SlackClient, file_id: str, title: str, where: Mapping[str, Json]
) -> Mapping[str, Json]:
    """Finish the upload, and show the file where `where` says; returns Slack's record of it.

    Raises:
        OutcomeUnknown: It may have been shared.
        ActionError: Slack refused it.
    """
    arguments = {"files": [{"id": file_id, "title": title}], **where}
    answer = await client.call("files.completeUploadExternal", arguments, effect="check")
    files = answer.get("files")
    if not isinstance(files, list) or not files or not isinstance(files[0], Mapping):
        raise MalformedOutput("Slack's answer to files.completeUploadExternal has no file")
    found: Mapping[str, Json] = files[0]
    return found


def _text(value: Json) -> str | None:
    return None if value is None else str(value)
