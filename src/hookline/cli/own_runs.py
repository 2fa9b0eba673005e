"""A store through which an engine sees only the runs that it was started for."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast

from hookline.store.port import Accept, Advance, Done, Gathering, NewRun, Prune, Pruned, Store, Timer, Unit

__all__ = ["HandedOver", "OwnRuns"]

_ALL = 100_000
"""More rows than a foreground command will meet; those of others are left out of the answer."""


class OwnRuns:
    """A store's port that shows the runs begun through it, those they call, and those it was given.

    A foreground command shares the database with servers and with other commands. It must not
    take over what they left (their environment may have the credentials, and this one not), nor
    hold up its own end until the steps of somebody else's run are done. So the engine behind it
    is shown no timers, signals, abandoned or queued runs but its own, and forgets nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: set[str] = set()
        self._keys: set[str] = set()
        self._is_timed = False

    @classmethod
    def around(cls, store: Store) -> tuple[OwnRuns, Store]:
        """One of these, and the same as the store it stands for."""
        own = cls(store)
        return own, cast("Store", own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def give(self, run_id: str, concurrency_key: str | None) -> None:
        """Let the engine go on with a run that is there already."""
        self._runs.add(run_id)
        self._is_timed = True
        if concurrency_key is not None:
            self._keys.add(concurrency_key)

    def submit(self, unit: Unit, done: Done) -> None:
        match unit:
            case Accept():
                for incoming in unit.incoming:
                    if incoming.run is not None:
                        self._begun(incoming.run)
            case Advance():
                self._advanced(unit)
            case Prune():
                done(Pruned(0, 0))
                return
        self._store.submit(unit, done)

    def _begun(self, run: NewRun) -> None:
        self._runs.add(run.id)
        if run.concurrency_key is not None:
            self._keys.add(run.concurrency_key)
        if run.turn is not None:
            self._advanced(run.turn)

    def _advanced(self, unit: Advance) -> None:
        if any(due is not None for due in unit.timers.values()):
            self._is_timed = True
        for child in unit.children:
            self._begun(child)

    def due_timers(self, now: float, limit: int) -> list[Timer]:
        """Own timers that are due; the table is read only when a run of ours has ever had one."""
        if not self._is_timed:
            return []
        return [timer for timer in self._store.due_timers(now, _ALL) if timer.run_id in self._runs][:limit]

    def next_timer(self, after: float = -math.inf) -> float | None:
        """When the earliest own timer is due that is due later than `after`."""
        return next((timer.due_at for timer in self.due_timers(math.inf, _ALL) if timer.due_at > after), None)

    def due_gatherings(self, now: float, limit: int) -> list[Gathering]:
        """Events that wait are released by servers."""
        return []

    def next_gathering(self) -> float | None:
        return None

    def signalled_runs(self, limit: int) -> list[str]:
        return [run_id for run_id in self._store.signalled_runs(_ALL) if run_id in self._runs][:limit]

    def abandoned_runs(self, limit: int) -> list[str]:
        return [run_id for run_id in self._store.abandoned_runs(_ALL) if run_id in self._runs][:limit]

    def queued_keys(self, limit: int, after: str = "") -> list[str]:
        return [key for key in self._store.queued_keys(_ALL, after) if key in self._keys][:limit]

    def queued_run(self, concurrency_key: str, but: Collection[str] = ()) -> str | None:
        """The run whose turn it is under this key, if it is ours; another's is left to its worker."""
        run_id = self._store.queued_run(concurrency_key, but)
        return run_id if run_id in self._runs else None


class HandedOver:
    """A store's port through which new runs belong to nobody: whichever server comes first has them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def around(cls, store: Store) -> Store:
        """The same as the store it stands for."""
        return cast("Store", cls(store))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def submit(self, unit: Unit, done: Done) -> None:
        if isinstance(unit, Accept):
            incoming = [
                each if each.run is None else replace(each, run=replace(each.run, owner=None))
                for each in unit.incoming
            ]
            unit = replace(unit, incoming=incoming)
        self._store.submit(unit, done)
