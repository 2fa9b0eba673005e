"""The life of predictions: created, started, logged, finished, canceled, purged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hookline.testing.clock import Clock, Timer
from hookline.testing.replicate.records import Event, Prediction, Status

__all__ = ["Predictions"]

Listener = Callable[[Prediction, Event], None]


class Predictions:
    """All predictions of one stand-in. Every change is a new record; the first final status wins.

    Args:
        clock: Gives times and lets deadlines and retention happen.
        retention: Seconds after completion until input, output and logs are removed (Replicate: one hour).
    """

    def __init__(self, clock: Clock, retention: float) -> None:
        self._clock = clock
        self._retention = retention
        self._by_id: dict[str, Prediction] = {}
        self._deadlines: dict[str, Timer] = {}
        self._changed = threading.Condition(threading.RLock())
        self._closed = False
        self.on_event: Listener = lambda prediction, event: None
        """Told of every change, in order, while the lock is held: it must only take note."""
        self.on_done: Callable[[Prediction], None] = lambda prediction: None
        """Told once per prediction that it is over, from outside the lock."""
        self.on_purge: Callable[[str], None] = lambda prediction_id: None
        """Told that a prediction's data was removed."""

    def add(self, build: Callable[[int], Prediction]) -> Prediction:
        """Add the prediction that `build` makes from its number."""
        with self._changed:
            record = build(len(self._by_id) + 1)
            self._by_id[record.id] = record
            if record.deadline is not None:
                delay = max(0.0, record.deadline - self._clock.now())
                self._deadlines[record.id] = self._clock.call_later(delay, lambda: self.expire(record.id))
            self._changed.notify_all()
            return record

    def get(self, prediction_id: str) -> Prediction | None:
        """The prediction as it is now."""
        with self._changed:
            return self._by_id.get(prediction_id)

    def all(self) -> dict[str, Prediction]:
        """All predictions, oldest first."""
        with self._changed:
            return dict(self._by_id)

    def start(self, prediction_id: str) -> Prediction | None:
        """From ``starting`` to ``processing``; ``None`` when it is no longer starting."""
        with self._changed:
            record = self._by_id[prediction_id]
            if record.status != "starting":
                return None
            self.on_event(record, "start")
            return self._put(replace(record, status="processing", started_at=self._clock.now()))

    def log(self, prediction_id: str, text: str) -> None:
        """Append to the logs of a running prediction."""
        with self._changed:
            record = self._by_id[prediction_id]
            if not record.done:
                self.on_event(self._put(replace(record, logs=(record.logs or "") + text)), "logs")

    def set_logs(self, prediction_id: str, logs: str) -> None:
        """Replace the logs by a longer text; a shorter one came late and is ignored."""
        with self._changed:
            record = self._by_id[prediction_id]
            if not record.done and len(logs) > len(record.logs or ""):
                self.on_event(self._put(replace(record, logs=logs)), "logs")

    def emit(self, prediction_id: str, output: Any) -> None:
        """Show an intermediate output."""
        with self._changed:
            record = self._by_id[prediction_id]
            if not record.done:
                self.on_event(self._put(replace(record, output=output)), "output")

    def metric(self, prediction_id: str, name: str, value: Any) -> None:
        """Record a metric of a running prediction."""
        with self._changed:
            record = self._by_id[prediction_id]
            if not record.done:
                self._put(replace(record, metrics={**record.metrics, name: value}))

    def finish(
        self,
        prediction_id: str,
        status: Status,
        *,
        output: Any = None,
        error: str | None = None,
        metrics: Mapping[str, Any] | None = None,
        logs: str | None = None,
    ) -> bool:
        """End a prediction; false when it had ended already."""
        now = self._clock.now()
        with self._changed:
            record = self._by_id[prediction_id]
            if record.done:
                return False
            timings: dict[str, Any] = {"total_time": now - record.created_at}
            if record.started_at is not None:
                timings["predict_time"] = now - record.started_at
            ended = replace(
                record,
                status=status,
                # What was emitted before a failure or cancel stays visible, as on Replicate.
                output=output if status == "succeeded" else record.output,
                error=error,
                logs=record.logs if logs is None else logs,
                completed_at=now,
                metrics={**record.metrics, **timings, **(metrics or {})},
            )
            self._put(ended)
            if status == "succeeded" and output is not None and output != record.output:
                self.on_event(ended, "output")
            self.on_event(ended, "completed")
            deadline = self._deadlines.pop(prediction_id, None)
            if deadline is not None:
                deadline.cancel()
            self._clock.call_later(self._retention, lambda: self.purge(prediction_id))
        self.on_done(ended)
        return True

    def cancel(self, prediction_id: str) -> None:
        """What ``POST …/cancel`` does: canceled at once, whether it had started or not."""
        self.finish(prediction_id, "canceled")

    def expire(self, prediction_id: str) -> None:
        """The ``Cancel-After`` deadline: aborted before the start, canceled after it."""
        record = self.get(prediction_id)
        if record is not None:
            self.finish(prediction_id, "aborted" if record.status == "starting" else "canceled")

    def purge(self, prediction_id: str) -> None:
        """Remove input, output and logs; the record stays."""
        with self._changed:
            record = self._by_id[prediction_id]
            self._put(replace(record, input={}, output=None, logs="", data_removed=True))
        self.on_purge(prediction_id)

    def wait(
        self, prediction_id: str, until: Callable[[Prediction], bool], timeout: float | None
    ) -> Prediction:
        """The prediction once `until` holds, or as it is after `timeout` seconds of the stand-in's clock."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self.wake()

        timer = None if timeout is None else self._clock.call_later(timeout, expire)
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or expired.is_set() or until(self._by_id[prediction_id])
            )
            record = self._by_id[prediction_id]
        if timer is not None:
            timer.cancel()
        return record

    def await_record(
        self, prediction_id: str, until: Callable[[Prediction], bool], timeout: float
    ) -> Prediction:
        """The prediction once `until` holds.

        Raises:
            TimeoutError: It does not within `timeout` seconds of real time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: until(self._by_id[prediction_id]), timeout):
                raise TimeoutError(f"not so after {timeout} s: {self._by_id[prediction_id]}")
            return self._by_id[prediction_id]

    def wake(self) -> None:
        """Let everybody in `wait` look again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Let everybody in `wait` go, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put(self, record: Prediction) -> Prediction:
        self._by_id[record.id] = record
        self._changed.notify_all()
        return record
