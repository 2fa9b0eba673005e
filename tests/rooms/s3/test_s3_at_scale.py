"""Ten thousand uploads, told twice, in any order, or never: ten thousand runs, in an engine on SQLite."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hookline.core.plan import compile_plan
from hookline.engine.engine import Engine, open_store
from hookline.engine.loader import load_registry
from hookline.engine.pollers import Poller
from hookline.engine.settings import load_settings
from hookline.store.port import EventFilter, RunFilter

from . import shapes
from .fakes import START, Store, etag

UPLOADS = 10_000
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/q"
WORKFLOW = {
    "name": "each",
    "trigger": {"uses": "s3_upload", "with": {"bucket": "uploads", "prefix": "in/", "queue": QUEUE}},
    "steps": [{"id": "key", "uses": "transform", "with": {"value": "{{ trigger.key }}"}}],
    "output": "{{ steps.key.value }}",
}


class Clock:
    """The wall clock of the engine, moved by hand."""

    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now


def open_engine(folder: Path, store: Store, clock: Clock, number: int) -> Engine:
    """An engine whose `s3` connections are all this store."""
    registry = load_registry()
    kind = registry.connection_types["s3"]
    types = {**registry.connection_types, "s3": dataclasses.replace(kind, open=lambda ctx, **fields: store)}
    registry = dataclasses.replace(registry, connection_types=types)
    settings = load_settings(
        folder, {"HOOKLINE_MASTER_KEY": "of-this-test", "HOOKLINE_MAX_BACKLOG": "100000"}
    )
    return Engine(settings, registry, open_store(settings, f"worker-{number}", clock), clock=clock)


class Process:
    """One life of the server: it looks when it is told to, and may end at any commit."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.plan = compile_plan(WORKFLOW)
        engine.deploy(self.plan)
        engine.start(triggers=False)
        (trigger,) = self.plan.triggers
        self.poller: Poller = engine.looking.poller(self.plan, trigger, engine.registry.triggers["s3_upload"])

    def look(self) -> None:
        assert self.engine._loop is not None
        asyncio.run_coroutine_threadsafe(self.poller.look(), self.engine._loop).result()


@pytest.mark.timeout(300)
def test_ten_thousand_uploads_are_ten_thousand_runs(tmp_path: Path) -> None:
    chance = random.Random(20260302)
    clock, store = Clock(), Store(page=1000, versioned=True)
    queue = store.the_queue
    process = Process(open_engine(tmp_path, store, clock, 0))
    process.look()
    lives = 1

    keys = [f"in/{number:05}.png" for number in range(UPLOADS)]
    chance.shuffle(keys)
    for start in range(0, UPLOADS, 1000):
        bodies: list[str] = []
        for number, key in enumerate(keys[start : start + 1000]):
            stored = store.put(key, str(start + number).encode())
            told = shapes.record(
                key,
                size=len(stored.content),
                eTag=etag(stored),
                versionId=stored.version,
                sequencer=f"{number:X}",
            )
            # A fifth comes twice, a fifth never.
            bodies += [shapes.s3(told)] * {0: 0, 1: 2}.get(number % 5, 1)
        chance.shuffle(bodies)
        queue.send(*bodies)
        clock.now = store.now.timestamp() + 1
        lost = chance.randrange(3)
        while queue.left:
            if lost and chance.random() < 0.2:
                # The process goes between the commit and the deletion, and another one begins.
                lost -= 1
                queue.on_delete = _die
                process.look()
                queue.on_delete = lambda messages: None
                process.engine.stop(0)
                process = Process(open_engine(tmp_path, store, clock, lives))
                lives += 1
            queue.expire()
            process.look()

    # What was never told is found by the listing, which takes several looks.
    clock.now += 16 * 60
    for _ in range(UPLOADS // 500 + 3):
        process.look()
    assert process.poller.problem == ""
    wait_for_the_end(process.engine)
    found: Counter[str] = Counter()
    cursor: str | None = None
    while True:
        page = process.engine.store.runs(RunFilter(), 500, cursor)
        found.update(row.output for row in page.rows)
        assert {row.status for row in page.rows} == {"succeeded"}
        cursor = page.next
        if cursor is None:
            break
    assert len(found) == UPLOADS
    assert set(found.values()) == {1}
    assert lives > 3
    rejected = process.engine.store.events("rejected", None, 10, None, EventFilter()).rows
    assert rejected == []
    process.engine.stop()


def _die(messages: Any) -> None:
    raise RuntimeError("the process has died")


def wait_for_the_end(engine: Engine) -> None:
    """The runs are short; they end as soon as what is queued for the store is on disk."""
    for _ in range(1000):
        engine.store.flush()
        engine._call(lambda: None)
        if engine.runner.open_runs == 0:
            return
    raise AssertionError(f"{engine.runner.open_runs} runs have not ended")
