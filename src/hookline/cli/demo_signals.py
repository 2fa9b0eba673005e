"""Signals while the demonstration runs: whatever is sent to it, everything it started is stopped.

Signals reach the main thread only. In another one these functions do nothing, and the caller has to
see to an orderly end.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

__all__ = ["Signals", "Stopped", "clean_up_undisturbed"]


class Stopped(BaseException):
    """A signal asks for the end; `code` is the exit code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class Signals:
    """Makes Ctrl-C, a polite kill, the end of the terminal and the deadline raise `Stopped`.

    Args:
        deadline: Seconds from `caught` on.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._is_held = False
        self._kept: Stopped | None = None

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Raise `Stopped` in this block.

        Raises:
            Stopped: A signal came, or the deadline passed.
        """
        if not _is_main_thread():
            yield
            return

        def ended(number: int, frame: object) -> None:
            self._stop(Stopped(128 + number, f"Interrupted ({signal.Signals(number).name})."))

        def late(number: int, frame: object) -> None:
            self._stop(Stopped(1, f"The demonstration was not through after {self._deadline:.0f} s."))

        handlers = {signal.SIGTERM: ended, signal.SIGHUP: ended, signal.SIGINT: ended, signal.SIGALRM: late}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        signal.setitimer(signal.ITIMER_REAL, self._deadline)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the first signal until the end of this block; the second one raises at once.

        An exception while a program is being started would leave it running with nobody who knows it.
        """
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._kept is not None:
            raise self._kept

    def met(self) -> None:
        """The deadline was met: only signals from outside stop from here on."""
        if _is_main_thread():
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _stop(self, stopped: Stopped) -> None:
        if self._is_held and self._kept is None:
            self._kept = stopped
            return
        raise stopped


def clean_up_undisturbed(seconds: float) -> None:
    """From here on nothing but slowness interrupts, so that everything is stopped.

    Args:
        seconds: What stopping one part may take, before `Stopped` is raised and the next one follows.
    """
    if not _is_main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def slow(number: int, frame: object) -> None:
        raise Stopped(1, f"A part did not stop within {seconds:.0f} s.")

    signal.signal(signal.SIGALRM, slow)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
