"""Reading lists that somebody wrote: one entry per line, with a category in front if need be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hookline.sdk import BadInput
from hookline.sdk.moderation import CATEGORIES

__all__ = ["Entry", "bad_line", "entries"]

MAX_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list.

    Attributes:
        source: Which list, and where in it: ``mine.txt:3``.
    """

    text: str
    category: str
    source: str

    @property
    def list_name(self) -> str:
        """The list without the line."""
        return self.source.rpartition(":")[0]


def entries(lines: Iterable[str], name: str, category: str) -> Iterator[Entry]:
    """The entries of a list; what follows a ``#`` is a comment.

    Args:
        name: The list's name, for messages and for the record.
        category: The category of entries that name none.

    Raises:
        BadInput: An entry names an unknown category, or there are too many (C033).
    """
    for number, line in enumerate(lines, 1):
        if number > MAX_ENTRIES:
            raise bad_line(f"{name}:{number}", f"a list has at most {MAX_ENTRIES} lines")
        text = line.partition("#")[0].strip()
        if not text:
            continue
        head, colon, rest = text.partition(":")
        if colon and head.strip() in CATEGORIES:
            yield Entry(rest.strip(), head.strip(), f"{name}:{number}")
        elif (
            colon
            and rest.strip()
            and head.strip().replace("_", "").isalpha()
            and head not in ("phash", "dhash")
        ):
            raise bad_line(f"{name}:{number}", f"{head.strip()!r} is no category")
        else:
            yield Entry(text, category, f"{name}:{number}")


def bad_line(source: str, why: str) -> BadInput:
    """The error for a line that cannot be used. It does not repeat the line."""
    return BadInput(
        f"{source}: {why}", code="C033", hint=f"categories are {', '.join(CATEGORIES)}; # begins a comment"
    )
