"""Large values on their way to an object store and back, while runs go on.

A bucket may be slow, or not answer at all. So values go there on threads of their own, between whoever
submits a unit and the database. The invariants:

* A value is in the artifact store before a unit that refers to it is submitted to the database. A crash in
  between leaves an artifact that nothing refers to, which collection removes.
* Units of a run reach the database in the order in which they were submitted: what comes behind a unit
  whose values are on their way waits for it. Other runs do not.
* Every unit reaches the database. When the bucket fails, or the store is closed, values stay in the row.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeAlias, cast

from hookline.store.artifacts import ArtifactMissing
from hookline.store.port import (
    Accept,
    Admit,
    Advance,
    Chunk,
    Claim,
    Done,
    Incoming,
    NewRun,
    Release,
    Store,
    StoreError,
    Unit,
)

from .journal import Fetched, Journal

__all__ = ["Again", "Fetching", "Spilling", "chunks_of", "with_chunks"]

log = logging.getLogger(__name__)

THREADS = 8
"""Values under way at a time, in either direction."""

PAUSE_SECONDS = 30.0
"""After the bucket has failed, large values stay in the database for so long without its being asked."""


class _Sent:
    """A unit whose values are on their way. It is itself and nothing else: units may be equal."""

    def __init__(self, unit: Unit, done: Done, run_id: str | None) -> None:
        self.unit = unit
        self.done = done
        self.run_id = run_id


class Spilling:
    """A store's port, before which large values leave their chunks for the artifact store.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, store: Store, journal: Journal, clock: Callable[[], float]) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hookline-spill")
        # Reentrant: a store may answer at once, and who gets the answer may submit something.
        self._changed = threading.Condition(threading.RLock())
        self._under_way: dict[_Sent, None] = {}
        self._behind: dict[str, deque[tuple[Unit, Done]]] = {}
        self._paused_until = 0.0
        self._closed = False

    @classmethod
    def around(cls, store: Store, journal: Journal, clock: Callable[[], float]) -> Store:
        """The same as the store it stands for."""
        return cast("Store", cls(store, journal, clock))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def submit(self, unit: Unit, done: Done) -> None:
        """See `Store.submit`. It never waits for the bucket."""
        run_id = unit.run_id if isinstance(unit, Advance | Admit | Claim) else None
        with self._changed:
            behind = None if run_id is None else self._behind.get(run_id)
            if behind is not None:
                behind.append((unit, done))
            elif self._is_large(unit):
                self._send(unit, done, run_id)
            else:
                self._store.submit(unit, done)

    def flush(self) -> None:
        """Wait until everything submitted so far has its answer."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)
        self._store.flush()

    def close(self) -> None:
        """Let values that are still on their way stay in the database, and close the store."""
        with self._changed:
            self._closed = True
            for sent in list(self._under_way):
                self._arrived(sent, sent.unit)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._store.close()

    def _is_large(self, unit: Unit) -> bool:
        return not self._closed and any(self._journal.is_large(chunk) for chunk in chunks_of(unit))

    def _send(self, unit: Unit, done: Done, run_id: str | None) -> None:
        sent = _Sent(unit, done, run_id)
        self._under_way[sent] = None
        if run_id is not None:
            self._behind.setdefault(run_id, deque())
        self._pool.submit(self._store_values, sent)

    def _store_values(self, sent: _Sent) -> None:
        unit = sent.unit
        try:
            if self._clock() >= self._paused_until:
                unit = with_chunks(unit, self._journal.spilled)
        except (StoreError, ArtifactMissing) as error:
            self._paused_until = self._clock() + PAUSE_SECONDS
            code = error.code if isinstance(error, StoreError) else "S101"
            log.warning("%s: large values stay in the database for now: %s", code, error)
        except Exception:
            log.exception("R399: a fault in the engine; large values stay in the database")
        with self._changed:
            self._arrived(sent, unit)

    def _arrived(self, sent: _Sent, unit: Unit) -> None:
        """Submit a unit, and what has waited behind it."""
        if sent not in self._under_way:
            # The store was closed meanwhile.
            return
        del self._under_way[sent]
        self._store.submit(unit, sent.done)
        behind = None if sent.run_id is None else self._behind[sent.run_id]
        while behind:
            unit, done = behind.popleft()
            if self._is_large(unit):
                self._send(unit, done, sent.run_id)
                break
            self._store.submit(unit, done)
        else:
            if sent.run_id is not None:
                del self._behind[sent.run_id]
        self._changed.notify_all()


def chunks_of(unit: Unit) -> Iterator[Chunk]:
    """The parts of histories in a unit."""
    match unit:
        case Advance():
            if unit.chunk is not None:
                yield unit.chunk
            for child in unit.children:
                yield from _chunks_of_run(child)
            yield from _chunks_of_events(unit.events)
        case Accept():
            yield from _chunks_of_events(unit.incoming)
        case Release() if unit.run is not None:
            yield from _chunks_of_run(unit.run)


def _chunks_of_events(events: Sequence[Incoming]) -> Iterator[Chunk]:
    for event in events:
        if event.run is not None:
            yield from _chunks_of_run(event.run)


def _chunks_of_run(run: NewRun) -> Iterator[Chunk]:
    yield run.chunk
    if run.turn is not None:
        yield from chunks_of(run.turn)


def with_chunks(unit: Unit, change: Callable[[Chunk], Chunk]) -> Unit:
    """The unit with other chunks in their places."""

    def run(new: NewRun) -> NewRun:
        turn = None if new.turn is None else advance(new.turn)
        return replace(new, chunk=change(new.chunk), turn=turn)

    def event(given: Incoming) -> Incoming:
        return given if given.run is None else replace(given, run=run(given.run))

    def advance(given: Advance) -> Advance:
        return replace(
            given,
            chunk=None if given.chunk is None else change(given.chunk),
            children=[run(child) for child in given.children],
            events=[event(each) for each in given.events],
        )

    match unit:
        case Advance():
            return advance(unit)
        case Accept():
            return replace(unit, incoming=[event(each) for each in unit.incoming])
        case Release() if unit.run is not None:
            return replace(unit, run=run(unit.run))
    return unit


Again: TypeAlias = tuple[Any, ...]
"""A method and its arguments: to be called once more when values are there."""


class Fetching:
    """Large values of runs that are to be read on the loop, which must not wait for them.

    Args:
        deliver: Calls something on the loop.
    """

    def __init__(self, journal: Journal, deliver: Callable[[Callable[[], None]], None]) -> None:
        self._journal = journal
        self._deliver = deliver
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[str, dict[Again, None]] = {}
        self._fetched: dict[str, Fetched] = {}

    def values(self, run_id: str, chunks: Sequence[Chunk], again: Again) -> Fetched | None:
        """The large values of a run's history, as `Journal.decode` takes them.

        None while they are fetched: then `again` is called on the loop, and asks once more.
        """
        wanted = self._journal.to_fetch(chunks)
        fetched = self._fetched.get(run_id, {})
        if wanted <= fetched.keys():
            return fetched
        waiting = self._waiting.get(run_id)
        if waiting is not None:
            waiting[again] = None
            return None
        self._waiting[run_id] = {again: None}
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hookline-fetch")
        self._pool.submit(self._fetch, run_id, wanted)
        return None

    def _fetch(self, run_id: str, wanted: frozenset[str]) -> None:
        fetched = self._journal.fetch(wanted)
        self._deliver(lambda: self._have(run_id, fetched))

    def _have(self, run_id: str, fetched: Fetched) -> None:
        waiting = self._waiting.pop(run_id)
        self._fetched[run_id] = fetched
        try:
            for call, *of in waiting:
                try:
                    call(*of)
                except Exception:
                    log.exception("R399: a fault in the engine")
        finally:
            del self._fetched[run_id]

    def stop(self) -> None:
        """Fetch nothing more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
