"""Start a workflow for every object that is uploaded to an S3-compatible store."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from hookline.sdk import (
    Field,
    File,
    HookAnswered,
    HookRequest,
    Poll,
    SetupContext,
    SetupStep,
    TriggerContext,
    parse_duration,
    parse_size,
    trigger,
)
from hookline.sdk.patterns import Filter

from ._s3.look import Wanted
from ._s3.looking import Ways, look_once
from ._s3.push import Push, receive

__all__ = ["s3_upload"]

EVERY = "15m"
"""Time between two listings where notifications come too."""

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "bucket": {"type": "string", "description": "The bucket."},
        "key": {"type": "string", "description": "The object's key."},
        "name": {"type": "string", "description": "The key's last part: cat.png."},
        "stem": {"type": "string", "description": "The name without its suffix: cat."},
        "suffix": {"type": "string", "description": "The name's suffix with its dot: .png."},
        "bytes": {"type": "integer", "description": "Size in bytes."},
        "content_type": {
            "type": ["string", "null"],
            "description": "Media type, as the store says; null when it was not asked.",
        },
        "etag": {"type": "string", "description": "The store's version of the bytes."},
        "version_id": {
            "type": ["string", "null"],
            "description": "The version, if the bucket has any.",
        },
        "sequencer": {
            "type": ["string", "null"],
            "description": "Orders the uploads of one key, where a notification said it.",
        },
        "last_modified": {
            "type": "string",
            "format": "date-time",
            "description": "When it was uploaded, by the store's clock.",
        },
        "metadata": {
            "type": ["object", "null"],
            "description": "The object's own metadata, names in lower case; null when it was not asked for.",
            "additionalProperties": {"type": "string"},
        },
        "file": File.schema(),
    },
    "required": [
        *("bucket", "key", "name", "stem", "suffix", "bytes", "content_type", "etag", "version_id"),
        *("sequencer", "last_modified", "metadata", "file"),
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
    hook=("push", "path"),
    docs="https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html",
    sample={
        "bucket": "uploads",
        "key": "raw/cat.png",
        "name": "cat.png",
        "stem": "cat",
        "suffix": ".png",
        "bytes": 48213,
        "content_type": "image/png",
        "etag": "9b2cf535f27731c974343645a3985328",
        "version_id": None,
        "sequencer": None,
        "last_modified": "2026-03-02T08:00:00Z",
        "metadata": {"camera": "3"},
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
    queue: Annotated[
        str,
        Field(
            "SQS queue that notifications go to: its address or ARN. Each trigger needs one of its own.",
            examples=["https://sqs.eu-west-1.amazonaws.com/123456789012/hookline-uploads"],
        ),
    ] = "",
    push: Annotated[
        Push | None,
        Field(
            "Uploads are told by requests to `/hooks/<path>`, too: by SNS, EventBridge, MinIO or B2.",
            examples=[
                {
                    "path": "uploads",
                    "auth": {"type": "sns", "topics": ["arn:aws:sns:eu-west-1:123456789012:uploads"]},
                }
            ],
        ),
    ] = None,
    visibility: Annotated[
        str,
        Field(
            "How long messages of the queue are hidden from others while they are dealt with.",
            advanced=True,
            format="duration",
        ),
    ] = "1m",
    reconcile: Annotated[
        bool,
        Field(
            "With notifications: also go through the listing from time to time, for what they missed. "
            "Without it a lost notification is a lost upload.",
            advanced=True,
        ),
    ] = True,
    interval: Annotated[
        str,
        Field(
            "Time between two listings; when left out 15s, and 15m where notifications come too.",
            format="duration",
            advanced=True,
        ),
    ] = "",
) -> Poll:
    """S3 upload.

    Starts a run for every new object, and for every new version of one, below a prefix: by looking
    through the listing, by messages of a queue, by requests, or all of them. An upload is one event, however
    it is learned of and however often.

    Each look at the listing goes through all of it, because keys do not come in the order of time; so
    choose a prefix that does not grow for ever, or let a queue tell and look rarely.
    """
    given = locals()
    return await look_once(ctx, _wanted(given), _ways(given))


@s3_upload.on_request
async def told(ctx: TriggerContext, request: HookRequest, **parameters: Any) -> Poll | HookAnswered:
    """Take in what a request tells."""
    arguments = inspect.signature(s3_upload.run).bind(ctx, **parameters)
    arguments.apply_defaults()
    given = arguments.arguments
    return await receive(ctx, request, given["push"], _wanted(given), lists=_ways(given).lists)


@s3_upload.on_setup
async def setup(ctx: SetupContext, bucket: str, prefix: str = "", **parameters: Any) -> Sequence[SetupStep]:
    """The queue, its policy, and the bucket's notification."""
    # An address and an ARN both end in the account and the name.
    *_, account, named = ["", "", *str(parameters.get("queue") or "").replace(":", "/").split("/")]
    queue = ctx.options.get("queue") or named or f"hookline-{ctx.workflow}"
    steps: Sequence[SetupStep] = await ctx.connection.wiring(
        bucket,
        prefix,
        queue,
        id=f"hookline-{ctx.workflow}",
        account=ctx.options.get("account", account),
        look=ctx.look,
    )
    return steps


def _wanted(given: Mapping[str, Any]) -> Wanted:
    largest = given["max_bytes"]
    return Wanted(
        bucket=given["bucket"],
        prefix=given["prefix"],
        filter=Filter(
            _as_list(given["suffix"]),
            given["glob"],
            parse_size(given["min_bytes"], name="min_bytes"),
            None if largest is None else parse_size(largest, name="max_bytes"),
        ),
        settle=_seconds(given["settle"], "settle"),
        content_types=_as_list(given["content_type"]),
        ignore_own=given["ignore_own"],
        is_told=_is_told(given),
    )


def _ways(given: Mapping[str, Any]) -> Ways:
    return Ways(
        queue=given["queue"],
        visibility=_seconds(given["visibility"], "visibility"),
        lists=given["reconcile"] or not _is_told(given),
        every=_seconds(given["interval"] or EVERY, "interval"),
        remember=given["start_from"] == "now",
    )


def _is_told(given: Mapping[str, Any]) -> bool:
    return bool(given["queue"] or given["push"])


def _seconds(text: str, name: str) -> timedelta:
    return timedelta(seconds=parse_duration(text, name=name))


def _as_list(value: Sequence[str] | str | None) -> list[str]:
    return [each for each in ([value] if isinstance(value, str) else value or ()) if each]
