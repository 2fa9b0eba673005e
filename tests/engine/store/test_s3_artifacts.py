"""The artifact store in an object store: what only it must take care of."""

from __future__ import annotations

import io
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from artifact_kit import digest, s3_client, s3_kit
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.engine.artifact_stores import open_artifacts
from hookline.engine.settings import SettingsError, load_settings
from hookline.store import s3_artifacts
from hookline.store.artifacts import ArtifactStore
from hookline.store.port import StoreUnavailable
from hookline.store.s3_artifacts import S3Artifacts, S3Place
from hookline.testing.s3 import S3Server

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("buckets")) as running:
        yield running


class Baton:
    """Lets one of several threads go on at a time, in an order that is given."""

    def __init__(self, order: Iterator[int]) -> None:
        self._order = order
        self._turn = threading.Condition()
        self._waiting: dict[int, bool] = {}
        self._running: set[int] = set()
        self.here = threading.local()

    def step(self) -> None:
        """Wait for the next turn of this thread."""
        with self._turn:
            me = self.here.name
            self._waiting[me] = False
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._waiting[me], timeout=30)
            del self._waiting[me]

    def _everybody_waits(self) -> bool:
        return set(self._waiting) >= self._running and not any(self._waiting.values())

    def run(self, *works: Callable[[], None]) -> None:
        """Run them to their ends."""

        def run(name: int, work: Callable[[], None]) -> None:
            self.here.name = name
            try:
                self.step()
                work()
            finally:
                with self._turn:
                    self._running.discard(name)
                    self._turn.notify_all()

        threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
        self._running = set(range(len(works)))
        for thread in threads:
            thread.start()
        while True:
            with self._turn:
                assert self._turn.wait_for(self._everybody_waits, timeout=30)
                if not self._running:
                    break
                names = sorted(self._running)
                self._waiting[names[next(self._order) % len(names)]] = True
                self._turn.notify_all()
        for thread in threads:
            thread.join()


class Objects:
    """The part of a boto3 client that is used, over a table; every request is one step."""

    def __init__(self, baton: Baton | None = None) -> None:
        self.table: dict[str, tuple[bytes, float]] = {}
        self.time = 2_000_000_000.0
        self._baton = baton

    def _step(self) -> None:
        if self._baton is not None:
            self._baton.step()
        self.time += 1.0

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:
        self._step()
        self.table[Key] = (Body, self.time)

    def upload_file(self, path: str, bucket: str, key: str, Config: Any) -> None:
        self.put_object(Bucket=bucket, Key=key, Body=Path(path).read_bytes())

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        self._step()
        self.table.pop(Key, None)

    def head_object(self, *, Bucket: str, Key: str) -> Any:
        self._step()
        if Key not in self.table:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        body, at = self.table[Key]
        return {
            "ContentLength": len(body),
            "LastModified": datetime.fromtimestamp(at, UTC),
            "ResponseMetadata": {
                "HTTPHeaders": {"date": format_datetime(datetime.fromtimestamp(self.time, UTC), usegmt=True)}
            },
        }

    def get_object(self, *, Bucket: str, Key: str) -> Any:
        head = self.head_object(Bucket=Bucket, Key=Key)
        return {**head, "Body": io.BytesIO(self.table[Key][0])}


def _race(folder: Path, order: Iterator[int], keepers: int) -> None:
    """Some keep a content and one removes it, request by request; in the end it must be there."""
    baton = Baton(order)
    objects = Objects(baton)
    sha256 = digest(b"picture")
    key = f"content/{sha256[:2]}/{sha256}"
    objects.table[key] = (b"picture", 1_000_000_000.0)

    def sleep(seconds: float) -> None:
        objects.time += seconds
        baton.step()

    stores = [S3Artifacts(objects, S3Place("bucket", ""), folder, sleep=sleep) for _ in range(keepers + 1)]

    def keep(store: S3Artifacts) -> Callable[[], None]:
        return lambda: store.save(b"picture") and None

    baton.run(
        lambda: stores[0].remove(sha256, 1_500_000_000.0) and None, *(keep(store) for store in stores[1:])
    )
    assert key in objects.table
    assert list(objects.table) == [key], "no mark is left"


def test_what_is_kept_while_somebody_removes_it_is_there_afterwards(tmp_path: Path) -> None:
    """Every order in which the requests of the two can come."""
    for places in itertools.combinations(range(9), 4):
        first = [int(place in places) for place in range(9)]
        _race(tmp_path, itertools.chain(first, itertools.cycle([0, 1])), 1)


