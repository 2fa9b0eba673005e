"""The provider ``wordlist``: words and phrases in a text, disguised or not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from hookline.sdk.moderation import Assessment, Finding

from .automaton import Automaton
from .lists import Entry, bad_line, entries
from .normalise import fold, readings, words

__all__ = ["MAX_CHARACTERS", "assess_text", "default_entries"]

MAX_CHARACTERS = 200_000
"""A longer text is not looked at, nor one that compatibility forms make twice as long: a single
character can stand for eighteen."""


@lru_cache(maxsize=1)
def default_entries() -> tuple[Entry, ...]:
    """The list that comes with Hookline."""
    text = Path(__file__).with_name("words.txt").read_text("utf-8")
    return tuple(entries(text.splitlines(), "default", "profanity"))


def assess_text(text: str, listed: Iterable[Entry]) -> Assessment:
    """Look for every entry.

    An entry is whole words: ``ass`` is not found in ``class``. A ``*`` at an end of it stands for any
    continuation there; languages that do not put spaces between words need one at both ends.

    Raises:
        BadInput: An entry has no letter or digit (C033).
    """
    compiled = _compile(tuple(listed))
    folded = fold(text) if len(text) <= MAX_CHARACTERS else ""
    if len(text) > MAX_CHARACTERS or len(folded) > 2 * MAX_CHARACTERS:
        return Assessment(unsupported=f"the text has more than {MAX_CHARACTERS} characters")
    hits: set[int] = set()
    for stream in readings(folded):
        hits |= compiled.automaton.search(stream)
    found: dict[str, set[str]] = {category: set() for category in compiled.categories}
    for index in hits:
        entry = compiled.entries[index]
        found[entry.category].add(entry.list_name)
    return Assessment(
        findings=[
            Finding(
                name=category,
                score=1.0 if lists else 0.0,
                score_kind="label_only",
                # The lists are named and not the word: a verdict must not repeat what it flags.
                provider_name=", ".join(sorted(lists)),
                applied_to=("text",),
            )
            for category, lists in found.items()
        ],
        flagged=bool(hits),
        model=f"wordlist-{compiled.digest}",
    )


class _Compiled:
    def __init__(self, listed: tuple[Entry, ...]) -> None:
        self.entries = listed
        self.categories = sorted({entry.category for entry in listed})
        self.automaton = Automaton([_pattern(entry) for entry in listed])
        content = "\n".join(f"{entry.category}:{entry.text}" for entry in listed)
        self.digest = hashlib.sha256(content.encode()).hexdigest()[:12]


@lru_cache(maxsize=8)
def _compile(listed: tuple[Entry, ...]) -> _Compiled:
    return _Compiled(listed)


def _pattern(entry: Entry) -> str:
    inner = " ".join(words(entry.text.strip("*")))
    if not inner:
        raise bad_line(entry.source, "the entry has neither a letter nor a digit")
    left = "" if entry.text.startswith("*") else " "
    right = "" if entry.text.endswith("*") else " "
    return f"{left}{inner}{right}"
