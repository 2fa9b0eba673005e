"""Finding out what became of a message or a file whose answer was lost."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hookline.sdk import ActionError, Context, OutcomeUnknown, RateLimited, Unavailable

from .client import SlackClient

__all__ = ["KEY_EVENT", "FoundMessage", "ask", "find_message", "is_settled", "mark_sending", "never"]

Json = Any

KEY_EVENT = "hookline_message"
"""``metadata.event_type`` of every message."""

ABSENT_AFTER = 60.0
"""Seconds after which a request that left no trace is known to have done nothing: twice its timeout."""

CLOCK_SKEW = 300.0
"""Seconds our clock may be ahead of Slack's."""

PAGE = 200
MAX_PAGES = 50
"""A busy channel has fewer than 10,000 messages between a crash and the restart, or nobody can tell."""

_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{5,}", re.ASCII)
_REFUSED = ("missing_scope", "not_in_channel", "channel_not_found", "no_permission", "access_denied")


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """Where a message is."""

    channel: str
    ts: str


async def mark_sending(ctx: Context) -> None:
    """Note when the request leaves, so that a look-up knows where to begin."""
    await ctx.note(sending_at=ctx.now().timestamp())


def is_settled(ctx: Context) -> bool:
    """Whether enough time has passed for the request to have shown itself."""
    return ctx.now().timestamp() - _sent_at(ctx) >= ABSENT_AFTER


async def find_message(
    ctx: Context, client: SlackClient, channel: str, thread_ts: str | None
) -> FoundMessage | None:
    """The message with this attempt's key; None when it is certain that there is none.

    Raises:
        OutcomeUnknown: It cannot be told, or not yet. `OutcomeUnknown.final` when it never will be.
    """
    if "sending_at" not in ctx.notes:
        return None
    where = await _channel_id(client, channel)
    method = "conversations.replies" if thread_ts else "conversations.history"
    cursor = ""
    for _ in range(MAX_PAGES):
        arguments = {
            "channel": where,
            "ts": thread_ts,
            "oldest": f"{_sent_at(ctx) - CLOCK_SKEW:.6f}",
            "limit": PAGE,
            "include_all_metadata": True,
            "cursor": cursor or None,
        }
        answer = await ask(client, method, arguments, accept=_REFUSED)
        if not answer["ok"]:
            raise never(f"Slack does not let the bot read the channel's history: {answer.get('error')}")
        for message in _objects(answer.get("messages")):
            ts = message.get("ts")
            if isinstance(ts, str) and _key_of(message) == ctx.idempotency_key:
                return FoundMessage(where, ts)
        cursor = _next_cursor(answer)
        if not cursor:
            break
    else:
        raise never("the channel's history is too long to be searched")
    if not is_settled(ctx):
        raise OutcomeUnknown("the message is not in the channel, and may still appear", hint=_HINT)
    return None


async def ask(
    client: SlackClient, method: str, arguments: Mapping[str, Json], *, accept: Collection[str]
) -> Mapping[str, Json]:
    """Call a method that only reads, for a look-up.

    Raises:
        OutcomeUnknown: Slack did not say. Any other error would let the engine send again what may be
            there already.
    """
    try:
        return await client.call(method, arguments, effect="read", accept=accept)
    except (RateLimited, Unavailable) as error:
        raise OutcomeUnknown(
            f"it cannot be looked up just now: {error.message}", hint=_HINT, retry_after=error.retry_after
        ) from error
    except OutcomeUnknown:
        raise
    except ActionError as error:
        raise never(error.message) from error


async def _channel_id(client: SlackClient, channel: str) -> str:
    if _CHANNEL_ID.fullmatch(channel):
        return channel
    name, cursor = channel.removeprefix("#"), ""
    for _ in range(MAX_PAGES):
        arguments = {
            "types": "public_channel,private_channel",
            "limit": PAGE,
            "exclude_archived": True,
            "cursor": cursor or None,
        }
        answer = await ask(client, "conversations.list", arguments, accept=_REFUSED)
        if not answer["ok"]:
            raise never(f"Slack does not let the bot list channels: {answer.get('error')}")
        for found in _objects(answer.get("channels")):
            if found.get("name") == name and isinstance(found.get("id"), str):
                return str(found["id"])
        cursor = _next_cursor(answer)
        if not cursor:
            break
    raise never(f"the bot does not see a channel {channel[:80]!r}")


def _sent_at(ctx: Context) -> float:
    found = ctx.notes.get("sending_at")
    return float(found) if isinstance(found, int | float) else ctx.now().timestamp()


def _key_of(message: Mapping[str, Json]) -> Json:
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, Mapping) else None
    return payload.get("idempotency_key") if isinstance(payload, Mapping) else None


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _next_cursor(answer: Mapping[str, Json]) -> str:
    more = answer.get("response_metadata")
    found = more.get("next_cursor") if isinstance(more, Mapping) else None
    return found if isinstance(found, str) else ""


_HINT = "look at the channel before repeating the step"


def never(
    why: str, hint: str = "with a channel ID and the scope channels:history it can be looked up"
) -> OutcomeUnknown:
    """The end of looking."""
    return OutcomeUnknown(
        f"it may have been posted, and that cannot be told: {why}", hint=f"{_HINT}; {hint}", final=True
    )
