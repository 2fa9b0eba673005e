"""One server process of the fault tests: ``fault_worker.py <options as JSON>``.

Its time passes faster than ours, the same for every process of a test, so that retries, look-ups and
polls of real lengths fit into a test.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class FastClock:
    """Seconds since the epoch that pass `speed` times as fast from `start` on."""

    def __init__(self, start: float, speed: float) -> None:
        self.start = start
        self.speed = speed

    def __call__(self) -> float:
        return self.start + (time.time() - self.start) * self.speed

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return FastLoop(self.speed)


class FastSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout / self._speed if timeout is not None and timeout > 0 else timeout)


class FastLoop(asyncio.SelectorEventLoop):
    def __init__(self, speed: float) -> None:
        self._speed = speed
        super().__init__(FastSelector(speed))

    def time(self) -> float:
        return time.monotonic() * self._speed


def run(options: dict[str, Any]) -> None:
    from hookline.engine.engine import Engine, open_store
    from hookline.engine.loader import load_registry
    from hookline.engine.settings import load_settings
    from hookline.server.access import Access
    from hookline.server.serving import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(message)s")
    if "file_size" in options:
        # Beyond this size a write fails, as on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (options["file_size"], resource.RLIM_INFINITY))
        signal.signal(signal.SIGUSR1, lambda *_: _no_limit())
    clock = FastClock(options["start"], options["speed"])
    project = Path(options["project"])
    settings = load_settings(project, os.environ)
    registry = load_registry(project)
    store = open_store(settings, f"worker-{os.getpid()}-{time.time_ns()}", clock)
    port = options["port"]
    url = f"http://127.0.0.1:{port}"
    engine = Engine(settings, registry, store, clock=clock, loop_factory=clock.new_loop, base_url=url)
    files = engine.load_project().files
    assert not any(file.has_errors for file in files), [file.diagnostics for file in files]
    engine.start(triggers=options.get("triggers", True))
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    server = serve(engine, Access.dev(port), "127.0.0.1", port, 16)
    print("ready", flush=True)
    stopped.wait()
    server.close()
    engine.stop(5.0)


def _no_limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


Main = Callable[[dict[str, Any]], None]

if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
