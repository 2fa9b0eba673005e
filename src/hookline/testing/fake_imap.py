"""A mailbox in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from hookline.sdk import MailboxLook, MailFound, NotFound

__all__ = ["FakeImap"]

_HEADER_END = b"\r\n\r\n"


@dataclass(slots=True)
class FakeImap:
    """Satisfies `hookline.sdk.Imap`.

    Attributes:
        messages: Of the mailbox ``INBOX``, by their numbers.
        put: What was put away, as (uids, what, target).
        fails: Raised in place of the next answers.
    """

    validity: int = 1
    next_uid: int = 1
    messages: dict[int, tuple[bytes, datetime]] = field(default_factory=dict)
    put: list[tuple[tuple[int, ...], str, str]] = field(default_factory=list)
    fails: Exception | None = None

    def deliver(self, content: bytes, at: datetime | None = None) -> int:
        """Put a message into the mailbox; returns its number."""
        uid, self.next_uid = self.next_uid, self.next_uid + 1
        self.messages[uid] = (content, at or datetime(2026, 3, 1, 12, tzinfo=UTC))
        return uid

    def renumber(self) -> None:
        """Give every message another number, as a server does that was restored from a backup."""
        self.validity += 1
        self.messages = dict(enumerate(self.messages.values(), 1))
        self.next_uid = len(self.messages) + 1

    async def look(
        self,
        mailbox: str,
        *,
        validity: int | None,
        after: int,
        limit: int,
        max_bytes: int,
        known: Callable[[MailFound, int], bool] | None = None,
    ) -> MailboxLook:
        """Messages behind a number."""
        self._check(mailbox)
        if validity is None:
            return MailboxLook(self.validity, self.next_uid - 1, (), False)
        last = after if validity == self.validity else 0
        found: list[MailFound] = []
        for uid, (content, at) in sorted(self.messages.items()):
            if uid <= last:
                continue
            if len(found) >= limit:
                return MailboxLook(self.validity, last, tuple(found), True)
            whole = len(content) <= max_bytes
            shown = content if whole else content.partition(_HEADER_END)[0] + _HEADER_END
            message = MailFound(uid, len(content), at, (), shown, whole)
            if known is None or not known(message, self.validity):
                found.append(message)
            last = uid
        return MailboxLook(self.validity, self.next_uid - 1, tuple(found), False)

    async def put_away(
        self,
        mailbox: str,
        validity: int,
        uids: Sequence[int],
        what: Literal["seen", "delete", "move"],
        target: str = "",
    ) -> bool:
        """Note what is put away; what is moved or deleted is gone."""
        self._check(mailbox)
        if validity != self.validity:
            return False
        self.put.append((tuple(uids), what, target))
        for uid in uids if what != "seen" else ():
            self.messages.pop(uid, None)
        return True

    async def check(self) -> None:
        """Raise what the next look would raise."""
        self._check("INBOX")

    def _check(self, mailbox: str) -> None:
        if self.fails is not None:
            raise self.fails
        if mailbox != "INBOX":
            raise NotFound(f"there is no mailbox {mailbox!r}")
