"""Posts of other kinds: seen by one person, later, through an incoming webhook, or as an answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from hookline.sdk import BadInput, Context, Example, Field, Recorded, raise_for_status

from .app import IncomingWebhook, slack
from .client import SlackClient, text_of
from .content import TEXT_FORMATS, Blocks, Channel, Truncate, content
from .webhooks import send

__all__ = ["post_ephemeral", "respond", "schedule_message", "send_webhook"]

Json = Any

Text = Annotated[
    str, Field("The message. With blocks it is what notifications show.", multiline=True, min_length=1)
]
TextFormat = Annotated[
    Literal["escaped", "mrkdwn", "plain"], Field("How text is understood.", options=TEXT_FORMATS)
]


class Ephemeral(TypedDict):
    """A message that one person saw."""

    channel: Annotated[str, Field("The channel.")]
    message_ts: Annotated[str, Field("Its timestamp. Such a message cannot be updated by it.")]
    truncated: Annotated[bool, Field("Whether something was cut to keep to Slack's limits.")]


class Scheduled(TypedDict):
    """A message that Slack will post."""

    channel: Annotated[str, Field("ID of the channel.")]
    scheduled_message_id: Annotated[str, Field("Its ID until it is posted.", examples=["Q1298393284"])]
    post_at: Annotated[int, Field("When it will be posted, in Unix seconds.")]
    truncated: Annotated[bool, Field("Whether something was cut to keep to Slack's limits.")]


class Sent(TypedDict):
    """A message was sent; Slack says no more about it."""

    truncated: Annotated[bool, Field("Whether something was cut to keep to Slack's limits.")]


@slack.action(
    "post_ephemeral",
    effect="at_least_once",
    summary="Showed {user} a message in {channel}",
    docs="https://docs.slack.dev/reference/methods/chat.postEphemeral",
    examples=[
        Example(
            input={"channel": "C012AB3CD", "user": "U0BPQUNTA", "text": "Only you see this."},
            responses=[
                Recorded(
                    json={"ok": True, "message_ts": "1502210682.580145"},
                    expect="POST /api/chat.postEphemeral",
                )
            ],
            output={"channel": "C012AB3CD", "message_ts": "1502210682.580145", "truncated": False},
        )
    ],
)
async def post_ephemeral(
    ctx: Context,
    channel: Channel,
    user: Annotated[
        str, Field("ID of the person, who must be in the channel.", examples=["U0BPQUNTA"], min_length=1)
    ],
    text: Text,
    text_format: TextFormat = "escaped",
    blocks: Blocks = None,
    truncate: Truncate = False,
    thread_ts: Annotated[str | None, Field("Show it in the thread of this message.", advanced=True)] = None,
) -> Ephemeral:
    """Show one person a message

    It is gone when the person reloads Slack, and is in no history, so that it cannot be looked up: a
    crash at the wrong moment shows it twice. A lost answer is not repeated.
    """
    sent, is_cut = content(ctx, text, text_format, blocks, truncate)
    sent.pop("mrkdwn", None)
    arguments = {"channel": channel, "user": user, "thread_ts": thread_ts, **sent}
    answer = await ctx.connection.call("chat.postEphemeral", arguments, effect="at_least_once")
    return Ephemeral(
        channel=channel, message_ts=text_of(answer, "message_ts", "chat.postEphemeral"), truncated=is_cut
    )


@slack.action(
    "schedule_message",
    effect="at_least_once",
    summary="Scheduled a message for {channel}",
    docs="https://docs.slack.dev/reference/methods/chat.scheduleMessage",
    examples=[
        Example(
            input={"channel": "C012AB3CD", "post_at": 1763715600, "text": "Good morning."},
            responses=[
                Recorded(
                    json={
                        "ok": True,
                        "channel": "C012AB3CD",
                        "scheduled_message_id": "Q1298393284",
                        "post_at": 1763715600,
                    },
                    expect="POST /api/chat.scheduleMessage",
                )
            ],
            output={
                "channel": "C012AB3CD",
                "scheduled_message_id": "Q1298393284",
                "post_at": 1763715600,
                "truncated": False,
            },
        )
    ],
)
async def schedule_message(
    ctx: Context,
    channel: Channel,
    post_at: Annotated[
        int, Field("When, in Unix seconds; at most 120 days from now.", minimum=0, examples=[1763715600])
    ],
    text: Text,
    text_format: TextFormat = "escaped",
    blocks: Blocks = None,
    truncate: Truncate = False,
    thread_ts: Annotated[str | None, Field("Reply in the thread of this message.", advanced=True)] = None,
) -> Scheduled:
    """Schedule a message

    Slack posts it, whether Hookline runs then or not. Slack keeps no key with a scheduled message: a
    crash at the wrong moment schedules it twice. A lost answer is not repeated.
    """
    sent, is_cut = content(ctx, text, text_format, blocks, truncate)
    sent.pop("mrkdwn", None)
    arguments = {"channel": channel, "post_at": post_at, "thread_ts": thread_ts, **sent}
    answer = await ctx.connection.call("chat.scheduleMessage", arguments, effect="at_least_once")
    return Scheduled(
        channel=text_of(answer, "channel", "chat.scheduleMessage"),
        scheduled_message_id=text_of(answer, "scheduled_message_id", "chat.scheduleMessage"),
        post_at=post_at,
        truncated=is_cut,
    )


@slack.action(
    "send_webhook",
    effect="at_least_once",
    connection="slack_webhook",
    summary="Sent to Slack",
    docs="https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/",
    examples=[
        Example(
            input={"text": "Backup is done."},
            responses=[
                Recorded(text="ok", expect="POST /services/T00000000/B00000000/EXAMPLEexampleEXAMPLE00")
            ],
            output={"truncated": False},
        )
    ],
)
async def send_webhook(
    ctx: Context,
    text: Text,
    text_format: TextFormat = "escaped",
    blocks: Blocks = None,
    truncate: Truncate = False,
) -> Sent:
    """Send through an incoming webhook

    Needs no bot: the address of the connection posts to the channel it was made for. Slack says nothing
    about the message, so that it can be neither updated nor looked up: a crash at the wrong moment
    posts it twice. A lost answer is not repeated.
    """
    sent, is_cut = content(ctx, text, text_format, blocks, truncate)
    webhook: IncomingWebhook = ctx.connection
    await send(webhook.http, webhook.path, sent)
    return Sent(truncated=is_cut)


@slack.action(
    "respond",
    effect="at_least_once",
    summary="Answered in Slack",
    docs="https://docs.slack.dev/interactivity/handling-user-interaction#message_responses",
    examples=[
        Example(
            title="Answer a slash command",
            input={
                "response_url": "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/EXAMPLE",
                "text": "Done.",
            },
            responses=[Recorded(text="ok", expect="POST /commands/T1DC2JH3J/397700885554/EXAMPLE")],
            output={"truncated": False},
        )
    ],
)
async def respond(
    ctx: Context,
    response_url: Annotated[
        str,
        Field(
            "Where to answer, as the trigger gave it: five times within half an hour.",
            min_length=1,
            max_length=2048,
        ),
    ],
    text: Text,
    text_format: TextFormat = "escaped",
    blocks: Blocks = None,
    truncate: Truncate = False,
    response_type: Annotated[
        Literal["ephemeral", "in_channel"],
        Field(
            "Who sees it.",
            options={"ephemeral": "The person who asked.", "in_channel": "Everybody in the channel."},
        ),
    ] = "ephemeral",
    replace_original: Annotated[
        bool, Field("Take the place of the message that was acted on.", advanced=True)
    ] = False,
    delete_original: Annotated[bool, Field("Remove the message that was acted on.", advanced=True)] = False,
) -> Sent:
    """Answer a command or an action

    Slack's own addresses only. A crash at the wrong moment answers twice; a lost answer is not repeated.
    """
    sent, is_cut = content(ctx, text, text_format, blocks, truncate)
    client: SlackClient = ctx.connection
    if not client.is_own_address(response_url):
        raise BadInput(
            "the response_url is not an address of Slack's", hint="write {{ trigger.response_url }}"
        )
    body: dict[str, Json] = {**sent, "response_type": response_type}
    if replace_original:
        body["replace_original"] = True
    if delete_original:
        body["delete_original"] = True
    answer = await client.plain.request("POST", response_url, json=body, timeout=30.0)
    raise_for_status(answer, effect="at_least_once", service="Slack", reason="see the status")
    return Sent(truncated=is_cut)
