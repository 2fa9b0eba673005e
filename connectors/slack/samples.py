"""What the triggers give: schemas, and an event of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ACTION", "ACTION_SCHEMA", "COMMAND", "COMMAND_SCHEMA", "EVENT", "EVENT_SCHEMA"]

Json = Any


def _text(description: str) -> dict[str, Json]:
    return {"type": "string", "description": description}


def _record(properties: dict[str, Json]) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


EVENT: Mapping[str, Json] = {
    "event": {
        "type": "message",
        "channel": "C012AB3CD",
        "user": "U2147483697",
        "text": "Hello",
        "ts": "1763633642.000100",
    },
    "event_id": "Ev9UQ52YNA",
    "event_time": 1763633642,
    "team_id": "T1DC2JH3J",
    "api_app_id": "A0PNCHHK2",
    "retry_num": 0,
}
EVENT_SCHEMA = _record(
    {
        "event": {
            "type": "object",
            "description": "The event as Slack describes it for its type.",
            "properties": {"type": _text("Its type.")},
            "required": ["type"],
            "additionalProperties": True,
        },
        "event_id": _text("Its identity over all workspaces."),
        "event_time": {"type": "integer", "description": "When it happened, in Unix seconds."},
        "team_id": _text("ID of the workspace."),
        "api_app_id": _text("ID of the app."),
        "retry_num": {"type": "integer", "description": "Which repetition came first; 0 for the first try."},
    }
)

COMMAND: Mapping[str, Json] = {
    "command": "/deploy",
    "text": "blue",
    "user_id": "U2CERLKJA",
    "user_name": "roadrunner",
    "channel_id": "C012AB3CD",
    "channel_name": "ops",
    "team_id": "T1DC2JH3J",
    "team_domain": "acme",
    "api_app_id": "A0PNCHHK2",
    "response_url": "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/EXAMPLE",
    "trigger_id": "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
}
COMMAND_SCHEMA = _record(
    {
        "command": _text("The command, with its slash."),
        "text": _text("What was typed after it."),
        "user_id": _text("ID of the person who typed it."),
        "user_name": _text("Their user name."),
        "channel_id": _text("ID of the channel."),
        "channel_name": _text("Its name."),
        "team_id": _text("ID of the workspace."),
        "team_domain": _text("The workspace's name in addresses."),
        "api_app_id": _text("ID of the app."),
        "response_url": _text("Where to answer, with slack.respond."),
        "trigger_id": _text("Identity of the interaction."),
    }
)

ACTION: Mapping[str, Json] = {
    "type": "block_actions",
    "action_id": "approve",
    "callback_id": "",
    "value": "order-7",
    "user": {"id": "U2CERLKJA", "name": "roadrunner"},
    "channel_id": "C012AB3CD",
    "message_ts": "1763633642.000100",
    "team_id": "T1DC2JH3J",
    "api_app_id": "A0PNCHHK2",
    "response_url": "https://hooks.slack.com/actions/T1DC2JH3J/397700885554/EXAMPLE",
    "trigger_id": "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
    "payload": {"type": "block_actions", "actions": [{"action_id": "approve", "value": "order-7"}]},
}
ACTION_SCHEMA = _record(
    {
        "type": _text("block_actions, shortcut, message_action, view_submission or view_closed."),
        "action_id": _text("The action_id of the element; empty for other kinds."),
        "callback_id": _text("The callback_id of a shortcut or form; empty for other kinds."),
        "value": _text("The button's value, or what was chosen."),
        "user": _record({"id": _text("ID of the person."), "name": _text("Their user name.")}),
        "channel_id": _text("ID of the channel; empty outside of one."),
        "message_ts": _text("The message that was acted on; empty outside of one."),
        "team_id": _text("ID of the workspace."),
        "api_app_id": _text("ID of the app."),
        "response_url": _text("Where to answer, with slack.respond; empty when there is nothing to answer."),
        "trigger_id": _text("Identity of the interaction."),
        "payload": {
            "type": "object",
            "description": "Everything Slack sent, without its token.",
            "additionalProperties": True,
        },
    }
)
