"""What becomes of a file once its run has succeeded, and how long it is watched before it is taken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.testing import FakeClock

from .test_folder import SCAN, Watch

DISPOSE = import_room("triggers._folder.dispose")


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def taken(watch: Watch) -> list[str]:
    """Look until what is there has been taken; the keys of the files."""
    watch.take()
    poll = watch.look()
    return watch.ctx.commit(poll)


def finish(watch: Watch, status: str = "succeeded") -> None:
    watch.ctx.statuses = dict.fromkeys(watch.ctx.keys, status)


def test_a_file_is_moved_once_its_run_has_succeeded_and_starts_nothing_again(tmp_path: Path) -> None:
    watch = Watch(tmp_path, after="move")
    watch.put("a.txt")
    watch.put("deep/b.txt")
    assert len(taken(watch)) == 2
    finish(watch, "running")
    assert watch.take() == []
    assert names(watch.root) == ["a.txt", "deep/b.txt"]
    finish(watch)
    assert watch.take() == []
    assert names(watch.root) == ["done/a.txt", "done/deep/b.txt"]
    assert watch.ctx.cursor == {"pending": {}}
    assert [watch.take() for _ in range(3)] == [[], [], []]


def test_a_file_is_deleted_once_its_run_has_succeeded(tmp_path: Path) -> None:
    watch = Watch(tmp_path, after="delete")
    watch.put("a.txt")
    assert taken(watch)
    finish(watch)
    watch.take()
    assert names(watch.root) == []


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_after_a_failure_it_stays_until_the_run_is_resumed(tmp_path: Path, status: str) -> None:
    watch = Watch(tmp_path, after="delete")
    watch.put("a.txt")
    assert taken(watch)
    finish(watch, status)
    assert [watch.take() for _ in range(2)] == [[], []]
    assert names(watch.root) == ["a.txt"]
    finish(watch)
    watch.take()
    assert names(watch.root) == []


def test_what_was_written_anew_meanwhile_is_kept_and_taken(tmp_path: Path) -> None:
    watch = Watch(tmp_path, after="delete")
    watch.put("a.txt", b"first")
    assert taken(watch)
    watch.put("a.txt", b"second, longer")
    finish(watch)
    watch.take()
    assert names(watch.root) == ["a.txt"]
    assert (watch.root / "a.txt").read_bytes() == b"second, longer"
    assert watch.take() == ["a.txt"]


def test_nothing_is_replaced_where_it_is_moved_to(tmp_path: Path) -> None:
    watch = Watch(tmp_path, after="move", move_to="archive/2026")
    for content in (b"1", b"22", b"333"):
        watch.put("a.tar.gz", content)
        assert taken(watch)
        finish(watch)
        watch.take()
    assert names(watch.root) == [
        "archive/2026/a.tar (2).gz",
        "archive/2026/a.tar (3).gz",
        "archive/2026/a.tar.gz",
    ]
    assert (watch.root / "archive/2026/a.tar (3).gz").read_bytes() == b"333"


@pytest.mark.parametrize("target", ["../out", "/etc", ".", "a/../../b", ""])
def test_a_target_outside_is_said_and_loses_nothing(tmp_path: Path, target: str) -> None:
    watch = Watch(tmp_path, after="move", move_to=target)
    watch.put("a.txt", b"x")
    assert taken(watch)
    finish(watch)
    if target == "/etc":
        # Read as below the folder; slashes around it do not matter.
        watch.take()
        assert names(watch.root) == ["etc/a.txt"]
        return
    poll = watch.look()
    assert "move_to" in poll.problem
    watch.ctx.commit(poll)
    assert [path.read_bytes() for path in watch.root.iterdir()] == [b"x"]
    watch.parameters["move_to"] = "done"
    watch.take()
    assert names(watch.root) == ["done/a.txt"]


def test_a_link_in_place_of_the_target_is_not_followed(tmp_path: Path) -> None:
    watch = Watch(tmp_path, after="move")
    (tmp_path / "elsewhere").mkdir()
    (watch.root / "done").symlink_to(tmp_path / "elsewhere")
    watch.put("a.txt")
    assert taken(watch)
    finish(watch)
    assert watch.look().problem
    assert list((tmp_path / "elsewhere").iterdir()) == []


class Dies(BaseException):
    """In place of SIGKILL."""


CALLS = ("rename", "link", "unlink", "mkdir")


def dying(monkeypatch: pytest.MonkeyPatch, survived: int) -> None:
    """Let so many changes of the folder happen, and die before the next one."""
    left = survived

    def deadly(original: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Dies
            left -= 1
            return original(*arguments, **options)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, deadly(getattr(os, name)))


def dispose(root: Path, entry: Any, after: str) -> None:
    if after == "move":
        DISPOSE.move(root, entry, "done")
    else:
        DISPOSE.delete(root, entry)


@pytest.mark.parametrize(("after", "changes"), [("move", 4), ("delete", 2)])
def test_whenever_the_process_dies_the_next_look_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str, changes: int
) -> None:
    for survived in range(changes + 1):
        root = tmp_path / str(survived)
        root.mkdir()
        (root / "a.txt").write_bytes(b"content")
        (entry,) = SCAN.scan(root, recursive=True)
        with monkeypatch.context() as deadly:
            dying(deadly, survived)
            if survived < changes:
                with pytest.raises(Dies):
                    dispose(root, entry, after)
            else:
                dispose(root, entry, after)
        # Its bytes are there under one name or two, until it is done with.
        inodes = {path.stat().st_ino for path in root.rglob("*") if path.is_file()}
        assert len(inodes) == (1 if after == "move" or survived < changes else 0)
        dispose(root, entry, after)
        assert names(root) == (["done/a.txt"] if after == "move" else [])


def test_a_file_that_is_replaced_at_the_last_moment_gets_its_name_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"old")
    (entry,) = SCAN.scan(tmp_path, recursive=True)
    rename = os.rename

    def replaced(source: Any, target: Any, **options: Any) -> None:
        (tmp_path / "new").write_bytes(b"new content")
        rename(tmp_path / "new", file)
        rename(source, target, **options)

    monkeypatch.setattr(os, "rename", replaced)
    assert not DISPOSE.delete(tmp_path, entry)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.txt": b"new content"}


def test_settle_waits_for_a_while_without_changes(tmp_path: Path) -> None:
    watch = Watch(tmp_path, settle="30s")
    clock = FakeClock()
    watch.ctx.clock = clock
    file = watch.put("a.txt")
    assert watch.take() == []
    clock.advance(20)
    assert watch.take() == []
    file.write_bytes(b"more and more")
    clock.advance(20)
    assert watch.take() == []
    clock.advance(29)
    assert watch.take() == []
    clock.advance(1)
    assert watch.take() == ["a.txt"]


def test_a_cursor_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.put("a.txt")
    watch.take()
    watch.ctx.cursor = {"pending": {name: found[0] for name, found in watch.ctx.cursor["pending"].items()}}
    assert watch.take() == ["a.txt"]


def test_what_started_no_run_is_waited_for_a_day(tmp_path: Path) -> None:
    watch = Watch(tmp_path, after="delete")
    watch.ctx.clock = FakeClock()
    watch.put("a.txt")
    assert taken(watch)
    watch.take()
    assert watch.ctx.cursor["taken"]
    watch.ctx.clock.advance(86401)
    watch.take()
    assert "taken" not in watch.ctx.cursor
    assert names(watch.root) == ["a.txt"]


@pytest.mark.parametrize("path", ["a.txt", "deep/b#c:1.txt", "x\udcff.bin"])
def test_an_identity_can_be_read_back(path: str) -> None:
    entry = SCAN.Entry(path, 5, 1_700_000_000_123_456_789, 42)
    assert SCAN.Entry.read(entry.identity) == entry
