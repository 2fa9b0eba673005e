"""Which workers of a shared SQLite file are alive: each holds a lock on a file of its own.

The operating system gives a lock back when its process dies, however it dies, so a run whose
owner was killed can be taken over at once and without guessing from heartbeats. SQLite is used
on one machine only, so one machine's locks are enough.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

__all__ = ["WorkerLocks"]


class WorkerLocks:
    """The lock files beside one database; `name` is this process's own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)
        self._own = os.open(folder / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._dead: set[str] = set()

    def is_alive(self, worker: str) -> bool:
        """Whether a worker's process still exists."""
        if worker == self.name:
            return True
        if worker in self._dead:
            return False
        try:
            descriptor = os.open(self._folder / worker, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            self._dead.add(worker)
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            # Names are never used twice, so a lock that could be taken will stay free.
            self._dead.add(worker)
            with contextlib.suppress(FileNotFoundError):
                (self._folder / worker).unlink()
            return False
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Give this worker's lock up: from now on it counts as dead."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / self.name).unlink()
        os.close(self._own)
