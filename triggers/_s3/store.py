"""What the trigger needs of an opened `s3` connection, and where it is in a listing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from hookline.sdk import BadInput

__all__ = ["Head", "Listed", "Page", "Position", "Store", "Unasked", "in_utc"]


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


class Store(Protocol):
    """An opened `s3` connection."""

    @property
    def name(self) -> str: ...

    async def list_page(self, bucket: str, prefix: str, token: str, *, start_after: str) -> Page: ...

    async def head(self, uri: str) -> Head: ...


@dataclass(frozen=True, slots=True)
class Unasked:
    """What is known of an object without a request for it."""

    bytes: int
    etag: str
    mime: str = ""
    version_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a look ended.

    Attributes:
        after: The last key that was dealt with, ``""`` when the listing was gone through. Only
            within one listing does it mean anything: new keys appear before it as well.
        until: While the first listing goes on: objects up to this time were there before.
    """

    after: str = ""
    until: datetime | None = None

    @classmethod
    def read(cls, cursor: Any) -> Position:
        """Read a cursor.

        Raises:
            BadInput: It is none of ours.
        """
        if cursor is None:
            return cls()
        try:
            until = cursor["until"]
            return cls(str(cursor["after"]), datetime.fromisoformat(until) if until else None)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput("the trigger's cursor cannot be read", hint="reset the trigger") from error

    def to_json(self) -> dict[str, str | None]:
        """The cursor."""
        return {"after": self.after, "until": in_utc(self.until) if self.until else None}


def in_utc(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
