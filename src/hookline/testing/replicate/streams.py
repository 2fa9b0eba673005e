"""Server-sent events of a prediction's output, on an origin of their own as at Replicate."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from itertools import islice

from hookline.testing.clock import Clock
from hookline.testing.faults import FaultPlan
from hookline.testing.httpd import Answer, Chunks, HttpServer, Request, Response
from hookline.testing.replicate.cdn import CdnRequest
from hookline.testing.replicate.predictions import Predictions
from hookline.testing.replicate.records import Prediction

__all__ = ["IDLE_SECONDS", "Streams", "stream_events"]

IDLE_SECONDS = 30.0
"""After so long without an event Replicate ends the stream with a comment."""


class Streams:
    """Serves ``/v1/text/<id>`` and ``/v1/files/<id>``; clients tell the two by their path.

    The addresses are capabilities: no token is needed, and none should be sent. One official client
    sends it all the same, so it is recorded and not refused.
    """

    def __init__(
        self, predictions: Predictions, clock: Clock, faults: FaultPlan, *, host: str, port: int = 0
    ) -> None:
        self._predictions = predictions
        self._clock = clock
        self._faults = faults
        self._requests: list[CdnRequest] = []
        self._guard = threading.Lock()
        self._server = HttpServer(host=host, port=port, name="replicate-streams")

    @property
    def origin(self) -> str:
        """``http://host:port`` of the streams."""
        return self._server.origin

    @property
    def requests(self) -> list[CdnRequest]:
        """Everything that was asked of it."""
        with self._guard:
            return list(self._requests)

    def start(self) -> None:
        """Begin to answer."""
        self._server.start(self._answer)

    def stop(self) -> None:
        """Stop answering."""
        self._server.stop()

    def _answer(self, request: Request) -> Answer:
        with self._guard:
            self._requests.append(CdnRequest(request.method, request.path, request.header("Authorization")))
        if self._faults.take("stream.unavailable"):
            return Response.text(503, "<html>Service Unavailable</html>", "text/html")
        _, version, kind, prediction = [*request.path.split("/"), "", "", "", ""][:4]
        record = self._predictions.get(prediction)
        if version != "v1" or record is None or record.streams != kind:
            return Response.text(404, "Not Found")
        events = stream_events(self._predictions, self._clock, prediction)
        if (fault := self._faults.take("stream.cut")) is not None:
            events = islice(events, int(fault.value or 1))
        if self._faults.take("stream.wrong"):
            events = (b"event: output\ndata: not what it made\n\n" for _ in islice(events, 1))
        if self._faults.take("stream.silent"):
            events = iter([b":408: 408 Request Timeout\n\n"])
        return Chunks(200, "text/event-stream", events, {"Cache-Control": "no-store"})


def stream_events(predictions: Predictions, clock: Clock, prediction_id: str) -> Iterator[bytes]:
    """``output`` events as the prediction emits them, then ``done``; ``error`` before it when it failed."""
    sent = 0
    counter = 0

    def event(name: str, data: str) -> bytes:
        nonlocal counter
        lines = "".join(f"data: {line}\n" for line in data.split("\n"))
        block = f"event: {name}\nid: {int(clock.now())}:{counter}\n{lines}\n"
        counter += 1
        return block.encode()

    while True:
        seen = sent

        def has_news(record: Prediction, seen: int = seen) -> bool:
            return record.done or len(_pieces(record)) > seen

        record = predictions.wait(prediction_id, has_news, IDLE_SECONDS)
        if not has_news(record) or record.data_removed:
            yield b":408: 408 Request Timeout\n\n"
            return
        pieces = _pieces(record)
        for piece in pieces[sent:]:
            yield event("output", piece)
        sent = len(pieces)
        if record.done:
            if record.status == "failed":
                yield event("error", json.dumps({"detail": record.error}))
            yield event("done", json.dumps(_ending(record)))
            return


def _pieces(record: Prediction) -> list[str]:
    if record.output is None:
        return []
    return (
        [str(piece) for piece in record.output] if isinstance(record.output, list) else [str(record.output)]
    )


def _ending(record: Prediction) -> dict[str, str]:
    if record.status == "succeeded":
        return {}
    return {"reason": "error" if record.status == "failed" else "canceled"}
