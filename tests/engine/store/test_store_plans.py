"""How SQLite finds the rows: with a million finished runs in the file, by an index or not at all.

Every statement the store runs is recorded and explained as it was run, with its values. A step of
the plan may walk a big table only from its newest end towards a LIMIT, and sort nothing.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hookline.store import schema, sqlite
from hookline.store.port import (
    Admit,
    ApprovalChange,
    Cap,
    Charge,
    Claim,
    Dedupe,
    EventFilter,
    Hold,
    Prune,
    PutDefinition,
    Release,
    RunFilter,
    TakeTurns,
    Throttle,
)
from hookline.store.sqlite import SQLiteStore
from hookline.testing.store_contract.kit import (
    START,
    accept,
    advance,
    finish,
    incoming,
    new_run,
    signal,
    summary,
    write_together,
)

BIG = "runs|history|events|e|r"
"""The tables with a row or more for every run that ever was, and what queries call them."""


@dataclass
class Recorder:
    """Every statement that the store's connections run."""

    statements: dict[str, list[Any]] = field(default_factory=dict)

    def connection(self) -> type[sqlite3.Connection]:
        statements = self.statements

        class Recording(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:  # type: ignore[override]
                statements.setdefault(sql, list(parameters))
                return super().execute(sql, parameters)

        return Recording


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    connect, kind = sqlite3.connect, recorder.connection()

    class Module:
        """The sqlite3 module with recording connections."""

        def __getattr__(self, name: str) -> Any:
            return getattr(sqlite3, name)

        @staticmethod
        def connect(*args: Any, **options: Any) -> sqlite3.Connection:
            return connect(*args, **options, factory=kind)

    monkeypatch.setattr(sqlite, "sqlite3", Module())
    return recorder


@pytest.fixture
def store(tmp_path: Path, recorder: Recorder) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "hookline.db", "w1", lambda: START)
    yield store
    store.close()


HOLD = Hold("g1", "flow/0", "flow/0", "v1", "waits", longest=9.0, quiet=1.0, most_bytes=9)


def _write_everything(store: SQLiteStore) -> None:
    limits: dict[str, Any] = {"max_running": 3, "rate_key": "flow", "rate": 5}
    queued = [new_run(f"q{n}", status="queued", concurrency_key=f"k{n % 2}") for n in range(4)]
    write_together(
        store,
        accept(
            *(
                incoming(f"e{n}", new_run(f"r{n}", owner="w1", event_id=f"e{n}"), key=f"k{n}")
                for n in range(8)
            )
        ),
        accept(*(incoming(f"e {run.id}", run) for run in queued)),
        accept(incoming("x1", new_run("x1"), skip_if_open=True)),
        accept(baseline=[Dedupe("hook", "b", START + 9)], cursor_of="c", cursor=1),
        accept(incoming("h1", hold=HOLD), incoming("h2", hold=HOLD)),
        accept(incoming("t1", new_run("t1"), throttle=Throttle("rate", 1, 9.0, HOLD))),
        Release("g1", 2, new_run("g1"), chosen="h2"),
        PutDefinition("v1", "flow", {}, START),
        signal("r1", "k"),
        advance(
            "r1",
            1,
            timers={"a": START, "b": None, "c": None},
            clear_timers=True,
            signals=[77, 78],
            version="v2",
        ),
        advance("r2", 1, approvals=[ApprovalChange("a1", "p", "pending", {})]),
        advance("r2", 2, approvals=[ApprovalChange("a1", "p", "approved")]),
        advance("r3", 1, owner=None, summary=summary("waiting"), children=[new_run("c1")]),
        finish("r4", outbox=[signal("r1", "o")]),
        Admit("q0", "w1", START, **limits),
        Claim(
            "r1", "p", 1, 1, {"pot": 1.0}, [Cap("pot", 2.0, 0.0, "flow", START), Cap("pot", 2.0, since=START)]
        ),
        advance("r1", 2, released=[("p", 1), ("q", 1)], charges=[Charge(START, "flow", "m", 1.0)]),
        Claim("r5", "p", 1, 1, {"pot": 1.0}),
        finish("r5"),
        TakeTurns("t", START, 1, 1.0),
        Prune("flow", START + 9, 100, START),
        Prune("flow", None, None, START, events_before=START + 9, keep_events=5),
    )


