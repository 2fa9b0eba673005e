"""Webhook to finished three-step run over HTTP, and how long a sender waits at a steady rate.

    python benchmarks/http_runs.py [--runs 20000] [--connections 50] [--rate 500]

The server is ``hookline serve`` in a process of its own, with its database on this disk; the
client speaks HTTP/1.1 over plain sockets, so that it takes as little of the machine as it can.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import THREE_STEPS

BODY = b'{"x": 20}'
REQUEST = (
    b"POST /hooks/three HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """A running ``hookline serve``; gives its port."""
    (folder / "workflows").mkdir()
    (folder / "workflows" / "three.json").write_text(json.dumps(THREE_STEPS))
    (folder / "hookline.toml").write_text("max_backlog = 1000000\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        "HOOKLINE_ADMIN_TOKEN": secrets.token_hex(16),
        "HOOKLINE_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-c", "from hookline.cli import main; main()", "--project", str(folder)]
    process = subprocess.Popen([*command, "serve", "--port", str(port)], env=environment)
    try:
        _until_ready(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _until_ready(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 202"), head
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)


async def flood(port: int, runs: int, connections: int) -> None:
    """Send as fast as the server answers."""
    left = iter(range(runs))

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            await _post(reader, writer)
        writer.close()

    await asyncio.gather(*(send() for _ in range(connections)))


async def steady(port: int, runs: int, rate: float, connections: int) -> list[float]:
    """Send at a steady rate; gives the seconds from each due time to its answer."""
    times: list[float] = []
    due = iter(range(runs))
    start = time.perf_counter() + 0.1

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in due:
            at = start + number / rate
            await asyncio.sleep(max(at - time.perf_counter(), 0))
            await _post(reader, writer)
            times.append(time.perf_counter() - at)
        writer.close()

    await asyncio.gather(*(send() for _ in range(connections)))
    return times


def until_finished(folder: Path, runs: int) -> None:
    database = sqlite3.connect(f"file:{folder / '.hookline' / 'hookline.db'}?mode=ro", uri=True)
    while database.execute("SELECT count(*) FROM runs WHERE finished_at IS NULL").fetchone()[0]:
        time.sleep(0.01)
    finished = database.execute("SELECT count(*) FROM runs WHERE status = 'succeeded'").fetchone()[0]
    database.close()
    assert finished == runs, f"{finished} of {runs} runs have succeeded"


def measure(runs: int, connections: int, rate: float) -> tuple[float, list[float]]:
    """Finished runs a second, and the sorted seconds a sender waits at a steady rate."""
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as port:
        asyncio.run(flood(port, 500, connections))
        until_finished(Path(name), 500)
        started = time.perf_counter()
        asyncio.run(flood(port, runs, connections))
        until_finished(Path(name), 500 + runs)
        throughput = runs / (time.perf_counter() - started)
        waits = asyncio.run(steady(port, int(rate * 10), rate, 20))
        return throughput, sorted(waits)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rate", type=float, default=500)
    options = parser.parse_args()
    throughput, waits = measure(options.runs, options.connections, options.rate)
    print(f"webhook to finished run, {options.connections} connections: {throughput:6.0f} runs/s")
    p50, p99 = statistics.median(waits) * 1e3, waits[int(len(waits) * 0.99)] * 1e3
    print(f"accepted at {options.rate:.0f}/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    main()
