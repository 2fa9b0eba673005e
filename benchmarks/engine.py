"""The engine without HTTP: three-step runs a second, ``for_each`` scaling, memory of waiting runs.

    python benchmarks/engine.py [--runs 20000]

Each figure is printed as it is measured. Compare figures of one run only: machines are noisy.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hookline.core.plan import Plan, compile_plan
from hookline.core.state import RunState
from hookline.engine.engine import Engine, open_store
from hookline.engine.loader import load_registry
from hookline.engine.reading import submit_and_wait
from hookline.engine.settings import load_settings
from hookline.store.port import Accept, RunFilter

THREE_STEPS = {
    "name": "three",
    "trigger": {"uses": "webhook", "with": {"path": "three", "auth": {"type": "none"}}},
    "steps": [
        {"id": "a", "uses": "transform", "with": {"value": "{{ trigger.body.x + 1 }}"}},
        {"id": "b", "uses": "transform", "with": {"value": "{{ steps.a.value * 2 }}"}},
        {"id": "c", "uses": "transform", "with": {"value": "{{ steps.b.value - 1 }}"}},
    ],
    "output": {"value": "{{ steps.c.value }}"},
}
EVENT = {"body": {"x": 1}, "headers": {}, "query": {}, "method": "POST"}
WAITING = {
    "name": "waiting",
    "steps": [{"id": "w", "wait": {"callback": {}}, "timeout": "1d", "on_timeout": "fail"}],
}


def loop_of(items: int, parallel: int) -> dict[str, Any]:
    step = {"uses": "transform", "with": {"double": "{{ item * 2 }}"}}
    loop = {"id": "l", "for_each": list(range(items)), "max_parallel": parallel, "do": [step]}
    return {"name": f"loop-{items}-{parallel}", "steps": [loop], "output": "{{ size(steps.l) }}"}


@contextmanager
def engine_in(folder: Path) -> Iterator[Engine]:
    settings = load_settings(folder, {**os.environ, "HOOKLINE_MAX_BACKLOG": "1000000"})
    engine = Engine(settings, load_registry(), open_store(settings, f"bench-{os.getpid()}-{time.time_ns()}"))
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


class Finished:
    """Counts finished runs and lets a feeder wait for room."""

    def __init__(self, engine: Engine, in_flight: int) -> None:
        self.room = threading.Semaphore(in_flight)
        self.count = 0
        self.reached = threading.Condition()
        engine.runner.on_finished = self._finished

    def _finished(self, state: RunState) -> None:
        self.room.release()
        with self.reached:
            self.count += 1
            self.reached.notify_all()

    def wait(self, count: int) -> None:
        with self.reached:
            self.reached.wait_for(lambda: self.count >= count)


def feed(engine: Engine, plan: Plan, trigger_data: Any) -> None:
    """Take one event in without waiting for the disk, as a server with many connections does."""
    trigger = plan.triggers[0]
    draft = engine.intake.event(plan, trigger, trigger_data, headers={"a": "b"}, body=b'{"x": 1}')
    run = draft.run
    assert run is not None

    def accepted(_: Any) -> None:
        engine.runner.deliver(lambda: engine.runner.begin(run))

    engine.store.submit(Accept([draft.incoming]), accepted)


def fill(engine: Engine, plan: Plan, runs: int) -> None:
    """Put runs into the store that are finished, at about the pace of the disk: copies of one."""
    draft = engine.intake.event(plan, plan.triggers[0], EVENT, headers={"a": "b"}, body=b'{"x": 1}')
    new = draft.incoming.run
    assert new is not None
    assert new.turn is not None
    for first in range(0, runs, 500):
        copies = []
        for number in range(first, min(first + 500, runs)):
            run = f"run_{number:028x}"
            copy = replace(new, id=run, event_id=f"evt_{number:028x}", turn=replace(new.turn, run_id=run))
            copies.append(replace(draft.incoming, id=f"evt_{number:028x}", run=copy))
        submit_and_wait(engine.store, Accept(copies))
    # What the system has still to write of them is not to be paid for by what is measured next.
    os.sync()


def three_step_runs(runs: int, in_flight: int, finished_before: int = 0) -> tuple[float, float]:
    """Finished runs a second, and microseconds of processor time for each.

    Args:
        finished_before: So many finished runs are in the database already.
    """
    with tempfile.TemporaryDirectory() as folder, engine_in(Path(folder)) as engine:
        plan = compile_plan(THREE_STEPS)
        engine.deploy(plan)
        fill(engine, plan, finished_before)
        finished = Finished(engine, in_flight)
        started, used = time.perf_counter(), time.process_time()
        for number in range(runs):
            finished.room.acquire()
            feed(engine, plan, {**EVENT, "body": {"x": number}})
        finished.wait(runs)
        return runs / (time.perf_counter() - started), (time.process_time() - used) / runs * 1e6


def loop_items(items: int, parallel: int) -> float:
    """Items a second of one ``for_each``."""
    with tempfile.TemporaryDirectory() as folder, engine_in(Path(folder)) as engine:
        plan = compile_plan(loop_of(items, parallel))
        engine.deploy(plan)
        finished = Finished(engine, 1)
        started = time.perf_counter()
        engine.start_run(plan.name)
        finished.wait(1)
        return items / (time.perf_counter() - started)


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What runs that wait cost.

    Attributes:
        megabytes: Memory that the process which began them has above its start, when all of them wait.
        started: Seconds that a new process takes from loading its components until its engine has started.
        restarted: Megabytes that this new process has above one whose database is empty.
    """

    megabytes: float
    started: float
    restarted: float


