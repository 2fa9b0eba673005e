"""Undoing the ways in which a word is disguised.

Words of a list and words of a text go through the same mapping, so a disguise that maps onto the
same letters is found. What is undone:

- compatibility forms, accents and case: ``ＦＵＣＫ``, ``fück`` (NFKD, marks removed, case folded)
- invisible characters between letters (format characters, fillers)
- letters of other scripts that look like Latin ones (a table of the usual ones), Latin letters with hooks
  and strokes, small capitals, letters in boxes (by their Unicode names)
- digits and signs for letters (``a$$``, ``sh1t``); ``i``, ``l``, ``1``, ``!`` and ``|`` are one letter
- repeated letters (three or more)
- letters spaced out (``f u c k``, ``f.u.c.k``) and words broken by signs (``fu.ck``)

Every step is linear in the length of the text, and the usual ones are done for the whole text at once.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

__all__ = ["fold", "readings", "streams", "words"]

# Format characters (category Cf) are removed by category; these render as nothing as well.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")

_DROPPED = frozenset({"Cf", "Mn", "Me", "Cc", "Cs"})

_LOOKALIKES = str.maketrans(
    # Cyrillic, Greek, Cherokee, then Latin letters that no decomposition and no name takes apart.
    "авеёзкмнорстухіїјѕԁԛԝӏһгոսցհғҫқҡңұүҳҽ" + "αβεηικμνορτυχωγ" + "ᎪᏟᎠᎬᏀᎻᎥᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ" + "ıɑɡɩæœß",
    "abee3kmhopctyxiijsdqwlhqnughfckkhyyxe" + "abenikmvoptuxwy" + "acdeghijklmprstvwz" + "iagiaos",
)  # fmt: skip
_BY_NAME = re.compile(
    "LATIN (?:SMALL|CAPITAL) LETTER (?:BARRED )?([A-Z])(?: WITH .+)?"
    "|LATIN LETTER SMALL CAPITAL ([A-Z])"
    "|NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER ([A-Z])"
)
_SIGNS = str.maketrans({"@": "a", "$": "s", "!": "i", "|": "i", "+": "t", "€": "e", "¢": "c", "£": "l"})
_SIGN = re.compile(r"[@$!|+€¢£]")
_DIGITS = str.maketrans("013456789", "oieasgtbg")

_DIGIT = re.compile("[0-9]")
_PLAIN = re.compile(r"[^\W_]+")
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W_][ .\-_*,/\\'’·]{1,3}){2,}[^\W_](?![^\W_])")
_REPEATED = re.compile(r"(.)\1{2,}")
_NO_LETTER = re.compile(r"[\W_]+")
_MOST_RUNS = 3
_EDGES = "!|+.,;:?\"'’“”„«»()[]{}<>*_-~/\\…"
_ORDINARY = frozenset("aiu")
"""Single letters that are words of their own and may stand around spaced-out letters."""


class _Fold(dict[int, str]):
    """A character's plainest form, worked out when it is first met."""

    _MOST = 50_000

    def __missing__(self, code: int) -> str:
        char = chr(code)
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", char).casefold())
        kept = "".join(
            _by_name(each)
            for each in folded
            if each.isspace() or (each not in _INVISIBLE and unicodedata.category(each) not in _DROPPED)
        ).translate(_LOOKALIKES)
        if not char.isspace() and kept.isspace():
            kept = ""  # an accent without its letter stands for a space and the accent
        if len(self) >= self._MOST:
            self.clear()
        self[code] = kept
        return kept


def _by_name(char: str) -> str:
    """The letter that a character is called after."""
    found = None if char.isascii() else _BY_NAME.fullmatch(unicodedata.name(char, ""))
    return char if found is None else found[found.lastindex or 1].lower()


_FOLD = _Fold()


def fold(text: str) -> str:
    """Letters in their plainest form."""
    return text.translate(_FOLD)


def words(text: str) -> list[str]:
    """The words of an entry of a list, as they stand in a stream."""
    return _letters(_PLAIN.findall(fold(text).translate(_SIGNS))).split()


def streams(text: str) -> Iterator[str]:
    """Ways to read a text: words with one space before and after each."""
    return readings(fold(text))


def readings(folded: str) -> Iterator[str]:
    """Ways to read a folded text.

    The first reads it as it stands; the others each undo one more disguise.
    """
    seen: set[str] = set()
    for tokens in _readings(folded):
        stream = f" {_letters(tokens)} "
        if stream not in seen:
            seen.add(stream)
            yield stream


def _readings(folded: str) -> Iterator[list[str]]:
    for tokens in (_PLAIN.findall(folded), _joined_chunks(folded)):
        if tokens is None:
            continue
        yield tokens
        if _REPEATED.search(" ".join(tokens)) is None:
            continue
        runs = {token: len(_REPEATED.findall(token)) for token in set(tokens)}
        repeated = [token for token, number in runs.items() if number]
        for doubled in range(1 << min(max(runs.values()), _MOST_RUNS)):
            short = {token: _shortened(token, doubled) for token in repeated}
            yield [short.get(token, token) for token in tokens]
    spaced = list(_spaced(folded))
    if spaced:
        yield spaced


def _joined_chunks(folded: str) -> list[str] | None:
    """What stands between spaces as one word each; None when that is how it reads anyway."""
    tokens = []
    is_other = False
    for chunk in folded.split():
        core = chunk if chunk.isalnum() else chunk.strip(_EDGES)
        if core.isalnum():
            tokens.append(core)
        elif core:
            is_other = True
            joined = _joined(core)
            if joined:
                tokens.append(joined)
    return tokens if is_other else None


def _joined(core: str) -> str:
    """What stands between two spaces as one word: signs read as letters, others dropped."""
    plain = _NO_LETTER.sub("", core)
    if plain.isnumeric() or _SIGN.search(core) is None:
        return plain  # a price or a number, or nothing that stands for a letter
    return _NO_LETTER.sub("", core.translate(_SIGNS))


def _shortened(token: str, doubled: int) -> str:
    """Repeated letters once, or twice where a bit of `doubled` is set: ``asssshoooole`` is both."""
    number = itertools.count()

    def once_or_twice(run: re.Match[str]) -> str:
        bit = min(next(number), _MOST_RUNS - 1)
        return run[1] * (2 if doubled >> bit & 1 else 1)

    return _REPEATED.sub(once_or_twice, token)


def _letters(tokens: list[str]) -> str:
    """Tokens with one space between them; digits read as letters, except in numbers."""
    text = " ".join(tokens)
    if _DIGIT.search(text):
        text = " ".join(
            [token if token.isalpha() or token.isdecimal() else token.translate(_DIGITS) for token in tokens]
        )
    return text.replace("l", "i")


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
