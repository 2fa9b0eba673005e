"""How a connection puts a question to people, takes their answer, and tells them how it ended.

A connection type that can ask declares `Connector.on_ask`. It gets a `Question` and sends it; what it
returns identifies the message. The others are optional: `on_ask_end` brings the message up to date,
`on_members` says who belongs to a group, `on_answer` reads an answer that arrives at
``/answers/<connection>``, and `on_answered` tells the person what became of it.

Who may decide is never for a connection to say. It says who somebody proved to be, by an address of
its own kind, and the engine looks whether that person was asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from .clients import Files, Http
from .hooks import HookReply

__all__ = ["AskContext", "Member", "PersonAnswer", "Question", "QuestionEnded", "shown_text"]

Json = Any


class AskContext(Protocol):
    """What a connection is given to ask with.

    Attributes:
        key: The same whenever this message is sent again after a crash.
    """

    key: str
    http: Http
    files: Files

    def now(self) -> datetime:
        """The time, in UTC."""


@dataclass(frozen=True, slots=True)
class Question:
    """What people are asked.

    Attributes:
        approval: Its id.
        title: The question, one line or more.
        show: What is to be decided on: any JSON.
        to: Where to: an address of a person, or a place such as a channel.
        is_private: Whether only one person reads it.
        reason: Why it is sent: the first time, again, or because it was passed on.
        link: Page of the person who reads it; ``""`` when several do.
        token: Proves an answer to belong to this message; to be sent back as it is.
        has_form: Whether approving needs more than a click.
        quorum: How many people must approve.
        due_at: When it is too late, None for never.
        previous: What `on_ask` gave for the first message to the same place, None for the first.
    """

    approval: str
    workflow: str
    title: str
    show: Json
    to: str
    is_private: bool
    reason: Literal["first", "reminder", "escalation"]
    link: str
    token: str
    has_form: bool
    quorum: int
    cost_usd: float
    due_at: datetime | None
    previous: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class QuestionEnded:
    """How a question ended, for a message that was sent.

    Attributes:
        to: Where the message went to.
        details: What `on_ask` gave for it.
        outcome: What became of it.
        by: Who decided, as people read it; ``""`` when nobody did.
        comment: What they said.
    """

    approval: str
    title: str
    to: str
    details: Mapping[str, Json]
    outcome: Literal["approved", "rejected", "expired", "canceled"]
    by: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a group: an address of the connection's kind, and a name."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """An answer whose sender has been verified.

    Attributes:
        token: `Question.token` as it came back.
        address: Who answered: an address of the connection's kind, as the service vouches for it.
        decision: What they chose; ``form`` when they want to fill in the form.
        reply: What the service is answered at once.
        details: What `on_answered` needs.
    """

    token: str
    address: str
    decision: Literal["approved", "rejected", "form"]
    reply: HookReply
    details: Mapping[str, Json]


def shown_text(value: Json, most: int) -> str:
    """What is to be decided on, as plain text of at most `most` characters; files by their names."""
    if value is None:
        return ""
    if isinstance(value, Mapping) and "$file" not in value:
        text = "\n".join(f"{name}: {_plain(part)}" for name, part in value.items())
    elif isinstance(value, list):
        text = "\n".join(map(_plain, value))
    else:
        text = _plain(value)
    text = text.strip()
    return text if len(text) <= most else text[: most - 1] + "…"


def _plain(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "$file" in value:
        return f"[file {value.get('name') or ''}]".replace(" ]", "]")
    if isinstance(value, Mapping) and value.get("schema") == "moderation.verdict/1":
        return f"{value.get('action')}: {value.get('reason') or ''}"
    return json.dumps(value, ensure_ascii=False)