def waiting_runs(runs: int) -> Waiting:
    """Each process is a new one: memory that was used before and is free again would hide what is used."""
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as empty:
        grown = _in_a_new_process(_grow_by_waiting, Path(name), runs)
        _, without = _in_a_new_process(_start_again, Path(empty), 0)
        seconds, resident = _in_a_new_process(_start_again, Path(name), runs)
        return Waiting(grown / 1e6, seconds, (resident - without) / 1e6)


def _in_a_new_process(measure: Callable[[Path, int], Any], folder: Path, runs: int) -> Any:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, folder, runs).result()


def _grow_by_waiting(folder: Path, runs: int) -> int:
    """Bytes above the engine that has begun a few runs, when so many more wait."""
    with engine_in(folder) as engine:
        plan = compile_plan(WAITING)
        engine.deploy(plan)
        _begin_waiting(engine, plan, 200)
        before = resident_bytes()
        _begin_waiting(engine, plan, runs)
        return resident_bytes() - before


def _begin_waiting(engine: Engine, plan: Plan, runs: int) -> None:
    """Begin runs, at most 200 at a time, and see them wait."""
    room = threading.Semaphore(200)
    for _ in range(runs):
        room.acquire()
        draft = engine.intake.manual(plan, None, {})
        run = draft.run
        assert run is not None

        def accepted(_: Any, run: Any = run) -> None:
            engine.runner.deliver(lambda: engine.runner.begin(run))
            room.release()

        engine.store.submit(Accept([draft.incoming]), accepted)
    engine.store.flush()
    _until(lambda: engine.runner.open_runs == 0)


def _start_again(folder: Path, runs: int) -> tuple[float, int]:
    """Seconds until the engine has started, and the bytes that the process then has."""
    started = time.perf_counter()
    with engine_in(folder) as engine:
        taken = time.perf_counter() - started
        page = engine.store.runs(RunFilter(status="waiting"), 1, None)
        assert len(page.rows) == min(runs, 1), "no run waits"
        return taken, resident_bytes()


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--waiting", type=int, default=100_000)
    options = parser.parse_args()
    for in_flight in (1, 50, 500):
        rate, used = three_step_runs(options.runs if in_flight > 1 else options.runs // 20, in_flight)
        print(f"three-step runs, {in_flight:>3} in flight: {rate:8.0f} runs/s, {used:5.0f} us of CPU each")
    for items in (1_000, 10_000, 50_000):
        print(f"for_each over {items:>6} items: {loop_items(items, 100):8.0f} items/s")
    waiting = waiting_runs(options.waiting)
    print(
        f"{options.waiting} waiting runs: {waiting.megabytes:.1f} MB;"
        f" started again in {waiting.started:.2f} s, with {waiting.restarted:.1f} MB"
    )


if __name__ == "__main__":
    sys.setswitchinterval(float(os.environ.get("SWITCH_INTERVAL", "0.0005")))
    main()
