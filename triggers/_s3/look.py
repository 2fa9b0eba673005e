"""What one look finds, whether an object was listed or told of."""

from __future__ import annotations

import asyncio
import fnmatch
import mimetypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cmp_to_key
from pathlib import PurePosixPath
from typing import Any

from hookline.sdk import ActionError, BadInput, File, NotFound, TriggerContext, TriggerEvent
from hookline.sdk.patterns import Filter

from .notices import Notice, in_sequence
from .store import Head, Listed, Position, Store, Unasked, Waiting, in_utc, whole_second

__all__ = ["GIVE_UP", "MAX_EVENTS", "OWN", "RETRY", "Look", "Wanted"]

MAX_EVENTS = 500
"""New objects of one look at a listing."""
OWN = "hookline-run"
"""Metadata that marks an object written by a run; its value is the run."""
RETRY = timedelta(seconds=30)
"""After what time an object that could not be looked at is looked at again."""
GIVE_UP = timedelta(days=1)
"""After what time an object that nobody may look at is given up, and recorded."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the author asked for.

    Attributes:
        is_told: Notifications come too, so that each object needs an identity on which a
            notification and the listing agree: it is asked for.
    """

    bucket: str
    prefix: str
    filter: Filter
    settle: timedelta
    content_types: Sequence[str]
    ignore_own: bool
    is_told: bool = False

    @property
    def asks(self) -> bool:
        """Whether each new object is asked for; a listing alone says enough for a start."""
        return self.is_told or self.ignore_own or bool(self.content_types)


@dataclass(frozen=True, slots=True)
class _Found:
    """An event, and what puts it in order."""

    event: TriggerEvent
    at: datetime
    key: str
    sequencer: str = ""


