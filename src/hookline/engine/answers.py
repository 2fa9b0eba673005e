"""Callers who wait for what a run answers."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from hookline.core import events as ev
from hookline.core.state import RunState
from hookline.store.port import Store

from .reading import RunReader

__all__ = ["Answers"]

Json = Any


class Answers:
    """Futures of runs' answers."""

    def __init__(self, store: Store, reader: RunReader) -> None:
        self._store = store
        self._reader = reader
        self._waiters: dict[str, list[Future[Json]]] = {}
        self._lock = threading.Lock()

    def outcome(self, run_id: str) -> Future[Json]:
        """A future of the run's answer: its ``respond`` step's, or None when the run has ended."""
        future: Future[Json] = Future()
        with self._lock:
            self._waiters.setdefault(run_id, []).append(future)
        # It may have answered before anybody asked.
        row = self._store.run(run_id)
        if row is not None and row.status != "queued":
            state, _ = self._reader.state(run_id)
            if state.response is not None:
                self.responded(run_id, state.response)
            elif state.finished is not None:
                self._tell(run_id, None)
        return future

    def _tell(self, run_id: str, answer: Json) -> None:
        with self._lock:
            waiters = self._waiters.pop(run_id, [])
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(answer)

    def finished(self, state: RunState) -> None:
        """A run has ended."""
        if self._waiters:
            self._tell(state.id, None)

    def responded(self, run_id: str, response: ev.Responded) -> None:
        """A run has answered its caller."""
        self._tell(run_id, {"status": response.status, "headers": response.headers, "body": response.body})
