"""What one look at a folder finds: first folders that are still to be listed, then the changes."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from hookline.sdk import (
    ActionError,
    BadInput,
    NotFound,
    RateLimited,
    TriggerContext,
    TriggerEvent,
    Unavailable,
)
from hookline.sdk.patterns import Filter

from .address import SCHEME, Address
from .changes import Change, Changes, TokenRefused
from .drive import Drive
from .finding import quoted
from .place import Place
from .resource import FOLDER, SHORTCUT, Resource

__all__ = ["MAX_EVENTS", "MAX_PAGES", "Look", "Wanted"]

MAX_EVENTS = 500
"""New files after which a look ends; the next one goes on at once."""
MAX_PAGES = 20
"""Pages of lists and of changes in one look."""
BATCH = 20
"""Folders listed together."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the author asked for.

    Attributes:
        exports: Media type of each of Google's own types that is wanted.
    """

    filter: Filter
    mimes: Sequence[str]
    recursive: bool
    revisions: bool
    exports: Mapping[str, str]
    ignore_own: bool


@dataclass(slots=True)
class Look:
    """Collects events while pages come in; `place` moves along.

    Attributes:
        was_lost: Drive did not know the place in the list of changes any more; everything is listed anew.
        interrupted: Why the look ended early.
    """

    ctx: TriggerContext
    drive: Drive
    wanted: Wanted
    place: Place
    events: list[TriggerEvent] = field(default_factory=list)
    baseline: list[str] = field(default_factory=list)
    skipped: list[tuple[TriggerEvent, str]] = field(default_factory=list)
    was_lost: bool = False
    interrupted: ActionError | None = None
    _pages: int = 0
    _taken: set[str] = field(default_factory=set)
    _batch: int = 0

    async def go(self) -> bool:
        """Look; returns whether everything was gone through.

        What was found before Drive wanted no more requests is kept: `interrupted` says why it ended. Else
        a large folder under a tight limit would be begun again and again.

        Raises:
            NotFound: The watched folder is gone.
            BadInput: C046.
            ActionError: See `errors`.
        """
        try:
            return await self._go()
        except (RateLimited, Unavailable) as error:
            # While what was there is remembered, a page counts only together with the changes since.
            if not self._pages or self.place.baseline:
                raise
            self.interrupted = error
            return False

    async def _go(self) -> bool:
        changes = Changes(self.drive.api, self.place.drive)
        before: list[Resource] = []
        for _ in range(MAX_PAGES):
            if len(self.events) + len(self.skipped) >= MAX_EVENTS:
                break
            if self.place.waiting:
                before += await self._list()
                continue
            if self.place.baseline:
                await self._remember(before, changes)
                self.place.baseline, before = "", []
            if await self._follow(changes):
                return True
        if self.place.baseline:
            await self._remember(before, changes)
        return False

    async def _list(self) -> list[Resource]:
        """List a page of folders that became known; gives the files while nothing may start."""
        place = self.place
        folders = place.waiting[: place.batch or self._batch or BATCH]
        parents = " or ".join(f"{quoted(id)} in parents" for id in folders)
        try:
            page = await self.drive.find.list(
                f"({parents}) and trashed = false",
                "listing the watched folder",
                token=place.page,
                drive=place.drive,
                order="createdTime",
            )
        except NotFound as error:
            self._vanished(folders, error)
            return []
        except BadInput:
            if not place.page:
                raise
            # The page token has expired: these folders are listed from their beginning.
            place.page, place.batch = "", 0
            return []
        self._pages += 1
        place.listed(folders, page.next)
        for found in page.found:
            if found.mime == FOLDER and self.wanted.recursive and place.knows(found.parent):
                place.enter(found)
        files = [found for found in page.found if self._is_upload(found)]
        if place.baseline:
            return files
        self._take(files)
        return []

    def _vanished(self, folders: Sequence[str], error: NotFound) -> None:
        """One of several folders is gone, and Drive does not say which: they are asked for one by one."""
        self.place.page, self.place.batch = "", 0
        if len(folders) > 1:
            self._batch = 1
        elif folders[0] == self.place.root:
            raise _gone() from error
        else:
            self.place.leave(folders[0])

    async def _remember(self, files: Iterable[Resource], changes: Changes) -> None:
        """Remember files that were there before, so that none of them starts a run.

        What was uploaded while this goes on is in the same lists. It is told by the list of changes, and,
        should that lag behind, by the time; it is left to the changes.
        """
        place = self.place
        moved: set[str] = set()
        token = place.token
        for _ in range(MAX_PAGES):
            try:
                page = await changes.since(token)
            except TokenRefused:
                break  # the look that follows the changes deals with it
            moved |= {change.id for change in page.changes}
            token = page.token
            if page.is_last:
                break
        began = datetime.fromisoformat(place.baseline)
        for found in files:
            if found.id not in moved and not _is_later(found.created, began):
                self.baseline += _keys(found)
                # The changes that this same look goes on to follow may name it: what it is told here is
                # not on disk yet.
                self._taken.update(_keys(found))

    async def _follow(self, changes: Changes) -> bool:
        """Take in a page of the changes; returns whether it was the last one."""
        place = self.place
        try:
            page = await changes.since(place.token)
        except TokenRefused as error:
            if not place.is_proven:
                raise BadInput(
                    "Google Drive does not take the page token that it has given out just now", code="C046"
                ) from error
            token, _ = await changes.start()
            place.start_over(token)
            self.was_lost = True
            return False
        self._pages += 1
        for change in page.changes:
            if change.id == place.root:
                if change.file is None or change.file.trashed:
                    raise _gone()
            elif change.file is None or change.file.mime == FOLDER:
                self._folder(change)
        self._take(
            change.file for change in page.changes if change.file is not None and self._is_upload(change.file)
        )
        place.token, place.is_proven = page.token, True
        # A folder that became known is listed before this look is over.
        return page.is_last and not place.waiting

    def _folder(self, change: Change) -> None:
        found = change.file
        is_inside = found is not None and not found.trashed and self.place.knows(found.parent)
        if found is not None and is_inside and self.wanted.recursive:
            self.place.enter(found)
        elif change.id in self.place.folders:
            self.place.leave(change.id)

    def _is_upload(self, found: Resource) -> bool:
        """Whether it is a file in a known folder that has its content."""
        return (
            found.mime not in (FOLDER, SHORTCUT)
            and not found.trashed
            and self.place.knows(found.parent)
            and found.has_content
        )

    def _take(self, files: Iterable[Resource]) -> None:
        candidates = [(self._key(found), found) for found in files if self._is_wanted(found)]
        seen = self.ctx.seen([key for key, _ in candidates]) | self._taken
        for key, found in candidates:
            if key in seen:
                continue
            seen.add(key)
            self._taken.add(key)
            event = TriggerEvent(key, self._data(found))
            if self.wanted.ignore_own and found.written_by:
                self.skipped.append((event, f"written by the run {found.written_by[:100]}"))
            else:
                self.events.append(event)
            # Under its other key as well: a workflow that is changed to look for versions, or for new
            # files only, starts nothing for what it has had.
            self.baseline += [other for other in _keys(found) if other != key]

    def _is_wanted(self, found: Resource) -> bool:
        wanted = self.wanted
        if found.is_native and found.mime not in wanted.exports:
            return False
        if wanted.mimes and not any(fnmatch.fnmatchcase(found.mime, mime) for mime in wanted.mimes):
            return False
        path = self.place.path(found)
        if found.is_native:
            path, size = f"{path}{_added(found, wanted)}", None
        else:
            size = found.bytes
        return wanted.filter.wants(path, size)

    def _key(self, found: Resource) -> str:
        by_id, by_version = _keys(found)
        return by_version if self.wanted.revisions else by_id

    def _data(self, found: Resource) -> dict[str, Any]:
        path = self.place.path(found)
        export = self.wanted.exports.get(found.mime, "") if found.is_native else ""
        file = self.drive.file(Address(found.id, export=export), found)
        if found.revision and not export:
            # What is examined, and what is published later, are the same bytes, whoever replaces them.
            file = replace(file, version=found.revision)
        name = PurePosixPath(file.name)
        return {
            "id": found.id,
            "name": file.name,
            "stem": name.stem,
            "suffix": name.suffix,
            "path": path if not export else f"{path}{_added(found, self.wanted)}",
            "folder": f"{SCHEME}://{found.parent}/",
            "mime": found.mime,
            "bytes": found.bytes,
            "md5": found.md5 or None,
            "revision": found.revision or None,
            "created_at": found.created,
            "modified_at": found.modified,
            "url": found.url,
            "file": file.to_json(),
        }


def _keys(found: Resource) -> tuple[str, str]:
    return found.id, f"{found.id}@{found.version}"


def _added(found: Resource, wanted: Wanted) -> str:
    """What exporting adds to a document's name."""
    return found.export_name(wanted.exports[found.mime])[len(found.name) :]


def _is_later(text: str, than: datetime) -> bool:
    try:
        return datetime.fromisoformat(text) >= than
    except (ValueError, TypeError):
        return False


def _gone() -> NotFound:
    return NotFound(
        "the watched folder is gone, or not shared with the account any more",
        hint="restore it or share it again: nothing that was uploaded meanwhile is lost",
    )
