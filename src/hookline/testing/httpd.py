"""A small threaded HTTP/1.1 server for stand-ins: plain answers, and the ways a network lets one down.

The standard library's server is used, not a WSGI one, because a stand-in must be able to reset a connection,
answer one byte at a time, promise more bytes than it sends, and receive the method ``QUERY``.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hookline.testing.ports import LOOPBACK, require_loopback

__all__ = ["Answer", "Chunks", "Handler", "Hang", "HttpServer", "Request", "Reset", "Response", "Trickle"]

MAX_BODY_BYTES = 160_000_000
"""Above every limit a stand-in enforces, so that the stand-in and not this server gives the refusal."""


@dataclass(frozen=True, slots=True)
class Request:
    """One received request, its body read in full."""

    method: str
    path: str
    """Percent-decoded, without the query."""
    query: Mapping[str, str]
    headers: Message
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's value, whatever the case of its name."""
        value: str | None = self.headers.get(name)
        return value

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError` when it is not."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. ``Content-Length`` is set unless `headers` holds one."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(
        status: int,
        value: object,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """An answer whose body is `value` as compact JSON."""
        body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        return Response(status, body, content_type, headers or {})

    @staticmethod
    def text(status: int, body: str, content_type: str = "text/plain; charset=utf-8") -> Response:
        """An answer whose body is `body` as UTF-8."""
        return Response(status, body.encode(), content_type)

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """The same answer with `headers` added; those it has already win."""
        return Response(self.status, self.body, self.content_type, {**headers, **self.headers})


@dataclass(frozen=True, slots=True)
class Chunks:
    """An answer of unknown length, sent as it is produced, ended by closing the connection."""

    status: int
    content_type: str
    chunks: Iterable[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reset:
    """No answer: the connection is reset (TCP RST)."""


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer: the connection stays open and silent until the client leaves or the server stops."""


@dataclass(frozen=True, slots=True)
class Trickle:
    """The answer's head at once, then its body one byte per `interval` seconds (slow loris)."""

    response: Response
    interval: float = 1.0


Answer = Response | Chunks | Reset | Hang | Trickle
Handler = Callable[[Request], Answer]


class HttpServer:
    """Listens on a loopback address from construction on; answers from `start` on, one thread per connection.

    Args:
        host: A loopback address.
        port: 0 picks a free one.
        name: Used in thread names.

    Raises:
        ValueError: `host` is not loopback.
        OSError: The port is taken.
    """

    def __init__(self, *, host: str = LOOPBACK, port: int = 0, name: str = "http") -> None:
        require_loopback(host)
        self._server = _Server((host, port))
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name=f"{name}-accept",
            daemon=True,
        )
        self.host = host
        self.port: int = self._server.server_address[1]

    @property
    def origin(self) -> str:
        """``http://host:port`` without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    @property
    def stopping(self) -> threading.Event:
        """Set when the server stops; streaming handlers wait on it."""
        return self._server.stopping

    def start(self, handler: Handler) -> None:
        """Answer with `handler`, which is called from many threads."""
        self._server.app = handler
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, close every open connection, and return once the threads are gone."""
        self._server.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(10)
        self._server.close_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int]) -> None:
        self.app: Handler = lambda request: Response(503)
        self.stopping = threading.Event()
        self._open: dict[socket.socket, threading.Thread | None] = {}
        self._resets: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _RequestHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="http-connection",
            daemon=True,
        )
        with self._guard:
            self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(request, None)
            reset = request in self._resets
            self._resets.discard(request)
        if reset:
            # A FIN first would turn the reset into an orderly end, so the usual shutdown() is left out.
            request.close()
        else:
            super().shutdown_request(request)

    def mark_reset(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self._guard:
            self._resets.add(connection)

    def close_connections(self) -> None:
        with self._guard:
            connections = dict(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections.values():
            if thread is not None and thread is not threading.current_thread():
                thread.join(10)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave in mid-answer are everyday business; what goes wrong in a handler is a 500."""


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "hookline-stand-in"
    sys_version = ""
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Stand-ins record what they were asked; they do not print it."""

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            self._send(Response.text(413, "body too large"))
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        request = Request(self.command, unquote(parts.path), query, self.headers, body)
        try:
            answer = self.server.app(request)
        except Exception as error:
            answer = Response.of(
                500, {"title": "Stand-in error", "detail": f"{type(error).__name__}: {error}"}
            )
        match answer:
            case Response():
                self._send(answer)
            case Reset():
                self.server.mark_reset(self.connection)
                self.close_connection = True
            case Hang():
                self._wait_for_departure()
                self.close_connection = True
            case Trickle(response, interval):
                self._head(response.status, response.content_type, response.headers, len(response.body))
                for byte in response.body:
                    if self.server.stopping.wait(interval):
                        break
                    self.wfile.write(bytes([byte]))
                self.close_connection = True
            case Chunks():
                self._stream(answer)
                self.close_connection = True

    def _read_body(self) -> bytes | None:
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            pieces: list[bytes] = []
            total = 0
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                total += size
                if total > MAX_BODY_BYTES:
                    return None
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        length = int(self.headers.get("Content-Length") or 0)
        return None if length > MAX_BODY_BYTES else self.rfile.read(length)

    def _wait_for_departure(self) -> None:
        self.connection.settimeout(0.2)
        while not self.server.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1024):
                    return

    def _stream(self, answer: Chunks) -> None:
        self._head(answer.status, answer.content_type, {**answer.headers, "Connection": "close"}, None)
        for chunk in answer.chunks:
            if self.server.stopping.is_set():
                return
            self.wfile.write(chunk)

    def _head(self, status: int, content_type: str, headers: Mapping[str, str], length: int | None) -> None:
        self.send_response(status)
        names = {name.lower() for name in headers}
        if content_type and status != 204:
            self.send_header("Content-Type", content_type)
        if length is not None and status != 204 and "content-length" not in names:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, response: Response) -> None:
        self._head(response.status, response.content_type, response.headers, len(response.body))
        if self.command != "HEAD":
            self.wfile.write(response.body)
        promised = {name.lower(): value for name, value in response.headers.items()}.get("content-length")
        if promised is not None and int(promised) != len(response.body):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_QUERY = _serve
