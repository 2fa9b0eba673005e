"""Finding many words in one pass (Aho and Corasick, 1975)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence

__all__ = ["Automaton"]


_HEAD = 4
"""Characters by which a place where a pattern may begin is told."""


class Automaton:
    """Finds which of many patterns occur in a text, in time linear in its length.

    Ordinary text holds few places that look like the beginning of a pattern. A regular expression of
    bounded length finds them at the speed of C; the automaton walks on from there, until it is back at its
    root and so nothing has begun.

    Args:
        patterns: Texts to look for, none of them empty.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._ends: list[list[int]] = [[]]
        for index, pattern in enumerate(patterns):
            if not pattern:
                raise ValueError("a pattern is empty")
            self._add(pattern, index)
        self._fail = [0] * len(self._next)
        # The nearest shorter suffix that is itself the end of a pattern; 0 when there is none.
        self._shorter = [0] * len(self._next)
        self._link()
        self._beginning = re.compile(_any_of({pattern[:_HEAD] for pattern in patterns}), re.DOTALL)

    def search(self, text: str) -> frozenset[int]:
        """Indexes of the patterns that occur."""
        return self.scan(text)[0]

    def scan(self, text: str) -> tuple[frozenset[int], int]:
        """Indexes of the patterns that occur, and the number of moves made: at most two per
        character, and one per state in which a pattern ends."""
        following, fail, ends, shorter = self._next, self._fail, self._ends, self._shorter
        found: set[int] = set()
        reported: set[int] = set()
        moves = 0
        beginning = self._beginning.search(text)
        while beginning is not None:
            state = 0
            for position in range(beginning.start(), len(text)):
                char = text[position]
                while state and char not in following[state]:
                    state = fail[state]
                    moves += 1
                state = following[state].get(char, 0)
                moves += 1
                if not state:
                    break
                end = state if ends[state] else shorter[state]
                # What ends here has been reported together with everything shorter that ends here.
                while end and end not in reported:
                    reported.add(end)
                    found.update(ends[end])
                    end = shorter[end]
                    moves += 1
            else:
                break
            beginning = self._beginning.search(text, position + 1)
        return frozenset(found), moves

    def _add(self, pattern: str, index: int) -> None:
        state = 0
        for char in pattern:
            following = self._next[state].get(char)
            if following is None:
                following = len(self._next)
                self._next[state][char] = following
                self._next.append({})
                self._ends.append([])
            state = following
        self._ends[state].append(index)

    def _link(self) -> None:
        queue = deque(self._next[0].values())
        while queue:
            state = queue.popleft()
            for char, following in self._next[state].items():
                queue.append(following)
                fail = self._fail[state]
                while fail and char not in self._next[fail]:
                    fail = self._fail[fail]
                fail = self._next[fail].get(char, 0)
                self._fail[following] = fail
                self._shorter[following] = fail if self._ends[fail] else self._shorter[fail]


def _any_of(heads: Iterable[str]) -> str:
    """A regular expression for any of these texts, each common beginning written once."""
    by_first: dict[str, set[str]] = {}
    for head in heads:
        if not head:
            return ""  # what follows does not matter
        by_first.setdefault(head[0], set()).add(head[1:])
    if not by_first:
        return "(?!)"
    last = "".join(re.escape(char) for char, rest in sorted(by_first.items()) if "" in rest)
    branches = [f"[{last}]"] if last else []
    branches += [re.escape(char) + _any_of(rest) for char, rest in sorted(by_first.items()) if "" not in rest]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
