"""Parameters that the actions share, and what becomes of a text and blocks before they are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from hookline.sdk import Context, Field

from .limits import check_message, escape, truncate_message

__all__ = ["TEXT_FORMATS", "Blocks", "Channel", "MessageTs", "Truncate", "content", "is_cut"]

Json = Any

TEXT_FORMATS: Mapping[str, str] = {
    "escaped": "*bold*, lists, code, :emoji: work; values from outside cannot mention or link.",
    "mrkdwn": "As written: <@U…> mentions and <https://…|links> work. For text you trust only.",
    "plain": "Shown exactly as it is.",
}

Channel = Annotated[
    str, Field("ID of the channel (best), or #name.", examples=["C012AB3CD", "#art"], min_length=1)
]
MessageTs = Annotated[
    str,
    Field("The message's timestamp, as posting it gave it.", examples=["1763633642.000100"], min_length=1),
]
Blocks = Annotated[
    list[dict[str, Any]] | None,
    Field("Block Kit blocks, sent as they are: put values from outside into plain_text only.", advanced=True),
]
Truncate = Annotated[
    bool,
    Field(
        "Cut what is longer than Slack takes, say so in the message and in the output; else it is an error.",
        advanced=True,
    ),
]


def content(
    ctx: Context, text: str, text_format: str, blocks: Sequence[Json] | None, truncate: bool
) -> tuple[dict[str, Json], bool]:
    """The part of a request that is the message, and whether something was cut.

    Raises:
        BadInput: It breaks a limit of Slack's.
    """
    sent = text if text_format == "mrkdwn" else escape(text)
    kept = list(blocks or [])
    cuts: list[str] = []
    if truncate:
        sent, kept, cuts = truncate_message(sent, kept)
        if cuts:
            ctx.log("the message was shortened", places=cuts)
    check_message(sent, kept)
    found: dict[str, Json] = {"text": sent}
    if kept:
        found["blocks"] = kept
    if text_format == "plain":
        found["mrkdwn"] = False
    return found, bool(cuts)


def is_cut(text: str, text_format: str, blocks: Sequence[Json] | None) -> bool:
    """Whether `content` had to cut this message."""
    sent = text if text_format == "mrkdwn" else escape(text)
    return bool(truncate_message(sent, blocks or [])[2])
