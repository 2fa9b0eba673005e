"""Answers to ``response_url``: at most five, within half an hour.

Source: https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from hookline.testing.clock import Clock
from hookline.testing.slack.arguments import Arguments, SlackError
from hookline.testing.slack.inbox import Inbox
from hookline.testing.slack.records import Channel, Message, User

__all__ = ["Answers"]

MOST_USES = 5
SECONDS = 30 * 60


@dataclass(slots=True)
class _Place:
    channel: Channel
    user: User
    ts: str
    until: float
    uses: int = 0


class Answers:
    """The addresses given out, and what is posted to them.

    Args:
        content: A message with the text and blocks of arguments, checked.
    """

    def __init__(
        self, inbox: Inbox, clock: Clock, origin: str, content: Callable[[Arguments, Message], Message]
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._origin = origin
        self._content = content
        self._places: dict[str, _Place] = {}
        self._guard = threading.Lock()

    def open(self, kind: str, channel: Channel, user: User, ts: str = "") -> str:
        """A new address; `kind` is ``commands`` or ``actions``, `ts` the message that was acted on."""
        path = f"/{kind}/T0STANDIN00/{secrets.token_urlsafe(16)}"
        with self._guard:
            self._places[path] = _Place(channel, user, ts, self._clock.now() + SECONDS)
        return self._origin + path

    def post(self, path: str, arguments: Arguments) -> None:
        """Answer. Raises `SlackError`."""
        with self._guard:
            place = self._places.get(path)
            if place is None:
                raise SlackError("invalid_url")
            if self._clock.now() > place.until:
                raise SlackError("expired_url")
            if place.uses >= MOST_USES:
                raise SlackError("used_url")
            place.uses += 1
        if arguments.flag("delete_original"):
            if not place.ts or not self._inbox.delete(place.channel, place.ts):
                raise SlackError("no_original")
            return
        seen_by = None if arguments.text("response_type") == "in_channel" else place.user.id
        base = Message(place.channel, self._inbox.next_ts(), "", arrived_by="response_url", seen_by=seen_by)
        message = self._content(arguments, base)
        if arguments.flag("replace_original") and place.ts:
            changed = self._inbox.update(
                place.channel,
                place.ts,
                lambda old: replace(old, text=message.text, blocks=message.blocks),
            )
            if changed is None:
                raise SlackError("no_original")
            return
        self._inbox.add(message)
