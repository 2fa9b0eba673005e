"""What is kept as claimed under a name is the sum of its claims, whatever happened to them."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_workers import MemoryWorkers, SQLiteWorkers

from hookline.store.memory import MemoryStore
from hookline.store.port import Accept, Cap, Claim, Store, StoreError, Unit
from hookline.testing.store_contract import ContractClock
from hookline.testing.store_contract.kit import (
    START,
    Workers,
    accept,
    advance,
    incoming,
    new_run,
    summary,
    write_together,
)

RUNS, PATHS, NAMES = ("r1", "r2", "r3"), ("p", "q"), ("usd", "usd/run/r1", "place")
AMOUNTS = (0.0, 1e-12, 0.1, 1 / 3, 1.0, 1234.56789, 1e30)

_attempt = st.tuples(st.sampled_from(RUNS), st.sampled_from(PATHS), st.integers(1, 2))
_step = (
    st.tuples(st.just("claim"), _attempt, st.dictionaries(st.sampled_from(NAMES), st.sampled_from(AMOUNTS)))
    | st.tuples(st.just("capped"), _attempt, st.dictionaries(st.sampled_from(NAMES), st.just(0.1)))
    | st.tuples(st.just("release"), _attempt)
    | st.tuples(st.just("finish"), st.sampled_from(RUNS))
    | st.just(("broken",))
)
_groups = st.lists(st.lists(_step, min_size=1, max_size=12) | st.just("reopen"), max_size=8)


def unit(step: tuple[Any, ...], number: int) -> Unit:
    """A unit that makes or ends claims, or one that no store can write: its group goes on without it."""
    match step:
        case ("claim", (run, path, attempt), amounts):
            return Claim(run, path, attempt, 1, amounts)
        case ("capped", (run, path, attempt), amounts):
            return Claim(run, path, attempt, 1, amounts, [Cap(name, 0.5) for name in amounts])
        case ("release", (run, path, attempt)):
            return advance(run, None, owner=None, released=[(path, attempt)])
        case ("finish", run):
            return advance(run, None, owner=None, summary=summary("failed", finished_at=START))
    return Accept([incoming(f"broken {number}", data=object())])


def kept_and_summed(store: Store, path: Path | None) -> tuple[dict[str, int], dict[str, int]]:
    """What the store has of each name, and what its claims come to."""
    if path is None:
        assert isinstance(store, MemoryStore)
        tables = store.database.tables
        summed: Counter[str] = Counter()
        for claims in tables.claims.values():
            assert claims, "nothing is kept of a run without claims"
            for (_, _, name), amount in claims.items():
                summed[name] += amount
        assert all(tables.claimed.values()), "nothing is kept of a name of which nothing is claimed"
        return tables.claimed, {name: amount for name, amount in summed.items() if amount}
    with closing(sqlite3.connect(path)) as db:
        kept = db.execute("SELECT name, amount, count FROM claimed ORDER BY name").fetchall()
        sums = "SELECT name, sum(amount), count(*) FROM claims GROUP BY name ORDER BY name"
        assert kept == db.execute(sums).fetchall()
        types = "SELECT DISTINCT typeof(amount) FROM claims UNION SELECT typeof(amount) FROM claimed"
        assert {kind for (kind,) in db.execute(types)} <= {"integer"}
        return {}, {}


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=60, deadline=None)
@given(groups=_groups)
def test_the_total_is_the_sum(kind: str, groups: list[Any]) -> None:
    clock = ContractClock()
    with tempfile.TemporaryDirectory() as folder:
        sqlite = SQLiteWorkers(clock, Path(folder)) if kind == "sqlite" else None
        workers: Workers = sqlite if sqlite is not None else MemoryWorkers(clock)
        store = workers.start("w0")
        write_together(store, *(accept(incoming(f"e {run}", new_run(run, owner="w0"))) for run in RUNS))
        # Nobody's: whoever opens the database next goes on with them.
        write_together(store, *(advance(run, None, owner=None) for run in RUNS))
        for number, group in enumerate(groups):
            if group == "reopen":
                workers.kill(store)
                store = workers.start(f"w{number + 1}")
            else:
                answers = write_together(store, *(unit(step, number) for step in group))
                for step, answer in zip(group, answers, strict=True):
                    assert step[0] != "broken" or isinstance(answer, StoreError)
            kept, summed = kept_and_summed(store, sqlite.path if sqlite is not None else None)
            assert kept == summed
        if sqlite is not None:
            sqlite.close()
        else:
            workers.kill(store)
