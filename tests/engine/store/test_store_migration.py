"""A database of an earlier version is brought up to date, with what its runs have cost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from hookline.store import schema
from hookline.store.sqlite import SQLiteStore
from hookline.testing.store_contract.kit import START, accept, incoming, new_run, write_alone

BEFORE_THE_LEDGER = 2


def test_what_runs_have_cost_is_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "hookline.db"
    with closing(sqlite3.connect(path)) as db:
        for migration in schema.MIGRATIONS[:BEFORE_THE_LEDGER]:
            db.executescript(migration)
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {BEFORE_THE_LEDGER}")
        for id_, workflow, cost, parent in (
            ("a", "flow", 0.5, None),
            ("b", "flow", 0.25, None),
            ("c", "child", 0.25, "b"),
            ("d", "free", 0.0, None),
        ):
            db.execute(
                "INSERT INTO runs (id, workflow, version, status, parent_run, created_at, cost_usd,"
                " waiting_for, epoch, length) VALUES (?, ?, 'v', 'succeeded', ?, ?, ?, '', 1, 1)",
                [id_, workflow, parent, START, cost],
            )
        db.commit()
    store = SQLiteStore(path, "w", lambda: START)
    try:
        # What a run that was called has cost is in its caller's figure.
        found = [(row.workflow, row.usd, row.count, row.most) for row in store.costs(START, START)]
        assert found == [("flow", 0.75, 2, 0.5)]
        assert write_alone(store, accept(incoming("e", new_run("new", owner="w"))))
    finally:
        store.close()
