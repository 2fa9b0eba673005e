"""The ways in for other programs: ``/hooks/<path>`` and ``/callbacks/<token>``.

A 2xx is sent only after the event, and the run it starts, are on disk.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, current_app, request
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge

from hookline.engine.engine import Busy, Engine, EngineError, HookAnswer
from hookline.engine.pacing import whole_seconds
from hookline.sdk import HookRefused, HookReply, HookRequest
from hookline.store.port import StoreError

from .bodies import IN_MEMORY, Received, read_body
from .problems import PROBLEM_TYPE, problem, problem_document
from .routes import Answer, Routes
from .schemas import YES, record, ref

__all__ = [
    "RESPOND_SECONDS",
    "Reply",
    "Unreadable",
    "Waiters",
    "answer_hook",
    "headers_of",
    "hooks",
    "query_of",
    "raw_body",
    "taken",
    "told",
]

log = logging.getLogger(__name__)

hooks = Routes()

RESPOND_SECONDS = 25.0
"""How long the sender of a hook with ``respond: output`` waits; then it gets 202 and an address."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before a server has it; `headers` begin with the content type."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]]


class Waiters:
    """How many senders may wait for a run's output at the same time, and for how long.

    Each of them holds one of the server's threads; the others are for those who do not wait.
    """

    def __init__(self, places: int, seconds: float = RESPOND_SECONDS) -> None:
        self.places = threading.BoundedSemaphore(max(places, 1))
        self.seconds = seconds


def _engine() -> Engine:
    engine: Engine = current_app.extensions["hookline"]
    return engine


