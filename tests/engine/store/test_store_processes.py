"""Several processes on one SQLite file, and processes that are killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from store_program import STEPS, unit

from hookline.store.port import Chunk, Fenced, Outcome, RunFilter, Store, Unit
from hookline.store.sqlite import SQLiteStore
from hookline.testing.store_contract.kit import write_alone

PROGRAM = Path(__file__).with_name("store_program.py")

pytestmark = pytest.mark.faults


@contextmanager
def program(path: Path, worker: str, runs: int, *more: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(path), worker, str(runs), *more],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def lines(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.split()


@contextmanager
def opened(path: Path, worker: str = "tester") -> Iterator[SQLiteStore]:
    store = SQLiteStore(path, worker)
    try:
        yield store
    finally:
        store.close()


def check_nothing_lost(store: Store, written: list[tuple[str, int]], path: Path) -> None:
    """Everything that was answered is there, and of the rest each unit is there whole or not at all."""
    seen: dict[str, int] = {}
    for run_id, number in written:
        seen[run_id] = max(seen.get(run_id, -1), number)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = {row[0] for row in db.execute("SELECT id FROM runs")}
        assert {row[0] for row in db.execute("SELECT DISTINCT run_id FROM history")} == stored
        assert {row[0] for row in db.execute("SELECT run_id FROM events")} == stored
        assert {row[0] for row in db.execute("SELECT run_id FROM dedupe")} == stored
    assert set(seen) <= stored
    for run_id in stored:
        row = store.run(run_id)
        history = store.history(run_id)
        assert row is not None
        assert [chunk.seq for chunk in history] == list(range(len(history)))
        assert len(history) > seen.get(run_id, -1), f"{run_id} lost what was answered"
        assert (row.status == "succeeded") == (len(history) == STEPS + 1)
        timed = [timer.run_id for timer in store.due_timers(9999.0, 10_000) if timer.run_id == run_id]
        assert timed == ([run_id] if len(history) == 2 else [])


def finish_all(store: Store, runs: list[str]) -> None:
    for run_id in runs:
        row = store.run(run_id)
        assert row is not None
        number = len(store.history(run_id))
        epoch = row.epoch
        while number <= STEPS:
            made = unit(store.worker, run_id, number)
            chunk: Chunk | None = getattr(made, "chunk", None)
            assert chunk is not None
            taken: Unit = type(made)(  # the same step, under the next epoch
                **{
                    **{name: getattr(made, name) for name in made.__slots__},
                    "expected_epoch": epoch,
                    "epoch": row.epoch + 1,
                }
            )
            assert write_alone(store, taken) == [True]
            epoch = row.epoch + 1
            number += 1


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "hookline.db"
    with program(path, "p1", 120) as first, program(path, "p2", 120) as second:
        found = [*lines(first), *lines(second)]
        assert first.wait(60) == 0
        assert second.wait(60) == 0
    written = [(words[1], int(words[2])) for words in found if words[0] == "written"]
    assert len(written) == 2 * 120 * (STEPS + 1)
    with opened(path) as store:
        check_nothing_lost(store, written, path)
        assert len(store.runs(RunFilter(status="succeeded"), 500, None).rows) == 240
        assert store.open_runs() == 0


def test_the_runs_of_a_killed_process_are_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "hookline.db"
    with opened(path) as store, program(path, "p1", 100_000, "--leave-open") as process:
        written = []
        for words in lines(process):
            written.append((words[1], int(words[2])))
            if len(written) == 200:
                break
        assert store.abandoned_runs(500) == [], "its owner lives"
        refused: list[Outcome] = []
        store.submit(unit("tester", "p1-open", 1), refused.append)
        store.flush()
        assert isinstance(refused[0], Fenced)

        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        written += [(words[1], int(words[2])) for words in lines(process) if len(words) == 3]
        check_nothing_lost(store, written, path)
        running = {run.id for run in store.runs(RunFilter(status="running"), 500, None).rows}
        assert "p1-open" in running
        abandoned = store.abandoned_runs(500)
        assert set(abandoned) == running
        finish_all(store, abandoned)
        assert store.abandoned_runs(500) == []
        assert store.open_runs() == 0
        assert list((tmp_path / "hookline.db.workers").iterdir()) == [
            tmp_path / "hookline.db.workers" / "tester"
        ], "the dead worker's file is gone"


@pytest.mark.parametrize("point", ["group.written", "group.committed"])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_kill_at_a_boundary_loses_nothing(tmp_path: Path, point: str, count: int) -> None:
    path = tmp_path / "hookline.db"
    with program(path, "p1", 2000, HOOKLINE_CRASH_AT=f"{point}:{count}") as process:
        written = [(words[1], int(words[2])) for words in lines(process)]
        assert process.wait(60) == -signal.SIGKILL
    with opened(path) as store:
        check_nothing_lost(store, written, path)
        stored = sum(len(store.history(run.id)) for run in store.runs(RunFilter(), 500, None).rows)
        if count == 1:
            assert written == [], "nobody was told"
            assert (stored > 0) == (point == "group.committed")
        finish_all(store, store.abandoned_runs(500))
        check_nothing_lost(store, written, path)
        assert store.open_runs() == 0


def test_a_process_whose_disk_is_full(tmp_path: Path) -> None:
    path = tmp_path / "hookline.db"
    with program(path, "p1", 0, "--limit-file-bytes", str(600 * 1024)) as process:
        found = list(lines(process))
        assert process.wait(60) == 0
    words = {line[0]: line for line in found}
    assert words["full"][2] == "S101"
    accepted = int(words["full"][1])
    assert accepted > 0
    assert [line[1] for line in found if line[0] == "health"] == ["False", "True"]
    assert words["refused"][1] == "StoreUnavailable"
    assert words["readable"][1:] == [str(accepted), "True"], "what was accepted stays and can be read"
    assert words["kept"][1] == "True"
    with opened(path) as store:
        assert store.open_runs() == accepted
        assert len(store.history("p1-0")) == 2


def test_many_processes_make_one_file_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "hookline.db"
    with (
        program(path, "p1", 5) as one,
        program(path, "p2", 5) as two,
        program(path, "p3", 5) as three,
        program(path, "p4", 5) as four,
    ):
        processes = (one, two, three, four)
        assert [list(lines(process))[-1] for process in processes] == [["closed"]] * 4
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (20,)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "hookline.db"
    with opened(path):
        pass
    path.chmod(0o444)
    for folder in [tmp_path, *tmp_path.parents[:2]]:
        folder.chmod(0o755)
    with program(path, "p1", 1, "--user", "65534") as process:
        found = list(lines(process))
    assert found[0][:2] == ["refused", "S101"]
    assert "hookline.db" in " ".join(found[0])
