"""What Slack sends: events, slash commands, and clicks on what a message shows.

Every request is checked over its raw bytes before anything is read out of it, and is answered with 200
as soon as it is stored, which Slack expects within three seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from hookline.sdk import Field, HookAnswered, HookContext, HookEvent, HookRefused, HookReply, HookRequest
from hookline.sdk.approvals import PersonAnswer

from .app import slack
from .approvals import read_click
from .body import read_form, read_json
from .limits import escape
from .samples import ACTION, ACTION_SCHEMA, COMMAND, COMMAND_SCHEMA, EVENT, EVENT_SCHEMA
from .signature import check_signature

__all__ = ["action", "command", "event"]

Json = Any

Path = Annotated[
    str,
    Field("Last part of the address: `slack` is reached at `/hooks/slack`.", max_length=200),
    {"pattern": "^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"},
]

_DONE = HookReply()
_MAX_CHALLENGE = 1024


@slack.trigger(
    "event",
    kind="webhook",
    docs="https://docs.slack.dev/apis/events-api/",
    output=EVENT_SCHEMA,
    sample=EVENT,
)
def event(
    ctx: HookContext,
    request: HookRequest,
    path: Path,
    events: Annotated[
        list[str],
        Field("Types of events that start a run; all when empty.", examples=[["message", "app_mention"]]),
    ] = [],  # noqa: B006 - read only
    channels: Annotated[
        list[str],
        Field("IDs of channels that events must come from; all when empty.", examples=[["C012AB3CD"]]),
    ] = [],  # noqa: B006 - read only
    include_bots: Annotated[
        bool,
        Field(
            "Start for messages of bots as well, the workflow's own among them: mind the circle.",
            advanced=True,
        ),
    ] = False,
) -> HookEvent | HookAnswered:
    """An event in Slack

    Enter the address under Event Subscriptions of the app; Slack's question whether it is yours is
    answered. A delivery that Slack repeats starts nothing: `event_id` is the event's identity.
    """
    _check(ctx, request)
    body = read_json(request.body)
    kind = body.get("type")
    if kind == "url_verification":
        return HookAnswered(HookReply(body=_challenge(body)))
    found = body.get("event")
    if kind == "app_rate_limited":
        found = {"type": "app_rate_limited"}
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise HookRefused(400, "the body is no event of Slack's", code="C605")
    data = {
        "event": found,
        "event_id": _text(body, "event_id"),
        "event_time": _number(body.get("event_time")),
        "team_id": _text(body, "team_id"),
        "api_app_id": _text(body, "api_app_id"),
        "retry_num": _number(request.headers.get("x-slack-retry-num")),
    }
    skip = _why_not(found, events, channels, include_bots)
    return HookEvent(data, data["event_id"] or _digest(request), answer=_DONE, skip=skip)


@slack.trigger(
    "command",
    kind="webhook",
    docs="https://docs.slack.dev/interactivity/implementing-slash-commands",
    output=COMMAND_SCHEMA,
    sample=COMMAND,
)
def command(
    ctx: HookContext,
    request: HookRequest,
    path: Path,
    commands: Annotated[
        list[str], Field("Commands that start a run; all when empty.", examples=[["/deploy"]])
    ] = [],  # noqa: B006 - read only
    acknowledge: Annotated[
        str,
        Field(
            "Shown at once to the person who typed it, and to nobody else; nothing when empty.",
            max_length=3000,
        ),
    ] = "",
) -> HookEvent | HookAnswered:
    """A slash command in Slack

    Answer within half an hour with `slack.respond`.
    """
    _check(ctx, request)
    form = read_form(request)
    if form.get("ssl_check") == "1":
        return HookAnswered(_DONE)
    if not form.get("command"):
        raise HookRefused(400, "the form is no slash command", code="C605")
    data = {name: form.get(name, "") for name in COMMAND}
    skip = "" if not commands or data["command"] in commands else f"{data['command']} is not in commands"
    answer = _DONE
    if acknowledge and not skip:
        shown = {"response_type": "ephemeral", "text": escape(acknowledge)}
        answer = HookReply(body=json.dumps(shown).encode(), content_type="application/json; charset=utf-8")
    return HookEvent(data, data["trigger_id"] or _digest(request), answer=answer, skip=skip)


@slack.trigger(
    "action",
    kind="webhook",
    docs="https://docs.slack.dev/interactivity/handling-user-interaction",
    output=ACTION_SCHEMA,
    sample=ACTION,
)
def action(
    ctx: HookContext,
    request: HookRequest,
    path: Path,
    action_ids: Annotated[
        list[str],
        Field("Values of action_id or callback_id that start a run; all when empty.", examples=[["approve"]]),
    ] = [],  # noqa: B006 - read only
) -> HookEvent | HookAnswered | PersonAnswer:
    """A click in Slack

    Somebody pressed a button, chose from a menu, used a shortcut or submitted a form. Enter the
    address under Interactivity of the app. Update the message with `slack.update_message`. Buttons of
    approvals work at this address as well; they decide, and start no run.
    """
    _check(ctx, request)
    payload = read_json(read_form(request).get("payload", ""))
    kind = payload.get("type")
    if not isinstance(kind, str):
        raise HookRefused(400, "the payload is no interaction of Slack's", code="C605")
    # Slack has one address for all clicks of an app: those on approvals come here as well.
    decided = read_click(payload)
    if decided is not None:
        return decided
    actions = [each for each in _list(payload.get("actions")) if isinstance(each, dict)]
    first = actions[0] if actions else {}
    view = _object(payload.get("view"))
    user, message, container = (_object(payload.get(name)) for name in ("user", "message", "container"))
    data = {
        "type": kind,
        "action_id": _text(first, "action_id"),
        "callback_id": _text(payload, "callback_id") or _text(view, "callback_id"),
        "value": _chosen(first),
        "user": {"id": _text(user, "id"), "name": _text(user, "name") or _text(user, "username")},
        "channel_id": _text(_object(payload.get("channel")), "id") or _text(container, "channel_id"),
        "message_ts": _text(message, "ts") or _text(container, "message_ts"),
        "team_id": _text(_object(payload.get("team")), "id") or _text(user, "team_id"),
        "api_app_id": _text(payload, "api_app_id"),
        "response_url": _text(payload, "response_url"),
        "trigger_id": _text(payload, "trigger_id"),
        "payload": {name: value for name, value in payload.items() if name != "token"},
    }
    wanted = not action_ids or data["action_id"] in action_ids or data["callback_id"] in action_ids
    skip = "" if wanted else "neither action_id nor callback_id is in action_ids"
    return HookEvent(data, data["trigger_id"] or _digest(request), answer=_DONE, skip=skip)


def _check(ctx: HookContext, request: HookRequest) -> None:
    check_signature(ctx.connection.signing_secret, request, ctx.now().timestamp())


def _challenge(body: Mapping[str, Json]) -> bytes:
    found = _text(body, "challenge")
    if not found or len(found) > _MAX_CHALLENGE:
        raise HookRefused(400, "the question of Slack's has no usable challenge", code="C605")
    return found.encode()


def _why_not(found: Mapping[str, Json], events: list[str], channels: list[str], include_bots: bool) -> str:
    """Why an event starts nothing; "" when it does."""
    kind = found["type"]
    if kind == "app_rate_limited":
        return "Slack holds back events of this app: there were too many"
    if events and kind not in events:
        return f"events of the type {kind[:100]} are not asked for"
    channel = found.get("channel")
    name = channel.get("id") if isinstance(channel, Mapping) else channel
    item = _object(found.get("item"))
    if channels and name not in channels and item.get("channel") not in channels:
        return "the channel is not asked for"
    inner = _object(found.get("message"))
    if not include_bots and any(
        each.get("bot_id") or each.get("subtype") == "bot_message" for each in (found, inner)
    ):
        return "it was written by a bot"
    return ""


def _chosen(first: Mapping[str, Json]) -> str:
    """What was pressed or chosen, for the elements that have one value."""
    for holder in (first, _object(first.get("selected_option"))):
        if isinstance(holder.get("value"), str):
            return str(holder["value"])
    for name in (
        "selected_user",
        "selected_channel",
        "selected_conversation",
        "selected_date",
        "selected_time",
    ):
        if isinstance(first.get(name), str):
            return str(first[name])
    return ""


def _digest(request: HookRequest) -> str:
    timestamp = request.headers.get("x-slack-request-timestamp", "")
    return f"signed:{hashlib.sha256(timestamp.encode() + b':' + request.body).hexdigest()}"


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(holder: Mapping[str, Json], name: str) -> str:
    found = holder.get(name)
    return found if isinstance(found, str) else ""


def _number(value: Json) -> int:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
