"""Start a workflow for every file that is uploaded to a folder of Google Drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypedDict

from hookline.sdk import (
    ActionError,
    BadInput,
    Field,
    File,
    HookAnswered,
    HookReply,
    HookRequest,
    NotFound,
    Poll,
    SetupContext,
    SetupStep,
    TriggerContext,
    parse_size,
)
from hookline.sdk.patterns import Filter

from .address import folder_id
from .app import google_drive
from .changes import Changes
from .drive import Drive
from .look import Look, Wanted
from .place import Place
from .push import RETRY, Channel, is_hint
from .resource import EXPORTS, FOLDER

__all__ = ["file_uploaded", "setup", "told"]

PAUSE = 15.0
"""Seconds after a look that Drive interrupted without saying for how long."""
SOON = timedelta(seconds=1)
"""From a notification to the look that it asks for."""

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The file's id."},
        "name": {"type": "string", "description": "The file's name: cat.png."},
        "stem": {"type": "string", "description": "The name without its suffix: cat."},
        "suffix": {"type": "string", "description": "The name's suffix with its dot: .png."},
        "path": {"type": "string", "description": "Path below the watched folder: 2026/cat.png."},
        "folder": {"type": "string", "description": "Address of the folder it is in, to write beside it."},
        "mime": {"type": "string", "description": "Media type, as Drive says."},
        "bytes": {"type": ["integer", "null"], "description": "Size; null for a document of Google's own."},
        "md5": {"type": ["string", "null"], "description": "MD5 of the content, hexadecimal."},
        "revision": {"type": ["string", "null"], "description": "Which version of the content it is."},
        "created_at": {"type": "string", "format": "date-time", "description": "When it was made."},
        "modified_at": {"type": "string", "format": "date-time", "description": "When it was changed."},
        "url": {"type": "string", "description": "Its page, for people."},
        "file": File.schema(),
    },
    "required": [
        *("id", "name", "stem", "suffix", "path", "folder", "mime", "bytes", "md5", "revision"),
        *("created_at", "modified_at", "url", "file"),
    ],
    "additionalProperties": False,
}


class Push(TypedDict):
    """Where Drive tells of changes."""

    path: Annotated[
        str,
        Field("Last part of the address: `drive` is reached at `/hooks/drive`.", max_length=200),
        {"pattern": "^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"},
    ]


@google_drive.trigger(
    "file_uploaded",
    kind="poll",
    interval=30.0,
    hook=("push", "path"),
    output=_EVENT,
    watches=("gdrive://{folder}/",),
    docs="https://developers.google.com/workspace/drive/api/guides/manage-changes",
    sample={
        "id": "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs",
        "name": "cat.png",
        "stem": "cat",
        "suffix": ".png",
        "path": "2026/cat.png",
        "folder": "gdrive://1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g/",
        "mime": "image/png",
        "bytes": 48213,
        "md5": "9b2cf535f27731c974343645a3985328",
        "revision": "0B1standin0revision0of0a0cat",
        "created_at": "2026-03-02T08:00:00.000Z",
        "modified_at": "2026-03-02T08:00:00.000Z",
        "url": "https://drive.google.com/file/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs/view",
        "file": {
            "$file": "gdrive://1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs",
            "name": "cat.png",
            "mime": "image/png",
            "bytes": 48213,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "etag": "0B1standin0revision0of0a0cat",
            "version": "0B1standin0revision0of0a0cat",
            "connection": "google_drive",
        },
    },
)
async def file_uploaded(
    ctx: TriggerContext,
    folder: Annotated[
        str,
        Field(
            "The folder: its id, or the address of its page. `root` is My Drive; the id of a shared drive is "
            "the whole of it.",
            min_length=1,
            examples=["1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g"],
        ),
    ],
    recursive: Annotated[bool, Field("Look into the folders inside it as well.")] = True,
    starts_for: Annotated[
        Literal["new_files", "new_versions"],
        Field(
            "What starts a run.",
            options={
                "new_files": "A file that was never in the folder before.",
                "new_versions": "That, and every new version of a file's content.",
            },
        ),
    ] = "new_files",
    suffix: Annotated[
        list[str] | str | None,
        Field("Only names that end with this, in any case of letters.", examples=[[".png", ".jpg"]]),
    ] = None,
    glob: Annotated[
        str,
        Field("Only paths that match: * within a folder, ** any folders.", examples=["2026/**/*.png"]),
    ] = "",
    content_type: Annotated[
        list[str] | str | None, Field("Only these media types, as Drive says.", examples=["image/*"])
    ] = None,
    min_bytes: Annotated[
        int | str,
        Field(
            "Smallest size. With 0, empty files too; but an upload that has only begun looks the same.",
            format="size",
            examples=["1KB"],
        ),
    ] = 1,
    max_bytes: Annotated[int | str | None, Field("Largest size.", format="size", examples=["25MB"])] = None,
    google_files: Annotated[
        Literal["ignore", "pdf", "office"],
        Field(
            "What becomes of Google's own documents, which have no bytes.",
            options={
                "ignore": "They are passed over.",
                "pdf": "They are read as PDF.",
                "office": "They are read as .docx, .xlsx and .pptx, drawings as .png.",
            },
        ),
    ] = "ignore",
    start_from: Annotated[
        Literal["now", "all"],
        Field(
            "What becomes of files that are there already at the first look.",
            options={"now": "They are remembered and start nothing.", "all": "Each of them starts a run."},
        ),
    ] = "now",
    ignore_own: Annotated[
        bool,
        Field("Pass over files as a run has written them, so that no workflow starts itself.", advanced=True),
    ] = True,
    push: Annotated[
        Push | None,
        Field(
            "Have Drive tell of changes, so that a look comes at once. It needs HOOKLINE_BASE_URL (https).",
            advanced=True,
            examples=[{"path": "drive-inbox"}],
        ),
    ] = None,
    interval: Annotated[
        str,
        Field("Time between two looks; 30s when left out.", format="duration", advanced=True),
    ] = "",
) -> Poll:
    """File uploaded.

    Starts a run for every file that is uploaded, copied or moved into a folder of Google Drive. It follows
    Drive's own list of changes, so a look costs one request however many files there are. Files that are
    moved or renamed within the folder start nothing again.
    """
    drive: Drive = ctx.connection
    wanted = Wanted(
        filter=Filter(
            _as_list(suffix),
            glob,
            parse_size(min_bytes, name="min_bytes"),
            None if max_bytes is None else parse_size(max_bytes, name="max_bytes"),
        ),
        mimes=_as_list(content_type),
        recursive=recursive,
        revisions=starts_for == "new_versions",
        exports=EXPORTS.get(google_files, {}),
        ignore_own=ignore_own,
    )
    watched = folder_id(folder)
    before = Place.read(ctx.cursor)
    if before is not None and watched in (before.named, before.root):
        place = before
    else:
        place = await _begin(ctx, drive, watched, remember=start_from == "now")
        # The channel may be about another shared drive: it is replaced and closed.
        channel = before.channel if before else None
        place.channel = replace(channel, renew_at=ctx.now()) if channel else None
    look = Look(ctx, drive, wanted, place)
    is_done = await look.go()
    look.events.sort(key=lambda event: (event.data["modified_at"], event.data["path"]))
    closing, problem = None, ""
    if look.interrupted is None:
        closing, problem = await _push(ctx, drive, place, push["path"] if push else "")
    next_at = None if is_done else ctx.now()
    if look.interrupted is not None:
        problem = look.interrupted.message
        next_at = ctx.now() + timedelta(seconds=look.interrupted.retry_after or PAUSE)
    elif look.was_lost:
        problem = (
            "Google Drive did not know the place in its list of changes any more; the folder is listed anew"
        )
    return Poll(
        events=look.events,
        baseline=look.baseline,
        skipped=look.skipped,
        cursor=place.to_json(),
        # What is not gone through goes on at once.
        next_at=next_at,
        acknowledge=None if closing is None else lambda: drive.pushes.close(closing),
        problem=problem,
    )


@file_uploaded.on_setup
async def setup(ctx: SetupContext, folder: str, **given: Any) -> Sequence[SetupStep]:
    """The folder, shared with the account."""
    drive: Drive = ctx.connection
    watched = folder_id(folder)
    state: Literal["missing", "present", "unknown"] = "unknown"
    document: dict[str, Any] = {
        "folder": f"https://drive.google.com/drive/folders/{watched}",
        "share_with": drive.account,
        "role": "viewer, or editor if workflows write to it",
    }
    if ctx.look:
        try:
            found = await drive.find.top(watched, "looking for the watched folder")
        except NotFound:
            state = "missing"
        else:
            state = "present"
            document |= {"shared_drive": found.drive} if found.drive else {}
    return [SetupStep("the folder, shared with the account of the connection", document, state)]


@file_uploaded.on_request
async def told(ctx: TriggerContext, request: HookRequest, **given: Any) -> Poll | HookAnswered:
    """A notification: it says that something was changed, and not what."""
    drive: Drive = ctx.connection
    place = Place.read(ctx.cursor)
    if not is_hint(drive.pushes, request, place.channel if place else None):
        return HookAnswered(HookReply())
    # Not at once: many files at a time are told of one by one, and one look finds them all.
    return Poll(next_at=ctx.now() + SOON)


async def _push(ctx: TriggerContext, drive: Drive, place: Place, path: str) -> tuple[Channel | None, str]:
    """See to the push channel; gives the one to be closed once this look is stored, and what went wrong."""
    open_now, pushes, now = place.channel, drive.pushes, ctx.now()
    address = pushes.address(path) if path else ""
    if not address:
        place.channel = None
        missing = "push is set, and HOOKLINE_BASE_URL is not: Google Drive has nowhere to tell of changes"
        return open_now, missing if path else ""
    if not pushes.is_due(open_now, address, now):
        return None, ""
    if place.ask_again_at and now < datetime.fromisoformat(place.ask_again_at):
        return None, "Google Drive would not open a push channel; it is asked again within ten minutes"
    try:
        place.channel = await pushes.open(
            ctx.workflow, address, place.token, Changes(drive.api, place.drive), now
        )
    except ActionError as error:
        place.ask_again_at = (now + RETRY).isoformat()
        return None, f"Google Drive does not tell of changes, and is looked at as usual: {error.message}"
    place.ask_again_at = ""
    return open_now, ""


async def _begin(ctx: TriggerContext, drive: Drive, watched: str, *, remember: bool) -> Place:
    """The place before the first look: everything in the folder is still to be listed."""
    found = await drive.find.get(watched, "looking for the watched folder")
    if found.mime != FOLDER:
        raise BadInput(f"{found.name} is no folder", code="C040", hint="name a folder by its id")
    # Asked for before the folder is listed: what is uploaded meanwhile is behind this place.
    token, at = await Changes(drive.api, found.drive).start()
    return Place(
        root=found.id,
        named=watched,
        drive=found.drive,
        token=token,
        waiting=[found.id],
        baseline=(at or ctx.now()).isoformat() if remember else "",
    )


def _as_list(value: list[str] | str | None) -> list[str]:
    return [each for each in ([value] if isinstance(value, str) else value or ()) if each]
