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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hookline.core.plan import Plan, compile_plan
from hookline.core.state import RunState
from hookline.engine.engine import Engine, open_store
from hookline.engine.loader import load_registry
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


def three_step_runs(runs: int, in_flight: int) -> tuple[float, float]:
    """Finished runs a second, and microseconds of processor time for each."""
    with tempfile.TemporaryDirectory() as folder, engine_in(Path(folder)) as engine:
        plan = compile_plan(THREE_STEPS)
        engine.deploy(plan)
        finished = Finished(engine, in_flight)
        started, used = time.perf_counter(), time.process_time()
        for number in range(runs):
            finished.room.acquire()
            feed(engine, plan, {"body": {"x": number}, "headers": {}, "query": {}, "method": "POST"})
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


def waiting_runs(runs: int) -> tuple[float, float]:
    """Bytes of memory for each waiting run, and seconds to start again with all of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with engine_in(folder) as engine:
            plan = compile_plan(WAITING)
            engine.deploy(plan)
            for _ in range(200):
                engine.start_run(plan.name)
            before = resident_bytes()
            drafts = threading.Semaphore(200)
            for _ in range(runs):
                drafts.acquire()
                draft = engine.intake.manual(plan, None, {})
                run = draft.run
                assert run is not None

                def accepted(_: Any, run: Any = run) -> None:
                    engine.runner.deliver(lambda: engine.runner.begin(run))
                    drafts.release()

                engine.store.submit(Accept([draft.incoming]), accepted)
            _until(lambda: engine.runner.open_runs == 0)
            grown = resident_bytes() - before
        started = time.perf_counter()
        with engine_in(folder) as engine:
            engine.store.runs(RunFilter(status="waiting"), 1, None)
            taken = time.perf_counter() - started
        return grown / runs, taken


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--waiting", type=int, default=10_000)
    options = parser.parse_args()
    for in_flight in (1, 50, 500):
        rate, used = three_step_runs(options.runs if in_flight > 1 else options.runs // 20, in_flight)
        print(f"three-step runs, {in_flight:>3} in flight: {rate:8.0f} runs/s, {used:5.0f} us of CPU each")
    for items in (1_000, 10_000, 50_000):
        print(f"for_each over {items:>6} items: {loop_items(items, 100):8.0f} items/s")
    grown, taken = waiting_runs(options.waiting)
    print(f"{options.waiting} waiting runs: {grown:.0f} bytes each, started again in {taken:.2f} s")


if __name__ == "__main__":
    sys.setswitchinterval(float(os.environ.get("SWITCH_INTERVAL", "0.0005")))
    main()
