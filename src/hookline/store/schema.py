"""The SQLite tables. `migrations` are run in order; ``user_version`` counts those that were."""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

_FIRST = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE definitions (
    version TEXT PRIMARY KEY, workflow TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE events (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, trigger TEXT NOT NULL, workflow TEXT NOT NULL,
    received_at REAL NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, dedupe_key TEXT,
    headers TEXT NOT NULL, body BLOB, data TEXT, run_id TEXT
);
CREATE INDEX events_unusual ON events (state, n) WHERE state <> 'received';

CREATE TABLE runs (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workflow TEXT NOT NULL, version TEXT NOT NULL,
    status TEXT NOT NULL, event_id TEXT, parent_run TEXT, parent_path TEXT, replay_of TEXT,
    created_at REAL NOT NULL, started_at REAL, finished_at REAL, cost_usd REAL NOT NULL,
    waiting_for TEXT NOT NULL, output TEXT, error TEXT, epoch INTEGER NOT NULL, owner TEXT,
    concurrency_key TEXT
);
CREATE INDEX runs_of_workflow ON runs (workflow, n);
CREATE INDEX runs_open ON runs (status, n) WHERE status IN ('queued', 'running', 'waiting');
CREATE INDEX runs_bad ON runs (status, n) WHERE status IN ('failed', 'canceled');
CREATE INDEX runs_limited ON runs (concurrency_key, status, n)
    WHERE concurrency_key IS NOT NULL AND status IN ('queued', 'running', 'waiting');

CREATE TABLE history (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, count INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

CREATE TABLE timers (
    run_id TEXT NOT NULL, path TEXT NOT NULL, due_at REAL NOT NULL, PRIMARY KEY (run_id, path)
) WITHOUT ROWID;
CREATE INDEX timers_due ON timers (due_at);

CREATE TABLE signals (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL,
    key TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL, UNIQUE (run_id, key)
);

CREATE TABLE approvals (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL, path TEXT NOT NULL,
    workflow TEXT NOT NULL, status TEXT NOT NULL, data TEXT NOT NULL, requested_at REAL NOT NULL,
    due_at REAL, decided_by TEXT, decided_at REAL
);
CREATE INDEX approvals_of_run ON approvals (run_id);
CREATE INDEX approvals_pending ON approvals (n) WHERE status = 'pending';

CREATE TABLE dedupe (
    scope TEXT NOT NULL, key TEXT NOT NULL, event_id TEXT, run_id TEXT, expires_at REAL NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX dedupe_expired ON dedupe (expires_at);

CREATE TABLE cursors (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rates (name TEXT PRIMARY KEY, arrival REAL NOT NULL) WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)
