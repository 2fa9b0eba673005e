"""Finding many words in one pass (Aho and Corasick, 1975)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

__all__ = ["Automaton"]


class Automaton:
    """Finds which of many patterns occur in a text, in time linear in its length.

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

    def search(self, text: str) -> frozenset[int]:
        """Indexes of the patterns that occur."""
        return self.scan(text)[0]

    def scan(self, text: str) -> tuple[frozenset[int], int]:
        """Indexes of the patterns that occur, and the number of moves made: at most two per
        character, and one per state in which a pattern ends."""
        found: set[int] = set()
        reported: set[int] = set()
        moves = 0
        state = 0
        for char in text:
            while state and char not in self._next[state]:
                state = self._fail[state]
                moves += 1
            state = self._next[state].get(char, 0)
            moves += 1
            end = state if self._ends[state] else self._shorter[state]
            # What ends here has been reported together with everything shorter that ends here.
            while end and end not in reported:
                reported.add(end)
                found.update(self._ends[end])
                end = self._shorter[end]
                moves += 1
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