@given(order=st.lists(st.integers(0, 2), max_size=20))
@settings(max_examples=25, deadline=None)
def test_what_two_keep_while_somebody_removes_it_is_there_afterwards(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "race"
    _race(folder, itertools.chain(order, itertools.cycle([0, 1, 2])), 2)


def test_the_mark_of_a_dead_process_holds_nobody_up_for_long(tmp_path: Path) -> None:
    objects = Objects()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        objects.time += seconds

    store = S3Artifacts(objects, S3Place("bucket", "p/"), tmp_path, sleep=sleep)
    sha256 = digest(b"picture")
    objects.put_object(Bucket="bucket", Key=f"p/removing/{sha256[:2]}/{sha256}", Body=b"")
    store.save(b"picture")
    assert 0 < sum(slept) <= s3_artifacts.STALE_MARK_SECONDS
    assert list(objects.table) == [f"p/content/{sha256[:2]}/{sha256}"]


def test_the_folder_does_not_grow_without_end(server: S3Server, tmp_path: Path) -> None:
    kit = s3_kit(server, s3_client(server), "evicting", tmp_path / "cache", cache_bytes=800_000)
    contents = [bytes([number]) * 100_000 for number in range(20)]
    for content in contents:
        stored = kit.store.save(content)
        for path in (tmp_path / "cache").glob("??/*"):
            # As if each had been used two hours before the next.
            at = path.stat().st_mtime - 7200
            os.utime(path, (at, at))
    cached = sum(path.stat().st_size for path in (tmp_path / "cache").glob("??/*"))
    assert 100_000 <= cached <= 900_000
    assert kit.store.path(stored.sha256).exists()
    for content in contents:
        assert kit.store.read(digest(content)) == content


def test_what_was_used_lately_is_not_taken_away(server: S3Server, tmp_path: Path) -> None:
    kit = s3_kit(server, s3_client(server), "using", tmp_path / "cache", cache_bytes=8)
    paths = [kit.store.path(kit.store.save(bytes([number]) * 100).sha256) for number in range(5)]
    assert all(path.exists() for path in paths)


@pytest.mark.parametrize(
    "read",
    [
        lambda store, sha256: store.path(sha256).read_bytes(),
        lambda store, sha256: b"".join(store.pieces(sha256)),
    ],
)
def test_a_copy_that_is_taken_away_when_it_was_just_found_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[S3Artifacts, str], bytes]
) -> None:
    store = S3Artifacts(Objects(), S3Place("bucket", ""), tmp_path)
    sha256 = store.save(b"picture").sha256
    path, found = ArtifactStore.path, []

    def evicted(self: ArtifactStore, sha256: str) -> Path:
        at = path(self, sha256)
        if not found:
            # Somebody else makes room in the folder.
            found.append(at)
            at.unlink()
        return at

    monkeypatch.setattr(ArtifactStore, "path", evicted)
    assert read(store, sha256) == b"picture"
    assert found


def test_a_damaged_copy_in_the_folder_is_fetched_again(server: S3Server, tmp_path: Path) -> None:
    kit = s3_kit(server, s3_client(server), "mending", tmp_path / "cache")
    stored = kit.store.save(b"picture")
    kit.store.path(stored.sha256).write_bytes(b"damaged")
    assert kit.store.read(stored.sha256) == b"picture"


def test_a_store_that_cannot_be_reached_is_unavailable(server: S3Server, tmp_path: Path) -> None:
    client = s3_client(server)
    store = S3Artifacts(client, S3Place.parse("s3://no-such-bucket/x"), tmp_path)
    for work in (
        lambda: store.save(b"x"),
        lambda: list(store.listed()),
    ):
        with pytest.raises(StoreUnavailable):
            work()


@pytest.mark.parametrize("url", ["", "s3://", "s3:///x", "https://b/x", "s3:b/x", "s3://b/x?versionId=1"])
def test_only_an_address_of_a_bucket_will_do(url: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        S3Place.parse(url)


def test_the_settings_name_the_place(server: S3Server, tmp_path: Path) -> None:
    server.create_bucket("from-settings")
    variables = {**server.environment, "HOOKLINE_ARTIFACTS_URL": "s3://from-settings/some/where/"}
    store = open_artifacts(load_settings(tmp_path, environment=variables))
    stored = store.save(b"picture")
    sha256 = stored.sha256
    assert (server.root / "from-settings/some/where/content" / sha256[:2] / sha256).read_bytes() == b"picture"
    with pytest.raises(SettingsError, match="artifacts_url"):
        open_artifacts(load_settings(tmp_path, environment={"HOOKLINE_ARTIFACTS_URL": "file:x"}))
