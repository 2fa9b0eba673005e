"""Reading runs out of the store, and waiting until something is in it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from hookline.core.plan import Plan
from hookline.core.state import Entry, RunState, replay
from hookline.store.port import RunRow, Store, StoreError, Unit

from . import documents
from .errors import EngineError
from .journal import Journal
from .workflows import Plans

__all__ = ["RunReader", "submit_and_wait"]

Json = Any


def submit_and_wait(store: Store, unit: Unit) -> Any:
    """Submit a unit and wait until it is on disk; its answer.

    Raises:
        StoreError: It was not stored.
    """
    done: Future[Any] = Future()
    store.submit(unit, done.set_result)
    answer = done.result()
    if isinstance(answer, StoreError):
        raise answer
    return answer


class RunReader:
    """Runs as the store has them.

    Every method raises `EngineError` (R405) when there is no such run.
    """

    def __init__(self, store: Store, journal: Journal, plans: Plans) -> None:
        self._store = store
        self._journal = journal
        self.plans = plans

    def row(self, run_id: str) -> RunRow:
        """What lists show of it."""
        row = self._store.run(run_id)
        if row is None:
            raise EngineError(f"there is no run {run_id!r}", code="R405", status=404)
        return row

    def entries(self, run_id: str) -> list[Entry]:
        """Its history."""
        self.row(run_id)
        return self._journal.decode(self._store.history(run_id))

    def state(self, run_id: str) -> tuple[RunState, Plan]:
        """Its state, and the version it is pinned to."""
        state = replay(self.entries(run_id))
        return state, self.plans.get(state.version)

    def document(self, run_id: str) -> dict[str, Json]:
        """The run document, with its steps."""
        row = self.row(run_id)
        state, plan = self.state(run_id)
        return documents.run_document(row, state, plan)

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """Its history as a document."""
        return documents.history_document(self.entries(run_id))
