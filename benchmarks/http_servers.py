"""Requests per second that a hook accepts behind several servers: ``python benchmarks/http_servers.py``.

Every server runs the same application over the same engine and a database of its own: each request is
verified, stored with its run, and answered after both are on disk; the run's three steps are executed
too. Servers take turns, so that noise on the machine meets all of them; read the ratios, and the
processor time, which noise changes least.

Servers that are not installed are left out: ``pip install cheroot gunicorn granian``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import platform
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

WORKFLOW = {
    "name": "three-steps",
    "trigger": {"uses": "webhook", "with": {"path": "bench", "auth": {"type": "none"}}},
    "steps": [
        {"id": "a", "uses": "transform", "with": {"value": "{{ trigger.body.x + 1 }}"}},
        {"id": "b", "uses": "transform", "with": {"value": "{{ steps.a.value * 2 }}"}},
        {"id": "c", "uses": "transform", "with": {"value": "{{ steps.b.value - 1 }}"}},
    ],
    "output": {"value": "{{ steps.c.value }}"},
}
BODY = b'{"x": 20, "text": "hello"}'
REQUEST = (
    b"POST /hooks/bench HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


# One server, in a process of its own ---------------------------------------------------------------


def make_app(project: Path) -> Any:
    """An application over a started engine with one workflow."""
    from hookline.engine.engine import Engine, open_store
    from hookline.engine.loader import load_registry
    from hookline.engine.settings import load_settings
    from hookline.server.access import Access
    from hookline.server.app import create_app

    folder = project / "workflows"
    folder.mkdir(exist_ok=True)
    (folder / "three.json").write_text(json.dumps(WORKFLOW))
    settings = load_settings(project, {"HOOKLINE_MAX_BACKLOG": "1000000"})
    engine = Engine(settings, load_registry(project), open_store(settings, f"bench-{os.getpid()}"))
    engine.load_project()
    engine.start()
    return create_app(engine, Access("bench-token"))


def run_waitress(project: Path, port: int, threads: int) -> None:
    """waitress as Hookline runs it."""
    from hookline.server.serving import Server

    Server(make_app(project), "127.0.0.1", port, threads, 1_048_576, 30.0)
    threading.Event().wait()


def run_cheroot(project: Path, port: int, threads: int) -> None:
    from cheroot.wsgi import Server

    server = Server(("127.0.0.1", port), make_app(project), numthreads=threads, request_queue_size=256)
    server.keep_alive_conn_limit = 1000
    server.start()


def run_gunicorn(project: Path, port: int, threads: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in {
                "bind": f"127.0.0.1:{port}",
                "worker_class": "gthread",
                "workers": 1,
                "threads": threads,
                "loglevel": "error",
                "keepalive": 30,
            }.items():
                self.cfg.set(name, value)
            if "control_socket_disable" in self.cfg.settings:
                self.cfg.set("control_socket_disable", True)

        def load(self) -> Any:
            return make_app(project)

    Application().run()


def load_for_granian() -> Any:
    return make_app(Path(os.environ["BENCH_PROJECT"]))


def run_granian(project: Path, port: int, threads: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    os.environ["BENCH_PROJECT"] = str(project)
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    Granian(
        "http_servers:load_for_granian",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=threads,
        factory=True,
        log_enabled=False,
        websockets=False,
    ).serve()


SERVERS: dict[str, Callable[[Path, int, int], None]] = {
    "waitress": run_waitress,
    "cheroot": run_cheroot,
    "gunicorn": run_gunicorn,
    "granian": run_granian,
}


def run_server(name: str, port: int, threads: int, switch_interval: float | None) -> None:
    logging.disable(logging.WARNING)
    if switch_interval is not None:
        sys.setswitchinterval(switch_interval)
    with tempfile.TemporaryDirectory() as folder:
        SERVERS[name](Path(folder), port, threads)


# The client ----------------------------------------------------------------------------------------


class Connection:
    """A keep-alive connection that always has one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer = b""
        self.sent_at = 0.0

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(REQUEST)

    def receive(self) -> int | None:
        """The status once the answer is complete."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the server closed a connection")
        self.buffer += piece
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        start = head.lower().find(b"content-length:")
        length = int(head[start + 15 :].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return None
        self.buffer = b""
        return int(head[9:12])


def load(port: int, connections: int, seconds: float) -> tuple[float, list[float]]:
    """Requests per second, and every latency in milliseconds."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send()
    latencies: list[float] = []
    begin = now = time.perf_counter()
    while now < begin + seconds:
        for key, _ in selector.select(timeout=5):
            status = key.data.receive()
            if status is not None:
                if status != 202:
                    raise RuntimeError(f"the answer was {status}")
                latencies.append((time.perf_counter() - key.data.sent_at) * 1000)
                key.data.send()
        now = time.perf_counter()
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    return len(latencies) / (now - begin), latencies


# Taking turns --------------------------------------------------------------------------------------


class Result(NamedTuple):
    """Requests per second, microseconds of processor time per request, latencies in milliseconds."""

    rate: float
    cpu: float
    latencies: list[float]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(group: int) -> float:
    """Processor time that the processes of a group have taken."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(name: str, levels: list[int], seconds: float, arguments: list[str]) -> dict[int, Result]:
    """Start a server, load it at each number of connections, and kill it."""
    port = free_port()
    command = [sys.executable, __file__, "--serve", name, "--port", str(port), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    results = {}
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        load(port, 4, 0.5)
        for level in levels:
            before = cpu_seconds(process.pid)
            rate, latencies = load(port, level, seconds)
            cpu = (cpu_seconds(process.pid) - before) / len(latencies) * 1e6
            results[level] = Result(rate, cpu, latencies)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--connections", default="1,10,50")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--switch-interval", type=float)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        run_server(given.serve, given.port, given.threads, given.switch_interval)
        return
    names = [name for name in given.servers.split(",") if importlib.util.find_spec(name) is not None]
    levels = [int(level) for level in given.connections.split(",")]
    arguments = ["--threads", str(given.threads)]
    if given.switch_interval is not None:
        arguments += ["--switch-interval", str(given.switch_interval)]
    results: dict[tuple[str, int], list[Result]] = {}
    for _ in range(given.rounds):
        for name in names:
            for level, result in measure(name, levels, given.seconds, arguments).items():
                results.setdefault((name, level), []).append(result)
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {given.threads} threads,", end=" ")
    print(f"median of {given.rounds} rounds of {given.seconds:g} s, client on the same machine")
    print(f"{'server':<12}{'connections':>12}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}", end="")
    print(f"{'CPU us/request':>16}{'ratio':>8}")
    for level in levels:
        first = statistics.median(result.rate for result in results[names[0], level])
        for name in names:
            rate = statistics.median(result.rate for result in results[name, level])
            cpu = statistics.median(result.cpu for result in results[name, level])
            latencies = sorted(value for result in results[name, level] for value in result.latencies)
            p50, p99 = (latencies[int(len(latencies) * part)] for part in (0.5, 0.99))
            print(f"{name:<12}{level:>12}{rate:>12.0f}{p50:>9.2f}{p99:>9.2f}{cpu:>16.0f}{rate / first:>8.2f}")


if __name__ == "__main__":
    main()
