"""The SQLite tables. `migrations` are run in order; ``user_version`` counts those that were.

An index is used only if the query repeats its ``WHERE`` term word for word (SQLite cannot infer
``status = 'running'`` from ``status IN (…)``), so the terms are named here and used in both places.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

__all__ = ["APPLICATION_ID", "ENDED_BADLY", "MIGRATIONS", "OPEN", "statements"]

APPLICATION_ID = 0x686F6F6B
"""Written into the file's header, so that another program's database is never taken for ours."""

OPEN = "status IN ('queued', 'running', 'waiting')"
"""Runs that are not finished."""

ENDED_BADLY = "status IN ('failed', 'canceled')"
"""Finished runs that people look for."""

_FIRST = f"""
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE definitions (
    version TEXT PRIMARY KEY, workflow TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE events (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, trigger TEXT NOT NULL, workflow TEXT NOT NULL,
    received_at REAL NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, dedupe_key TEXT,
    headers TEXT NOT NULL, body BLOB, data TEXT, run_id TEXT
);
CREATE INDEX events_of_workflow ON events (workflow);
CREATE INDEX events_unusual ON events (state) WHERE state <> 'received';
CREATE INDEX events_without_run ON events (workflow, received_at) WHERE run_id IS NULL;

CREATE TABLE runs (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workflow TEXT NOT NULL, version TEXT NOT NULL,
    status TEXT NOT NULL, event_id TEXT, parent_run TEXT, parent_path TEXT, replay_of TEXT,
    created_at REAL NOT NULL, started_at REAL, finished_at REAL, cost_usd REAL NOT NULL,
    waiting_for TEXT NOT NULL, output TEXT, error TEXT, epoch INTEGER NOT NULL, owner TEXT,
    concurrency_key TEXT, length INTEGER NOT NULL
);
CREATE INDEX runs_by_age ON runs (created_at);
CREATE INDEX runs_of_workflow ON runs (workflow, created_at);
CREATE INDEX runs_finished ON runs (workflow, finished_at);
CREATE INDEX runs_open ON runs (status, created_at) WHERE {OPEN};
CREATE INDEX runs_bad ON runs (status, created_at) WHERE {ENDED_BADLY};
CREATE INDEX runs_costly ON runs (workflow, created_at, cost_usd) WHERE cost_usd > 0;
CREATE INDEX runs_queued ON runs (concurrency_key) WHERE status = 'queued';
CREATE INDEX runs_limited ON runs (concurrency_key)
    WHERE concurrency_key IS NOT NULL AND status IN ('running', 'waiting');

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
CREATE INDEX approvals_by_status ON approvals (status);

CREATE TABLE dedupe (
    scope TEXT NOT NULL, key TEXT NOT NULL, event_id TEXT, run_id TEXT, expires_at REAL NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX dedupe_expired ON dedupe (expires_at);

CREATE TABLE kept (key TEXT PRIMARY KEY, output TEXT NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX kept_expired ON kept (expires_at);

CREATE TABLE cursors (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rates (name TEXT PRIMARY KEY, arrival REAL NOT NULL) WITHOUT ROWID;
"""

_WAITING_EVENTS = """
CREATE TABLE gatherings (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, scope TEXT NOT NULL,
    version TEXT NOT NULL, key TEXT, first_at REAL NOT NULL, due_at REAL NOT NULL, count INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);
CREATE INDEX gatherings_of_name ON gatherings (name);
CREATE INDEX gatherings_due ON gatherings (due_at);
ALTER TABLE events ADD COLUMN version TEXT;
ALTER TABLE events ADD COLUMN gathering TEXT;
ALTER TABLE events ADD COLUMN replay_of TEXT;
CREATE INDEX events_gathered ON events (gathering) WHERE gathering IS NOT NULL;
CREATE INDEX events_of_gathered_run ON events (run_id) WHERE gathering IS NOT NULL;
CREATE INDEX events_replays ON events (replay_of) WHERE replay_of IS NOT NULL;
"""

_LEDGER = """
CREATE TABLE costs (
    day TEXT NOT NULL, workflow TEXT NOT NULL, model TEXT NOT NULL, called INTEGER NOT NULL,
    usd REAL NOT NULL, count INTEGER NOT NULL, most REAL NOT NULL,
    PRIMARY KEY (day, workflow, model, called)
) WITHOUT ROWID;
CREATE INDEX costs_of_workflow ON costs (workflow, day);
CREATE INDEX costs_of_model ON costs (model, day);

INSERT INTO costs
    SELECT strftime('%Y-%m-%d', created_at, 'unixepoch'), workflow, '', 0,
        sum(cost_usd), count(*), max(cost_usd)
    FROM runs WHERE cost_usd > 0 AND parent_run IS NULL GROUP BY 1, 2;
DROP INDEX runs_costly;

CREATE TABLE claims (
    name TEXT NOT NULL, run_id TEXT NOT NULL, path TEXT NOT NULL, attempt INTEGER NOT NULL,
    amount REAL NOT NULL, PRIMARY KEY (name, run_id, path, attempt)
) WITHOUT ROWID;
CREATE INDEX claims_of_attempt ON claims (run_id, path, attempt);
"""
"""What runs have cost, which outlives them (a run that others called is in its caller's cost, so only
callers are taken over), and what attempts under way have a claim to."""

_CLAIMED = """
CREATE TABLE claims_in_parts (
    name TEXT NOT NULL, run_id TEXT NOT NULL, path TEXT NOT NULL, attempt INTEGER NOT NULL,
    amount INTEGER NOT NULL, PRIMARY KEY (name, run_id, path, attempt)
) WITHOUT ROWID;
INSERT INTO claims_in_parts
    SELECT name, run_id, path, attempt, CAST(round(min(amount, 1e9) * 1e9) AS INTEGER) FROM claims;
DROP TABLE claims;
ALTER TABLE claims_in_parts RENAME TO claims;
CREATE INDEX claims_of_attempt ON claims (run_id, path, attempt);

CREATE TABLE claimed (name TEXT PRIMARY KEY, amount INTEGER NOT NULL, count INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO claimed SELECT name, sum(amount), count(*) FROM claims GROUP BY name;

CREATE TRIGGER claim_made AFTER INSERT ON claims BEGIN
    INSERT INTO claimed VALUES (NEW.name, NEW.amount, 1)
        ON CONFLICT (name) DO UPDATE SET amount = amount + excluded.amount, count = count + 1;
END;
CREATE TRIGGER claim_changed AFTER UPDATE OF amount ON claims BEGIN
    UPDATE claimed SET amount = amount + NEW.amount - OLD.amount WHERE name = NEW.name;
END;
CREATE TRIGGER claim_ended AFTER DELETE ON claims BEGIN
    UPDATE claimed SET amount = amount - OLD.amount, count = count - 1 WHERE name = OLD.name;
    DELETE FROM claimed WHERE name = OLD.name AND count = 0;
END;
"""
"""What is claimed under each name, kept by the tables themselves in the statement that changes a claim. In
whole numbers (`limits.PARTS`), so that it never differs from the sum. ``INSERT OR REPLACE`` does not fire the
trigger of what it replaces: a claim is replaced by ``ON CONFLICT … DO UPDATE``."""

MIGRATIONS: tuple[str, ...] = (_FIRST, _WAITING_EVENTS, _LEDGER, _CLAIMED)


def statements(migration: str) -> Iterator[str]:
    """The statements of a migration; one that makes a trigger has others in it."""
    statement = ""
    for line in migration.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
