"""Ten thousand runs that wait, in a process of their own: ``fault_waiting.py FOLDER COUNT``."""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hookline.core.plan import compile_plan
from hookline.engine.engine import Engine, open_store
from hookline.engine.registry import build_registry
from hookline.engine.settings import load_settings
from hookline.store.port import Accept, RunFilter

WAITING = {
    "name": "waiting",
    "steps": [{"id": "w", "wait": {"callback": {}}, "timeout": "30d", "on_timeout": "fail"}],
    "output": "{{ steps.w }}",
}
PLAN = compile_plan(WAITING)


def open_engine(folder: Path, name: str) -> Engine:
    settings = load_settings(folder, {**os.environ, "HOOKLINE_MASTER_KEY": "of-this-test"})
    return Engine(settings, build_registry([]), open_store(settings, name))


def begin(engine: Engine, count: int) -> None:
    room = threading.Semaphore(200)
    for _ in range(count):
        room.acquire()
        draft = engine.intake.manual(PLAN, None, {})

        def accepted(_: Any, run: Any = draft.run) -> None:
            engine.runner.deliver(lambda: engine.runner.begin(run))
            room.release()

        engine.store.submit(Accept([draft.incoming]), accepted)
    for _ in range(200):
        room.acquire()
    engine.store.flush()
    engine._call(lambda: None)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main(folder: Path, count: int) -> None:
    engine = open_engine(folder, "first")
    engine.deploy(PLAN)
    engine.start()
    begin(engine, 1000)
    before = resident()
    begin(engine, count - 1000)
    grown = resident() - before
    in_memory = len(engine.runner._live) + len(engine.runner._parked)
    engine.stop()

    engine = open_engine(folder, "second")
    reads: Counter[str] = Counter()
    for name in ("run", "history", "signals"):
        setattr(engine.store, name, counted(reads, name, getattr(engine.store, name)))
    engine.deploy(PLAN)
    engine.start()
    engine._call(lambda: None)
    read_at_start = dict(reads)

    rows: list[Any] = []
    cursor = None
    while True:
        page = engine.store.runs(RunFilter(status="waiting"), 500, cursor)
        rows += page.rows
        if page.next is None:
            break
        cursor = page.next
    sampled = random.Random(1).sample([row.id for row in rows], 200)
    answers = [engine.outcome(run) for run in sampled]
    for number, run in enumerate(sampled):
        token = engine.tokens.token(run, "steps[0]", 0)
        assert engine.receive_callback(token, {}, json.dumps({"n": number}).encode())
    for answer in answers:
        answer.result(30)
    outputs = [engine.run_document(run)["output"] for run in sampled]
    engine.stop()
    print(
        json.dumps(
            {
                "grown": grown,
                "in_memory": in_memory,
                "read_at_start": read_at_start,
                "waiting": len(rows),
                "woken": outputs == [{"n": number} for number in range(200)],
            }
        )
    )


def counted(reads: Counter[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        reads[name] += 1
        return function(*args)

    return call


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
