"""Three-step runs per second through the store alone, beside the least that SQLite needs for them.

A run is one accepted event, one chunk for each of three steps, and one that ends it: five units.
So many runs are in flight at a time; each goes on as soon as its last unit is on disk.

    python benchmarks/store.py [--runs 30000] [--in-flight 50 500] [--folder PATH] [--profile]

``bare`` is the floor: the same bytes in two tables without indexes of their own, one writer
thread, ``executemany``, group commit with ``synchronous=FULL``, no fencing, no dedupe, no lists.
"""

from __future__ import annotations

import argparse
import cProfile
import platform
import pstats
import queue
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from hookline.store.port import Accept, Advance, Chunk, Incoming, NewRun, RunSummary, Unit
from hookline.store.sqlite import SQLiteStore

BODY = '[["step.finished","steps[0]",{"output":{"ok":true,"url":"https://example.test/a.png"},"ms":12}]]'
LAST = 4
"""Number of the unit that ends a run; 0 accepts it."""

Callback = Callable[[object], None]


class Journal(Protocol):
    """What is compared."""

    def put(self, run: str, number: int, done: Callback) -> None: ...

    def close(self) -> None: ...


class Bare:
    """The floor."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;"
            "CREATE TABLE runs (id TEXT PRIMARY KEY, at REAL, status TEXT, body TEXT) WITHOUT ROWID;"
            "CREATE TABLE history (run TEXT, seq INTEGER, at REAL, body TEXT, PRIMARY KEY (run, seq))"
            " WITHOUT ROWID;"
        )
        self._queue: queue.SimpleQueue[tuple[str, int, Callback] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def put(self, run: str, number: int, done: Callback) -> None:
        self._queue.put((run, number, done))

    def _write(self) -> None:
        while True:
            group = [self._queue.get()]
            while not self._queue.empty() and len(group) < 512:
                group.append(self._queue.get())
            units = [item for item in group if item is not None]
            now = time.time()
            self._db.execute("BEGIN IMMEDIATE")
            begun = [(run, now, BODY) for run, number, _ in units if number == 0]
            self._db.executemany("INSERT INTO runs VALUES (?, ?, 'running', ?)", begun)
            chunks = [(run, number, now, BODY) for run, number, _ in units]
            self._db.executemany("INSERT INTO history VALUES (?, ?, ?, ?)", chunks)
            ended = [(run,) for run, number, _ in units if number == LAST]
            self._db.executemany("UPDATE runs SET status = 'succeeded' WHERE id = ?", ended)
            self._db.execute("COMMIT")
            for _, _, done in units:
                done(True)
            if len(units) < len(group):
                return

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._db.close()


class Ours:
    """The store."""

    def __init__(self, folder: Path) -> None:
        self._store = SQLiteStore(folder / "hookline.db", "bench")

    def put(self, run: str, number: int, done: Callback) -> None:
        self._store.submit(_unit(run, number), done)

    def close(self) -> None:
        self._store.close()


def _unit(run: str, number: int) -> Unit:
    now = time.time()
    chunk = Chunk(number, now, BODY, 1)
    if number == 0:
        new = NewRun(run, "flow", "v1", now, chunk, event_id=f"evt_{run}", owner="bench")
        event = Incoming(f"evt_{run}", "webhook", "flow", now, headers={"a": "b"}, body=b"{}", run=new)
        return Accept([event])
    if number == LAST:
        summary = RunSummary("succeeded", now, now, 0.0, output={"ok": True})
        return Advance(run, 1, 1, None, summary, chunk)
    return Advance(run, 1, 1, "bench", RunSummary("running", now, None, 0.0), chunk)


def measure(journal: Journal, runs: int, in_flight: int) -> float:
    """Seconds until all the runs are finished."""
    answered: queue.SimpleQueue[tuple[int, int, object]] = queue.SimpleQueue()

    def put(number: int, step: int) -> None:
        journal.put(f"run_{number:010d}", step, lambda answer: answered.put((number, step, answer)))

    begin = time.perf_counter()
    started = min(in_flight, runs)
    for number in range(started):
        put(number, 0)
    finished = 0
    while finished < runs:
        number, step, answer = answered.get()
        if isinstance(answer, Exception):
            raise answer
        if step < LAST:
            put(number, step + 1)
            continue
        finished += 1
        if started < runs:
            put(started, 0)
            started += 1
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=30_000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--folder", type=Path, help="where the databases are made: on the disk in question")
    parser.add_argument("--profile", action="store_true", help="say where the writer thread spends its time")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}")
    for in_flight in options.in_flight:
        for kind in (Bare, Ours):
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                journal: Journal = kind(Path(folder))
                seconds = measure(journal, options.runs, in_flight)
                journal.close()
            rate = options.runs / seconds
            print(
                f"{kind.__name__.lower():5} {in_flight:4} in flight: {rate:8,.0f} runs/s"
                f" {rate * (LAST + 1):8,.0f} units/s"
            )
    if options.profile:
        profile()


def profile() -> None:
    """Where the writer thread's time goes, 500 runs in flight."""
    profiler = cProfile.Profile()
    plain = threading.Thread.run

    def run(thread: threading.Thread) -> None:
        if thread.name == "hookline-store":
            profiler.runcall(plain, thread)
        else:
            plain(thread)

    threading.Thread.run = run  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            journal = Ours(Path(folder))
            measure(journal, 10_000, 500)
            journal.close()
    finally:
        threading.Thread.run = plain  # type: ignore[method-assign]
    pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


if __name__ == "__main__":
    main()
