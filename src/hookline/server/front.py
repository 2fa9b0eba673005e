"""The short way in for events, past the web framework.

A request to a hook that is in order goes straight to the engine: the framework costs three quarters
of the processor time of taking the event in, on top (measured, `docs/adr/0005-http-server.md`). Whatever is
not in order goes on to the application, which has the same answers for what both can answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from hookline.engine.engine import Engine
from hookline.sdk import HookRequest

from .access import Access
from .bodies import Received, read_body
from .headers import SECURITY_HEADERS
from .hooks import Waiters, answer_hook, headers_of, query_of

__all__ = ["HookFront"]

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_PREFIX = "/hooks/"
_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class HookFront:
    """A WSGI application around another one.

    Args:
        application: Answers everything but ordinary events.
        access: In ``dev`` only requests for this very server, and not from a browser, are ordinary.
    """

    def __init__(self, application: Application, engine: Engine, waiters: Waiters, access: Access) -> None:
        self._application = application
        self._engine = engine
        self._waiters = waiters
        self._hosts = access.hosts if access.token is None else None
        self._max_body = engine.settings.integer("max_body_bytes")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        length = self._ordinary_length(environ)
        if length is None:
            return self._application(environ, start_response)
        received = read_body(environ["wsgi.input"], length)
        if received is None:
            # Nobody is there any more to read an answer; the application finds the same.
            return self._application(environ, start_response)
        with received as body:
            return self._answer(environ, body, start_response)

    def _answer(self, environ: Environ, body: Received, start_response: StartResponse) -> Iterable[bytes]:
        request = HookRequest(
            method="POST",
            path=_path(environ)[len(_PREFIX) :],
            headers=headers_of(environ),
            query=query_of(environ),
            body=body.content,
            stream=body.file,
            stream_bytes=body.size,
            received_at=datetime.fromtimestamp(self._engine.clock(), UTC),
            remote_addr=environ.get("REMOTE_ADDR", ""),
        )
        reply = answer_hook(self._engine, self._waiters, request)
        headers = [*reply.headers, ("Content-Length", str(len(reply.body)))]
        given = {name.lower() for name, _ in headers}
        headers += [(name, value) for name, value in SECURITY_HEADERS if name.lower() not in given]
        start_response(_STATUS.get(reply.status, f"{reply.status} Unknown"), headers)
        return [reply.body]

    def _ordinary_length(self, environ: Environ) -> int | None:
        """The body's length when the request is an ordinary event, else None."""
        if environ["REQUEST_METHOD"] != "POST" or not environ["PATH_INFO"].startswith(_PREFIX):
            return None
        if self._hosts is not None and (
            environ.get("HTTP_HOST", "").lower() not in self._hosts
            or "HTTP_ORIGIN" in environ
            or "HTTP_SEC_FETCH_SITE" in environ
        ):
            return None
        text = environ.get("CONTENT_LENGTH", "")
        if "HTTP_TRANSFER_ENCODING" in environ or not (text.isascii() and text.isdigit() and len(text) < 12):
            return None
        length = int(text)
        return length if length <= self._max_body and len(environ["PATH_INFO"]) > len(_PREFIX) else None


def _path(environ: Environ) -> str:
    # WSGI hands bytes over as Latin-1.
    return str(environ["PATH_INFO"]).encode("latin-1").decode("utf-8", "replace")
