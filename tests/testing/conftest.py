"""Stand-ins and a receiver of webhooks as fixtures."""

from collections.abc import Iterator

import pytest
from testing_support import Receiver, Served, client_of

from hookline.testing.clock import ManualClock
from hookline.testing.httpd import HttpServer
from hookline.testing.replicate import ReplicateStandIn


@pytest.fixture
def served() -> Iterator[Served]:
    """A stand-in on the system's clock."""
    with ReplicateStandIn() as server, client_of(server) as api:
        yield Served(server, api)
        assert server.failures == []


@pytest.fixture
def timed() -> Iterator[Served]:
    """A stand-in whose clock stands still until the test moves it."""
    with ReplicateStandIn(clock=ManualClock()) as server, client_of(server) as api:
        yield Served(server, api)
        assert server.failures == []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    http = HttpServer(name="receiver")
    receiver = Receiver(http)
    http.start(receiver.take)
    yield receiver
    http.stop()
