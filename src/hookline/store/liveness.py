"""Which workers of a shared SQLite file are alive: each holds a lock on a file of its own.

The operating system gives a lock back when its process dies, however it dies, so a run whose
owner was killed can be taken over at once and without guessing from heartbeats. SQLite is used
on one machine only, so one machine's locks are enough.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

__all__ = ["WorkerLocks"]


STALE_SECONDS = 60.0
"""Age from which the file of a dead worker is cleaned up, when nobody asks for that worker."""


class WorkerLocks:
    """The lock files beside one database; `name` is this process's own.

    Raises:
        OSError: The folder cannot be written, or another process uses the name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.name = name
        self._dead: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._own = _hold(folder / name)
        self._clean_up()

    def is_alive(self, worker: str) -> bool:
        """Whether a worker's process still exists."""
        if worker == self.name:
            return True
        if worker in self._dead:
            return False
        if _is_held(self._folder / worker):
            return True
        # Names are never used twice, so who is dead stays dead.
        self._dead.add(worker)
        with contextlib.suppress(FileNotFoundError):
            (self._folder / worker).unlink()
        return False

    def _clean_up(self) -> None:
        # A worker that was killed and owned nothing is never asked for.
        newest = time.time() - STALE_SECONDS
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.name != self.name and path.stat().st_mtime < newest and not _is_held(path):
                    path.unlink()

    def close(self) -> None:
        """Give this worker's lock up: from now on it counts as dead."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / self.name).unlink()
        os.close(self._own)


def _hold(path: Path) -> int:
    """Lock a file and keep it open."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Someone who cleans up may have removed the file before it was locked.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask at once do not take each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
