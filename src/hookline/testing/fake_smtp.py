"""A mail server in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

__all__ = ["FakeSmtp", "SentMail"]


@dataclass(frozen=True, slots=True)
class SentMail:
    """A message that was handed over."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The message, read."""
        return message_from_bytes(self.content, policy=policy.default)


@dataclass(slots=True)
class FakeSmtp:
    """Satisfies `hookline.sdk.Smtp`.

    Attributes:
        refused: Recipients that are refused, with a reason.
        fails: Raised in place of taking the next message.
    """

    sent: list[SentMail] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    fails: Exception | None = None

    async def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Mapping[str, str]:
        """Take a message."""
        if self.fails is not None:
            raise self.fails
        taken = tuple(each for each in recipients if each not in self.refused)
        self.sent.append(SentMail(sender, taken, message))
        return {each: self.refused[each] for each in recipients if each in self.refused}

    async def check(self) -> None:
        """Raise what the next message would raise."""
        if self.fails is not None:
            raise self.fails
