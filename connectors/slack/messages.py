"""Messages: post, update, delete.

What a crash may repeat: Slack has no idempotency key, but keeps metadata with a message. Ours carries
``event_payload.idempotency_key``, by which `lookup` finds a message whose answer was lost. That needs the
history scope of the kind of channel (``channels:history``, ``groups:history``, …); without it, nobody
can tell, and the step ends as unknown rather than posting a second time.

Escaping: in Slack's text ``<!channel>`` notifies everybody, ``<@U…>`` somebody, and
``<https://a|https://b>`` is a link that shows another address. A message usually holds values from
outside (a file name, a prompt, a model's answer), and by the time it is here nobody can tell them
from what the author wrote. So ``&``, ``<`` and ``>`` are escaped unless the author says that the
text may hold mentions and links. Bold, lists, code and emoji work either way.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from hookline.sdk import ActionError, Context, Example, Field, Recorded

from .app import slack
from .client import SlackClient, text_of
from .content import TEXT_FORMATS, Blocks, Channel, MessageTs, Truncate, content, is_cut
from .lookup import KEY_EVENT, find_message, mark_sending

__all__ = [
    "Deleted",
    "Posted",
    "Updated",
    "delete_message",
    "lookup_posted",
    "post_message",
    "update_message",
]

Json = Any


class Posted(TypedDict):
    """A posted message. Channel and ts together are its identity."""

    channel: Annotated[str, Field("ID of the channel.", examples=["C012AB3CD"])]
    ts: Annotated[str, Field("The message's timestamp, which identifies it.", examples=["1763633642.000100"])]
    permalink: Annotated[str | None, Field("Link to the message; null unless asked for.")]
    truncated: Annotated[bool, Field("Whether something was cut to keep to Slack's limits.")]


class Updated(TypedDict):
    """A message as it is now."""

    channel: Annotated[str, Field("ID of the channel.")]
    ts: Annotated[str, Field("The message's timestamp, which identifies it.")]
    truncated: Annotated[bool, Field("Whether something was cut to keep to Slack's limits.")]


class Deleted(TypedDict):
    """A message that is gone."""

    channel: Annotated[str, Field("ID of the channel.")]
    ts: Annotated[str, Field("The message's timestamp.")]
    deleted: Annotated[bool, Field("False when there was no such message (any more).")]


@slack.action(
    "post_message",
    effect="check",
    summary="Posted to {channel}",
    docs="https://docs.slack.dev/reference/methods/chat.postMessage",
    examples=[
        Example(
            title="A message with a value from outside",
            input={"channel": "#art", "text": "*New picture:* <script>.png"},
            responses=[
                Recorded(
                    json={
                        "ok": True,
                        "channel": "C012AB3CD",
                        "ts": "1763633642.000100",
                        "message": {"type": "message", "text": "*New picture:* &lt;script&gt;.png"},
                    },
                    expect="POST /api/chat.postMessage",
                )
            ],
            output={
                "channel": "C012AB3CD",
                "ts": "1763633642.000100",
                "permalink": None,
                "truncated": False,
            },
        )
    ],
)
async def post_message(
    ctx: Context,
    channel: Channel,
    text: Annotated[
        str,
        Field("The message. With blocks it is what notifications show.", multiline=True, min_length=1),
    ],
    text_format: Annotated[
        Literal["escaped", "mrkdwn", "plain"], Field("How text is understood.", options=TEXT_FORMATS)
    ] = "escaped",
    blocks: Blocks = None,
    truncate: Truncate = False,
    thread_ts: Annotated[
        str | None,
        Field("Reply in the thread of this message.", advanced=True, examples=["1763633642.000100"]),
    ] = None,
    reply_broadcast: Annotated[bool, Field("Show a reply in the channel as well.", advanced=True)] = False,
    unfurl_links: Annotated[bool | None, Field("Show previews of links to texts.", advanced=True)] = None,
    unfurl_media: Annotated[bool | None, Field("Show previews of links to media.", advanced=True)] = None,
    username: Annotated[
        str | None, Field("Name to post under; needs the scope chat:write.customize.", advanced=True)
    ] = None,
    icon_emoji: Annotated[
        str | None,
        Field(
            "Emoji for a picture; needs the scope chat:write.customize.", advanced=True, examples=[":art:"]
        ),
    ] = None,
    permalink: Annotated[bool, Field("Ask for a link to the message as well.", advanced=True)] = False,
) -> Posted:
    """Post a message

    Nothing is posted twice: after a crash or a lost answer the channel's history is searched for the
    message. That needs the scope channels:history (groups:history for private channels); without it such
    a step ends as unknown, and a person decides.
    """
    sent, cut = content(ctx, text, text_format, blocks, truncate)
    arguments: dict[str, Json] = {
        "channel": channel,
        **sent,
        "metadata": {"event_type": KEY_EVENT, "event_payload": {"idempotency_key": ctx.idempotency_key}},
        "thread_ts": thread_ts,
        "reply_broadcast": True if reply_broadcast else None,
        "unfurl_links": unfurl_links,
        "unfurl_media": unfurl_media,
        "username": username,
        "icon_emoji": icon_emoji,
    }
    client: SlackClient = ctx.connection
    await mark_sending(ctx)
    answer = await client.call("chat.postMessage", arguments, effect="check")
    where = text_of(answer, "channel", "chat.postMessage")
    ts = text_of(answer, "ts", "chat.postMessage")
    return Posted(
        channel=where,
        ts=ts,
        permalink=await _permalink(ctx, client, where, ts) if permalink else None,
        truncated=cut,
    )


@post_message.on_lookup
async def lookup_posted(
    ctx: Context,
    channel: str,
    text: str,
    text_format: Literal["escaped", "mrkdwn", "plain"] = "escaped",
    blocks: list[dict[str, Any]] | None = None,
    truncate: bool = False,
    thread_ts: str | None = None,
    permalink: bool = False,
    **_: Json,
) -> Posted | None:
    """The message of an attempt that was cut off, found by its metadata."""
    client: SlackClient = ctx.connection
    found = await find_message(ctx, client, channel, thread_ts)
    if found is None:
        return None
    return Posted(
        channel=found.channel,
        ts=found.ts,
        permalink=await _permalink(ctx, client, found.channel, found.ts) if permalink else None,
        truncated=truncate and is_cut(text, text_format, blocks),
    )


@slack.action(
    "update_message",
    effect="idempotent",
    summary="Updated a message in {channel}",
    docs="https://docs.slack.dev/reference/methods/chat.update",
    examples=[
        Example(
            input={"channel": "C012AB3CD", "ts": "1763633642.000100", "text": "Done."},
            responses=[
                Recorded(
                    json={"ok": True, "channel": "C012AB3CD", "ts": "1763633642.000100", "text": "Done."},
                    expect="POST /api/chat.update",
                )
            ],
            output={"channel": "C012AB3CD", "ts": "1763633642.000100", "truncated": False},
        )
    ],
)
async def update_message(
    ctx: Context,
    channel: Annotated[str, Field("ID of the channel.", examples=["C012AB3CD"], min_length=1)],
    ts: MessageTs,
    text: Annotated[str, Field("The new text. It takes the old one's place.", multiline=True, min_length=1)],
    text_format: Annotated[
        Literal["escaped", "mrkdwn", "plain"], Field("How text is understood.", options=TEXT_FORMATS)
    ] = "escaped",
    blocks: Blocks = None,
    truncate: Truncate = False,
) -> Updated:
    """Update a message

    A bot can update its own messages only. Without blocks, those the message had are removed.
    Repeating it after a crash leads to the same message.
    """
    sent, cut = content(ctx, text, text_format, blocks, truncate)
    sent.pop("mrkdwn", None)
    arguments = {"channel": channel, "ts": ts, **sent, "blocks": sent.get("blocks", [])}
    answer = await ctx.connection.call("chat.update", arguments, effect="idempotent")
    return Updated(
        channel=text_of(answer, "channel", "chat.update"),
        ts=text_of(answer, "ts", "chat.update"),
        truncated=cut,
    )


@slack.action(
    "delete_message",
    effect="idempotent",
    summary="Deleted a message in {channel}",
    docs="https://docs.slack.dev/reference/methods/chat.delete",
    examples=[
        Example(
            input={"channel": "C012AB3CD", "ts": "1763633642.000100"},
            responses=[
                Recorded(
                    json={"ok": True, "channel": "C012AB3CD", "ts": "1763633642.000100"},
                    expect="POST /api/chat.delete",
                )
            ],
            output={"channel": "C012AB3CD", "ts": "1763633642.000100", "deleted": True},
        )
    ],
)
async def delete_message(
    ctx: Context,
    channel: Annotated[str, Field("ID of the channel.", examples=["C012AB3CD"], min_length=1)],
    ts: MessageTs,
) -> Deleted:
    """Delete a message

    A bot can delete its own messages only. A message that is not there is no error, because that is
    what a repetition after a crash finds.
    """
    answer = await ctx.connection.call(
        "chat.delete", {"channel": channel, "ts": ts}, effect="idempotent", accept=("message_not_found",)
    )
    return Deleted(channel=channel, ts=ts, deleted=bool(answer["ok"]))


async def _permalink(ctx: Context, client: SlackClient, channel: str, ts: str) -> str | None:
    """The link; without it the step has done its work all the same."""
    try:
        answer = await client.call("chat.getPermalink", {"channel": channel, "message_ts": ts}, effect="read")
    except ActionError as error:
        ctx.log(f"no link to the message: {error.message}")
        return None
    link = answer.get("permalink")
    return link if isinstance(link, str) else None
