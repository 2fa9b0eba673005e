"""A store and a queue in memory, which do what the real servers of the tests cannot."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.engine.loader import import_room
from hookline.sdk import NotFound

CLIENT = import_room("connectors.s3.client")
ADDRESS = import_room("connectors.s3.address").Address
QUEUE = import_room("connectors.s3.queue")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Stored:
    content: bytes
    at: datetime
    version: str = ""
    mime: str = "image/png"
    metadata: Mapping[str, str] = field(default_factory=dict)


class Store:
    """An `s3` connection with versions, a clock of its own, and tiny pages."""

    name = "s3"

    def __init__(self, *, page: int = 3, versioned: bool = False) -> None:
        self.objects: dict[str, Stored] = {}
        self.versions: dict[tuple[str, str], Stored] = {}
        self.now = START
        self.page = page
        self.versioned = versioned
        self.heads: list[str] = []
        self.calls = 0
        self.on_head: Any = lambda key: None
        self.on_list: Any = lambda: None
        self.the_queue = FakeQueue()

    def put(self, key: str, content: bytes = b"x", **given: Any) -> Stored:
        self.now += timedelta(seconds=2)
        version = f"v{self.now.timestamp():.0f}" if self.versioned else ""
        stored = self.objects[key] = Stored(content, self.now, version, **given)
        if version:
            self.versions[(key, version)] = stored
        return stored

    def delete(self, key: str) -> None:
        """Delete an object, all its versions included."""
        self.objects.pop(key, None)
        self.versions = {place: each for place, each in self.versions.items() if place[0] != key}

    def queue(self, named: str) -> FakeQueue:
        return self.the_queue

    async def list_page(self, bucket: str, prefix: str, token: str, *, start_after: str) -> Any:
        self.calls += 1
        self.on_list()
        behind = token or start_after
        found = sorted((k for k in self.objects if k.startswith(prefix)), key=lambda key: key.encode())
        found = [key for key in found if key.encode() > behind.encode()]
        listed = tuple(
            CLIENT.Listed(key, len(self.objects[key].content), etag(self.objects[key]), self.objects[key].at)
            for key in found[: self.page]
        )
        more = found[self.page - 1] if len(found) > self.page else ""
        return CLIENT.Page(listed, more, self.now)

    async def head(self, uri: str, *, version_id: str = "") -> Any:
        at = ADDRESS.parse(uri)
        self.heads.append(at.key)
        self.on_head(at.key)
        found = self.versions.get((at.key, version_id)) if version_id else self.objects.get(at.key)
        if found is None:
            raise NotFound(f"there is no {uri}")
        # HTTP tells whole seconds only.
        modified = found.at.replace(microsecond=0)
        return CLIENT.Object(
            at, len(found.content), etag(found), found.mime, modified, found.version, found.metadata
        )


def etag(stored: Stored) -> str:
    return f"etag-{hash(stored.content) & 0xFFFF:x}"


class FakeQueue:
    """A queue that delivers in any order, and again what is not deleted.

    Attributes:
        given: How often each message was given out.
    """

    def __init__(self, chance: random.Random | None = None) -> None:
        self.bodies: dict[str, str] = {}
        self.hidden: set[str] = set()
        self.deleted: set[str] = set()
        self.given: Counter[str] = Counter()
        self.asked: list[dict[str, float]] = []
        self.chance = chance or random.Random(1)
        self.on_receive: Any = lambda: None
        self.on_delete: Any = lambda messages: None
        self._number = 0

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self._number += 1
            self.bodies[f"message-{self._number}"] = body

    def expire(self) -> None:
        """The visibility timeout of everything that was given out is over."""
        self.hidden.clear()

    @property
    def left(self) -> int:
        return len(self.bodies)

    async def receive(self, *, limit: int, wait: float, visibility: float) -> Sequence[Any]:
        self.asked.append({"limit": limit, "wait": wait, "visibility": visibility})
        self.on_receive()
        there = [id for id in self.bodies if id not in self.hidden]
        chosen = self.chance.sample(there, min(limit, len(there)))
        self.hidden.update(chosen)
        self.given.update(chosen)
        return [QUEUE.Message(id, self.bodies[id], f"receipt-{id}", self.given[id]) for id in chosen]

    async def delete(self, messages: Sequence[Any]) -> None:
        self.on_delete(messages)
        for each in messages:
            self.bodies.pop(each.id, None)
            self.deleted.add(each.id)
