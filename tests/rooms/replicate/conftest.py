"""A strict stand-in whose clock the test moves, and drivers for attempts against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.testing.clock import ManualClock
from hookline.testing.replicate import ReplicateStandIn

from ..driver import Driver

connector = import_room("connectors.replicate.connector")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def standin(clock: ManualClock) -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn(clock=clock) as server:
        yield server
        assert server.failures == []


@pytest.fixture
def make(standin: ReplicateStandIn, clock: ManualClock) -> Callable[..., Driver]:
    """``make({…input of the step…}, crash_at=…)``"""

    def build(parameters: dict[str, Any], **options: Any) -> Driver:
        fields = options.pop("fields", {})

        def connect(ctx: Any) -> Any:
            return connector.connect(ctx, token=standin.token, base_url=standin.base_url, **fields)

        return Driver(connector.run, parameters, connect, clock, **options)

    return build


@pytest.fixture
def echo(standin: ReplicateStandIn) -> dict[str, Any]:
    """A step that returns its text at once."""
    return {"model": f"hookline/echo:{standin.version_of('hookline/echo')}", "input": {"text": "hello"}}


@pytest.fixture
def sleepy(standin: ReplicateStandIn) -> dict[str, Any]:
    """A step that takes 20 seconds."""
    model = f"hookline/sleepy:{standin.version_of('hookline/sleepy')}"
    return {"model": model, "input": {"seconds": 20, "steps": 4, "text": "rested"}}


@pytest.fixture
def picture(standin: ReplicateStandIn) -> dict[str, Any]:
    """A step that draws two pictures."""
    model = f"hookline/picture:{standin.version_of('hookline/picture')}"
    return {"model": model, "input": {"count": 2, "color": "#204060"}}
