"""What the inbox keeps: channels, messages, files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Channel", "Group", "Message", "ScheduledMessage", "UploadedFile", "User"]


@dataclass(frozen=True, slots=True)
class Channel:
    """A public channel the bot is a member of."""

    id: str
    name: str

    @staticmethod
    def named(name: str) -> Channel:
        """The channel `name` (without ``#``); its id follows from the name."""
        digest = hashlib.sha256(name.encode()).hexdigest().upper()
        return Channel("C" + digest[:10], name)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it is now.

    Attributes:
        ts: Slack's identity of a message in its channel: Unix seconds, a dot, six digits.
        arrived_by: ``chat.postMessage``, ``webhook``, ``file`` or ``response_url``.
        edited_at: Unix seconds of the last ``chat.update``.
        seen_by: ID of the only person who sees it; None when everybody does.
        reactions: Names of emoji, in the order in which the bot added them.
    """

    channel: Channel
    ts: str
    text: str
    blocks: Sequence[Mapping[str, Any]] = ()
    attachments: Sequence[Mapping[str, Any]] = ()
    thread_ts: str | None = None
    metadata: Mapping[str, Any] | None = None
    username: str | None = None
    file_ids: tuple[str, ...] = ()
    arrived_by: str = "chat.postMessage"
    edited_at: float | None = None
    seen_by: str | None = None
    reactions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduledMessage:
    """A message to be posted later.

    Attributes:
        post_at: Unix seconds.
    """

    id: str
    post_at: int
    message: Message


@dataclass(frozen=True, slots=True)
class User:
    """A person in the workspace."""

    id: str
    name: str
    email: str
    real_name: str = ""

    @staticmethod
    def named(name: str) -> User:
        """The person `name`; ID and address follow from the name."""
        digest = hashlib.sha256(f"user {name}".encode()).hexdigest().upper()
        return User("U" + digest[:10], name, f"{name}@example.com", name.title())


@dataclass(frozen=True, slots=True)
class Group:
    """A user group: its handle, and the IDs of its people."""

    id: str
    handle: str
    users: tuple[str, ...]

    @staticmethod
    def named(handle: str, users: Sequence[str]) -> Group:
        """The group `handle` (without ``@``) of people by their names."""
        digest = hashlib.sha256(f"group {handle}".encode()).hexdigest().upper()
        return Group("S" + digest[:10], handle, tuple(User.named(name).id for name in users))


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of the three-step upload.

    Attributes:
        length: What step one announced, in bytes.
        data: What step two sent; ``None`` before.
        shared: Whether step three has happened.
    """

    id: str
    name: str
    length: int
    ticket: str
    data: bytes | None = None
    title: str = ""
    shared: bool = False
