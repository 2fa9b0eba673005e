"""Two servers on one database file, one of which stops without dying."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from fault_rig import SPEED, Rig, rig_in

from hookline.engine.runner import SWEEP_SECONDS
from hookline.engine.tokens import CallbackTokens

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]


def start_run(rig: Rig, path: str, body: object) -> str:
    status, answer = rig.request("POST", f"/hooks/{path}", body)
    assert status == 202
    run: str = answer["runs"][0]
    return run


def status_of(rig: Rig, run: str) -> str:
    ((status,),) = rig.query(f"SELECT status FROM runs WHERE id = '{run}'")
    return str(status)


def test_a_server_that_is_stopped_keeps_what_it_was_doing(tmp_path: Path) -> None:
    """It holds its lock as long as it exists, however long it is stopped: nobody does its work again."""
    gate = tmp_path / "gate"
    with rig_in(tmp_path) as first:
        second = first.beside()
        first.start(triggers=False)
        second.start(triggers=False)
        try:
            assert first.process is not None
            executing = start_run(first, "gate", {"path": str(gate)})
            parked = start_run(first, "call-back", {})
            first.until(
                lambda: len(first.ledger()) == 1 and status_of(first, parked) == "waiting", "both runs"
            )
            os.kill(first.process.pid, signal.SIGSTOP)

            # The other one goes on with what is parked, takes new events in, and leaves the rest alone.
            token = CallbackTokens("the-master-key-of-the-fault-tests", "").token(parked, "steps[0]", 0)
            assert second.request("POST", f"/callbacks/{token}", {"by": "second"})[0] == 202
            second.until(lambda: status_of(second, parked) == "succeeded", "the parked run")
            gate.touch()
            new = start_run(second, "gate", {"path": str(gate)})
            second.until(lambda: status_of(second, new) == "succeeded", "the new run")
            look = second.clock() + 20 * SWEEP_SECONDS
            second.until(lambda: second.clock() > look, f"{20 / SPEED} s of looking for dead servers")
            assert status_of(second, executing) == "running"
            assert [entry["run"] for entry in second.ledger()].count(executing) == 1

            os.kill(first.process.pid, signal.SIGCONT)
            first.until(lambda: status_of(first, executing) == "succeeded", "the run of the stopped server")
            # What the first one remembers of the parked run is out of date, and it knows.
            assert first.request("POST", f"/callbacks/{token}", {"by": "first"})[0] == 410
            assert [entry["run"] for entry in first.ledger()].count(parked) == 1
            histories = first.histories()
            assert not any(
                kind == "attempt.interrupted" for events in histories.values() for kind, *_ in events
            )
        finally:
            second.stop()


def test_the_runs_of_a_killed_server_go_to_the_other(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with rig_in(tmp_path) as first:
        second = first.beside()
        first.start(triggers=False)
        second.start(triggers=False)
        try:
            runs = [start_run(first, "gate", {"path": str(gate)}) for _ in range(10)]
            first.until(lambda: len(first.ledger()) == 10, "all runs")
            first.kill()
            gate.touch()
            second.until(lambda: {status_of(second, run) for run in runs} == {"succeeded"}, "the runs")
            keys = {entry["key"] for entry in second.ledger() if entry["kind"] == "idempotent"}
            assert len(keys) == 10
        finally:
            second.stop()
