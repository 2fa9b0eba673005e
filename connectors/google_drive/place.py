"""Where the trigger is: its place in the list of changes, and the folders it knows.

What makes it lose nothing is one sentence: *a folder is known when it lies in the watched one and its
content has been listed, or is about to be, since it came there.* What is uploaded into a known folder
later stands in the list of changes. A change in a folder that is not known may be passed over: should
that folder turn out to lie in the watched one, it becomes known, and is listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookline.sdk import BadInput

from .push import Channel
from .resource import Resource

__all__ = ["MAX_FOLDERS", "Place"]

MAX_FOLDERS = 5000
"""Folders within the watched one: they are written down with every look."""
_DEEPEST = 100


@dataclass(slots=True)
class Place:
    """What one look hands to the next.

    Attributes:
        root: Id of the watched folder.
        named: What the author wrote for it: the same, or ``root``.
        drive: Its shared drive, ``""`` in My Drive.
        token: Place in the list of changes.
        is_proven: Drive has taken this token once: when it is refused later, it has expired.
        folders: Known folders: the folder above and the name of each; not the watched one.
        waiting: Known folders whose content is still to be listed.
        page: Where the list of the first of them goes on.
        batch: How many of them that list is about.
        baseline: While what was there before is gone through for the first time, when that began; ``""``
            when everything new starts a run.
        channel: The push channel that is open.
        ask_again_at: Not before this, when Drive would not open one; ``""`` for at any time.
    """

    root: str
    named: str
    drive: str
    token: str
    is_proven: bool = False
    folders: dict[str, tuple[str, str]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    page: str = ""
    batch: int = 0
    baseline: str = ""
    channel: Channel | None = None
    ask_again_at: str = ""

    @classmethod
    def read(cls, cursor: Any) -> Place | None:
        """Read a cursor, None when there is none.

        Raises:
            BadInput: It is none of ours.
        """
        if cursor is None:
            return None
        try:
            given: Mapping[str, Any] = cursor
            return cls(
                root=str(given["root"]),
                named=str(given["named"]),
                drive=str(given["drive"]),
                token=str(given["token"]),
                is_proven=bool(given["is_proven"]),
                folders={str(id): (str(above), str(name)) for id, (above, name) in given["folders"].items()},
                waiting=[str(id) for id in given["waiting"]],
                page=str(given["page"]),
                batch=int(given["batch"]),
                baseline=str(given["baseline"]),
                channel=Channel.read(given.get("channel")),
                ask_again_at=str(given.get("ask_again_at") or ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput("the trigger's cursor cannot be read", hint="reset the trigger") from error

    def to_json(self) -> dict[str, Any]:
        """The cursor."""
        return {
            "root": self.root,
            "named": self.named,
            "drive": self.drive,
            "token": self.token,
            "is_proven": self.is_proven,
            "folders": {id: list(known) for id, known in self.folders.items()},
            "waiting": self.waiting,
            "page": self.page,
            "batch": self.batch,
            "baseline": self.baseline,
            "channel": self.channel.to_json() if self.channel else None,
            "ask_again_at": self.ask_again_at,
        }

    def start_over(self, token: str) -> None:
        """Go through everything once more, from a new place in the list of changes."""
        self.token, self.is_proven = token, False
        self.folders, self.waiting = {}, [self.root]
        self.page, self.batch = "", 0

    def knows(self, folder: str) -> bool:
        """Whether a folder is the watched one or a known one in it."""
        return folder == self.root or folder in self.folders

    def enter(self, folder: Resource) -> None:
        """Know a folder that lies in a known one; one that was not known is listed.

        Raises:
            BadInput: C046: there are too many.
        """
        if folder.id not in self.folders:
            if len(self.folders) >= MAX_FOLDERS:
                raise BadInput(
                    f"the watched folder holds more than {MAX_FOLDERS} folders",
                    code="C046",
                    hint="watch a folder with fewer, or set recursive to false",
                )
            self.waiting.append(folder.id)
        self.folders[folder.id] = (folder.parent, folder.name)

    def leave(self, folder: str) -> None:
        """Forget a folder that is not in the watched one any more, and those in it."""
        gone = [folder]
        for id in gone:
            gone += [inner for inner, (above, _) in self.folders.items() if above == id]
        for id in gone:
            self.folders.pop(id, None)
        if not set(gone).isdisjoint(self.waiting):
            self.waiting = [id for id in self.waiting if id not in gone]
            # The list under way was about other folders.
            self.page, self.batch = "", 0

    def path(self, file: Resource) -> str:
        """The path of a file below the watched folder."""
        names: list[str] = [file.name]
        above = file.parent
        while above != self.root and above in self.folders and len(names) <= _DEEPEST:
            above, name = self.folders[above]
            names.append(name)
        return "/".join(reversed(names))

    def listed(self, ids: Sequence[str], following: str) -> None:
        """Note that a page of these folders' content was listed; `following` is ``""`` at the end."""
        self.page, self.batch = following, len(ids) if following else 0
        if not following:
            self.waiting = self.waiting[len(ids) :]
