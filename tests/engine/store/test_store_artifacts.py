"""The artifact store: by content, whole or not at all, checked when read."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.store.artifacts import ArtifactMissing, ArtifactStore, ArtifactTooLarge, Stored
from hookline.store.port import CorruptStore, StoreUnavailable

PROGRAM = Path(__file__).with_name("artifact_program.py")
ONE_HOUR_AGO = (1.0, 1.0)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def kept(store: ArtifactStore) -> list[str]:
    """Every file in the store, temporary ones included."""
    return sorted(path.name for path in store.folder.rglob("*") if path.is_file())


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def test_the_same_bytes_are_kept_once(store: ArtifactStore) -> None:
    first = store.save(b"picture")
    assert first == Stored(digest(b"picture"), 7)
    assert store.save(b"picture") == first
    assert asyncio.run(store.save_stream(stream(b"pic", b"", b"ture"))) == first
    with store.writer() as writer:
        writer.write(b"picture")
    assert writer.stored == first
    assert kept(store) == [first.sha256]
    assert store.read(first.sha256) == b"picture"
    assert b"".join(store.pieces(first.sha256)) == b"picture"
    assert store.path(first.sha256).parent.name == first.sha256[:2]


def test_an_empty_content(store: ArtifactStore) -> None:
    stored = store.save(b"")
    assert stored.size == 0
    assert store.read(stored.sha256) == b""


@given(content=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 2000), max_size=5))
def test_any_bytes_in_any_pieces_come_back(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cuts: list[int]
) -> None:
    store = ArtifactStore(tmp_path_factory.getbasetemp() / "any")
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    pieces = [content[a:b] for a, b in itertools.pairwise(edges)]
    stored = asyncio.run(store.save_stream(stream(*pieces)))
    assert stored == Stored(digest(content), len(content))
    assert store.read(stored.sha256) == content


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../../etc/passwd",
        "a" * 63,
        "A" * 64,
        "g" * 64,
        "a" * 65,
        "a" * 62 + "/b",
        "a" * 63 + "\n",
        "１" * 64,
    ],
)
def test_only_a_digest_is_a_name(store: ArtifactStore, name: str) -> None:
    with pytest.raises(ArtifactMissing):
        store.path(name)
    with pytest.raises(ArtifactMissing):
        store.read(name)


def test_what_is_not_there_is_missing(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactMissing):
        store.read(digest(b"nothing"))
    with pytest.raises(ArtifactMissing):
        list(store.pieces(digest(b"nothing")))


@pytest.mark.parametrize("damage", [b"Picture", b"pictur", b"picture!", b""])
def test_damage_shows_when_it_is_read(store: ArtifactStore, damage: bytes) -> None:
    stored = store.save(b"picture")
    store.path(stored.sha256).write_bytes(damage)
    with pytest.raises(CorruptStore):
        store.read(stored.sha256)
    with pytest.raises(CorruptStore):
        list(store.pieces(stored.sha256))
    store.save(b"picture")
    assert store.read(stored.sha256) == b"picture", "saving it again mends it"


def test_more_than_is_allowed_keeps_nothing(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactTooLarge):
        asyncio.run(store.save_stream(stream(b"12345", b"6"), max_bytes=5))
    assert kept(store) == []
    stored = asyncio.run(store.save_stream(stream(b"12345"), max_bytes=5))
    assert store.read(stored.sha256, max_bytes=5) == b"12345"
    with pytest.raises(ArtifactTooLarge):
        store.read(stored.sha256, max_bytes=4)


def test_a_stream_that_breaks_off_keeps_nothing_and_says_why(store: ArtifactStore) -> None:
    """A network's error is an OSError too, and not the store's fault."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        asyncio.run(store.save_stream(broken()))
    writers = []

    def fail() -> None:
        with store.writer() as writer:
            writers.append(writer)
            writer.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert writers[0].stored == Stored("", 0)
    assert kept(store) == []


def test_a_stream_that_is_cancelled_keeps_nothing(store: ArtifactStore) -> None:
    async def main() -> None:
        half_written = asyncio.Event()

        async def stalled() -> AsyncIterator[bytes]:
            yield b"half"
            half_written.set()
            await asyncio.Event().wait()

        task = asyncio.ensure_future(store.save_stream(stalled()))
        await half_written.wait()
        assert any((store.folder / "tmp").iterdir())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert kept(store) == []


def test_many_writers_of_the_same_content(store: ArtifactStore) -> None:
    contents = [bytes([number]) * 50_000 for number in range(3)]
    begun = threading.Barrier(6)
    failures: list[BaseException] = []

    def work() -> None:
        other = ArtifactStore(store.folder)
        begun.wait()
        try:
            for content in contents * 5:
                stored = other.save(content)
                assert other.read(stored.sha256) == content
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert kept(store) == sorted(map(digest, contents))


def test_leftovers_of_a_crash_are_removed_and_nothing_else(store: ArtifactStore) -> None:
    temporary = store.folder / "tmp"
    for name in ("dead", "writing", "young"):
        (temporary / name).write_bytes(b"half")
    os.utime(temporary / "dead", ONE_HOUR_AGO)
    os.utime(temporary / "writing", ONE_HOUR_AGO)
    with (temporary / "writing").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ArtifactStore(store.folder)
    assert kept(store) == ["writing", "young"]


def test_a_file_that_is_being_written_survives_another_start(store: ArtifactStore) -> None:
    with store.writer() as writer:
        writer.write(b"slow")
        for path in (store.folder / "tmp").iterdir():
            os.utime(path, ONE_HOUR_AGO)
        ArtifactStore(store.folder)
    assert store.read(writer.stored.sha256) == b"slow"


@pytest.mark.faults
@pytest.mark.parametrize("point", ["artifact.written", "artifact.renamed"])
def test_a_kill_leaves_a_whole_artifact_or_none(store: ArtifactStore, point: str) -> None:
    content = b"x" * 100_000
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), str(store.folder), str(len(content))],
        env={**os.environ, "HOOKLINE_CRASH_AT": point},
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL
    if point == "artifact.renamed":
        assert store.read(digest(content)) == content
        return
    with pytest.raises(ArtifactMissing):
        store.read(digest(content))
    (left,) = (store.folder / "tmp").iterdir()
    os.utime(left, ONE_HOUR_AGO)
    ArtifactStore(store.folder)
    assert kept(store) == []


@pytest.mark.faults
def test_a_full_disk(store: ArtifactStore) -> None:
    small = store.save(b"small")
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), str(store.folder), "3000000", "100000"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stdout.startswith("S101 ")
    assert ended.stderr == ""
    assert kept(store) == [small.sha256]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable):
        ArtifactStore(tmp_path / "file" / "artifacts")


def test_a_folder_that_disappears(store: ArtifactStore) -> None:
    (store.folder / "tmp").rmdir()
    with pytest.raises(StoreUnavailable):
        store.save(b"x")
