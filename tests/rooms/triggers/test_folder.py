"""Files that appear in a directory start runs; nothing outside it is ever read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, File, Poll
from hookline.testing import FakeConnectionContext, FakeFiles, FakeTriggerContext, run_trigger

TRIGGER = import_room("triggers.folder")
SCAN = import_room("triggers._folder.scan")
CONNECTOR = import_room("connectors.folder.connector")


class Watch:
    """A project with a watched folder `in`, and a trigger that has had its first look."""

    def __init__(self, project: Path, **parameters: Any) -> None:
        self.root = project / "in"
        self.root.mkdir(exist_ok=True)
        self.parameters = {"path": "in", **parameters}
        self.ctx = FakeTriggerContext(connection=connect(project))
        self.ctx.commit(self.look())

    def look(self) -> Poll:
        found = asyncio.run(run_trigger(TRIGGER.folder, self.parameters, self.ctx))
        assert isinstance(found, Poll)
        return found

    def take(self) -> list[str]:
        """Look and commit; paths of the files that start a run."""
        poll = self.look()
        paths = {event.key: str(event.data["path"]) for event in poll.events}
        return [paths[key] for key in self.ctx.commit(poll)]

    def put(self, path: str, content: bytes = b"content") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file


def connect(project: Path, roots: str = "") -> Any:
    settings = {"HOOKLINE_PROJECT_DIR": str(project)}
    return CONNECTOR.connect(FakeConnectionContext("folder", settings=settings), roots=roots)


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def test_a_file_is_taken_when_two_looks_find_it_the_same(watch: Watch) -> None:
    file = watch.put("scan.pdf", b"first")
    assert watch.take() == []
    file.write_bytes(b"first half, second half")
    assert watch.take() == []
    assert watch.take() == ["scan.pdf"]
    assert watch.take() == []
    assert watch.take() == []


def test_the_bytes_are_kept_even_if_the_file_goes_away(watch: Watch) -> None:
    file = watch.put("2026/Grüße.tar.gz", b"content")
    watch.take()
    (event,) = watch.look().events
    file.unlink()
    data = dict(event.data)
    reference = File.from_json(data["file"])
    assert watch.ctx.fake_files.content(reference) == b"content"
    expected = {
        "path": "2026/Grüße.tar.gz",
        "name": "Grüße.tar.gz",
        "stem": "Grüße.tar",
        "suffix": ".gz",
        "bytes": 7,
    }
    assert {name: data[name] for name in expected} == expected
    assert reference.name == "Grüße.tar.gz"
    validator = jsonschema.Draft202012Validator(TRIGGER.folder.output_schema, registry=Registry())
    validator.validate(data)
    validator.validate(dict(TRIGGER.folder.sample))


def test_a_look_that_was_lost_is_repeated_with_the_same_keys(watch: Watch) -> None:
    watch.put("a.txt")
    watch.take()
    first, second = watch.look(), watch.look()
    assert [event.key for event in first.events] == [event.key for event in second.events] != []
    watch.ctx.commit(first)
    assert watch.ctx.commit(second) == []


def test_a_file_that_is_written_again_is_another_event(watch: Watch) -> None:
    file = watch.put("a.txt", b"same")
    for number in range(3):
        os.utime(file, ns=(0, 1_700_000_000_000_000_000 + number))
        assert watch.take() == []
        assert watch.take() == ["a.txt"]


def test_what_was_there_before_starts_something_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "old.txt").write_bytes(b"old")
    now = Watch(tmp_path)
    assert [now.take(), now.take()] == [[], []]
    everything = Watch(tmp_path, start_from="all")
    assert everything.take() == ["old.txt"]


def test_a_file_that_grows_during_the_first_look_is_taken_later(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "growing.bin"
    file.write_bytes(b"half")
    watch = Watch(tmp_path)
    file.write_bytes(b"half and half")
    assert [watch.take(), watch.take()] == [[], ["growing.bin"]]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["a.PDF", "b.txt", "deep/er/c.pdf", "large.pdf"]),
        ({"recursive": False}, ["a.PDF", "b.txt", "large.pdf"]),
        ({"suffix": ".pdf"}, ["a.PDF", "deep/er/c.pdf", "large.pdf"]),
        ({"suffix": [".txt", ".doc"]}, ["b.txt"]),
        ({"glob": "deep/**/*.pdf"}, ["deep/er/c.pdf"]),
        ({"glob": "*"}, ["a.PDF", "b.txt", "large.pdf"]),
        ({"max_bytes": "1KB"}, ["a.PDF", "b.txt", "deep/er/c.pdf"]),
    ],
    ids=str,
)
def test_filters(tmp_path: Path, parameters: dict[str, Any], expected: list[str]) -> None:
    watch = Watch(tmp_path, **parameters)
    for path in ("a.PDF", "b.txt", "deep/er/c.pdf", ".hidden.pdf", ".git/config.pdf"):
        watch.put(path)
    watch.put("large.pdf", b"x" * 2000)
    watch.take()
    assert sorted(watch.take()) == expected


def test_links_pipes_and_folders_are_passed_over(watch: Watch, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"secret")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key.pem").write_bytes(b"secret")
    (watch.root / "link.txt").symlink_to(secret)
    (watch.root / "folder").symlink_to(outside)
    (watch.root / "loop").symlink_to(watch.root)
    (watch.root / "dangling").symlink_to("nowhere")
    os.mkfifo(watch.root / "pipe")
    watch.put("real.txt")
    watch.take()
    assert watch.take() == ["real.txt"]
    assert b"secret" not in watch.ctx.fake_files._content.values()


def swap_for_link(file: Path, target: Path) -> None:
    file.unlink()
    file.symlink_to(target)


def swap_folder_for_link(file: Path, target: Path) -> None:
    file.parent.rename(file.parent.with_name("moved"))
    file.parent.symlink_to(target.parent)


def swap_for_pipe(file: Path, target: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def append(file: Path, target: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


@pytest.mark.parametrize(
    "happens",
    [
        swap_for_link,
        swap_folder_for_link,
        swap_for_pipe,
        append,
        lambda file, target: file.unlink(),
        lambda file, target: (
            file.parent.with_name("gone").mkdir() or file.rename(file.parent.with_name("gone") / "x")
        ),
    ],
    ids=["link", "folder link", "pipe", "append", "unlink", "rename"],
)
def test_what_changes_between_the_look_and_the_reading_is_not_taken(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Path, Path], Any]
) -> None:
    target = tmp_path / "outside" / "photo.png"
    target.parent.mkdir()
    target.write_bytes(b"secret!")
    file = watch.put("sub/photo.png", b"picture")
    watch.put("other.txt", b"other")
    watch.take()
    genuine = SCAN._open_beneath

    def late(root: Path, path: str) -> int:
        if path == "sub/photo.png":
            monkeypatch.setattr(SCAN, "_open_beneath", genuine)
            happens(file, target)
        descriptor: int = genuine(root, path)
        return descriptor

    monkeypatch.setattr(SCAN, "_open_beneath", late)
    assert watch.take() == ["other.txt"]
    assert b"secret!" not in watch.ctx.fake_files._content.values()
    assert b"picture" not in watch.ctx.fake_files._content.values()


def test_a_file_that_changes_while_it_is_read_is_taken_when_it_is_done(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = watch.put("a.bin", b"x" * 300_000)
    watch.take()
    reads: list[int] = []
    genuine = os.read

    def read(descriptor: int, size: int) -> bytes:
        piece = genuine(descriptor, size)
        if not reads:
            append(file, file)
        reads.append(len(piece))
        return piece

    monkeypatch.setattr(SCAN.os, "read", read)
    assert watch.take() == []
    assert watch.take() == []
    assert watch.take() == ["a.bin"]
    (kept,) = watch.ctx.fake_files._content.values()
    assert kept.endswith(b"more")


def test_a_file_that_may_not_be_read_is_recorded_once_and_holds_nothing_up(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = SCAN._open_beneath
    locked = {"locked.txt"}

    def guarded(root: Path, path: str) -> int:
        if path in locked:
            raise PermissionError(13, "Permission denied")
        descriptor: int = genuine(root, path)
        return descriptor

    monkeypatch.setattr(SCAN, "_open_beneath", guarded)
    monkeypatch.setattr(TRIGGER, "MAX_EVENTS", 1)
    watch.put("locked.txt")
    watch.put("open.txt")
    watch.take()
    poll = watch.look()
    assert [(event.data["path"], reason) for event, reason in poll.skipped] == [
        ("locked.txt", "it cannot be read: Permission denied")
    ]
    watch.ctx.commit(poll)
    assert watch.take() == ["open.txt"]
    again = watch.look()
    assert (again.events, again.skipped) == ([], [])
    locked.clear()
    assert watch.take() == ["locked.txt"]


def test_many_files_are_taken_in_bounded_looks(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TRIGGER, "MAX_EVENTS", 7)
    monkeypatch.setattr(TRIGGER, "MAX_PENDING", 10)
    for number in range(50):
        watch.put(f"{number:02}.txt", b"%d" % number)
    found: list[str] = []
    for _ in range(30):
        poll = watch.look()
        assert len(poll.events) <= 7
        assert len(poll.cursor["pending"]) <= 10
        paths = {event.key: str(event.data["path"]) for event in poll.events}
        found += [paths[key] for key in watch.ctx.commit(poll)]
    assert sorted(found) == [f"{number:02}.txt" for number in range(50)]


def test_a_folder_of_too_many_files_is_refused(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCAN, "MAX_ENTRIES", 5)
    for number in range(6):
        watch.put(f"{number}.txt")
    with pytest.raises(BadInput, match="more than 5"):
        watch.look()


def test_a_name_that_is_no_text_is_shown_as_well_as_it_can_be(watch: Watch) -> None:
    for name in (b"a\xff.txt", b"a\xfe.txt"):
        Path(os.fsdecode(os.path.join(os.fsencode(watch.root), name))).write_bytes(name)
    watch.take()
    poll = watch.look()
    assert {event.data["name"] for event in poll.events} <= {"a\ufffd.txt"}
    for event in poll.events:
        event.key.encode("utf-8")
    first = len(watch.ctx.commit(poll))
    total = first + sum(len(watch.take()) for _ in range(4))
    assert total == 2


@pytest.mark.parametrize(
    "path",
    ["..", "../other", "/etc", "/", "in/../..", "missing", "in/file.txt", "a\0b", ".hookline", "link-out"],
)
def test_only_the_project_may_be_watched(tmp_path: Path, path: str) -> None:
    project = tmp_path / "project"
    for each in (project / "in", project / ".hookline", tmp_path / "other"):
        each.mkdir(parents=True)
    (project / "in" / "file.txt").write_bytes(b"")
    (project / "link-out").symlink_to(tmp_path / "other")
    with pytest.raises(BadInput):
        connect(project).resolve(path)


def test_the_operator_allows_other_folders(tmp_path: Path) -> None:
    project, allowed = tmp_path / "project", tmp_path / "allowed"
    for each in (project / "in", allowed / "deep", tmp_path / "allowed-not"):
        each.mkdir(parents=True)
    (project / "link").symlink_to(allowed)
    roots = connect(project, roots=f"{allowed}:{tmp_path / 'absent'}")
    assert roots.resolve("in") == project / "in"
    assert roots.resolve(".") == project
    assert roots.resolve(str(allowed / "deep")) == allowed / "deep"
    assert roots.resolve("link") == allowed
    for path in (str(tmp_path / "allowed-not"), str(allowed / ".."), str(tmp_path)):
        with pytest.raises(BadInput):
            roots.resolve(path)
    with pytest.raises(BadInput):
        connect(project, roots="relative/path")


def test_a_folder_that_disappears_is_said_plainly(watch: Watch) -> None:
    watch.root.rmdir()
    with pytest.raises(BadInput, match="no such directory") as caught:
        watch.look()
    assert str(watch.root) in caught.value.hint
    watch.root.mkdir()
    assert watch.take() == []


@pytest.mark.parametrize("cursor", ["x", {}, {"pending": 3}], ids=str)
def test_a_broken_cursor_is_said_plainly(watch: Watch, cursor: Any) -> None:
    watch.ctx.cursor = cursor
    with pytest.raises(BadInput, match="cursor"):
        watch.look()


def test_files_are_streamed(watch: Watch) -> None:
    sizes: list[int] = []

    class Counting(FakeFiles):
        async def save(self, content: Any, *, name: str, mime: str = "") -> File:
            async for piece in content:
                sizes.append(len(piece))
            return self.put(b"", name=name)

    watch.ctx.files = Counting()
    watch.put("large.bin", b"x" * 1_000_000)
    watch.take()
    assert watch.take() == ["large.bin"]
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 256 * 1024