def headers_of(environ: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a WSGI request by their names in lower case."""
    found = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if value := environ.get(name):
            found[name.replace("_", "-").lower()] = value
    return found


def query_of(environ: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a WSGI request's query; the first of those with one name."""
    found: dict[str, str] = {}
    if text := environ.get("QUERY_STRING", ""):
        for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
            found.setdefault(name, value)
    return found


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why there is no body: the answer's status, code and detail."""

    status: int
    code: str
    detail: str

    def problem(self) -> Response:
        return problem(self.status, self.code, self.detail)


def raw_body() -> bytes | Unreadable:
    """The raw bytes, before anything parses them, or why they cannot be had."""
    if request.content_length is None:
        # Some servers cut what is too long without a word when it comes in chunks.
        if request.headers.get("Transfer-Encoding"):
            return Unreadable(411, "S611", "send a Content-Length")
        return b""
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge:
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        return Unreadable(413, "S612", f"at most {limit} bytes are taken")
    except (ClientDisconnected, BadRequest):
        return Unreadable(400, "S613", "the body ended too early")


@hooks.post(
    "/hooks/<path:path>",
    permission="open",
    answers={
        200: Answer(
            "The event came before (`duplicate`), or, with `respond: output`, what the run gave.",
            {"type": ["object", "array", "string", "number", "boolean", "null"]},
        ),
        202: Answer("The event and its run are stored.", ref("Accepted")),
    },
    problems=(400, 401, 404, 411, 413, 415, 422, 429, 502),
    body={},
    body_types=("application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"),
)
def receive(path: str) -> Response:
    """Take an event in for the workflow that has this path."""
    body = _received()
    if isinstance(body, Unreadable):
        _engine().refuse_request(path, body.detail, headers_of(request.environ))
        return body.problem()
    with body:
        return _answered(path, body)


def _received() -> Received | Unreadable:
    """The raw body, in a file when it is large, or why it cannot be had."""
    length = request.content_length
    if length is None or length <= IN_MEMORY or length > current_app.config["MAX_CONTENT_LENGTH"]:
        body = raw_body()
        return body if isinstance(body, Unreadable) else Received(body)
    try:
        received = read_body(request.stream, length)
    except (ClientDisconnected, BadRequest):
        received = None
    return received or Unreadable(400, "S613", "the body ended too early")


@hooks.get(
    "/hooks/<path:path>",
    permission="open",
    answers={200: Answer("What the sender wants to see before it uses the address.", None, "text/plain")},
    problems=(401, 404, 405, 422, 429),
)
def greet(path: str) -> Response:
    """Answer a sender that tries an address out; see `handshake` of the trigger."""
    return _answered(path, Received())


def _answered(path: str, body: Received) -> Response:
    engine = _engine()
    hook_request = HookRequest(
        method=request.method,
        path=path,
        headers=headers_of(request.environ),
        query=query_of(request.environ),
        body=body.content,
        stream=body.file,
        stream_bytes=body.size,
        received_at=datetime.fromtimestamp(engine.clock(), UTC),
        remote_addr=request.remote_addr or "",
    )
    reply = answer_hook(engine, current_app.extensions["hookline.waiters"], hook_request)
    return Response(reply.body, reply.status, headers=list(reply.headers))


def answer_hook(engine: Engine, waiters: Waiters, request: HookRequest) -> Reply:
    """Take an event in, and say what became of it."""

    def take() -> Reply:
        answer = engine.receive_hook(request)
        if answer.reply is not None:
            return told(answer.reply)
        if answer.respond == "output" and answer.run_id is not None and answer.state == "received":
            return _with_output(engine, waiters, answer)
        runs = [answer.run_id] if answer.run_id else []
        if answer.state == "duplicate":
            return _reply({"event": answer.event_id, "runs": runs, "duplicate": True}, 200)
        return _reply({"event": answer.event_id, "runs": runs}, 202)

    return taken(take)


def told(reply: HookReply) -> Reply:
    """What a sender is answered that insists on an answer of its own."""
    return Reply(reply.status, reply.body, (("Content-Type", reply.content_type), *_sendable(reply.headers)))


def taken(take: Callable[[], Reply]) -> Reply:
    """What `take` answers, or why it refuses: to whoever cannot prove who it is, without a reason."""
    try:
        return take()
    except HookRefused as refused:
        # Who cannot prove who it is learns nothing about why.
        detail = "the request is refused" if refused.status == 401 else refused.reason
        more = [("Allow", "POST")] if refused.status == 405 else []
        if refused.retry_after is not None:
            more.append(("Retry-After", str(whole_seconds(refused.retry_after))))
        return _refusal(refused.status, refused.code, detail, "", *more)
    except Busy as busy:
        retry = ("Retry-After", str(busy.retry_after))
        return _refusal(busy.status, busy.code, busy.message, busy.hint, retry)
    except EngineError as error:
        return _refusal(error.status, error.code, error.message, error.hint)
    except StoreError as error:
        log.warning("%s: %s", error.code, error)
        return _refusal(503, error.code, "the database cannot be used just now", "", ("Retry-After", "5"))
    except Exception:
        log.exception("S500: a fault while taking an event in")
        return _refusal(500, "S500", "a fault in Hookline; the log says more")


def _reply(document: Any, status: int, *headers: tuple[str, str]) -> Reply:
    return Reply(status, json.dumps(document).encode(), (("Content-Type", "application/json"), *headers))


def _refusal(
    status: int, code: str, detail: str, hint: str = "", *headers: tuple[str, str], **more: Any
) -> Reply:
    body = json.dumps(problem_document(status, code, detail, hint, **more)).encode()
    return Reply(status, body, (("Content-Type", PROBLEM_TYPE), *headers))


def _with_output(engine: Engine, waiters: Waiters, answered: HookAnswer) -> Reply:
    """Wait for the run's ``respond`` step or its end; who waited too long gets an address."""
    event_id, run_id = answered.event_id, answered.run_id
    assert run_id is not None
    if not waiters.places.acquire(blocking=False):
        return _later(event_id, run_id)
    seconds = waiters.seconds if answered.deadline is None else min(answered.deadline, waiters.seconds)
    try:
        answer = engine.outcome(run_id).result(timeout=seconds)
    except (FutureTimeout, CancelledError):
        return _later(event_id, run_id)
    finally:
        waiters.places.release()
    if answer is not None:
        return _responded(answer)
    row = engine.store.run(run_id)
    if row is None:
        return _later(event_id, run_id)
    if row.status == "succeeded":
        return _reply({"event": event_id, "runs": [run_id], "output": row.output}, 200)
    error = row.error or {"code": "R102", "message": f"the run was {row.status}"}
    return _refusal(502, error["code"], error["message"], event=event_id, runs=[run_id])


def _later(event_id: str, run_id: str) -> Reply:
    location = f"/api/v1/runs/{run_id}"
    return _reply({"event": event_id, "runs": [run_id], "location": location}, 202, ("Location", location))


def _responded(answer: dict[str, Any]) -> Reply:
    """What a ``respond`` step said. Text is sent as text: an author's HTML is not a page of ours."""
    body = answer["body"]
    if isinstance(body, str):
        content, media_type = body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    else:
        content, media_type = b"" if body is None else json.dumps(body).encode(), "application/json"
    return Reply(answer["status"], content, (("Content-Type", media_type), *_sendable(answer["headers"])))


def _sendable(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What may be sent of the headers that an author wants."""
    return [
        (name, value)
        for name, value in ((str(name), str(value)) for name, value in headers.items())
        if name.lower() not in _REFUSED_HEADERS and _HEADER_NAME.fullmatch(name) and _is_sendable(value)
    ]


_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)


def _is_sendable(value: str) -> bool:
    return value.isprintable() and value.isascii()


_REFUSED_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "content-security-policy",
        "content-type",
        "set-cookie",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
        "x-content-type-options",
    }
)
"""Headers that an author's answer cannot set: those of the connection and those that protect our pages."""


@hooks.post(
    "/callbacks/<token>",
    permission="open",
    answers={
        200: Answer("It came before.", record({"ok": YES, "duplicate": YES})),
        202: Answer("It is stored, and the step is woken.", record({"ok": YES})),
    },
    problems=(400, 401, 404, 410, 411, 413, 422),
    body={},
)
def callback(token: str) -> Response:
    """Wake the step whose address this is."""
    _engine().check_callback_address(token)  # Before the body of a stranger takes any room.
    body = raw_body()
    if isinstance(body, Unreadable):
        return body.problem()
    is_new = _engine().receive_callback(token, headers_of(request.environ), body)
    return _json({"ok": True} if is_new else {"ok": True, "duplicate": True}, 202 if is_new else 200)


def _json(document: Any, status: int) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")
