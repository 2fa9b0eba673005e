"""The files of the stand-in, who may do what with them, and the logs of what was changed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hookline.testing.clock import Clock
from hookline.testing.drive.errors import DriveError, not_found
from hookline.testing.drive.records import FOLDER, Item, Role, SharedDrive

__all__ = ["RANK", "Entry", "Holdings", "Log"]

RANK: dict[Role, int] = {"none": 0, "reader": 1, "writer": 2, "organizer": 3}


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: which file, and when."""

    number: int
    file_id: str
    at: float


@dataclass(slots=True)
class Log:
    """Changes of the account's own files, or of one shared drive.

    Attributes:
        first: Number of the first change; every log counts from another, so that a token of one
            means nothing in another.
        oldest: Tokens before this one have expired.
    """

    first: int
    entries: list[Entry] = field(default_factory=list)
    oldest: int = 0

    @property
    def next(self) -> int:
        """The number that the next change will have."""
        return self.entries[-1].number + 1 if self.entries else self.first

    def add(self, file_id: str, at: float) -> None:
        """Note a change."""
        self.entries.append(Entry(self.next, file_id, at))

    def since(self, number: int) -> list[Entry]:
        """The newest change of every file that was changed from `number` on, oldest first."""
        newest = {entry.file_id: entry.number for entry in self.entries}
        return [
            entry
            for entry in self.entries
            if entry.number >= number and newest[entry.file_id] == entry.number
        ]


class Holdings:
    """Everything the account can see.

    Args:
        changed: Called with a log's name (``""``, or a shared drive's id) after every change to it.
    """

    def __init__(self, clock: Clock, changed: Callable[[str], None]) -> None:
        self.clock = clock
        self.guard = threading.RLock()
        self._changed = changed
        self._numbers = itertools.count(1)
        self.items: dict[str, Item] = {}
        self.drives: dict[str, SharedDrive] = {}
        self.logs: dict[str, Log] = {"": Log(first=1000)}
        self.reserved: set[str] = set()
        self.root = self._new_root("0AAmyDrive", "My Drive", "")

    def _new_root(self, id: str, name: str, drive: str) -> str:
        now = self.clock.now()
        self.items[id] = Item(id, name, FOLDER, "", now, now, drive=drive, role="organizer")
        return id

    def new_id(self) -> str:
        """An id of the usual form that was never used."""
        return f"1standin{next(self._numbers):025}"

    def add_drive(self, name: str, role: Role) -> str:
        """A new shared drive; returns its id, which is its root folder's too."""
        with self.guard:
            id = f"0A{next(self._numbers):014}PVA"
            self.drives[id] = SharedDrive(id, name)
            self._new_root(id, name, id)
            self.items[id].role = role
            self.logs[id] = Log(first=1_000_000 * (len(self.logs) + 1))
            return id

    def add(self, item: Item) -> Item:
        """Take in a new item, below its parent."""
        with self.guard:
            item.drive = self.items[item.parent].drive
            self.items[item.id] = item
            self.note(item)
            return item

    def note(self, item: Item, *, at: float | None = None) -> None:
        """Log that an item was changed, and tell whoever listens."""
        item.version += 1
        self.logs[item.drive].add(item.id, self.clock.now() if at is None else at)
        self._changed(item.drive)

    def touch(self, item: Item) -> None:
        """As `note`, and the item is newer now."""
        item.modified = self.clock.now()
        self.note(item)

    def above(self, item: Item) -> Iterator[Item]:
        """The folders an item is in, nearest first."""
        parent = self.items.get(item.parent)
        while parent is not None:
            yield parent
            parent = self.items.get(parent.parent)

    def below(self, item: Item) -> list[Item]:
        """Everything in a folder, at any depth."""
        direct = [each for each in self.items.values() if each.parent == item.id]
        return [*direct, *(inner for each in direct for inner in self.below(each))]

    def is_trashed(self, item: Item) -> bool:
        """Whether it, or a folder it is in, is in the trash."""
        return item.trashed or any(each.trashed for each in self.above(item))

    def role(self, item: Item) -> Role:
        """What the account may do with it."""
        for each in (item, *self.above(item)):
            if each.role is not None:
                return each.role
        return "none"

    def may(self, item: Item, role: Role) -> bool:
        """Whether the account may do at least what `role` may."""
        return RANK[self.role(item)] >= RANK[role]

    def find(self, file_id: str, *, all_drives: bool) -> Item:
        """An item that the account may know of.

        Raises:
            DriveError: 404; also for one in a shared drive, unless `all_drives`.
        """
        item = self.items.get(self.root if file_id == "root" else file_id)
        if item is None or not self.may(item, "reader") or (item.drive and not all_drives):
            raise not_found(file_id)
        return item

    def move(self, item: Item, parent: str) -> None:
        """Put an item into another folder. What is in it changes its place and is not logged.

        Raises:
            DriveError: 403: the folder lies within the item.
        """
        target = self.items[parent]
        if item is target or item in self.above(target):
            raise DriveError(403, "cannotAddParent", "A folder cannot be moved into itself.")
        before = item.drive
        item.parent = parent
        if before != target.drive:
            for each in (item, *self.below(item)):
                each.drive = target.drive
                self.logs[before].add(each.id, self.clock.now())
            self._changed(before)
        self.note(item)

    def remove(self, item: Item) -> None:
        """Delete an item for good, and what is in it."""
        for each in (*self.below(item), item):
            del self.items[each.id]
            self.logs[each.drive].add(each.id, self.clock.now())
        self._changed(item.drive)
