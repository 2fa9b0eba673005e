"""Delivery of signed webhooks: Replicate's throttling, its retries, and the documented ways it goes wrong."""

from __future__ import annotations

import base64
import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from hookline.testing.clock import Clock, Timer
from hookline.testing.faults import FaultPlan
from hookline.testing.ports import is_loopback_url
from hookline.testing.replicate.records import Delivery, Event, JsonObject, Prediction, new_id
from hookline.testing.replicate.signing import new_secret, sign
from hookline.testing.replicate.tasks import Tasks

__all__ = ["DEFAULT_EVENTS", "RETRY_DELAYS", "Webhooks"]

RETRY_DELAYS: tuple[float, ...] = (1, 2, 4, 8, 15, 30)
"""Seconds between attempts at a terminal webhook; the last is one minute after completion."""

DEFAULT_EVENTS: tuple[Event, ...] = ("output", "completed")
"""Without a filter Replicate promises calls for "new outputs" and for the end."""

THROTTLE_SECONDS = 0.5
_BIG_BODY = 5_500_000


@dataclass(frozen=True, slots=True)
class _Message:
    id: str
    prediction_id: str
    event: Event
    url: str
    body: bytes
    attempt: int = 1


@dataclass(slots=True)
class _Line:
    """What one prediction still has to send, in order."""

    waiting: deque[_Message] = field(default_factory=deque)
    sending: bool = False
    last_sent: dict[Event, float] = field(default_factory=dict)
    pending: dict[Event, Timer] = field(default_factory=dict)
    held_start: _Message | None = None