def _read_everything(store: SQLiteStore) -> None:
    statuses = (None, "queued", "running", "waiting", "succeeded", "failed", "canceled")
    filters = [
        RunFilter(workflow, status, since, until)
        for workflow in (None, "flow")
        for status in statuses
        for since in (None, START)
        for until in (None, START + 9)
    ]
    for where in filters:
        for cursor in (None, f"{START}_5"):
            store.runs(where, 5, cursor)
    for state in (None, "received", "duplicate"):
        for workflow in (None, "flow"):
            for cursor in (None, "5"):
                store.events(state, workflow, 5, cursor)
    store.events(None, None, 5, None, EventFilter("t", START, START + 9, "k", "failed", True))
    for status in (None, "pending", "approved"):
        for cursor in (None, "5"):
            store.approvals(status, 5, cursor)
    reads: list[Callable[[], object]] = [
        lambda: store.run("r1"),
        lambda: store.history("r1"),
        lambda: store.event("e1"),
        lambda: store.definition("v1"),
        store.last_versions,
        lambda: store.approval("a1"),
        lambda: store.due_timers(START, 5),
        store.next_timer,
        lambda: store.signals("r1"),
        lambda: store.signalled_runs(5),
        lambda: store.abandoned_runs(5),
        lambda: store.queued_keys(5),
        lambda: store.queued_run("k0"),
        store.open_runs,
        lambda: store.due_gatherings(START, 5),
        store.next_gathering,
        store.gatherings,
        lambda: store.gathered("g1", 5),
        lambda: store.spent("flow", START),
        lambda: store.spent(None, START),
        lambda: store.costs(START, START),
        lambda: store.highest("m", START),
        lambda: store.next_turn("t"),
        lambda: store.kept("k", START),
        lambda: store.seen("hook", ["a", "b"]),
        lambda: store.cursor("c"),
        lambda: store.setting("s", lambda: "x"),
    ]
    for read in reads:
        read()


def test_no_query_walks_through_what_is_over(store: SQLiteStore, recorder: Recorder, tmp_path: Path) -> None:
    _write_everything(store)
    _read_everything(store)
    once = {sql for migration in schema.MIGRATIONS for sql in schema.statements(migration)}
    written = [sql for sql in recorder.statements if sql not in once]
    explained = [sql for sql in written if re.match("SELECT|INSERT|UPDATE|DELETE", sql)]
    assert len(explained) > 100, "the statements were recorded"
    bad: list[str] = []
    with closing(sqlite3.connect(tmp_path / "hookline.db")) as db:
        for sql in explained:
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", recorder.statements[sql])]
            walks = [step for step in plan if re.match(rf"SCAN ({BIG})\b", step)]
            sorts = [step for step in plan if "TEMP B-TREE" in step]
            towards_limit = "DESC LIMIT ?" in sql and not sorts
            # The queued alone are in this index; their keys are read from it without a table row.
            of_the_queued = walks == ["SCAN runs USING COVERING INDEX runs_queued"]
            if (walks and not (towards_limit or of_the_queued)) or (
                sorts and re.search(rf"\bFROM ({BIG})\b", sql) and "signals" not in sql
            ):
                bad.append(f"{sql}\n    {plan}")
    assert bad == []


def test_each_of_many_rows_is_found_by_an_index(
    store: SQLiteStore, recorder: Recorder, tmp_path: Path
) -> None:
    _write_everything(store)
    of_many = [sql for sql in recorder.statements if re.search(r"VALUES \([?,]+\),", sql)]
    found = {
        name
        for sql in of_many
        for name in re.findall(r"^(?:SELECT|DELETE|UPDATE).*?(?:FROM|UPDATE) (\w+)", sql)
    }
    assert found >= {"claims", "dedupe", "events", "runs", "signals", "timers"}, "over several rows at once"
    with closing(sqlite3.connect(tmp_path / "hookline.db")) as db:
        tables = "|".join(row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
        for sql in of_many:
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", recorder.statements[sql])]
            assert not [step for step in plan if re.match(rf"SCAN ({tables})\b", step)], f"{sql}\n    {plan}"


def test_the_indexes_are_used_for_what_they_are_for(
    store: SQLiteStore, recorder: Recorder, tmp_path: Path
) -> None:
    _write_everything(store)
    _read_everything(store)
    used: set[str] = set()
    with closing(sqlite3.connect(tmp_path / "hookline.db")) as db:
        for sql, values in recorder.statements.items():
            if re.match("SELECT|UPDATE|DELETE", sql):
                plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values))
                used.update(re.findall(r"INDEX (\w+)", plan))
        query = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        made = {row[0] for row in db.execute(query)}
    assert made - used == set(), "an index that nothing uses only costs"
