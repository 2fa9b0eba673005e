"""Which keys and paths an author wants."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from .errors import BadInput

__all__ = ["Filter", "glob_matches"]

_MAX_LENGTH = 512


def glob_matches(pattern: str, path: str) -> bool:
    """Whether a path matches: ``*`` and ``?`` stay within a folder, ``**`` is any number of folders.

    The time it takes grows with the product of both lengths at most, whatever the pattern.
    """
    wanted, given = pattern.split("/"), path.split("/")
    # reached[i]: the first i parts of the pattern match the parts of the path so far.
    reached = [True] + [False] * len(wanted)
    for index, part in enumerate(wanted):
        reached[index + 1] = reached[index] and part == "**"
    for name in given:
        following = [False] * (len(wanted) + 1)
        for index, part in enumerate(wanted):
            if part == "**":
                following[index + 1] = reached[index + 1] or following[index]
            elif reached[index] and fnmatch.fnmatchcase(name, part):
                following[index + 1] = True
        reached = following
    return reached[-1]


class Filter:
    """Suffixes, a pattern and bounds of the size.

    Args:
        suffixes: Ends of the name in any case of letters; any when empty.
        glob: Pattern of the whole path; any when empty.
        min_bytes, max_bytes: Inclusive bounds; None for none.

    Raises:
        BadInput: The pattern is too long.
    """

    def __init__(
        self,
        suffixes: Sequence[str] = (),
        glob: str = "",
        min_bytes: int | None = None,
        max_bytes: int | None = None,
    ) -> None:
        if len(glob) > _MAX_LENGTH:
            raise BadInput(f"glob is longer than {_MAX_LENGTH} characters", hint='write "raw/**/*.png"')
        self._suffixes = tuple(suffix.lower() for suffix in suffixes)
        self._glob = glob
        self._min = 0 if min_bytes is None else min_bytes
        self._max = max_bytes

    def wants(self, path: str, size: int | None) -> bool:
        """Whether a file of this path and size is wanted; one whose size is not known (None) fits any."""
        if self._suffixes and not path.lower().endswith(self._suffixes):
            return False
        if size is not None and (size < self._min or (self._max is not None and size > self._max)):
            return False
        return not self._glob or glob_matches(self._glob, path)
