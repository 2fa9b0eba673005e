"""The HTTP server in the engine's own process (`docs/adr/0005-http-server.md`).

waitress reads requests and writes answers on one thread and hands only complete requests to its
worker threads, so that a slow sender occupies a connection and never a worker. What it lacks is
here: a limit on the time a request may take to arrive, errors as problem details, and an orderly end.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher
from waitress.utilities import Error

from hookline.engine.engine import Engine

from .access import Access
from .app import create_app
from .headers import SECURITY_HEADERS
from .problems import PROBLEM_TYPE, problem_document

__all__ = ["REQUEST_SECONDS", "Server", "serve"]

log = logging.getLogger(__name__)

REQUEST_SECONDS = 30.0
"""Longest time from a request's first byte to its last."""

IDLE_SECONDS = 60
"""How long an open connection may be silent."""

MAX_CONNECTIONS = 2000
"""Open connections; further ones wait to be accepted."""

FRAMING_BYTES = 64 * 1024
"""What the sizes and line ends of a chunked body may add to it."""

CLOSE_SECONDS = 30.0
"""Most time that answers under way get when the server is closed; more than a waiting hook needs."""

_CODES = {400: "S400", 411: "S611", 413: "S612", 431: "S431", 501: "S501"}

_HOOKS = "/hooks/"

NoteRefusal = Callable[[str, str, Mapping[str, str]], None]
"""Called with the path below ``/hooks/``, the reason and the headers of what no application gets to see."""


class _LengthRequired(Error):  # type: ignore[misc]
    code = 411
    reason = "Length Required"


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Reads requests; one to a hook says how long its body is, before it sends any of it."""

    error: Any

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked and self.path.startswith(_HOOKS):
            raise ParsingError(_NO_LENGTH)

    def received(self, data: bytes) -> int:
        taken: int = super().received(data)
        if self.error is not None and self.error.body == _NO_LENGTH:
            self.error = _LengthRequired(_NO_LENGTH)
        return taken


_NO_LENGTH = "send a Content-Length; a body in chunks is not taken"


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """What waitress itself refuses, in the form of all our errors."""

    def execute(self) -> None:
        error = self.request.error
        status = int(error.code)
        reason = str(error.body)
        if status == 413:
            # waitress names a parameter of its own, and a figure that counts the framing as well.
            most = self.channel.adj.max_request_body_size - FRAMING_BYTES
            reason = f"the body is too large: this server takes at most {most} bytes (max_body_bytes)"
        self.channel.server.note(self.request, reason)
        document = problem_document(status, _CODES.get(status, "S400"), reason)
        body = json.dumps(document).encode()
        self.status = f"{status} {document['title']}"
        self.response_headers.append(("Content-Type", PROBLEM_TYPE))
        self.response_headers.extend(SECURITY_HEADERS)
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows since when a request has been arriving."""

    error_task_class = _ErrorTask
    parser_class = _Parser
    arriving_since: float | None = None

    def received(self, data: bytes) -> bool:
        taken: bool = super().received(data)
        if self.request is None:
            self.arriving_since = None
        elif self.arriving_since is None:
            self.arriving_since = time.monotonic()
        return taken

    def send_continue(self) -> None:
        if self.request.error is None:
            super().send_continue()
        else:
            # waitress would ask for the body of a request that it has refused already.
            self.request.expect_continue = False


class _Acceptor(TcpWSGIServer):  # type: ignore[misc]
    """Accepts connections, and closes those that take too long."""

    channel_class = _Channel
    request_seconds = REQUEST_SECONDS
    note_refusal: NoteRefusal | None = None
    is_pulled = False

    def pull_trigger(self) -> None:
        """Have the loop look at its connections again, where nobody else has done so.

        The events of a commit are answered all at once, each by a thread of its own.
        """
        if not self.is_pulled:
            self.is_pulled = True
            super().pull_trigger()

    def note(self, request: Any, reason: str) -> None:
        """Have a request to a hook recorded that is refused here; what was no request is not."""
        path = getattr(request, "path", None) or ""
        if self.note_refusal is None or not path.startswith(_HOOKS):
            return
        headers = {name.replace("_", "-").lower(): value for name, value in request.headers.items()}
        try:
            self.note_refusal(path[len(_HOOKS) :], reason, headers)
        except Exception:
            log.exception("S500: a refused request could not be recorded")

    def maintenance(self, now: float) -> None:
        super().maintenance(now)
        oldest = time.monotonic() - self.request_seconds
        for channel in self.active_channels.values():
            if channel.arriving_since is not None and channel.arriving_since < oldest:
                if not channel.will_close:
                    self.note(channel.request, f"it did not arrive within {self.request_seconds:g} seconds")
                channel.will_close = True


