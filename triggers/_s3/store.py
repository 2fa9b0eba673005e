"""What the trigger needs of an opened `s3` connection, and what it knows from look to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from hookline.sdk import BadInput

from .notices import Notice

__all__ = [
    "Head",
    "Listed",
    "Message",
    "Page",
    "Position",
    "Queue",
    "Store",
    "Unasked",
    "Waiting",
    "in_utc",
    "whole_second",
]


class Listed(Protocol):
    """An object as a listing shows it."""

    @property
    def key(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def last_modified(self) -> datetime: ...


class Head(Protocol):
    """An object as a request for it shows it."""

    @property
    def bytes(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def mime(self) -> str: ...
    @property
    def last_modified(self) -> datetime: ...
    @property
    def version_id(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class Page(Protocol):
    """A piece of a listing; `at` is the store's clock."""

    @property
    def objects(self) -> Sequence[Listed]: ...
    @property
    def next(self) -> str: ...
    @property
    def at(self) -> datetime | None: ...


class Message(Protocol):
    """A message that was taken from a queue."""

    @property
    def id(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def received(self) -> int: ...


class Queue(Protocol):
    """A queue that notifications go to."""

    async def receive(self, *, limit: int, wait: float, visibility: float) -> Sequence[Any]: ...

    async def delete(self, messages: Sequence[Any]) -> None: ...


class Store(Protocol):
    """An opened `s3` connection."""

    @property
    def name(self) -> str: ...

    async def list_page(self, bucket: str, prefix: str, token: str, *, start_after: str) -> Page: ...

    async def head(self, uri: str, *, version_id: str = "") -> Head: ...

    def queue(self, named: str) -> Queue: ...


@dataclass(frozen=True, slots=True)
class Unasked:
    """What is known of an object without a request for it."""

    bytes: int
    etag: str
    last_modified: datetime
    mime: str = ""
    version_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice whose object could not be looked at yet, or has not settled.

    Attributes:
        since: When it was told first.
        due: When to look again.
    """

    notice: Notice
    since: datetime
    due: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """What is kept from look to look.

    Attributes:
        after: The last key that was dealt with, ``""`` when the listing was gone through. Only
            within one listing does it mean anything: new keys appear before it as well.
        until: While the first listing goes on: objects up to this time were there before.
        since: The time of the first look, where objects from before start nothing.
        listed: When the last listing was gone through.
        waiting: Told, deleted from the queue, and not decided yet.
        unlisted: No listing has begun yet, so nothing is remembered as having been there before.
    """

    after: str = ""
    until: datetime | None = None
    since: datetime | None = None
    listed: datetime | None = None
    waiting: tuple[Waiting, ...] = ()
    unlisted: bool = False

    @property
    def is_listing(self) -> bool:
        """Whether a listing is under way."""
        return bool(self.after) or self.until is not None

    @classmethod
    def read(cls, cursor: Any) -> Position:
        """Read a cursor.

        Raises:
            BadInput: It is none of ours.
        """
        if cursor is None:
            return cls(unlisted=True)
        try:
            return cls(
                str(cursor["after"]),
                _moment(cursor["until"]),
                _moment(cursor.get("since")),
                _moment(cursor.get("listed")),
                tuple(_waiting(each) for each in cursor.get("waiting", ())),
                bool(cursor.get("unlisted")),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadInput("the trigger's cursor cannot be read", hint="reset the trigger") from error

    def to_json(self) -> dict[str, Any]:
        """The cursor."""
        found: dict[str, Any] = {"after": self.after, "until": in_utc(self.until) if self.until else None}
        if self.since is not None:
            found["since"] = in_utc(self.since)
        if self.listed is not None:
            found["listed"] = in_utc(self.listed)
        if self.unlisted:
            found["unlisted"] = True
        if self.waiting:
            found["waiting"] = [
                {"notice": each.notice.to_json(), "since": in_utc(each.since), "due": in_utc(each.due)}
                for each in self.waiting
            ]
        return found


def _waiting(value: Any) -> Waiting:
    return Waiting(
        Notice(**value["notice"]),
        datetime.fromisoformat(value["since"]),
        datetime.fromisoformat(value["due"]),
    )


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def in_utc(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def whole_second(moment: datetime) -> datetime:
    """As HTTP tells it. Some stores list fractions that they do not tell when they are asked."""
    return moment.replace(microsecond=0)
