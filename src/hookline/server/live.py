"""``/api/v1/runs/<id>/stream``: a run as it goes on, as server-sent events.

The history is the truth and can be taken up again after its last entry. What steps show while they
are at work (``text``) is no history: it is sent to whoever looks, and nowhere kept.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from flask import Response, current_app, request

from hookline.core.state import replay
from hookline.engine import documents
from hookline.engine.engine import Engine, EngineError
from hookline.engine.watching import View
from hookline.store.port import RunRow

from .problems import problem
from .routes import Answer, Parameter, Routes

__all__ = ["Places", "live", "run_events"]

live = Routes("/api/v1")

Json = Any

LOOK_SECONDS = 1.0
"""How often the store is asked about a run that another process may be moving on."""

BREATH_SECONDS = 0.1
"""Between two messages of one stream, so that a model's words come a few at a time."""

COMMENT_SECONDS = 5.0
"""A comment at least so often: it keeps proxies from hanging up, and shows who has left."""

RETRY_AFTER = 5


class Places:
    """How many streams there may be at the same time: each holds one of the server's threads."""

    def __init__(self, number: int) -> None:
        self._free = threading.BoundedSemaphore(max(number, 1))

    def take(self) -> Callable[[], None] | None:
        """A place, as the function that gives it back (once); None when all are taken."""
        if not self._free.acquire(blocking=False):
            return None
        given = threading.Lock()

        def give_back() -> None:
            if given.acquire(blocking=False):
                self._free.release()

        return give_back


def _after() -> int:
    """The number of the last history entry that the sender has; -1 for none."""
    text = request.headers.get("Last-Event-ID") or request.args.get("after") or "-1"
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise EngineError("after must be the number of a history entry", code="S607", status=422)
    return int(text)


@live.get(
    "/runs/<run_id>/stream",
    permission="read",
    answers={
        200: Answer(
            "Server-sent events: `run` (the run without its steps) at first and whenever it changes; "
            "`history` (an entry of its history, whose number is the event's id); `text` (`path`, "
            "`attempt`, `text`, `appended`: what a step shows while it is at work, after or in place of what "
            "it showed); `end` once the run is over and everything was sent.",
            {"type": "string"},
            "text/event-stream",
        )
    },
    problems=(404, 422),
    parameters=(
        Parameter(
            "after",
            "Only history entries after this number. A `Last-Event-ID` header counts before it.",
            {"type": "integer"},
        ),
    ),
)
def stream(run_id: str) -> Response:
    """A run as it goes on, as server-sent events."""
    engine: Engine = current_app.extensions["hookline"]
    engine.reader.row(run_id)
    after = _after()
    give_back = current_app.extensions["hookline.places"].take()
    if give_back is None:
        detail = "as many watch runs live as may at the same time"
        return problem(503, "S608", detail, retry_after=RETRY_AFTER)
    view = engine.views.open(run_id)
    response = Response(run_events(engine, view, after), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    # nginx would collect the events and send them when there are enough.
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(view.close)
    response.call_on_close(give_back)
    return response


def run_events(engine: Engine, view: View, after: int) -> Iterator[bytes]:
    """The events of one stream until its run is over or the engine stops."""
    yield b"retry: 2000\n\n"
    seen: RunRow | None = None
    spoken = time.monotonic()
    looked, gap = -LOOK_SECONDS, 0.0
    while not view.is_closing:
        said = False
        now = time.monotonic()
        if now - looked >= (gap if view.has_moved() else max(gap, LOOK_SECONDS)):
            looked = now
            row = engine.reader.row(view.run_id)
            if row != seen or row.owner is not None:
                entries = engine.reader.entries(view.run_id)
                state = replay(entries)
                view.look(state, engine.plans.get(state.version))
                for entry in documents.history_document([each for each in entries if each.seq > after]):
                    after, said = entry["seq"], True
                    yield _message("history", entry, str(after))
                # A long history takes long to read; looking must not be all that is done.
                gap = 5 * (time.monotonic() - now)
            if row != seen:
                seen, said = row, True
                yield _message("run", documents.run_summary(row))
        for text in view.texts():
            said = True
            yield _message("text", asdict(text))
        if seen is not None and seen.finished_at is not None:
            yield _message("end", {"status": seen.status})
            return
        if said:
            spoken = time.monotonic()
        elif time.monotonic() - spoken >= COMMENT_SECONDS:
            spoken = time.monotonic()
            yield b":\n\n"
        if view.wait(LOOK_SECONDS):
            time.sleep(BREATH_SECONDS)


def _message(event: str, data: Json, id: str = "") -> bytes:
    head = f"id: {id}\n" if id else ""
    # JSON has no line ends of its own, so one line holds it.
    return f"event: {event}\n{head}data: {json.dumps(data)}\n\n".encode()