class Server:
    """A server that answers, on threads of this process, until `close`.

    Attributes:
        port: The port it listens on.

    Raises:
        OSError: The address cannot be used, for example because another program has it.
    """

    def __init__(
        self,
        application: Any,
        host: str,
        port: int,
        threads: int,
        max_body: int,
        request_seconds: float,
        note_refusal: NoteRefusal | None = None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        adjustments = Adjustments(
            listen=_listen_on(host, port),
            threads=threads,
            # The application has the exact limit; this one also counts what stands around chunks.
            max_request_body_size=max_body + FRAMING_BYTES,
            max_request_header_size=64 * 1024,
            # Larger bodies wait in a file until they are complete: many slow senders cost no memory.
            inbuf_overflow=128 * 1024,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=1,
            connection_limit=MAX_CONNECTIONS,
            backlog=1024,
            asyncore_use_poll=True,
            # Nothing here believes X-Forwarded-…; a workflow may want to see it.
            clear_untrusted_proxy_headers=False,
            ident="",
        )
        self._sockets: dict[int, Any] = {}
        # A request that finds every worker busy is not news.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._workers = ThreadedTaskDispatcher()
        try:
            self._acceptor = _Acceptor(
                application,
                self._sockets,
                dispatcher=self._workers,
                adj=adjustments,
                sockinfo=adjustments.listen[0],
            )
        except OSError:
            wasyncore.close_all(self._sockets)
            raise
        self._workers.set_thread_count(threads)
        self._acceptor.request_seconds = request_seconds
        self._acceptor.note_refusal = note_refusal
        self.port: int = int(self._acceptor.effective_port)
        self._on_close = on_close
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hookline-http", daemon=True)
        self._thread.start()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Accept nothing more, finish the answers under way (for at most `seconds`), and stop."""
        if self._closing.is_set():
            return
        self._close_seconds = seconds
        # What would go on for as long as somebody looks.
        self._on_close()
        self._closing.set()
        self._acceptor.pull_trigger()
        self._thread.join()
        # Not before: pulling a trigger that the loop has closed is an error.
        self._acceptor.trigger.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._turn(1.0)
        wasyncore.dispatcher.close(self._acceptor)
        deadline = time.monotonic() + self._close_seconds
        while self._is_answering() and time.monotonic() < deadline:
            self._turn(0.05)
        self._workers.shutdown(cancel_pending=True, timeout=1)
        for channel in list(self._acceptor.active_channels.values()):
            channel.handle_close()

    def _turn(self, seconds: float) -> None:
        # First: whoever changes a connection from now on, when it may have been looked at, pulls again.
        self._acceptor.is_pulled = False
        try:
            wasyncore.loop(timeout=seconds, use_poll=True, map=self._sockets, count=1)
        except Exception:
            # One connection's fault must not end the server for all others.
            log.exception("S500: a fault in the HTTP server")

    def _is_answering(self) -> bool:
        channels = self._acceptor.active_channels.values()
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


def _listen_on(host: str, port: int) -> str:
    try:
        is_v6 = ipaddress.ip_address(host).version == 6
    except ValueError:
        is_v6 = False
    return f"[{host}]:{port}" if is_v6 else f"{host}:{port}"


def serve(
    engine: Engine,
    access: Access,
    host: str,
    port: int,
    threads: int,
    *,
    request_seconds: float = REQUEST_SECONDS,
) -> Server:
    """Answer requests for a started engine.

    Args:
        port: 0 for any free one; the server's `port` says which.
        threads: Requests answered at the same time, beside those who watch runs.
        request_seconds: Longest time that a request may take to arrive.

    Raises:
        OSError: The address cannot be used.
    """
    application = create_app(engine, access)
    max_body = engine.settings.integer("max_body_bytes")
    # Whoever watches a run holds a thread; the others are not to feel it.
    threads += engine.settings.integer("live_views")
    return Server(
        application,
        host,
        port,
        threads,
        max_body,
        request_seconds,
        engine.refuse_request,
        engine.views.close,
    )
