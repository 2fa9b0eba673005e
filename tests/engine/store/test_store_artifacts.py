"""The artifact store: by content, whole or not at all, checked when read."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hookline.store.artifacts import ArtifactMissing, ArtifactStore
from hookline.store.port import StoreUnavailable

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
