"""What the inbox keeps: channels, messages, files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Channel", "Message", "UploadedFile"]


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
        arrived_by: ``chat.postMessage``, ``webhook`` or ``file``.
        edited_at: Unix seconds of the last ``chat.update``.
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
