"""A database of an earlier version is brought up to date when it is opened, with what is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hookline.store.port import Cap, Claim, Claimed, Hold, Release
from hookline.store.schema import APPLICATION_ID, MIGRATIONS
from hookline.store.sqlite import SQLiteStore
from hookline.testing.store_contract.kit import START, accept, incoming, new_run, write_together

WITH_CLAIMS = 3
"""The first version of the schema that has claims."""


def older(path: Path, version: int) -> None:
    """A database as a program of that version left it, with an event and its run."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for migration in MIGRATIONS[:version]:
            db.executescript(migration)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {version}")
        db.execute(
            "INSERT INTO events (id, trigger, workflow, received_at, state, reason, headers, run_id)"
            " VALUES ('e1', 'webhook', 'flow', ?, 'received', '', '{}', 'r1')",
            [START],
        )
        db.execute(
            "INSERT INTO runs (id, workflow, version, status, event_id, created_at, finished_at, cost_usd,"
            " waiting_for, epoch, length)"
            " VALUES ('r1', 'flow', 'v1', 'succeeded', 'e1', ?, ?, 0.25, '', 1, 0)",
            [START, START + 1],
        )
        if version >= WITH_CLAIMS:
            db.executemany(
                "INSERT INTO claims (name, run_id, path, attempt, amount) VALUES (?, 'r0', ?, 1, ?)",
                [("usd", "a", 0.25), ("usd", "b", 0.5), ("place", "a", 1)],
            )


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_an_older_database_is_read_and_written(tmp_path: Path, version: int) -> None:
    path = tmp_path / "hookline.db"
    older(path, version)
    store = SQLiteStore(path, "w1", lambda: START + 10)
    event, run = store.event("e1"), store.run("r1")
    assert event is not None
    assert run is not None
    assert (event.run_status, event.version, event.gathering, event.replays) == ("succeeded", None, None, ())
    assert run.cost_usd == 0.25
    hold = Hold("g1", "n", "flow/0", "v1", "waits", longest=5.0)
    waits = incoming("e2", hold=hold, data=1, received_at=START + 10)
    replay = incoming("e3", new_run("r3"), replay_of="e1")
    write_together(store, accept(waits, replay), Release("g1", 1, new_run("r2")))
    store.close()
    again = SQLiteStore(path, "w2", lambda: START + 10)
    rows = [again.event(name) for name in ("e1", "e2")]
    again.close()
    assert [(row.run_id, row.replays) for row in rows if row] == [("r1", ("r3",)), ("r2", ())]


@pytest.mark.parametrize("version", range(WITH_CLAIMS, len(MIGRATIONS)))
def test_claims_of_an_older_database_count(tmp_path: Path, version: int) -> None:
    path = tmp_path / "hookline.db"
    older(path, version)
    store = SQLiteStore(path, "w1", lambda: START + 10)
    cap, alone = Cap("usd", 1.0), Cap("place", 1)
    answers = write_together(
        store,
        accept(incoming("e2", new_run("r2", owner="w1"))),
        Claim("r2", "p", 1, 1, {"usd": 0.5}, [cap]),
        Claim("r2", "p", 1, 1, {"usd": 0.25}, [cap]),
        Claim("r2", "p", 1, 1, {"place": 1}, [alone]),
    )
    store.close()
    assert answers[1:] == [Claimed(False, cap, 0.75), Claimed(True), Claimed(False, alone, 1.0)]
