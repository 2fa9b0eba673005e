"""An attempt whose code is stopped may take its time; what comes after it must not be lost over that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engine_lab import Hang, Lab, flow, job

from hookline.engine.live import LiveRun
from hookline.store.port import StoreUnavailable


def test_a_resumed_step_begins_though_its_last_attempt_is_still_letting_go(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = lab.outside._hang

    async def hang_on(call: Any) -> None:
        try:
            await hang(call)
        except asyncio.CancelledError:
            # Closing what is open takes its time.
            await hang(call)
            raise

    monkeypatch.setattr(lab.outside, "_hang", hang_on)
    lab.outside.script("a", Hang())
    run = lab.go(flow(job("a")))
    lab.until(lambda: lab.outside.hanging("a"))
    assert lab.engine.cancel(run)
    lab.until(lambda: lab.status(run) == "canceled" and lab.outside.stopped and lab.outside.hanging("a"))
    lab.engine.resume(run)
    lab.until(lambda: lab.status(run) == "running")
    lab.outside.release("a")
    assert lab.end(run) == "succeeded"
    assert [call.attempt for call in lab.outside.of("a", "run")] == [1, 2]


def test_an_attempt_that_is_stopped_before_its_first_line_is_let_go(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    performer = lab.engine.performer
    execute, stopped = performer.execute, []

    def execute_and_stop(run: LiveRun, path: str, *, interrupted: bool) -> None:
        execute(run, path, interrupted=interrupted)
        if not stopped:
            stopped.append(run)
            run.executing[path].cancel()

    monkeypatch.setattr(performer, "execute", execute_and_stop)
    run = lab.go(flow(job("a")))
    lab.until(lambda: stopped and not stopped[0].executing)
    assert lab.engine.cancel(run)
    assert lab.end(run) == "canceled"
    lab.engine.resume(run)
    lab.until(lambda: lab.status(run) == "succeeded")


def test_an_attempt_that_cannot_begin_fails(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_read(key: str, now: float) -> None:
        raise StoreUnavailable("the database cannot be read")

    monkeypatch.setattr(lab.engine.performer, "_kept", cannot_read)
    run = lab.go(flow(job("a", cache="1h")))
    assert lab.end(run) == "failed"
    error = lab.document(run)["error"]
    assert (error["code"], error["type"]) == ("R399", "internal")
