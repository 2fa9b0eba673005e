"""Servers that run as programs of their own: started, waited for, and stopped by process id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hookline.testing.ports import free_port

__all__ = ["ProcessFailedError", "ServerProcess", "start_on_free_port"]

_LOG_TAIL = 4000
_POLL_SECONDS = 0.05


class ProcessFailedError(RuntimeError):
    """A server did not become ready. The message ends with the last lines it wrote."""


class ServerProcess:
    """One program and everything it starts, in a process group of its own.

    Args:
        name: For messages.
        command: The program and its arguments.
        environment: Added to this process's own.
        directory: Where it runs.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self._name = name
        # Kept open until stop(): a pipe that nobody reads would block the program once it is full.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            list(command),
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the program has not ended."""
        return self._process.poll() is None

    def log(self) -> str:
        """The end of what the program wrote."""
        if self._log.closed:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - _LOG_TAIL)
        return os.pread(self._log.fileno(), size - start, start).decode(errors="replace")

    def wait_ready(self, probe: Callable[[], bool], timeout: float) -> None:
        """Return once `probe` says yes.

        Raises:
            ProcessFailedError: The program ended, or `timeout` seconds passed.
        """
        deadline = time.monotonic() + timeout
        while not probe():
            if not self.running:
                code = self._process.returncode
                raise ProcessFailedError(
                    f"{self._name} ended with code {code} before it was ready:\n{self.log()}"
                )
            if time.monotonic() > deadline:
                raise ProcessFailedError(f"{self._name} was not ready after {timeout} s:\n{self.log()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, grace: float = 5.0) -> None:
        """Ask the program to end; after `grace` seconds kill it. What it started goes with it."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        self.kill()

    def kill(self) -> None:
        """End the program and everything it started at once, as a crash would (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._log.close()


def start_on_free_port(
    start: Callable[[int], ServerProcess],
    ready: Callable[[ServerProcess, int], None],
    *,
    port: int | None = None,
    attempts: int = 3,
) -> tuple[ServerProcess, int]:
    """Start a program that must be told its port, again on another port when somebody else was faster.

    Args:
        start: Starts the program on a port.
        ready: Returns once the program is ready; raises `ProcessFailedError` when it will not be.
        port: Use this port and no other.

    Raises:
        ProcessFailedError: It did not become ready.
    """
    for attempt in range(1, attempts + 1):
        chosen = port if port is not None else free_port()
        process = start(chosen)
        try:
            ready(process, chosen)
        except ProcessFailedError:
            taken = "in use" in process.log().lower()
            process.stop()
            if port is not None or not taken or attempt == attempts:
                raise
        except BaseException:
            process.stop()
            raise
        else:
            return process, chosen
    raise AssertionError("unreachable: the last attempt returns or raises")
