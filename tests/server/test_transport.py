"""The server on a real socket: what clients may do to it, by accident or on purpose."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from server_lab import BOUND, TOKEN, Lab

from hookline.server.access import Access
from hookline.server.headers import SECURITY_HEADERS
from hookline.server.serving import Server, serve

MAX_BODY = 200_000
THREADS = 4


@pytest.fixture
def served(labs: Any) -> Iterator[tuple[Lab, Server]]:
    lab: Lab = labs(max_body_bytes=str(MAX_BODY))
    server = serve(lab.engine, Access(TOKEN), "127.0.0.1", 0, THREADS)
    yield lab, server
    server.close(seconds=1)


@pytest.fixture
def port(served: tuple[Lab, Server]) -> int:
    return served[1].port


class Client:
    """A connection that sends exactly the bytes it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=BOUND)
        self.rest = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers by lower-case name, body."""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split(" ")[1])
        length = int(headers.get("content-length", "0"))
        while len(self.rest) < length:
            self.rest += self._more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return status, headers, body

    def _more(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed by the server")
        return data

    def is_closed(self) -> bool:
        """Whether the server closes the connection (or has)."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def is_silent(self) -> bool:
        return not select.select([self.socket], [], [], 0)[0]


Connect = Callable[[int], Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """``connect(port)``: connections that are closed after the test."""
    made: list[Client] = []

    def make(port: int) -> Client:
        made.append(Client(port))
        return made[-1]

    yield make
    for client in made:
        client.socket.close()


def request(body: bytes, *headers: str, path: str = "/hooks/plain", length: int | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes, end: bool = True, path: str = "/api/v1/validate") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
    head += f"Authorization: Bearer {TOKEN}\r\n".encode()
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + body + (b"0\r\n\r\n" if end else b"")


def problem_in(answer: tuple[int, dict[str, str], bytes], status: int) -> dict[str, Any]:
    assert answer[0] == status, answer
    assert answer[1]["content-type"] == "application/problem+json"
    for name, value in SECURITY_HEADERS:
        assert answer[1][name.lower()] == value
    document: dict[str, Any] = json.loads(answer[2])
    assert document["status"] == status
    return document


def test_a_connection_is_kept(connect: Connect, port: int) -> None:
    client = connect(port)
    for number in range(3):
        client.send(request(b"%d" % number))
        status, headers, body = client.receive()
        assert status == 202
        assert json.loads(body)["runs"]
        assert "server" not in headers
        for name, value in SECURITY_HEADERS:
            assert headers[name.lower()] == value


def test_pipelined_requests_are_answered_in_order(connect: Connect, served: tuple[Lab, Server]) -> None:
    lab, server = served
    client = connect(server.port)
    client.send(b"".join(request(b"%d" % number) for number in range(20)))
    runs = [json.loads(client.receive()[2])["runs"][0] for _ in range(20)]
    assert [lab.finished(run)["output"] for run in runs] == list(range(20))


def test_chunks_are_put_together(connect: Connect, port: int) -> None:
    client = connect(port)
    client.send(chunked(b'{"name": "a",', b' "steps": 1}'))
    status, _, body = client.receive()
    assert status == 200
    assert {found["pointer"] for found in json.loads(body)["diagnostics"]} == {"/steps"}


def test_a_hook_takes_no_chunks_and_says_so_at_once(connect: Connect, served: tuple[Lab, Server]) -> None:
    lab, server = served
    client = connect(server.port)
    client.send(chunked(b"{}", end=False, path="/hooks/plain"))
    assert problem_in(client.receive(), 411)["code"] == "S611"
    assert client.is_closed()
    (event,) = recorded(lab)
    assert (event["state"], event["workflow"]) == ("rejected", "plain")
    assert "Content-Length" in event["reason"]


def recorded(lab: Lab) -> list[dict[str, Any]]:
    lab.engine.store.flush()
    found: list[dict[str, Any]] = lab.get("/api/v1/events").get_json()["events"]
    return found


def test_chunks_beyond_the_limit_are_refused_not_cut(connect: Connect, port: int) -> None:
    client = connect(port)
    client.send(chunked(b'"', *[b"a" * MAX_BODY] * 3, b'"'))
    problem_in(client.receive(), 413)
    assert client.is_closed()


def test_the_limit_is_the_same_for_both_kinds(connect: Connect, port: int) -> None:
    whole = b'"' + b"a" * (MAX_BODY - 2) + b'"'
    for data, status in (
        (request(whole), 202),
        (chunked(whole), 200),
        (request(b" " + whole), 413),
        (chunked(b" " + whole), 413),
    ):
        client = connect(port)
        client.send(data)
        assert client.receive()[0] == status


def test_a_body_that_is_too_large_is_recorded(connect: Connect, served: tuple[Lab, Server]) -> None:
    lab, server = served
    client = connect(server.port)
    client.send(request(b"", length=10**12))
    problem_in(client.receive(), 413)
    (event,) = recorded(lab)
    assert (event["state"], event["workflow"]) == ("rejected", "plain")
    assert f"at most {MAX_BODY} bytes (max_body_bytes)" in event["reason"]


def test_a_length_beyond_the_limit_is_refused_before_the_body_is_sent(connect: Connect, port: int) -> None:
    client = connect(port)
    client.send(request(b"", length=10**12))
    problem_in(client.receive(), 413)
    assert client.is_closed()


def test_a_client_may_ask_before_it_sends(connect: Connect, port: int) -> None:
    client = connect(port)
    client.send(request(b"", "Expect: 100-continue", length=2))
    assert client.receive()[0] == 100
    client.send(b"{}")
    assert client.receive()[0] == 202
    refused = connect(port)
    refused.send(request(b"", "Expect: 100-continue", length=10**9))
    assert refused.receive()[0] == 413


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /hooks/plain HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /hooks/plain HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /hooks/plain HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 411),
        (b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST /hooks/plain HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(connect: Connect, port: int, data: bytes, status: int) -> None:
    client = connect(port)
    client.send(data)
    problem_in(client.receive(), status)
    assert client.is_closed()


def test_slow_senders_hold_no_thread(connect: Connect, served: tuple[Lab, Server]) -> None:
    lab, server = served
    slow = []
    for _ in range(THREADS * 10):
        client = connect(server.port)
        client.send(request(b"{", length=1000))
        slow.append(client)
    for _ in range(THREADS * 10):
        client = connect(server.port)
        client.send(b"POST /hooks/plain HTTP/1.1\r\nHost: local")
        slow.append(client)
    client = connect(server.port)
    client.send(request(b"{}"))
    assert client.receive()[0] == 202
    assert all(each.is_silent() for each in slow)
    assert len(lab.get("/api/v1/events").get_json()["events"]) == 1


def test_a_request_that_takes_too_long_is_cut_off(connect: Connect, labs: Any) -> None:
    lab: Lab = labs()
    server = serve(lab.engine, Access(TOKEN), "127.0.0.1", 0, THREADS, request_seconds=0.0)
    dripping = connect(server.port)
    dripping.send(request(b"", length=1000))
    stop = threading.Event()

    def drip() -> None:
        # Never silent, never done.
        while not stop.is_set():
            try:
                dripping.socket.send(b" ")
            except OSError:
                return
            stop.wait(0.05)

    dripper = threading.Thread(target=drip)
    dripper.start()
    assert dripping.is_closed()
    stop.set()
    dripper.join()
    server.close(seconds=1)
    (event,) = recorded(lab)
    assert (event["state"], event["workflow"]) == ("rejected", "plain")
    assert "did not arrive" in event["reason"]


def test_who_leaves_in_the_middle_leaves_nothing(connect: Connect, served: tuple[Lab, Server]) -> None:
    lab, server = served
    for data in (request(b"{", length=100), chunked(b"{}", end=False), b"POST /hooks/pl"):
        client = connect(server.port)
        client.send(data)
        client.socket.close()
    last = connect(server.port)
    last.send(request(b"{}"))
    assert last.receive()[0] == 202
    assert len(lab.get("/api/v1/events").get_json()["events"]) == 1


def test_closing_finishes_what_is_under_way(
    connect: Connect, served: tuple[Lab, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, server = served
    reached, go_on = threading.Event(), threading.Event()
    receive = lab.engine.receive_hook

    def held(request: Any) -> Any:
        reached.set()
        assert go_on.wait(BOUND)
        return receive(request)

    monkeypatch.setattr(lab.engine, "receive_hook", held)
    idle, busy = connect(server.port), connect(server.port)
    busy.send(request(b"{}"))
    assert reached.wait(BOUND)
    closing = threading.Thread(target=server.close)
    closing.start()
    go_on.set()
    assert busy.receive()[0] == 202
    closing.join(BOUND)
    assert not closing.is_alive()
    assert idle.is_closed()
    with pytest.raises(ConnectionRefusedError):
        connect(server.port)
    server.close()


def test_an_address_in_use_is_an_error(connect: Connect, served: tuple[Lab, Server]) -> None:
    lab, _ = served
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            serve(lab.engine, Access(TOKEN), "127.0.0.1", taken.getsockname()[1], 1)


@pytest.mark.faults
def test_killing_the_process_leaves_nobody_behind(connect: Connect, tmp_path: Path) -> None:
    program = """
        import sys
        from pathlib import Path
        from hookline.engine.engine import Engine, open_store
        from hookline.engine.loader import load_registry
        from hookline.engine.settings import load_settings
        from hookline.server.access import Access
        from hookline.server.serving import serve

        project = Path(sys.argv[1])
        settings = load_settings(project, {})
        engine = Engine(settings, load_registry(project), open_store(settings, "worker"))
        engine.start()
        print(serve(engine, Access("token"), "127.0.0.1", 0, 2).port, flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        connect(port)
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ConnectionRefusedError):
        connect(port)