class Webhooks:
    """Sends webhooks to loopback receivers; other addresses are recorded as failed without being contacted.

    Args:
        render: Makes the body of ``GET /predictions/{id}``.
        current: Looks a prediction up.
        secret: ``whsec_…``.
        retry_delays: Seconds before each further attempt at a terminal webhook.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        tasks: Tasks,
        faults: FaultPlan,
        render: Callable[[Prediction], JsonObject],
        current: Callable[[str], Prediction | None],
        secret: str,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        timeout: float = 5.0,
    ) -> None:
        self._clock = clock
        self._tasks = tasks
        self._faults = faults
        self._render = render
        self._current = current
        self._retry_delays = tuple(retry_delays)
        self._lines: dict[str, _Line] = {}
        self._deliveries: list[Delivery] = []
        self._changed = threading.Condition()
        # Receivers are on loopback, where a certificate can only be self-made.
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False, verify=False)
        self.secret = secret

    @property
    def deliveries(self) -> list[Delivery]:
        """Every attempt so far, oldest first."""
        with self._changed:
            return list(self._deliveries)

    def wait_for(
        self, condition: Callable[[Sequence[Delivery]], bool], timeout: float = 30.0
    ) -> list[Delivery]:
        """The deliveries once `condition` holds of them.

        Raises:
            TimeoutError: It does not within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._deliveries), timeout):
                raise TimeoutError(f"not so after {timeout} s: {self._deliveries}")
            return list(self._deliveries)

    def stop(self) -> None:
        """Close connections. Call after the clock and the tasks have stopped."""
        self._client.close()

    def notice(self, prediction: Prediction, event: Event) -> None:
        """A prediction changed: send what its filter asks for."""
        if prediction.webhook is None:
            return
        wanted = prediction.webhook_events_filter or DEFAULT_EVENTS
        with self._changed:
            line = self._lines.setdefault(prediction.id, _Line())
            if event == "completed":
                self._complete(line, prediction, "completed" in wanted)
            elif event in wanted:
                if event == "start":
                    self._start(line, prediction)
                else:
                    self._throttled(line, prediction, event)

    def _start(self, line: _Line, prediction: Prediction) -> None:
        if self._faults.take("webhook.drop_start"):
            return
        message = self._message(prediction, "start")
        if self._faults.take("webhook.reorder"):
            line.held_start = message
        else:
            self._enqueue(line, message)

    def _throttled(self, line: _Line, prediction: Prediction, event: Event) -> None:
        if event in line.pending:
            return
        last = line.last_sent.get(event)
        wait = 0.0 if last is None else last + THROTTLE_SECONDS - self._clock.now()
        if wait <= 0:
            self._send_now(line, prediction, event)
        else:
            line.pending[event] = self._clock.call_later(wait, lambda: self._flush(prediction.id, event))

    def _flush(self, prediction_id: str, event: Event) -> None:
        prediction = self._current(prediction_id)
        with self._changed:
            line = self._lines[prediction_id]
            if line.pending.pop(event, None) is not None and prediction is not None:
                self._send_now(line, prediction, event)

    def _send_now(self, line: _Line, prediction: Prediction, event: Event) -> None:
        line.last_sent[event] = self._clock.now()
        self._enqueue(line, self._message(prediction, event))

    def _complete(self, line: _Line, prediction: Prediction, wanted: bool) -> None:
        for event, timer in list(line.pending.items()):
            timer.cancel()
            del line.pending[event]
            if not wanted:
                self._send_now(line, prediction, event)
        silent = prediction.status == "aborted" and self._faults.take("webhook.silent_abort") is not None
        if wanted and not silent and not self._faults.take("webhook.drop_completed"):
            self._enqueue(line, self._message(prediction, "completed"))
        if line.held_start is not None:
            self._enqueue(line, line.held_start)
            line.held_start = None

    def _message(self, prediction: Prediction, event: Event) -> _Message:
        body = self._render(prediction)
        if (fault := self._faults.take("webhook.large_body")) is not None:
            body["logs"] = (body["logs"] or "") + "." * int(fault.value or _BIG_BODY)
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        return _Message(f"msg_{new_id(27)}", prediction.id, event, prediction.webhook or "", text.encode())

    def _enqueue(self, line: _Line, message: _Message) -> None:
        line.waiting.append(message)
        if self._faults.take("webhook.duplicate"):
            line.waiting.append(message)
        if not line.sending:
            line.sending = True
            self._tasks.submit(lambda: self._drain(line))

    def _drain(self, line: _Line) -> None:
        while True:
            with self._changed:
                if not line.waiting:
                    line.sending = False
                    return
                message = line.waiting.popleft()
            self._deliver(message)

    def _deliver(self, message: _Message) -> None:
        status, error = self._post(message)
        delivery = Delivery(
            message.id,
            message.prediction_id,
            message.event,
            message.url,
            message.attempt,
            self._clock.now(),
            status,
            error,
        )
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify_all()
        if delivery.accepted or message.event != "completed" or message.attempt > len(self._retry_delays):
            return
        again = _Message(
            message.id, message.prediction_id, message.event, message.url, message.body, message.attempt + 1
        )
        delay = self._retry_delays[message.attempt - 1]
        self._clock.call_later(delay, lambda: self._tasks.submit(lambda: self._deliver(again)))

    def _post(self, message: _Message) -> tuple[int | None, str | None]:
        if not is_loopback_url(message.url):
            return None, "not a loopback address: a stand-in contacts no other machine"
        try:
            answer = self._client.post(message.url, content=message.body, headers=self._headers(message))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, f"{type(error).__name__}: {error}"
        return answer.status_code, None

    def _headers(self, message: _Message) -> dict[str, str]:
        timestamp = int(self._clock.now())
        if (fault := self._faults.take("webhook.stale_timestamp")) is not None:
            timestamp -= int(fault.value or 600)
        secret = new_secret() if self._faults.take("webhook.wrong_secret") else self.secret
        signature = sign(secret, message.id, timestamp, message.body)
        if self._faults.take("webhook.only_v2"):
            signature = "v2," + signature.removeprefix("v1,")
        if self._faults.take("webhook.extra_signature"):
            signature = f"v2,{base64.b64encode(message.id.encode()).decode()} {signature}"
        return {
            "Content-Type": "application/json",
            "User-Agent": "Replicate/1 (hookline stand-in)",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature,
        }
