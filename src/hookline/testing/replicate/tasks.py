"""Background work that can be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Tasks"]


class Tasks:
    """A pool of threads that knows when it is idle."""

    def __init__(self, workers: int = 16) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="stand-in-task")
        self._outstanding = 0
        self._changed = threading.Condition()
        self._closed = False
        self.failures: list[BaseException] = []
        """What went wrong inside tasks: always a fault of the stand-in."""

    def submit(self, task: Callable[[], None]) -> None:
        """Run `task` soon. Ignored once stopped."""
        with self._changed:
            if self._closed:
                return
            self._outstanding += 1
        self._pool.submit(task).add_done_callback(self._finished)

    def wait_idle(self, timeout: float = 30.0) -> None:
        """Return once no task is queued or running.

        Raises:
            TimeoutError: Still busy after `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._outstanding == 0, timeout):
                raise TimeoutError(f"{self._outstanding} background tasks still busy after {timeout} s")

    def stop(self) -> None:
        """Take no more work and wait for what runs."""
        with self._changed:
            self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _finished(self, future: Future[None]) -> None:
        with self._changed:
            self._outstanding -= 1
            if not future.cancelled() and (error := future.exception()) is not None:
                self.failures.append(error)
            self._changed.notify_all()
