"""What steps of earlier runs gave, read from the histories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hookline.core.canonical import canonical_json
from hookline.core.events import StepSucceeded
from hookline.sdk import PastOutput
from hookline.store.port import RunFilter, RunRow, Store

from .journal import Journal

__all__ = ["Past", "PastRun"]

Json = Any

PAGE = 200
"""Runs listed at a time."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """The outputs of one run; `problem` says why it could not be read, ``""`` when it could."""

    id: str
    outputs: Sequence[PastOutput] = ()
    problem: str = ""


class Past:
    """Goes through the runs that are kept."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    def runs(
        self, is_wanted: Callable[[Json], bool], since: float | None, workflow: str | None
    ) -> Iterator[PastRun]:
        """Runs that were created at `since` or later, newest first.

        An output that a later step of the run only passes on is told once. It reads the database:
        call it on a thread that may wait.
        """
        cursor: str | None = None
        while True:
            page = self._store.runs(RunFilter(workflow, None, since), PAGE, cursor)
            for row in page.rows:
                yield self._read(row, is_wanted)
            cursor = page.next
            if cursor is None:
                return

    def _read(self, row: RunRow, is_wanted: Callable[[Json], bool]) -> PastRun:
        found: dict[str, PastOutput] = {}
        try:
            for entry in self._journal.decode(self._store.history(row.id)):
                event = entry.event
                if isinstance(event, StepSucceeded) and is_wanted(event.output):
                    at = datetime.fromtimestamp(entry.at, UTC)
                    output = PastOutput(row.id, row.workflow, event.path, at, event.output)
                    found.setdefault(canonical_json(event.output), output)
        except (ValueError, LookupError, OSError) as error:
            return PastRun(row.id, problem=type(error).__name__)
        return PastRun(row.id, list(found.values()))
