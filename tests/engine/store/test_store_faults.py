"""A SQLite file that is full, damaged, foreign, newer, or locked; and a writer that is in trouble."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hookline.store.port import (
    Accept,
    CorruptStore,
    Outcome,
    Prune,
    RunFilter,
    StoreError,
    StoreUnavailable,
)
from hookline.store.sqlite import SQLiteStore
from hookline.testing.store_contract.kit import (
    accept,
    advance,
    chunk,
    finish,
    incoming,
    new_run,
    write_alone,
    write_together,
)

pytestmark = pytest.mark.faults

START = 1000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "hookline.db"


@pytest.fixture
def open_store(path: Path) -> Iterator[Callable[..., SQLiteStore]]:
    opened: list[SQLiteStore] = []

    def make(worker: str = "w1", busy_seconds: float = 0.05) -> SQLiteStore:
        opened.append(SQLiteStore(path, worker, lambda: START, busy_seconds=busy_seconds))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def big_run(number: int) -> Accept:
    run = new_run(f"r{number}", owner="w1", chunk=chunk(0, body="x" * 4000))
    return accept(incoming(f"e{number}", run))


# A disk that is full ------------------------------------------------------------------------------


def test_a_full_disk_refuses_intake_and_keeps_the_rest(open_store: Callable[..., SQLiteStore]) -> None:
    store = open_store()
    store.limit_pages(120)
    accepted = 0
    while isinstance(answer := write_alone(store, big_run(accepted))[0], list):
        accepted += 1
    assert isinstance(answer, StoreUnavailable)
    assert accepted > 5
    assert not store.health().ok
    assert "full" in store.health().reason
    assert store.open_runs() == accepted, "what was accepted can be read"

    kept: list[Outcome] = []
    large = "y" * 40_000
    store.submit(advance("r0", chunk=chunk(1, body=large)), kept.append)
    store.submit(advance("r0", chunk=chunk(2, body=large)), kept.append)
    refused = write_together(store, big_run(900), big_run(901))
    assert [type(outcome) for outcome in refused] == [StoreUnavailable] * 2
    assert kept == []

    store.limit_pages(1 << 30)
    store.flush()
    assert kept == [True, True]
    assert store.health().ok
    assert [piece.seq for piece in store.history("r0")] == [0, 1, 2]
    assert isinstance(write_alone(store, big_run(accepted))[0], list)


def test_health_comes_back_without_anyone_asking(open_store: Callable[..., SQLiteStore]) -> None:
    """With readiness false nobody sends anything, so the store must find out by itself."""
    store = open_store()
    store.limit_pages(120)
    number = 0
    while isinstance(write_alone(store, big_run(number))[0], list):
        number += 1
    assert not store.health().ok
    store.limit_pages(1 << 30)
    store.flush()
    assert store.health().ok


def test_a_bad_unit_among_kept_ones_hurts_only_itself(
    open_store: Callable[..., SQLiteStore], path: Path
) -> None:
    store = open_store()
    write_alone(store, big_run(0), big_run(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers: list[Outcome] = []
        store.submit(advance("r0", 1), answers.append)
        store.submit(advance("r1", 1, children=[new_run("r0")]), answers.append)
        store.submit(advance("r0", 2), answers.append)
        assert isinstance(write_alone(store, big_run(2))[0], StoreUnavailable)
        other.execute("ROLLBACK")
        store.flush()
    assert [type(outcome) for outcome in answers] == [bool, StoreError, bool]
    assert store.health().ok


# A database that another process has --------------------------------------------------------------


def test_locked_for_longer_than_we_wait(open_store: Callable[..., SQLiteStore], path: Path) -> None:
    store = open_store()
    write_alone(store, big_run(0))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert isinstance(write_alone(store, big_run(1))[0], StoreUnavailable)
        assert "locked" in store.health().reason
        with pytest.raises(StoreUnavailable, match="locked"):
            store.setting("secret", lambda: "x")
        assert store.run("r0") is not None, "reading goes on"
        other.execute("ROLLBACK")
    store.flush()
    assert store.health().ok
    assert isinstance(write_alone(store, big_run(1))[0], list)


def test_locked_for_less_than_we_wait(open_store: Callable[..., SQLiteStore], path: Path) -> None:
    store = open_store(busy_seconds=30.0)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers: list[Outcome] = []
        store.submit(big_run(0), answers.append)
        assert answers == []
        other.execute("ROLLBACK")
        store.flush()
    assert isinstance(answers[0], list)
    assert store.health().ok


def test_a_reader_in_the_middle_of_its_work_holds_nobody_up(
    open_store: Callable[..., SQLiteStore], path: Path
) -> None:
    store = open_store()
    write_alone(store, big_run(0))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (1,)
        assert isinstance(write_alone(store, big_run(1))[0], list)
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    assert store.open_runs() == 2


# Files that cannot be used ------------------------------------------------------------------------


def _made(open_store: Callable[..., SQLiteStore], runs: int = 60) -> None:
    store = open_store("maker")
    write_together(store, *(big_run(number) for number in range(runs)))
    store.close()


def _refused(open_store: Callable[..., SQLiteStore], path: Path, match: str) -> None:
    before = path.read_bytes()
    with pytest.raises(CorruptStore, match=match) as caught:
        open_store("w2")
    assert caught.value.code == "S102"
    assert path.name in str(caught.value)
    assert path.read_bytes() == before, "it is left as it is"


def test_not_a_database(open_store: Callable[..., SQLiteStore], path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"# my notes\n" * 2000)
    _refused(open_store, path, "not a database")


def test_another_programs_database(open_store: Callable[..., SQLiteStore], path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (text)")
    _refused(open_store, path, "another program")


def test_a_newer_version(open_store: Callable[..., SQLiteStore], path: Path) -> None:
    _made(open_store)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    _refused(open_store, path, "newer version.*99")


def test_a_damaged_page(open_store: Callable[..., SQLiteStore], path: Path) -> None:
    _made(open_store)
    with closing(sqlite3.connect(path)) as db:
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'history'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(os.urandom(4096))
    _refused(open_store, path, "damaged")


@pytest.mark.parametrize("kept", [100, 4096 * 3, -4096 * 7])
def test_a_truncated_file(open_store: Callable[..., SQLiteStore], path: Path, kept: int) -> None:
    _made(open_store)
    os.truncate(path, kept if kept > 0 else path.stat().st_size + kept)
    _refused(open_store, path, "damaged")


def test_a_folder_in_the_place_of_the_file(open_store: Callable[..., SQLiteStore], path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreUnavailable, match=r"hookline\.db"):
        open_store()


def test_a_file_in_the_place_of_the_folder(open_store: Callable[..., SQLiteStore], path: Path) -> None:
    path.parent.write_text("x")
    with pytest.raises(StoreUnavailable, match=r"hookline\.db"):
        open_store()


def test_a_worker_name_in_use(open_store: Callable[..., SQLiteStore]) -> None:
    open_store("same")
    with pytest.raises(StoreUnavailable):
        open_store("same")


def test_damage_that_shows_while_writing_ends_writing(
    open_store: Callable[..., SQLiteStore], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged database is not touched any further, and everyone is told."""
    _made(open_store)
    store = open_store("w1")
    with closing(sqlite3.connect(path)) as db:
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'history'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with closing(sqlite3.connect(path)) as db:
        # Another process's write: what the store has in its cache is out of date.
        db.execute("INSERT INTO settings VALUES ('a', 'b')")
        db.commit()
    answers = write_together(store, *(big_run(number) for number in range(100, 105)))
    assert {type(answer) for answer in answers} == {CorruptStore}
    assert not store.health().ok
    assert "backup" in store.health().reason
    assert isinstance(write_alone(store, advance("r1", 1))[0], CorruptStore)
    assert isinstance(write_alone(store, big_run(200))[0], StoreError)
    store.flush()
    with pytest.raises(CorruptStore):
        store.history("r1")
    assert "S102" in caplog.text


