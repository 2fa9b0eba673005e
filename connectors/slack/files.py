"""``slack.upload_file``.

What a crash may repeat: until the last of the three requests nobody sees the file, so everything before
it is simply done again. Whether the last one did its work is asked of ``files.info`` (scope
``files:read``); without that scope the step ends as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from hookline.sdk import Context, Example, Field, File, OutcomeUnknown, Recorded

from .app import slack
from .client import SlackClient
from .limits import escape
from .lookup import ask, is_settled, mark_sending, never
from .uploads import share_file, store_file

__all__ = ["UploadedFile", "lookup_uploaded", "upload_file"]

Json = Any


class UploadedFile(TypedDict):
    """A file in Slack."""

    id: Annotated[str, Field("Its ID.", examples=["F0S43P1CZ"])]
    name: Annotated[str, Field("Its name.")]
    permalink: Annotated[str | None, Field("Link to it, for people who may see it.")]


@slack.action(
    "upload_file",
    effect="check",
    summary="Uploaded {name} to {channel}",
    docs="https://docs.slack.dev/messaging/working-with-files#upload",
    examples=[
        Example(
            title="A picture with a comment",
            input={
                "channel": "C012AB3CD",
                "file": {"$file": "artifact:example", "name": "cat.png", "mime": "image/png"},
                "initial_comment": "Here it is.",
            },
            responses=[
                Recorded(
                    json={
                        "ok": True,
                        "upload_url": "https://files.slack.com/upload/v1/CwABAAAAXAoAAVnX",
                        "file_id": "F0S43P1CZ",
                    },
                    expect="GET /api/files.getUploadURLExternal",
                ),
                Recorded(text="OK - 68", expect="POST /upload/v1/CwABAAAAXAoAAVnX"),
                Recorded(
                    json={
                        "ok": True,
                        "files": [
                            {
                                "id": "F0S43P1CZ",
                                "title": "cat.png",
                                "permalink": "https://acme.slack.com/files/U1/F0S43P1CZ/cat.png",
                                "shares": {},
                            }
                        ],
                    },
                    expect="POST /api/files.completeUploadExternal",
                ),
            ],
            output={
                "id": "F0S43P1CZ",
                "name": "cat.png",
                "permalink": "https://acme.slack.com/files/U1/F0S43P1CZ/cat.png",
            },
        )
    ],
)
async def upload_file(
    ctx: Context,
    file: Annotated[File, Field("The file, up to 100 MB.")],
    channel: Annotated[
        str, Field("ID of the channel it is shared in.", examples=["C012AB3CD"], min_length=1)
    ],
    title: Annotated[str | None, Field("Shown above it; its name when left out.")] = None,
    initial_comment: Annotated[
        str | None,
        Field("Text of the message that shows it; cannot mention or link.", multiline=True),
    ] = None,
    thread_ts: Annotated[
        str | None,
        Field("Reply in the thread of this message.", advanced=True, examples=["1763633642.000100"]),
    ] = None,
    filename: Annotated[str | None, Field("Another name than its own.", advanced=True)] = None,
    alt_txt: Annotated[
        str | None,
        Field("What a picture shows, for those who do not see it.", advanced=True, max_length=1000),
    ] = None,
) -> UploadedFile:
    """Upload a file

    Needs the scope files:write. The file is shown once, also after a crash or a lost answer, if the bot
    has the scope files:read; without it such a step ends as unknown. A crash can leave behind a second
    copy that nobody sees.
    """
    client: SlackClient = ctx.connection
    name = filename or file.name
    file_id = await store_file(ctx, client, file, name, alt_txt)
    await ctx.note(file_id=file_id)
    await mark_sending(ctx)
    where = {
        "channel_id": channel,
        "initial_comment": None if initial_comment is None else escape(initial_comment),
        "thread_ts": thread_ts,
    }
    shared = await share_file(client, file_id, title or name, where)
    return _uploaded(file_id, name, shared)


@upload_file.on_lookup
async def lookup_uploaded(
    ctx: Context, file: File, channel: str, filename: str | None = None, **_: Json
) -> UploadedFile | None:
    """Whether the file of an attempt that was cut off is shared."""
    file_id = ctx.notes.get("file_id")
    if not isinstance(file_id, str) or "sending_at" not in ctx.notes:
        return None
    client: SlackClient = ctx.connection
    accepted = ("file_not_found", "missing_scope", "no_permission", "access_denied")
    answer = await ask(client, "files.info", {"file": file_id}, accept=accepted)
    if not answer["ok"] and answer.get("error") != "file_not_found":
        raise never(
            f"Slack does not say what became of the file: {answer.get('error')}",
            hint="with the scope files:read it can be looked up",
        )
    found = answer.get("file")
    if isinstance(found, Mapping) and channel in _channels(found):
        return _uploaded(file_id, filename or file.name, found)
    if not is_settled(ctx):
        raise OutcomeUnknown("the file is not shared, and may still be", hint="look at the channel")
    return None


def _channels(file: Mapping[str, Json]) -> set[str]:
    """IDs of the channels that show a file."""
    found: set[str] = set()
    for name in ("channels", "groups", "ims"):
        listed = file.get(name)
        if isinstance(listed, list):
            found |= {item for item in listed if isinstance(item, str)}
    shares = file.get("shares")
    for each in shares.values() if isinstance(shares, Mapping) else ():
        if isinstance(each, Mapping):
            found |= {str(channel) for channel in each}
    return found


def _uploaded(file_id: str, name: str, record: Mapping[str, Json]) -> UploadedFile:
    link = record.get("permalink")
    return UploadedFile(id=file_id, name=name, permalink=link if isinstance(link, str) else None)
