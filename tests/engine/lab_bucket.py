"""An object store for large values that is as slow, or as broken, as a test wants it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from engine_lab import Lab, LabMaker

from hookline.engine import engine as engines
from hookline.store.artifacts import ArtifactStore, Stored
from hookline.store.port import StoreUnavailable

LARGE_BYTES = 4096
LARGE = "x" * (LARGE_BYTES + 1)
"""A value that leaves its chunk, in labs of this module."""


class Bucket(ArtifactStore):
    """A folder behind two gates; whoever comes to a closed one waits.

    Attributes:
        fails: Nothing can be kept or read.
        asked: How often somebody wanted to keep or read something.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.saving = threading.Event()
        self.reading = threading.Event()
        self.fails = False
        self.asked = 0
        self.open()

    def open(self) -> None:
        self.saving.set()
        self.reading.set()

    def _pass(self, gate: threading.Event) -> None:
        self.asked += 1
        assert gate.wait(60), "the gate was never opened"
        if self.fails:
            raise StoreUnavailable("the bucket does not answer")

    def save(self, content: bytes) -> Stored:
        self._pass(self.saving)
        return super().save(content)

    def read(self, sha256: str, max_bytes: int | None = None) -> bytes:
        self._pass(self.reading)
        return super().read(sha256, max_bytes)


class Remote:
    """Labs whose large values are in a bucket."""

    def __init__(self, labs: LabMaker, monkeypatch: pytest.MonkeyPatch) -> None:
        self._labs = labs
        self.bucket = Bucket(labs.folder / "bucket")
        monkeypatch.setattr(engines, "open_artifacts", lambda settings: self.bucket)
        monkeypatch.setattr(engines, "REMOTE_SPILL_BYTES", LARGE_BYTES)

    def lab(self, **options: Any) -> Lab:
        return self._labs(environment={"HOOKLINE_ARTIFACTS_URL": "s3://bucket/x"}, **options)

    def again(self, lab: Lab) -> Lab:
        """Another engine on the same database, after the first was stopped."""
        return self._labs.again(lab, environment={"HOOKLINE_ARTIFACTS_URL": "s3://bucket/x"})
