"""What one look at a listing finds."""

from __future__ import annotations

import asyncio
import fnmatch
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from hookline.sdk import BadInput, File, NotFound, TriggerContext, TriggerEvent
from hookline.sdk.patterns import Filter

from .store import Head, Listed, Store, Unasked, in_utc

__all__ = ["MAX_EVENTS", "OWN", "Look", "Wanted"]

MAX_EVENTS = 500
"""New objects of one look."""
OWN = "hookline-run"
"""Metadata that marks an object written by a run; its value is the run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the author asked for."""

    bucket: str
    filter: Filter
    settle: timedelta
    content_types: Sequence[str]
    ignore_own: bool


@dataclass(slots=True)
class Look:
    """Collects events while pages come in.

    Attributes:
        baseline: Identities to remember: objects that start nothing, and listed identities of
            objects whose event has another key.
    """

    ctx: TriggerContext
    store: Store
    wanted: Wanted
    events: list[TriggerEvent] = field(default_factory=list)
    baseline: list[str] = field(default_factory=list)
    skipped: list[tuple[TriggerEvent, str]] = field(default_factory=list)

    async def take(self, objects: Sequence[Listed], now: datetime, until: datetime | None) -> int:
        """Add what is new; returns how many of `objects` were dealt with.

        Args:
            now: The store's clock.
            until: Objects up to this time were there before the trigger, None for none.
        """
        candidates: list[tuple[int, Listed, str]] = []
        for index, each in enumerate(objects):
            is_folder = each.key.endswith("/") and not each.bytes
            if is_folder or not self.wanted.filter.wants(each.key, each.bytes):
                continue
            identity = self._identity(each)
            if until is not None and each.last_modified <= until:
                self.baseline.append(identity)
            elif not self.wanted.settle or now - each.last_modified >= self.wanted.settle:
                # Without settle no comparison: a store tells its own time in whole seconds only.
                candidates.append((index, each, identity))
        seen = self.ctx.seen([identity for _, _, identity in candidates])
        fresh = [candidate for candidate in candidates if candidate[2] not in seen]
        room = max(0, MAX_EVENTS - len(self.events) - len(self.skipped))
        chosen = fresh[:room]
        heads = await asyncio.gather(*(self._head(each) for _, each, _ in chosen))
        for (_, each, identity), head in zip(chosen, heads, strict=True):
            self._sort_in(each, identity, head)
        return fresh[room][0] if len(fresh) > room else len(objects)

    async def _head(self, each: Listed) -> Head | BadInput | None:
        """What the listing does not say; None when that object is not there any more."""
        if not self.wanted.ignore_own and not self.wanted.content_types:
            return Unasked(each.bytes, each.etag)
        try:
            return await self.store.head(f"s3://{self.wanted.bucket}/{each.key}")
        except NotFound:
            return None
        except BadInput as error:
            return error

    def _sort_in(self, each: Listed, identity: str, head: Head | BadInput | None) -> None:
        if head is None:
            return
        if isinstance(head, BadInput):
            event = TriggerEvent(identity, self._data(each, Unasked(each.bytes, each.etag)))
            self.skipped.append((event, f"it cannot be looked at: {head.message}"))
            return
        if (head.etag, head.bytes) != (each.etag, each.bytes):
            # Replaced since it was listed: the next look lists it as it is now.
            return
        kinds = self.wanted.content_types
        if kinds and not any(fnmatch.fnmatchcase(head.mime, kind) for kind in kinds):
            self.baseline.append(identity)
            return
        event = TriggerEvent(identity, self._data(each, head))
        if self.wanted.ignore_own and head.metadata.get(OWN):
            self.skipped.append((event, f"written by the run {head.metadata[OWN][:100]}"))
            return
        if head.version_id:
            # A version is one event however it is learned of; the listing must know it again too.
            event = TriggerEvent(f"{self.wanted.bucket}/{each.key}@{head.version_id}", event.data)
            self.baseline.append(identity)
        self.events.append(event)

    def _identity(self, each: Listed) -> str:
        return f"{self.wanted.bucket}/{each.key}#{each.etag}:{each.bytes}:{in_utc(each.last_modified)}"

    def _data(self, each: Listed, head: Head) -> dict[str, Any]:
        name = each.key.rstrip("/").rpartition("/")[2]
        file = File(
            f"s3://{self.wanted.bucket}/{each.key}",
            name=name,
            mime=head.mime or mimetypes.guess_type(name)[0] or "application/octet-stream",
            bytes=each.bytes,
            etag=each.etag or None,
            connection=self.store.name,
        )
        path = PurePosixPath(name)
        return {
            "bucket": self.wanted.bucket,
            "key": each.key,
            "name": name,
            "stem": path.stem,
            "suffix": path.suffix,
            "bytes": each.bytes,
            "etag": each.etag,
            "version_id": head.version_id or None,
            "last_modified": in_utc(each.last_modified),
            "file": file.to_json(),
        }