@dataclass(slots=True)
class Look:
    """Collects events.

    Attributes:
        baseline: Identities to remember: objects that start nothing, and listed identities of
            objects whose event has another key.
        problem: Why objects could not be looked at, the last of the reasons.
        next_due: When an object that waits is to be looked at again.
    """

    ctx: TriggerContext
    store: Store
    wanted: Wanted
    baseline: list[str] = field(default_factory=list)
    skipped: list[tuple[TriggerEvent, str]] = field(default_factory=list)
    problem: str = ""
    next_due: datetime | None = None
    _found: list[_Found] = field(default_factory=list)

    @property
    def has_found(self) -> bool:
        """Whether there is anything to be stored."""
        return bool(self._found or self.skipped or self.baseline)

    @property
    def events(self) -> list[TriggerEvent]:
        """The events in the order of their uploads; those of one key in the order of their sequencers."""
        found = sorted(self._found, key=lambda each: (each.at, each.key))
        places: dict[str, list[int]] = {}
        for index, each in enumerate(found):
            places.setdefault(each.key, []).append(index)
        for indexes in places.values():
            # A long upload has the time of its beginning, and the sequencer of its end.
            same = sorted((found[index] for index in indexes), key=cmp_to_key(_compare))
            for index, each in zip(indexes, same, strict=True):
                found[index] = each
        return [each.event for each in found]

    # Listed

    async def take(self, objects: Sequence[Listed], now: datetime, until: datetime | None) -> int:
        """Add what is new; returns how many of `objects` were dealt with.

        Args:
            now: The store's clock.
            until: Objects up to this time were there before the trigger, None for none.
        """
        candidates: list[tuple[int, Listed, str]] = []
        for index, each in enumerate(objects):
            if not self._is_wanted(each.key, each.bytes):
                continue
            identity = self._identity(each.key, each)
            if until is not None and each.last_modified <= until:
                self.baseline.append(identity)
            elif not self.wanted.settle or now - each.last_modified >= self.wanted.settle:
                # Without settle no comparison: a store tells its own time in whole seconds only.
                candidates.append((index, each, identity))
        seen = self.ctx.seen([identity for _, _, identity in candidates])
        fresh = [candidate for candidate in candidates if candidate[2] not in seen]
        room = max(0, MAX_EVENTS - len(self._found) - len(self.skipped))
        chosen = fresh[:room]
        heads = await asyncio.gather(*(self._asked(each) for _, each, _ in chosen))
        # A store may round its times when it lists and cut them off when it is asked: then the two
        # identities differ, and one of them was told of before.
        keys = [
            self._event_key(each.key, head)
            for (_, each, _), head in zip(chosen, heads, strict=True)
            if head is not None and not isinstance(head, BadInput)
        ]
        had = self.ctx.seen(keys)
        for (_, each, identity), head in zip(chosen, heads, strict=True):
            unasked = Unasked(each.bytes, each.etag, each.last_modified)
            if head is None:
                reason = "source gone: it was deleted before it was looked at"
                self._skip(identity, each.key, unasked, reason)
            elif isinstance(head, BadInput):
                self._skip(identity, each.key, unasked, f"it cannot be looked at: {head.message}")
            elif self._event_key(each.key, head) in had:
                self.baseline.append(identity)
            elif (head.etag, head.bytes) == (each.etag, each.bytes):
                at = head.last_modified if self.wanted.is_told else each.last_modified
                self._sort_in(each.key, head, identity, at)
            # Else it was replaced since it was listed: the next look lists it as it is now.
        return fresh[room][0] if len(fresh) > room else len(objects)

    async def _asked(self, each: Listed) -> Head | BadInput | None:
        """What the listing does not say; None when that object is not there any more."""
        if not self.wanted.asks:
            return Unasked(each.bytes, each.etag, each.last_modified)
        try:
            return await self.store.head(f"s3://{self.wanted.bucket}/{each.key}")
        except NotFound:
            return None
        except BadInput as error:
            return error

    # Told

    async def learn(self, told: Iterable[Waiting], position: Position, *, keeps: bool) -> list[Waiting]:
        """Look at the objects of notices; returns those that have to wait.

        Args:
            keeps: What waits can be kept. Else `next_due` says when to look into the listing.

        Raises:
            ActionError: An object cannot be looked at now, and what waits cannot be kept.
        """
        now = self.ctx.now()
        left: list[Waiting] = []
        due: dict[tuple[str, str], Waiting] = {}
        for each in told:
            notice = each.notice
            if not self._is_wanted(notice.key, notice.bytes):
                continue
            if each.due > now:
                left.append(each)
                continue
            # Without versions only what is there now can be looked at, however often it was told of.
            place = (notice.key, notice.version_id)
            before = due.get(place)
            if before is None or in_sequence(before.notice.sequencer, notice.sequencer):
                due[place] = each
        answers = await asyncio.gather(*(self._told(each.notice) for each in due.values()))
        known = self._known(due.values(), answers)
        for each, head in zip(due.values(), answers, strict=True):
            again = self._decide(each, head, now, position, known)
            if again is not None:
                if not keeps and isinstance(head, ActionError):
                    raise head
                left.append(again)
        if left:
            self.next_due = min(each.due for each in left)
        return left

    async def _told(self, notice: Notice) -> Head | ActionError:
        uri = f"s3://{self.wanted.bucket}/{notice.key}"
        try:
            return await self.store.head(uri, version_id=notice.version_id)
        except ActionError as error:
            return error

    def _known(self, told: Iterable[Waiting], answers: Iterable[Head | ActionError]) -> set[str]:
        identities: set[str] = set()
        for each, head in zip(told, answers, strict=True):
            if not isinstance(head, ActionError):
                identities |= {self._identity(each.notice.key, head), self._event_key(each.notice.key, head)}
        # Also what this very look has found and not stored yet.
        here = {*self.baseline, *(found.event.key for found in self._found)}
        return self.ctx.seen(sorted(identities)) | (here & identities)

    def _decide(
        self, each: Waiting, head: Head | ActionError, now: datetime, position: Position, known: set[str]
    ) -> Waiting | None:
        """Sort an object in; returns it as it has to wait, None when it need not."""
        notice = each.notice
        unasked = Unasked(notice.bytes or 0, notice.etag, each.since)
        if isinstance(head, NotFound):
            reason = "source gone: it was deleted before it was looked at"
            self._skip(notice.identity, notice.key, unasked, reason, notice)
            return None
        if isinstance(head, BadInput) or (isinstance(head, ActionError) and now - each.since >= GIVE_UP):
            self._skip(
                notice.identity, notice.key, unasked, f"it cannot be looked at: {head.message}", notice
            )
            return None
        if isinstance(head, ActionError):
            self.problem = head.message
            return Waiting(notice, each.since, now + RETRY)
        if self.wanted.settle and now - head.last_modified < self.wanted.settle:
            return Waiting(notice, each.since, head.last_modified + self.wanted.settle)
        identity, key = self._identity(notice.key, head), self._event_key(notice.key, head)
        if key in known or not self._is_wanted(notice.key, head.bytes):
            return None
        if position.until is not None and head.last_modified < position.until:
            # It was there before, and the first listing, which is under way, may not have come to it.
            self.baseline.append(identity)
        elif identity in known and position.since is not None and head.last_modified <= position.since:
            # It was there before, and the first listing has remembered it.
            self.baseline.append(key)
        else:
            self._sort_in(notice.key, head, identity, head.last_modified, notice.sequencer)
        return None

    # Both

    def _is_wanted(self, key: str, size: int | None) -> bool:
        if not key.startswith(self.wanted.prefix) or (key.endswith("/") and not size):
            return False
        return self.wanted.filter.wants(key, size)

    def _sort_in(self, key: str, head: Head, identity: str, at: datetime, sequencer: str = "") -> None:
        kinds = self.wanted.content_types
        if kinds and not any(fnmatch.fnmatchcase(head.mime, kind) for kind in kinds):
            self.baseline.append(identity)
            return
        event_key = self._event_key(key, head)
        event = TriggerEvent(event_key, self._data(key, head, at, sequencer))
        if event_key != identity:
            # One event however it is learned of; the listing must know it again under its own identity.
            self.baseline.append(identity)
        if self.wanted.ignore_own and head.metadata.get(OWN):
            self.skipped.append((event, f"written by the run {head.metadata[OWN][:100]}"))
            return
        self._found.append(_Found(event, at, key, sequencer))

    def _skip(
        self, identity: str, key: str, known: Unasked, reason: str, notice: Notice | None = None
    ) -> None:
        data = self._data(key, known, known.last_modified, notice.sequencer if notice else "")
        self.skipped.append((TriggerEvent(identity, data), reason))

    def _identity(self, key: str, known: Listed | Head) -> str:
        """The identity on which the listing and a request for the object agree."""
        at = in_utc(whole_second(known.last_modified))
        return f"{self.wanted.bucket}/{key}#{known.etag}:{known.bytes}:{at}"

    def _event_key(self, key: str, head: Head) -> str:
        if head.version_id:
            return f"{self.wanted.bucket}/{key}@{head.version_id}"
        return self._identity(key, head)

    def _data(self, key: str, head: Head, at: datetime, sequencer: str) -> dict[str, Any]:
        name = key.rstrip("/").rpartition("/")[2]
        is_asked = not isinstance(head, Unasked)
        file = File(
            f"s3://{self.wanted.bucket}/{key}",
            name=name,
            mime=head.mime or mimetypes.guess_type(name)[0] or "application/octet-stream",
            bytes=head.bytes,
            etag=head.etag or None,
            version=head.version_id or None,
            connection=self.store.name,
        )
        path = PurePosixPath(name)
        return {
            "bucket": self.wanted.bucket,
            "key": key,
            "name": name,
            "stem": path.stem,
            "suffix": path.suffix,
            "bytes": head.bytes,
            "content_type": head.mime if is_asked else None,
            "etag": head.etag,
            "version_id": head.version_id or None,
            "sequencer": sequencer or None,
            "last_modified": in_utc(at),
            "metadata": dict(head.metadata) if is_asked else None,
            "file": file.to_json(),
        }


def _compare(one: _Found, other: _Found) -> int:
    if one.sequencer and other.sequencer and one.sequencer != other.sequencer:
        return -1 if in_sequence(one.sequencer, other.sequencer) else 1
    return (one.at > other.at) - (one.at < other.at)
