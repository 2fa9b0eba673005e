"""Undoing the ways in which a word is disguised.

Words of a list and words of a text go through the same mapping, so a disguise that maps onto the
same letters is found. What is undone:

- compatibility forms, accents and case: ``ＦＵＣＫ``, ``fück`` (NFKD, marks removed, case folded)
- invisible characters between letters (format characters, fillers)
- letters of other scripts that look like Latin ones (a table of the usual ones)
- digits and signs for letters (``a$$``, ``sh1t``); ``i``, ``l``, ``1``, ``!`` and ``|`` are one letter
- repeated letters (three or more)
- letters spaced out (``f u c k``, ``f.u.c.k``) and words broken by signs (``fu.ck``)

Every step is linear in the length of the text.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

__all__ = ["streams", "words"]

# Format characters (category Cf) are removed by category; these render as nothing as well.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")

_DROPPED = frozenset({"Cf", "Mn", "Me", "Cc", "Cs"})

_LOOKALIKES = str.maketrans(
    # Cyrillic, then Greek, then Latin letters that no decomposition takes apart.
    "авеёзкмнорстухіїјѕԁԛԝӏһգոսցհ" + "αβεηικμνορτυχωγ" + "ıøłđħɑɡɩʀʏᴀᴄᴅᴇᴊᴋᴍɴᴏᴘᴛᴜᴠᴡᴢæœß",
    "abee3kmhopctyxiijsdqwlhqnugh" + "abenikmvoptuxwy" + "ioldhagiryacdejkmnoptuvwzaos",
)  # fmt: skip
_SIGNS = str.maketrans({"@": "a", "$": "s", "!": "i", "|": "i", "+": "t", "€": "e", "¢": "c", "£": "l"})
_DIGITS = str.maketrans("013456789", "oieasgtbg")
_SAME = str.maketrans({"l": "i"})

_PLAIN = re.compile(r"[^\W_]+")
_CHUNK = re.compile(r"\S+")
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W_][ .\-_*,/\\'’·]{1,3}){2,}[^\W_](?![^\W_])")
_REPEATED = re.compile(r"(.)\1{2,}")
_NO_LETTER = re.compile(r"[\W_]+")
_MOST_RUNS = 3
_EDGES = "!|+.,;:?\"'’“”„«»()[]{}<>*_-~/\\…"
_ORDINARY = frozenset("aiu")
"""Single letters that are words of their own and may stand around spaced-out letters."""


def words(text: str) -> list[str]:
    """The words of an entry of a list, as they stand in a stream."""
    return [_letters(word) for word in _PLAIN.findall(_fold(text, signs=True))]


def streams(text: str) -> Iterator[str]:
    """Ways to read a text: words with one space before and after each.

    The first reads it as it stands; the others each undo one more disguise.
    """
    folded = _fold(text, signs=False)
    seen: set[str] = set()
    for tokens in _readings(folded):
        stream = f" {' '.join(token for token in tokens if token)} "
        if stream not in seen:
            seen.add(stream)
            yield stream


def _readings(folded: str) -> Iterator[list[str]]:
    plain = _PLAIN.findall(folded)
    joined = [_joined(chunk) for chunk in _CHUNK.findall(folded)]
    for tokens in (plain, joined):
        yield [_letters(token) for token in tokens]
        runs = max((len(_REPEATED.findall(token)) for token in tokens), default=0)
        for doubled in range(1 << min(runs, _MOST_RUNS)) if runs else ():
            yield [_letters(_shortened(token, doubled)) for token in tokens]
    spaced = list(_spaced(folded))
    if spaced:
        yield [_letters(token) for token in spaced]


def _fold(text: str, *, signs: bool) -> str:
    """Letters in their plainest form."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept = (
        char
        for char in text
        if char.isspace() or (char not in _INVISIBLE and unicodedata.category(char) not in _DROPPED)
    )
    folded = "".join(kept).translate(_LOOKALIKES)
    return folded.translate(_SIGNS) if signs else folded


def _joined(chunk: str) -> str:
    """What stands between two spaces as one word: signs read as letters, others dropped."""
    core = chunk.strip(_EDGES)
    if any(char.isdecimal() for char in core) and not any(char.isalpha() for char in core):
        return _NO_LETTER.sub("", core)  # a price or a number, not a word
    return _NO_LETTER.sub("", core.translate(_SIGNS))


def _shortened(token: str, doubled: int) -> str:
    """Repeated letters once, or twice where a bit of `doubled` is set: ``asssshoooole`` is both."""
    number = itertools.count()

    def once_or_twice(run: re.Match[str]) -> str:
        bit = min(next(number), _MOST_RUNS - 1)
        return run[1] * (2 if doubled >> bit & 1 else 1)

    return _REPEATED.sub(once_or_twice, token)


def _letters(token: str) -> str:
    """Digits read as letters, except in numbers."""
    if not token.isdecimal():
        token = token.translate(_DIGITS)
    return token.translate(_SAME)


def _spaced(folded: str) -> Iterator[str]:
    """Runs of single letters, as words; ordinary one-letter words at the ends may not belong."""
    for run in _SPACED.finditer(folded):
        letters = _NO_LETTER.sub("", run[0])
        for start in range(3):
            if start and letters[start - 1] not in _ORDINARY:
                break
            yield letters[start:]
            for end in range(1, 3):
                if len(letters) - start - end < 3 or letters[-end] not in _ORDINARY:
                    break
                yield letters[start : len(letters) - end]
