"""Runs out of the store, with the large values of their histories."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from hookline.core.diagnostics import DefinitionError
from hookline.core.records import is_settlement_key
from hookline.core.state import Entry, replay
from hookline.store.artifacts import ArtifactMissing
from hookline.store.port import Store, StoreError, StoreUnavailable

from .journal import Journal
from .live import LiveRun, due_times
from .spilling import Again, Fetching
from .workflows import Plans

__all__ = ["UNAVAILABLE_SECONDS", "StoredRun", "StoredRuns"]

log = logging.getLogger(__name__)

UNAVAILABLE_SECONDS = 30.0
"""After which a run is read again that could not be read because the store did not answer."""


@dataclass(slots=True)
class StoredRun:
    """A run as the store has it.

    Attributes:
        was_owned: Another worker had it and did not give it up.
        was_admitted: It was under way, not queued.
        crashes: How often its worker died since it last made progress.
    """

    run: LiveRun
    was_owned: bool
    was_admitted: bool
    crashes: int


class StoredRuns:
    """Reads runs. Used on the engine's loop only.

    Args:
        deliver: Calls something on the loop.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        plans: Plans,
        clock: Callable[[], float],
        deliver: Callable[[Callable[[], None]], None],
    ) -> None:
        self._store = store
        self._journal = journal
        self._plans = plans
        self._clock = clock
        self._fetching = Fetching(journal, deliver)
        # Runs that could not be read, and when to try again.
        self._unreadable: dict[str, float] = {}

    @property
    def unreadable(self) -> list[str]:
        """Runs that will not be read again by this process."""
        return [run_id for run_id, until in self._unreadable.items() if until == inf]

    def stop(self) -> None:
        """Fetch nothing more."""
        self._fetching.stop()

    def read(self, run_id: str, again: Again) -> StoredRun | None:
        """A run out of the store; None when it cannot be read, is not there, or is another worker's.

        Also None when large values of it have to be fetched first; `again` is called when they are here.
        """
        row = self._store.run(run_id)
        if row is None or self._clock() < self._unreadable.get(run_id, 0.0):
            return None
        if row.owner not in (None, self._store.worker) and self._store.is_alive(str(row.owner)):
            return None
        try:
            chunks = self._store.history(run_id)
            values = self._fetching.values(run_id, chunks, again)
            if values is None:
                return None
            entries = self._journal.decode(chunks, values if values else None)
            state = replay(entries)
            plan = self._plans.get(state.version)
        except StoreUnavailable as error:
            log.warning("%s: run %s cannot be read, and is looked at again: %s", error.code, run_id, error)
            self._unreadable[run_id] = self._clock() + UNAVAILABLE_SECONDS
            return None
        except (ValueError, KeyError, DefinitionError, ArtifactMissing, StoreError) as error:
            log.error("R307: run %s cannot be read and stays as it is: %s", run_id, error)
            self._unreadable[run_id] = inf
            return None
        self._unreadable.pop(run_id, None)
        run = LiveRun(plan, state, row.epoch + 1, row.epoch, row.concurrency_key, is_held=False)
        run.timers = due_times(state)
        return StoredRun(
            run,
            was_owned=row.owner not in (None, self._store.worker),
            was_admitted=row.status == "running",
            crashes=_crashes(entries),
        )


def _crashes(entries: Iterable[Entry]) -> int:
    """How often the process died over a run since anything in it last came to an end.

    A long run outlives many deployments; what kills its worker lets nothing come to an end.
    """
    crashes = 0
    for entry in entries:
        if entry.event.kind == "attempt.interrupted":
            # What dies over a settlement is counted there.
            crashes += not is_settlement_key(entry.event.path)
        elif entry.event.kind in ("step.succeeded", "attempt.failed", "approval.noted", "run.resumed"):
            crashes = 0
    return crashes
