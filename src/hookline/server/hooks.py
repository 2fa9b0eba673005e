"""The ways in for other programs: ``/hooks/<path>`` and ``/callbacks/<token>``.

A 2xx is sent only after the event, and the run it starts, are on disk.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import UTC, datetime
from typing import Any

from flask import Response, current_app, request
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge

from hookline.engine.engine import Engine
from hookline.sdk import HookRefused, HookRequest

from .problems import problem
from .routes import Answer, Routes
from .schemas import YES, record, ref

__all__ = ["RESPOND_SECONDS", "Waiters", "hooks"]

hooks = Routes()

RESPOND_SECONDS = 25.0
"""How long the sender of a hook with ``respond: output`` waits; then it gets 202 and an address."""


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


def _headers() -> dict[str, str]:
    """The request's headers by their names in lower case."""
    found = {
        name[5:].replace("_", "-").lower(): value
        for name, value in request.environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if value := request.environ.get(name):
            found[name.replace("_", "-").lower()] = value
    return found


def _body() -> bytes | Response:
    """The raw bytes, before anything parses them, or the answer to what is too large or endless."""
    if request.content_length is None:
        # Our server turns chunks into a length; others cut what is too long without a word.
        if request.headers.get("Transfer-Encoding"):
            return problem(411, "S611", "send a Content-Length")
        return b""
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge:
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        return problem(413, "S612", f"at most {limit} bytes are taken")
    except (ClientDisconnected, BadRequest):
        return problem(400, "S613", "the body ended too early")


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
    problems=(400, 401, 404, 411, 413, 415, 422, 502),
    body={},
    body_types=("application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"),
)
def receive(path: str) -> Response:
    """Take an event in for the workflow that has this path."""
    body = _body()
    if isinstance(body, Response):
        return body
    engine = _engine()
    hook_request = HookRequest(
        method=request.method,
        path=path,
        headers=_headers(),
        query=request.args.to_dict(),
        body=body,
        received_at=datetime.fromtimestamp(engine.clock(), UTC),
        remote_addr=request.remote_addr or "",
    )
    try:
        answer = engine.receive_hook(hook_request)
    except HookRefused as refused:
        # Who cannot prove who it is learns nothing about why.
        detail = "the request is refused" if refused.status == 401 else refused.reason
        return problem(refused.status, refused.code, detail)
    if answer.respond == "output" and answer.run_id is not None and answer.state == "received":
        return _with_output(engine, answer.event_id, answer.run_id)
    runs = [answer.run_id] if answer.run_id else []
    document: dict[str, Any] = {"event": answer.event_id, "runs": runs}
    if answer.state == "duplicate":
        return _json({**document, "duplicate": True}, 200)
    return _json(document, 202)


def _with_output(engine: Engine, event_id: str, run_id: str) -> Response:
    """Wait for the run's ``respond`` step or its end; who waited too long gets an address."""
    waiters: Waiters = current_app.extensions["hookline.waiters"]
    if not waiters.places.acquire(blocking=False):
        return _later(event_id, run_id)
    try:
        answer = engine.outcome(run_id).result(timeout=waiters.seconds)
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
        return _json({"event": event_id, "runs": [run_id], "output": row.output}, 200)
    error = row.error or {"code": "R102", "message": f"the run was {row.status}"}
    return problem(502, error["code"], error["message"], event=event_id, runs=[run_id])


def _later(event_id: str, run_id: str) -> Response:
    location = f"/api/v1/runs/{run_id}"
    response = _json({"event": event_id, "runs": [run_id], "location": location}, 202)
    response.headers["Location"] = location
    return response


def _responded(answer: dict[str, Any]) -> Response:
    """What a ``respond`` step said. Text is sent as text: an author's HTML is not a page of ours."""
    body = answer["body"]
    is_text = isinstance(body, str)
    response = Response(
        body if is_text else ("" if body is None else json.dumps(body)),
        status=answer["status"],
        mimetype="text/plain" if is_text else "application/json",
    )
    for name, value in answer["headers"].items():
        if name.lower() not in _REFUSED_HEADERS and "\n" not in value and "\r" not in value:
            response.headers[name] = value
    return response


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
"""Headers that a ``respond`` step cannot set: those of the connection and those that protect our pages."""


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
    body = _body()
    if isinstance(body, Response):
        return body
    is_new = _engine().receive_callback(token, _headers(), body)
    return _json({"ok": True} if is_new else {"ok": True, "duplicate": True}, 202 if is_new else 200)


def _json(document: Any, status: int) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")
