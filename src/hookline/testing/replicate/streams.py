"""Server-sent events of a prediction's output."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hookline.testing.clock import Clock
from hookline.testing.replicate.predictions import Predictions
from hookline.testing.replicate.records import Prediction

__all__ = ["IDLE_SECONDS", "stream_events"]

IDLE_SECONDS = 30.0
"""After so long without an event Replicate ends the stream with a comment."""


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
