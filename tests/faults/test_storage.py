"""The disk is full, or another program holds the database: nothing is lost, and it goes on by itself."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from fault_rig import Rig, rig_in

pytestmark = [pytest.mark.faults, pytest.mark.timeout(150)]

BULK = "x" * 20_000


def send_bulky(rig: Rig, number: int) -> int:
    identity = f"bulky-{number}"
    status, answer = rig.request("POST", "/hooks/bulky", {"text": BULK}, **{"X-Id": identity})
    if status in (200, 202):
        rig.acknowledged.setdefault(identity, answer["runs"][0])
    return status


def ends_well(rig: Rig) -> None:
    """Everything acknowledged has its run, every run ends, and new events are taken again."""
    rig.until(lambda: rig.request("GET", "/readyz")[0] == 200, "readiness")
    number = len(rig.acknowledged)
    rig.until(lambda: send_bulky(rig, number + 1000) == 202, "a new event")
    rig.until(lambda: not rig.open_runs(), "the last run")
    runs = dict(rig.query("SELECT id, status FROM runs"))
    assert set(rig.acknowledged.values()) <= set(runs)
    assert set(runs.values()) == {"succeeded"}
    assert len(runs) == len(rig.query("SELECT DISTINCT dedupe_key FROM events WHERE run_id IS NOT NULL"))
    rig.histories()
    ledger = [entry["key"] for entry in rig.ledger()]
    assert len(ledger) == len(set(ledger)) == 2 * len(runs), "nothing was done twice"


def test_a_full_disk(tmp_path: Path) -> None:
    """A file may not grow beyond a limit, until the limit is lifted: space was made."""
    with rig_in(tmp_path) as rig:
        rig.start(triggers=False, file_size=1_500_000)
        statuses = [send_bulky(rig, number) for number in range(150)]
        assert statuses[0] == 202
        assert statuses[-1] == 503
        assert set(statuses) == {202, 503}, "answered or told to come back"
        rig.until(lambda: rig.request("GET", "/readyz")[0] == 503, "it says that it is not ready")
        assert rig.request("GET", "/healthz")[0] == 200, "restarting it would not help"
        assert rig.process is not None
        os.kill(rig.process.pid, signal.SIGUSR1)
        ends_well(rig)


def test_killed_while_the_disk_is_full(tmp_path: Path) -> None:
    with rig_in(tmp_path) as rig:
        rig.start(triggers=False, file_size=1_500_000)
        for number in range(100):
            send_bulky(rig, number)
        rig.kill()
        rig.start(triggers=False)
        rig.until(lambda: not rig.open_runs(), "the last run")
        assert set(rig.acknowledged.values()) <= {row[0] for row in rig.query("SELECT id FROM runs")}
        assert {row[0] for row in rig.query("SELECT status FROM runs")} == {"succeeded"}


def test_a_locked_database(tmp_path: Path) -> None:
    with rig_in(tmp_path) as rig:
        rig.start(triggers=False)
        assert [send_bulky(rig, number) for number in range(10)] == [202] * 10
        path = tmp_path / "project/.hookline/hookline.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = [send_bulky(rig, number) for number in range(10, 15)]
            assert set(refused) == {503}
            assert rig.request("GET", "/readyz")[0] == 503
            other.execute("ROLLBACK")
        ends_well(rig)
