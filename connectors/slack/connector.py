"""Slack: post messages.

What a crash may repeat: Slack has no idempotency key. If the process dies after Slack took a message
and before its answer is on disk, the step is repeated and **the message appears twice**. A lost
answer (a timeout, a 5xx, ``fatal_error``) is not repeated: the step becomes unknown. Both messages
carry the same ``metadata.event_payload.idempotency_key``, by which they can be found
(``conversations.history`` with ``include_all_metadata``).

Escaping: in Slack's text ``<!channel>`` notifies everybody, ``<@U…>`` somebody, and
``<https://a|https://b>`` is a link that shows another address. A message usually holds values from
outside (a file name, a prompt, a model's answer), and by the time it is here nobody can tell them
from what the author wrote. So ``&``, ``<`` and ``>`` are escaped unless the author says that the
text may hold mentions and links. Bold, lists, code and emoji work either way.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from hookline.sdk import (
    ActionError,
    ConnectionContext,
    Connector,
    Context,
    Example,
    Field,
    MalformedOutput,
    Recorded,
)

from .client import SlackClient
from .limits import check_message, escape

Json = Any

slack = Connector("slack", title="Slack", docs="https://api.slack.com/web")


@slack.connection
def connect(
    ctx: ConnectionContext,
    token: Annotated[
        str,
        Field("Bot token (xoxb-…) with the scope chat:write.", secret=True, env="SLACK_BOT_TOKEN"),
    ],
    base_url: Annotated[
        str, Field("Address of the Web API.", format="uri", env="SLACK_BASE_URL", advanced=True)
    ] = "https://slack.com/api/",
    signing_secret: Annotated[
        str | None,
        Field(
            "Signing secret of the app, to check requests that come from Slack.",
            secret=True,
            env="SLACK_SIGNING_SECRET",
        ),
    ] = None,
) -> SlackClient:
    """Open a client."""
    http = ctx.http(base_url.rstrip("/") + "/", headers={"Authorization": f"Bearer {token}"})
    return SlackClient(http, signing_secret or "")


@slack.on_test
async def check_token(client: SlackClient) -> str:
    """Whose token it is."""
    answer = await client.call("auth.test", {}, effect="read")
    return f"{answer.get('user', 'bot')} in {answer.get('team', 'Slack')}"


class Posted(TypedDict):
    """A posted message. Channel and ts together are its identity."""

    channel: Annotated[str, Field("ID of the channel.", examples=["C012AB3CD"])]
    ts: Annotated[str, Field("The message's timestamp, which identifies it.", examples=["1763633642.000100"])]
    permalink: Annotated[str | None, Field("Link to the message; null unless asked for.")]


@slack.action(
    "post_message",
    effect="at_least_once",
    summary="Posted to {channel}",
    docs="https://api.slack.com/methods/chat.postMessage",
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
            output={"channel": "C012AB3CD", "ts": "1763633642.000100", "permalink": None},
        )
    ],
)
async def post_message(
    ctx: Context,
    channel: Annotated[
        str,
        Field("ID of the channel (best), or #name.", examples=["C012AB3CD", "#art"], min_length=1),
    ],
    text: Annotated[
        str,
        Field("The message. With blocks it is what notifications show.", multiline=True, min_length=1),
    ],
    text_format: Annotated[
        Literal["escaped", "mrkdwn", "plain"],
        Field(
            "How text is understood.",
            options={
                "escaped": "*bold*, lists, code, :emoji: work; values from outside cannot mention or link.",
                "mrkdwn": "As written: <@U…> mentions and <https://…|links> work. For text you trust only.",
                "plain": "Shown exactly as it is.",
            },
        ),
    ] = "escaped",
    blocks: Annotated[
        list[dict[str, Any]] | None,
        Field(
            "Block Kit blocks, sent as they are: put values from outside into plain_text only.",
            advanced=True,
        ),
    ] = None,
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

    A crash between Slack's taking the message and the recording of it posts the message a second
    time; a lost answer leaves the step unknown and posts nothing again.
    """
    sent = text if text_format == "mrkdwn" else escape(text)
    check_message(sent, blocks or [])
    arguments: dict[str, Json] = {
        "channel": channel,
        "text": sent,
        "metadata": {
            "event_type": "hookline_message",
            "event_payload": {"idempotency_key": ctx.idempotency_key},
        },
    }
    if text_format == "plain":
        arguments["mrkdwn"] = False
    if reply_broadcast:
        arguments["reply_broadcast"] = True
    given = {
        "blocks": blocks,
        "thread_ts": thread_ts,
        "unfurl_links": unfurl_links,
        "unfurl_media": unfurl_media,
        "username": username,
        "icon_emoji": icon_emoji,
    }
    arguments |= {name: value for name, value in given.items() if value is not None}
    client: SlackClient = ctx.connection
    answer = await client.call("chat.postMessage", arguments, effect="at_least_once")
    where, ts = answer.get("channel"), answer.get("ts")
    if not isinstance(where, str) or not isinstance(ts, str):
        raise MalformedOutput("Slack posted the message and does not say where")
    link = await _permalink(ctx, client, where, ts) if permalink else None
    return Posted(channel=where, ts=ts, permalink=link)


async def _permalink(ctx: Context, client: SlackClient, channel: str, ts: str) -> str | None:
    """The link; without it the step has done its work all the same."""
    try:
        answer = await client.call("chat.getPermalink", {"channel": channel, "message_ts": ts}, effect="read")
    except ActionError as error:
        ctx.log(f"no link to the message: {error.message}")
        return None
    link = answer.get("permalink")
    return link if isinstance(link, str) else None
