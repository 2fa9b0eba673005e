"""What a server's run shows while it is at work, written to a terminal as it comes."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from types import TracebackType
from typing import Any, Self

import click
import httpx

from .office import Office
from .output import on_terminal
from .progress import printable
from .remote import Remote

__all__ = ["ShownTexts"]

Json = Any

AGAIN_SECONDS = 2.0
"""After a stream that broke."""


class ShownTexts:
    """Reads on a thread of its own, which ends with the process; does nothing without a terminal."""

    def __init__(self, office: Office, run_id: str) -> None:
        self._office = office
        self._run_id = run_id
        self._news: queue.Queue[Json] = queue.Queue(maxsize=1000)
        self._over = threading.Event()
        self._path = ""

    def __enter__(self) -> Self:
        if on_terminal() and isinstance(self._office, Remote):
            threading.Thread(target=self._read, args=(self._office,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.end_line()

    def _read(self, remote: Remote) -> None:
        while not self._over.is_set():
            with contextlib.suppress(httpx.HTTPError, ValueError, RuntimeError):
                for news in remote.texts(self._run_id):
                    with contextlib.suppress(queue.Full):
                        self._news.put_nowait(news)
            self._over.wait(AGAIN_SECONDS)

    def write_for(self, seconds: float) -> None:
        """Write what comes within so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                news = self._news.get(timeout=left)
            except queue.Empty:
                return
            if self._path != news["path"] or not news["appended"]:
                self.end_line()
                self._path = news["path"]
            click.echo(click.style(printable(news["text"]), dim=True), err=True, nl=False)

    def end_line(self) -> None:
        """Begin what is written next on a line of its own."""
        if self._path:
            click.echo(err=True)
            self._path = ""