# A writer in trouble ------------------------------------------------------------------------------


def test_a_writer_that_dies_is_noticed(
    open_store: Callable[..., SQLiteStore],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_store()
    write_alone(store, big_run(0))

    def die() -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(store._writer, "_gather", die)
    write_alone(store, big_run(1))
    answers = write_alone(store, advance("r0", 1), big_run(2))
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2
    store.flush()
    assert not store.health().ok
    assert "a fault of ours" in store.health().reason
    assert "died" in caplog.text
    store.close()


def test_even_exiting_from_a_callback_does_not_stop_the_writer(
    open_store: Callable[..., SQLiteStore],
) -> None:
    store = open_store()

    def leave(_: Outcome) -> None:
        raise SystemExit

    store.submit(big_run(0), leave)
    assert isinstance(write_alone(store, big_run(1))[0], list)


def test_submitting_while_closing_always_gets_an_answer(open_store: Callable[..., SQLiteStore]) -> None:
    store = open_store()
    write_alone(store, big_run(0))
    answered = [0, 0, 0]
    submitted = [0, 0, 0]
    begun = threading.Barrier(4)

    def submit(index: int) -> None:
        def done(_: Outcome) -> None:
            answered[index] += 1

        begun.wait()
        for _ in range(300):
            submitted[index] += 1
            store.submit(advance("nobody", 1), done)

    threads = [threading.Thread(target=submit, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    begun.wait()
    store.close()
    for thread in threads:
        thread.join()
    store.flush()
    assert answered == submitted == [300, 300, 300]


def test_threads_leave_no_connection_behind(open_store: Callable[..., SQLiteStore]) -> None:
    store = open_store()
    write_alone(store, big_run(0))

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    store.run("r0")
    before = open_files()
    for _ in range(50):
        thread = threading.Thread(target=store.run, args=("r0",))
        thread.start()
        thread.join()
    assert open_files() == before
    store.close()
    assert open_files() < before


# The file -----------------------------------------------------------------------------------------


def test_the_file_shrinks_after_pruning(open_store: Callable[..., SQLiteStore], path: Path) -> None:
    store = open_store()
    for start in range(0, 400, 100):
        write_together(store, *(big_run(number) for number in range(start, start + 100)))
        write_together(store, *(finish(f"r{number}", at=START) for number in range(start, start + 100)))
    store.close()
    full = path.stat().st_size
    store = open_store("w2")
    while write_alone(store, Prune("flow", None, 10, START, limit=50))[0].runs:
        pass
    store.close()
    assert len(open_store("w3").runs(RunFilter(), 500, None).rows) == 10
    assert path.stat().st_size < full / 5


def test_opening_again_keeps_everything_and_changes_nothing(
    open_store: Callable[..., SQLiteStore], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _made(open_store, 3)
    before = path.read_bytes()
    for worker in ("a", "b"):
        store = open_store(worker)
        assert store.open_runs() == 3
        store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert len(path.read_bytes()) == len(before)
    assert not (path.parent / "hookline.db-wal").exists(), "the last one to close leaves one file"
    assert caplog.text == ""
