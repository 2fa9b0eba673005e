"""What the stand-in keeps: predictions, creations, webhook deliveries, files."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "EVENTS",
    "TERMINAL",
    "Creation",
    "Delivery",
    "Event",
    "FileRecord",
    "JsonObject",
    "Prediction",
    "Status",
    "new_id",
]

JsonObject = dict[str, Any]
Status = Literal["starting", "processing", "succeeded", "failed", "canceled", "aborted"]
Event = Literal["start", "output", "logs", "completed"]

TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "canceled", "aborted"})
EVENTS: tuple[Event, ...] = ("start", "output", "logs", "completed")

_ALPHABET = string.ascii_lowercase + string.digits


def new_id(length: int = 26) -> str:
    """An opaque id. Replicate's prediction ids are 26 characters ``[a-z0-9]``."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction or training at one moment. Times are Unix seconds."""

    id: str
    number: int
    """Order of creation, from 1."""
    model: str
    version: str
    input: Mapping[str, Any]
    created_at: float
    webhook: str | None = None
    webhook_events_filter: tuple[Event, ...] | None = None
    deadline: float | None = None
    deployment: str | None = None
    streams: Literal["text", "files"] | None = None
    destination: str | None = None
    secrets: frozenset[str] = frozenset()
    """Inputs that are not shown."""
    status: Status = "starting"
    output: Any = None
    error: str | None = None
    logs: str | None = ""
    started_at: float | None = None
    completed_at: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data_removed: bool = False

    @property
    def done(self) -> bool:
        """Whether the status is final."""
        return self.status in TERMINAL

    @property
    def is_training(self) -> bool:
        """Whether it is a training, which has a destination."""
        return self.destination is not None


@dataclass(frozen=True, slots=True)
class Creation:
    """One accepted ``POST`` that made a prediction, whatever became of its answer.

    Attributes:
        prediction_id: The prediction that now runs, and would be billed.
        at: Unix seconds.
        path: The request's path.
        body: The request's body.
        prefer: The ``Prefer`` header.
        cancel_after: The ``Cancel-After`` header.
        fault: The fault that kept the answer from the client, or ``None`` when it was answered.
    """

    prediction_id: str
    at: float
    path: str
    body: Mapping[str, Any]
    prefer: str | None
    cancel_after: str | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver one webhook.

    Attributes:
        message_id: The ``webhook-id`` header; the same on every attempt.
        attempt: From 1.
        status: The receiver's HTTP status, ``None`` when there was no answer.
        error: Why there was none.
    """

    message_id: str
    prediction_id: str
    event: Event
    url: str
    attempt: int
    at: float
    status: int | None
    error: str | None

    @property
    def accepted(self) -> bool:
        """Whether the receiver answered 2xx."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of the Files API."""

    id: str
    name: str
    content_type: str
    data: bytes
    metadata: Mapping[str, Any]
    created_at: float
    expires_at: float
