"""What every artifact store must do: in a folder, and in an object store."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from artifact_kit import Kit, digest, folder_kit, s3_client, s3_kit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookline.store.artifacts import ArtifactMissing, Artifacts, ArtifactTooLarge, Stored
from hookline.store.port import CorruptStore
from hookline.testing.s3 import S3Server

_BUCKETS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("buckets")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: S3Server) -> Any:
    return s3_client(server)


@pytest.fixture(params=["folder", "s3"])
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Kit:
    if request.param == "folder":
        return folder_kit(tmp_path / "artifacts")
    server, client = request.getfixturevalue("server"), request.getfixturevalue("client")
    return s3_kit(server, client, f"bucket-{next(_BUCKETS)}", tmp_path / "cache")


@pytest.fixture
def store(kit: Kit) -> Artifacts:
    return kit.store


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def test_the_same_bytes_are_kept_once(kit: Kit) -> None:
    store = kit.store
    first = store.save(b"picture")
    assert first == Stored(digest(b"picture"), 7)
    assert store.save(b"picture") == first
    assert asyncio.run(store.save_stream(stream(b"pic", b"", b"ture"))) == first
    with store.writer() as writer:
        writer.write(b"picture")
    assert writer.stored == first
    assert kit.kept() == [first.sha256]
    assert store.read(first.sha256) == b"picture"
    assert b"".join(store.pieces(first.sha256)) == b"picture"
    assert store.path(first.sha256).read_bytes() == b"picture"
    assert store.size(first.sha256) == 7


def test_an_empty_content(store: Artifacts) -> None:
    stored = store.save(b"")
    assert stored.size == 0
    assert store.read(stored.sha256) == b""


@given(content=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 2000), max_size=5))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_in_any_pieces_come_back(kit: Kit, content: bytes, cuts: list[int]) -> None:
    store = kit.store
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    pieces = [content[a:b] for a, b in itertools.pairwise(edges)]
    stored = asyncio.run(store.save_stream(stream(*pieces)))
    assert stored == Stored(digest(content), len(content))
    kit.forget()
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
def test_only_a_digest_is_a_name(store: Artifacts, name: str) -> None:
    with pytest.raises(ArtifactMissing):
        store.path(name)
    with pytest.raises(ArtifactMissing):
        store.read(name)


def test_what_is_not_there_is_missing(store: Artifacts) -> None:
    with pytest.raises(ArtifactMissing):
        store.read(digest(b"nothing"))
    with pytest.raises(ArtifactMissing):
        list(store.pieces(digest(b"nothing")))


@pytest.mark.parametrize("damage", [b"Picture", b"pictur", b"picture!", b""])
def test_damage_shows_when_it_is_read(kit: Kit, damage: bytes) -> None:
    store = kit.store
    stored = store.save(b"picture")
    kit.damage(stored.sha256, damage)
    with pytest.raises(CorruptStore):
        store.read(stored.sha256)
    with pytest.raises(CorruptStore):
        list(store.pieces(stored.sha256))
    store.save(b"picture")
    assert store.read(stored.sha256) == b"picture", "saving it again mends it"


def test_more_than_is_allowed_keeps_nothing(kit: Kit) -> None:
    store = kit.store
    with pytest.raises(ArtifactTooLarge):
        asyncio.run(store.save_stream(stream(b"12345", b"6"), max_bytes=5))
    assert kit.kept() == []
    stored = asyncio.run(store.save_stream(stream(b"12345"), max_bytes=5))
    assert store.read(stored.sha256, max_bytes=5) == b"12345"
    with pytest.raises(ArtifactTooLarge):
        store.read(stored.sha256, max_bytes=4)


def test_a_stream_that_breaks_off_keeps_nothing_and_says_why(kit: Kit) -> None:
    """A network's error is an OSError too, and not the store's fault."""
    store = kit.store

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
    assert kit.kept() == []


def test_a_stream_that_is_cancelled_keeps_nothing(kit: Kit) -> None:
    store = kit.store

    async def main() -> None:
        half_written = asyncio.Event()

        async def stalled() -> AsyncIterator[bytes]:
            yield b"half"
            half_written.set()
            await asyncio.Event().wait()

        task = asyncio.ensure_future(store.save_stream(stalled()))
        await half_written.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert kit.kept() == []


def test_many_writers_of_the_same_content(kit: Kit) -> None:
    contents = [bytes([number]) * 50_000 for number in range(3)]
    begun = threading.Barrier(6)
    failures: list[BaseException] = []

    def work() -> None:
        other = kit.again()
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
    assert kit.kept() == sorted(map(digest, contents))


@pytest.mark.parametrize("size", [0, 1, 300_000, 9 * 1024**2])
def test_what_is_not_at_hand_is_fetched(kit: Kit, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    stored = kit.store.save(content)
    for read in (
        lambda: b"".join(kit.store.pieces(stored.sha256)),
        lambda: kit.store.path(stored.sha256).read_bytes(),
        lambda: kit.store.read(stored.sha256),
    ):
        kit.forget()
        assert read() == content
    assert kit.store.size(stored.sha256) == size


def test_everything_that_is_kept_is_listed(kit: Kit) -> None:
    begun = time.time()
    contents = [b"%d" % number for number in range(20)]
    for content in contents:
        kit.store.save(content)
    found = {each.sha256: each for each in kit.again().listed()}
    assert set(found) == set(map(digest, contents))
    assert all(found[digest(content)].size == len(content) for content in contents)
    assert all(begun - 5 < each.at < time.time() + 5 for each in found.values())


def test_what_is_removed_is_gone_and_can_be_kept_again(kit: Kit) -> None:
    stored = kit.store.save(b"picture")
    other = kit.store.save(b"other")
    later = time.time() + 60
    assert not kit.store.remove(stored.sha256, time.time() - 60)
    assert kit.store.read(stored.sha256) == b"picture"
    assert kit.store.remove(stored.sha256, later)
    assert not kit.store.remove(stored.sha256, later)
    kit.forget()
    for look in (kit.store.read, kit.store.size, kit.store.path, kit.again().read):
        with pytest.raises(ArtifactMissing):
            look(stored.sha256)
    assert kit.kept() == [other.sha256]
    kit.store.save(b"picture")
    kit.forget()
    assert kit.store.read(stored.sha256) == b"picture"


@pytest.mark.parametrize("name", ["", "..", "a" * 63, "removing", "../" * 21 + "x"])
def test_only_a_content_is_removed(kit: Kit, name: str) -> None:
    stored = kit.store.save(b"picture")
    assert not kit.store.remove(name, time.time() + 60)
    assert kit.kept() == [stored.sha256]


def test_keeping_again_counts_from_then(kit: Kit) -> None:
    """What a run re-uses is as young as if it were new."""
    stored = kit.store.save(b"picture")
    kit.grow_old(stored.sha256, 3600)
    (old,) = kit.store.listed()
    assert old.at < time.time() - 3500
    kit.store.save(b"picture")
    (young,) = kit.store.listed()
    assert young.at > time.time() - 60
    assert not kit.store.remove(stored.sha256, time.time() - 1800)
    kit.grow_old(stored.sha256, 3600)
    assert kit.store.remove(stored.sha256, time.time() - 1800)
