"""A real S3 server, a bucket for every test, and the client of an `s3` connection to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.testing import FakeConnectionContext
from hookline.testing.s3 import S3Server

from .aws import Aws, running

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for all tests of a worker."""
    with S3Server(tmp_path_factory.mktemp("buckets")) as running:
        yield running


@pytest.fixture
def bucket(server: S3Server) -> str:
    """An empty bucket."""
    name = f"bucket-{next(_NUMBERS)}"
    server.create_bucket(name)
    return name


@pytest.fixture(scope="session")
def store(server: S3Server) -> Iterator[Any]:
    """The opened client of a connection called `uploads`; one for all tests, it takes a while to make."""
    client = connect(server)
    yield client
    client.close()


def connect(server: S3Server, **fields: str) -> Any:
    """Open a connection to the server."""
    given = {
        "endpoint_url": server.endpoint_url,
        "region": "us-east-1",
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
        **fields,
    }
    kind = import_room("connectors.s3.connector").s3.connection_type
    return kind.open(FakeConnectionContext("uploads"), **given)


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """One moto for all tests of a worker: it takes two seconds to import."""
    with running() as found:
        yield found
