"""The messages and files of one workspace."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from hookline.testing.clock import Clock
from hookline.testing.slack.records import Channel, Group, Message, ScheduledMessage, UploadedFile, User

__all__ = ["Inbox"]


class Inbox:
    """Thread-safe store of what was posted.

    Args:
        channels: Names, without ``#``.
        users: Names of people.
        groups: User groups.
    """

    def __init__(
        self,
        clock: Clock,
        channels: Sequence[str],
        users: Sequence[str] = (),
        groups: Sequence[Group] = (),
    ) -> None:
        self._clock = clock
        self._channels = {channel.id: channel for channel in map(Channel.named, channels)}
        self.users = {user.id: user for user in map(User.named, users)}
        self._direct: dict[str, Channel] = {}
        self.groups = {group.id: group for group in groups}
        self._messages: list[Message] = []
        self._scheduled: dict[str, ScheduledMessage] = {}
        self._files: dict[str, UploadedFile] = {}
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()

    @property
    def channels(self) -> list[Channel]:
        """All channels."""
        return list(self._channels.values())

    def channel(self, reference: str, *, by_name: bool = False) -> Channel | None:
        """The channel with this id, or also ``#name``, ``name`` and a person's id when `by_name`.

        To post to a person's id is to post into the conversation with that person.
        """
        found = self._channels.get(reference) or self._direct.get(reference)
        if found is None and by_name and reference in self.users:
            person = self.users[reference]
            found = Channel("D" + person.id[1:], person.name)
            self._direct[found.id] = found
        if found is None and by_name:
            name = reference.removeprefix("#")
            found = next((channel for channel in self._channels.values() if channel.name == name), None)
        return found

    def next_ts(self) -> str:
        """A fresh message identity."""
        return f"{int(self._clock.now())}.{next(self._numbers):06d}"

    def add(self, message: Message) -> Message:
        """Keep a message."""
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()
        return message

    def update(
        self, channel: Channel, ts: str, change: Callable[[Message], Message], *, is_edit: bool = True
    ) -> Message | None:
        """Change one message; ``None`` when there is no such message."""
        with self._changed:
            for place, message in enumerate(self._messages):
                if message.channel == channel and message.ts == ts:
                    changed = change(message)
                    if is_edit:
                        changed = replace(changed, edited_at=self._clock.now())
                    self._messages[place] = changed
                    self._changed.notify_all()
                    return changed
        return None

    def delete(self, channel: Channel, ts: str) -> bool:
        """Remove one message; false when there is no such message."""
        with self._changed:
            kept = [item for item in self._messages if (item.channel, item.ts) != (channel, ts)]
            gone = len(kept) < len(self._messages)
            self._messages = kept
            self._changed.notify_all()
        return gone

    def schedule(self, message: Message, post_at: int) -> ScheduledMessage:
        """Post a message later."""
        kept = ScheduledMessage(f"Q{secrets.token_hex(5).upper()}", post_at, message)
        with self._changed:
            self._scheduled[kept.id] = kept
        self._clock.call_later(max(0.0, post_at - self._clock.now()), lambda: self._post_scheduled(kept.id))
        return kept

    def unschedule(self, channel: Channel, scheduled_id: str) -> bool:
        """Do not post it; false when there is no such message."""
        with self._changed:
            found = self._scheduled.get(scheduled_id)
            if found is None or found.message.channel != channel:
                return False
            del self._scheduled[scheduled_id]
            return True

    def scheduled(self) -> list[ScheduledMessage]:
        """What is still to be posted, the earliest first."""
        with self._changed:
            return sorted(self._scheduled.values(), key=lambda each: each.post_at)

    def _post_scheduled(self, scheduled_id: str) -> None:
        with self._changed:
            found = self._scheduled.pop(scheduled_id, None)
        if found is not None:
            self.add(replace(found.message, ts=self.next_ts()))

    def user(self, *, id: str = "", email: str = "") -> User | None:
        """A person by ID or address."""
        return self.users.get(id) or next((user for user in self.users.values() if user.email == email), None)

    def messages(self) -> list[Message]:
        """All messages, oldest first."""
        with self._changed:
            return list(self._messages)

    def wait_for(self, condition: Callable[[Sequence[Message]], bool], timeout: float) -> list[Message]:
        """The messages once `condition` holds of them.

        Raises:
            TimeoutError: It does not within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._messages), timeout):
                raise TimeoutError(f"not so after {timeout} s: {self._messages}")
            return list(self._messages)

    def announce_file(self, name: str, length: int) -> UploadedFile:
        """Step one of an upload."""
        file = UploadedFile("F" + secrets.token_hex(5).upper(), name, length, secrets.token_urlsafe(24))
        with self._changed:
            self._files[file.id] = file
        return file

    def receive_file(self, ticket: str, data: bytes) -> UploadedFile | None:
        """Step two: the bytes, under the ticket that step one gave out."""
        with self._changed:
            for file in self._files.values():
                if file.ticket == ticket:
                    received = self._files[file.id] = replace(file, data=data)
                    return received
        return None

    def share_file(self, file_id: str, title: str) -> UploadedFile | None:
        """Step three; ``None`` when the file is unknown or its bytes never came."""
        with self._changed:
            file = self._files.get(file_id)
            if file is None or file.data is None:
                return None
            shared = self._files[file_id] = replace(file, title=title or file.name, shared=True)
            return shared

    def file(self, file_id: str) -> UploadedFile | None:
        """A file by id."""
        with self._changed:
            return self._files.get(file_id)

    def files(self) -> list[UploadedFile]:
        """All files, oldest first."""
        with self._changed:
            return list(self._files.values())
