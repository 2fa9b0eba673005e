"""The parts of one stand-in, as the routes see them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from hookline.testing.clock import Clock
from hookline.testing.faults import FaultPlan
from hookline.testing.replicate.catalog import Catalog
from hookline.testing.replicate.cdn import Cdn
from hookline.testing.replicate.cog_backend import CogBackend
from hookline.testing.replicate.execution import Executor
from hookline.testing.replicate.predictions import Predictions
from hookline.testing.replicate.records import Creation
from hookline.testing.replicate.webhooks import Webhooks
from hookline.testing.replicate.wire import Wire

__all__ = ["Creations", "Services"]


class Creations:
    """The record of every prediction that was made, in order."""

    def __init__(self) -> None:
        self._items: list[Creation] = []
        self._guard = threading.Lock()

    def add(self, creation: Creation) -> None:
        """Record one."""
        with self._guard:
            self._items.append(creation)

    def answer_lost(self, prediction_id: str, fault: str) -> None:
        """The creation's answer did not reach the client."""
        with self._guard:
            self._items = [
                replace(item, fault=fault) if item.prediction_id == prediction_id else item
                for item in self._items
            ]

    def all(self) -> list[Creation]:
        """All of them, oldest first."""
        with self._guard:
            return list(self._items)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a route may need."""

    clock: Clock
    faults: FaultPlan
    catalog: Catalog
    predictions: Predictions
    executor: Executor
    cdn: Cdn
    wire: Wire
    webhooks: Webhooks
    username: str
    allow_http_webhooks: bool
    cog: CogBackend | None = None
    creations: Creations = field(default_factory=Creations)
