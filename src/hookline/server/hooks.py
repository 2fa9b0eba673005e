"""The ways in for other programs: ``/hooks/<path>`` and ``/callbacks/<token>``.

A 2xx is sent only after the event, and the run it starts, are on disk.
"""

from __future__ import annotations

from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, current_app, json, request
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge

from hookline.engine.engine import Engine
from hookline.sdk import HookRefused, HookRequest

from .access import permission
from .problems import problem

__all__ = ["RESPOND_SECONDS", "hooks"]

hooks = Blueprint("hooks", __name__)

RESPOND_SECONDS = 25.0
"""How long the sender of a hook with ``respond: output`` waits; then it gets 202 and an address."""


def _engine() -> Engine:
    engine: Engine = current_app.extensions["hookline"]
    return engine


def _headers() -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _body() -> bytes | Response:
    """The raw bytes, before anything parses them, or the answer to what is too large or endless."""
    if request.content_length is None:
        # Without a length, servers differ in what they do with a body that is too large.
        if request.headers.get("Transfer-Encoding"):
            return problem(411, "S501", "send a Content-Length")
        return b""
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge:
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        return problem(413, "S502", f"at most {limit} bytes are taken")
    except (ClientDisconnected, BadRequest):
        return problem(400, "S503", "the body ended too early")


@hooks.post("/hooks/<path:path>")
@permission("open")
def receive(path: str) -> Response:
    """Take an event in."""
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
    """Wait for the run's ``respond`` step or its end; a caller who waited too long gets an address."""
    answer = None
    try:
        answer = engine.outcome(run_id).result(timeout=RESPOND_SECONDS)
    except (FutureTimeout, CancelledError):
        location = f"/api/v1/runs/{run_id}"
        response = _json({"event": event_id, "runs": [run_id], "location": location}, 202)
        response.headers["Location"] = location
        return response
    if answer is not None:
        return _responded(answer)
    row = engine.store.run(run_id)
    assert row is not None
    if row.status == "succeeded":
        return _json({"event": event_id, "runs": [run_id], "output": row.output}, 200)
    error = row.error or {"code": "R102", "message": f"the run was {row.status}"}
    return problem(502, error["code"], error["message"], event=event_id, runs=[run_id])


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
        if name.lower() not in _REFUSED_HEADERS:
            response.headers[name] = value
    return response


_REFUSED_HEADERS = frozenset(
    {"set-cookie", "content-length", "transfer-encoding", "connection", "content-security-policy"}
)


@hooks.post("/callbacks/<token>")
@permission("open")
def callback(token: str) -> Response:
    """Wake the step whose address this is."""
    body = _body()
    if isinstance(body, Response):
        return body
    is_new = _engine().receive_callback(token, _headers(), body)
    return _json({"ok": True} if is_new else {"ok": True, "duplicate": True}, 202 if is_new else 200)


def _json(document: Any, status: int) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")
