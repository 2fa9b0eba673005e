"""What people do in Drive, for tests: upload, replace, rename, move, trash, delete."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping

from hookline.testing.drive.holdings import Holdings
from hookline.testing.drive.records import FOLDER, SHORTCUT, Item, Role

__all__ = ["People"]


class People:
    """Changes to the holdings that no API call makes. Files are named by their ids."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings

    @property
    def root(self) -> str:
        """Id of My Drive."""
        return self._holdings.root

    def shared_drive(self, name: str, *, role: Role = "writer") -> str:
        """Make a shared drive; its id is that of its root folder too."""
        return self._holdings.add_drive(name, role)

    def folder(self, name: str, parent: str = "") -> str:
        """Make a folder."""
        return self._add(name, FOLDER, parent).id

    def put(self, name: str, content: bytes | None, parent: str = "", *, mime: str = "") -> str:
        """Upload a file; without content it is one whose upload has only begun."""
        guessed = mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self._add(name, guessed, parent, content=content).id

    def document(
        self, name: str, exports: Mapping[str, bytes], parent: str = "", *, kind: str = "document"
    ) -> str:
        """Make one of Google's own: ``document``, ``spreadsheet``, ``presentation``, ``form``, …

        Args:
            exports: What it can be exported as, by media type.
        """
        item = self._add(name, f"application/vnd.google-apps.{kind}", parent)
        item.exports = dict(exports)
        return item.id

    def shortcut(self, name: str, target: str, parent: str = "") -> str:
        """Make a shortcut to another file."""
        item = self._add(name, SHORTCUT, parent)
        item.target, item.target_mime = target, self._holdings.items[target].mime
        return item.id

    def replace(self, file_id: str, content: bytes) -> None:
        """Upload a new version."""
        with self._holdings.guard:
            item = self._holdings.items[file_id]
            item.replace(content)
            self._holdings.touch(item)

    def purge(self, file_id: str) -> None:
        """Let earlier versions go, as Drive does after 30 days or 100 versions."""
        with self._holdings.guard:
            self._holdings.items[file_id].history.clear()

    def edit(self, file_id: str, exports: Mapping[str, bytes]) -> None:
        """Change one of Google's own documents."""
        with self._holdings.guard:
            item = self._holdings.items[file_id]
            item.exports = dict(exports)
            self._holdings.touch(item)

    def rename(self, file_id: str, name: str) -> None:
        """Give a file or folder another name."""
        with self._holdings.guard:
            item = self._holdings.items[file_id]
            item.name = name
            self._holdings.note(item)

    def move(self, file_id: str, parent: str) -> None:
        """Put a file or folder into another folder."""
        with self._holdings.guard:
            self._holdings.move(self._holdings.items[file_id], parent)

    def comment(self, file_id: str) -> None:
        """Do something to a file that changes neither its name nor its content."""
        with self._holdings.guard:
            self._holdings.note(self._holdings.items[file_id])

    def trash(self, file_id: str, trashed: bool = True) -> None:
        """Put into the trash, or take out of it."""
        with self._holdings.guard:
            item = self._holdings.items[file_id]
            item.trashed = trashed
            self._holdings.note(item)

    def delete(self, file_id: str) -> None:
        """Delete for good."""
        with self._holdings.guard:
            self._holdings.remove(self._holdings.items[file_id])

    def allow(self, file_id: str, role: Role | None) -> None:
        """Say what the account may do with a file or folder; None is what it may do above."""
        with self._holdings.guard:
            item = self._holdings.items[file_id]
            item.role = role
            self._holdings.note(item)

    def item(self, file_id: str) -> Item:
        """What is kept about a file.

        Raises:
            KeyError: There is none.
        """
        with self._holdings.guard:
            return self._holdings.items[file_id]

    def named(self, name: str) -> list[Item]:
        """All files of this name, those in the trash included."""
        with self._holdings.guard:
            return [item for item in self._holdings.items.values() if item.name == name]

    def _add(self, name: str, mime: str, parent: str, *, content: bytes | None = None) -> Item:
        with self._holdings.guard:
            now = self._holdings.clock.now()
            item = Item(
                self._holdings.new_id(),
                name,
                mime,
                parent or self._holdings.root,
                now,
                now,
                content=content,
            )
            item.revision = int(content is not None)
            return self._holdings.add(item)
