"""A worker in a process of its own, for tests that kill it or break its disk.

It accepts runs and advances them, many at a time, and writes a line for every answer:
``accepted r7 False``, ``advanced r7 3``, ``error …``. It ends by itself after so many runs.

    python store_program.py PATH WORKER RUNS [--limit-file-bytes N] [--user UID] [--leave-open]
"""

from __future__ import annotations

import argparse
import os
import queue
import resource
import signal
from pathlib import Path

from hookline.store.port import (
    Accept,
    Advance,
    Chunk,
    Dedupe,
    Incoming,
    NewRun,
    Outcome,
    RunSummary,
    StoreError,
)
from hookline.store.sqlite import SQLiteStore

STEPS = 3
IN_FLIGHT = 40


def unit(worker: str, run_id: str, number: int) -> Accept | Advance:
    body = f'[["event","{worker}",{{"n":{number},"pad":"{"x" * 200}"}}]]'
    chunk = Chunk(number, 1000.0, body, 1)
    if number == 0:
        run = NewRun(run_id, "flow", "v1", 1000.0, chunk, owner=worker, event_id=f"e-{run_id}")
        dedupe = Dedupe("hook", run_id, 1e12)
        return Accept([Incoming(f"e-{run_id}", "t", "flow", 1000.0, dedupe=dedupe, run=run)])
    if number == STEPS:
        return Advance(run_id, 1, 1, None, RunSummary("succeeded", 1000.0, 1001.0, 0.0), chunk)
    timers = {"steps[0]": 2000.0 if number == 1 else None}
    return Advance(run_id, 1, 1, worker, RunSummary("running", 1000.0, None, 0.0), chunk, timers=timers)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("worker")
    parser.add_argument("runs", type=int)
    parser.add_argument("--limit-file-bytes", type=int)
    parser.add_argument("--user", type=int)
    parser.add_argument("--leave-open", action="store_true", help="accept one run more, and leave it")
    options = parser.parse_args()
    if options.user is not None:
        os.setgid(options.user)
        os.setuid(options.user)
    if options.limit_file_bytes is not None:
        # Without this the process would be killed; with it a write fails, as on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.limit_file_bytes, hard))
    try:
        store = SQLiteStore(options.path, options.worker)
    except StoreError as error:
        print(f"refused {error.code} {error}", flush=True)
        return
    if options.leave_open:
        left: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        store.submit(unit(options.worker, f"{options.worker}-open", 0), left.put)
        print(f"written {left.get()[0].run_id} 0", flush=True)
    if options.limit_file_bytes is not None:
        run_until_full(store, options.worker)
    else:
        run_all(store, options.worker, options.runs)
    store.close()
    print("closed", flush=True)


def run_all(store: SQLiteStore, worker: str, runs: int) -> None:
    answers: queue.SimpleQueue[tuple[str, int, Outcome]] = queue.SimpleQueue()

    def submit(run_id: str, number: int) -> None:
        store.submit(unit(worker, run_id, number), lambda outcome: answers.put((run_id, number, outcome)))

    ids = iter([f"{worker}-{number}" for number in range(runs)])
    for run_id in [next(ids) for _ in range(min(IN_FLIGHT, runs))]:
        submit(run_id, 0)
    finished = 0
    while finished < runs:
        run_id, number, outcome = answers.get()
        if isinstance(outcome, StoreError):
            print(f"error {run_id} {number} {outcome.code} {outcome}", flush=True)
            raise SystemExit(1)
        print(f"written {run_id} {number}", flush=True)
        if number < STEPS:
            submit(run_id, number + 1)
            continue
        finished += 1
        if (following := next(ids, None)) is not None:
            submit(following, 0)


def run_until_full(store: SQLiteStore, worker: str) -> None:
    """Accept runs until that is refused, advance one, make room, and see it written."""
    answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    number = 0
    while True:
        store.submit(unit(worker, f"{worker}-{number}", 0), answers.put)
        if isinstance(outcome := answers.get(), StoreError):
            print(f"full {number} {outcome.code} {outcome}", flush=True)
            break
        number += 1
    print(f"health {store.health().ok} {store.health().reason}", flush=True)
    store.submit(unit(worker, f"{worker}-0", 1), answers.put)
    store.submit(unit(worker, f"{worker}-late", 0), answers.put)
    print(f"refused {type(answers.get()).__name__}", flush=True)
    print(f"readable {store.open_runs()} {answers.empty()}", flush=True)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(f"kept {answers.get()}", flush=True)
    store.flush()
    print(f"health {store.health().ok}", flush=True)


if __name__ == "__main__":
    main()
