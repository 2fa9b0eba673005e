"""Start a workflow for every object that is uploaded to an S3-compatible store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from hookline.sdk import Field, File, Poll, TriggerContext, parse_duration, parse_size, trigger
from hookline.sdk.patterns import Filter

from ._s3.look import Look, Wanted
from ._s3.store import Position, Store

__all__ = ["s3_upload"]

MAX_PAGES = 20
"""Pages of one look; the next look goes on behind them at once."""

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "bucket": {"type": "string", "description": "The bucket."},
        "key": {"type": "string", "description": "The object's key."},
        "name": {"type": "string", "description": "The key's last part: cat.png."},
        "stem": {"type": "string", "description": "The name without its suffix: cat."},
        "suffix": {"type": "string", "description": "The name's suffix with its dot: .png."},
        "bytes": {"type": "integer", "description": "Size in bytes."},
        "etag": {"type": "string", "description": "The store's version of the bytes."},
        "version_id": {
            "type": ["string", "null"],
            "description": "The version, if the bucket has any.",
        },
        "last_modified": {
            "type": "string",
            "format": "date-time",
            "description": "When it was uploaded, by the store's clock.",
        },
        "file": File.schema(),
    },
    "required": [
        *("bucket", "key", "name", "stem", "suffix", "bytes", "etag", "version_id", "last_modified", "file")
    ],
    "additionalProperties": False,
}


@trigger(
    "s3_upload",
    kind="poll",
    connection="s3",
    interval=15.0,
    output=_EVENT,
    watches=("s3://{bucket}/{prefix}",),
    docs="https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html",
    sample={
        "bucket": "uploads",
        "key": "raw/cat.png",
        "name": "cat.png",
        "stem": "cat",
        "suffix": ".png",
        "bytes": 48213,
        "etag": "9b2cf535f27731c974343645a3985328",
        "version_id": None,
        "last_modified": "2026-03-02T08:00:00Z",
        "file": {
            "$file": "s3://uploads/raw/cat.png",
            "name": "cat.png",
            "mime": "image/png",
            "bytes": 48213,
            "etag": "9b2cf535f27731c974343645a3985328",
            "connection": "s3",
        },
    },
)
async def s3_upload(
    ctx: TriggerContext,
    bucket: Annotated[str, Field("Name of the bucket.", min_length=1)],
    prefix: Annotated[str, Field("Only keys that start with this.", examples=["raw/"])] = "",
    suffix: Annotated[
        list[str] | str | None,
        Field("Only keys that end with this, in any case of letters.", examples=[[".png", ".jpg"]]),
    ] = None,
    glob: Annotated[
        str,
        Field("Only keys that match: * within a folder, ** any folders.", examples=["raw/**/*.png"]),
    ] = "",
    min_bytes: Annotated[int | str, Field("Smallest size.", format="size", examples=["1KB"])] = 0,
    max_bytes: Annotated[int | str | None, Field("Largest size.", format="size", examples=["25MB"])] = None,
    content_type: Annotated[
        list[str] | str | None,
        Field(
            "Only these media types, as the store says; costs one request per new object.",
            advanced=True,
            examples=["image/*"],
        ),
    ] = None,
    start_from: Annotated[
        Literal["now", "all"],
        Field(
            "What becomes of objects that are there already at the first look.",
            options={"now": "They are remembered and start nothing.", "all": "Each of them starts a run."},
        ),
    ] = "now",
    settle: Annotated[
        str,
        Field("How old an object must be, by the store's clock.", advanced=True, format="duration"),
    ] = "0s",
    ignore_own: Annotated[
        bool,
        Field(
            "Pass over objects that a run has written, so that no workflow starts itself. Costs one request "
            "per new object.",
            advanced=True,
        ),
    ] = True,
    interval: Annotated[
        str,
        Field("Time between two looks; 15s when left out.", format="duration", advanced=True),
    ] = "",
) -> Poll:
    """S3 upload.

    Starts a run for every new object, and for every new version of one, below a prefix. Each look goes
    through the whole listing, because keys do not come in the order of time; so choose a prefix that does
    not grow for ever.
    """
    wanted = Wanted(
        bucket=bucket,
        filter=Filter(
            _as_list(suffix),
            glob,
            parse_size(min_bytes, name="min_bytes"),
            None if max_bytes is None else parse_size(max_bytes, name="max_bytes"),
        ),
        settle=timedelta(seconds=parse_duration(settle, name="settle")),
        content_types=_as_list(content_type),
        ignore_own=ignore_own,
    )
    store: Store = ctx.connection
    position = Position.read(ctx.cursor)
    after, until = position.after, position.until
    first = ctx.cursor is None and start_from == "now"
    look = Look(ctx, store, wanted)
    token, complete = "", False
    for _ in range(MAX_PAGES):
        page = await store.list_page(bucket, prefix, token, start_after="" if token else after)
        now = page.at or ctx.now()
        if first:
            # All of the first page was there before. Of later ones only what is older than it: what is
            # uploaded while a long listing goes on must not be lost.
            until = now
        taken = await look.take(page.objects, now, datetime.max.replace(tzinfo=UTC) if first else until)
        first = False
        after = page.objects[taken - 1].key if taken else after
        token = page.next
        complete = not token and taken == len(page.objects)
        if complete or taken < len(page.objects):
            break
    look.events.sort(key=lambda event: (event.data["last_modified"], event.data["key"]))
    return Poll(
        events=look.events,
        baseline=look.baseline,
        skipped=look.skipped,
        cursor=(Position() if complete else Position(after, until)).to_json(),
        # A listing that is not through goes on at once.
        next_at=None if complete else ctx.now(),
    )


def _as_list(value: Sequence[str] | str | None) -> list[str]:
    return [each for each in ([value] if isinstance(value, str) else value or ()) if each]
