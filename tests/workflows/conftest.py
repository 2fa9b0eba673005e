"""The services that the starter workflows talk to: real servers and stand-ins, fresh for every test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason
from hookline.testing.httpd import HttpServer, Request, Response
from hookline.testing.s3 import RcloneNotInstalledError, S3Server, rclone_binary
from hookline.testing.slack import SlackStandIn


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn() as running:
        yield running


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    """A real S3 server with the buckets that the starters name."""
    pytest.importorskip("boto3", reason="boto3 is not installed: pip install hookline[s3]")
    try:
        rclone_binary()
    except RcloneNotInstalledError as error:
        pytest.skip(str(error))
    with S3Server(tmp_path / "buckets") as running:
        for bucket in ("uploads", "processed", "archive"):
            running.create_bucket(bucket)
        yield running


@pytest.fixture(scope="session")
def cog() -> Iterator[CogServer]:
    """A real Cog server with the model that restyles pictures."""
    reason = cog_unavailable_reason()
    if reason is not None:
        pytest.skip(reason)
    with CogServer(MODELS / "restyle") as running:
        yield running


class Site:
    """Somebody's own site: it takes what it is sent, and serves what a test gives it.

    Attributes:
        received: Method, path and body of every request that brought one.
        headers: Headers of these requests.
        answers: What GET answers, by path; anything else is 404.
        refuses: Everything else is answered 403.
    """

    def __init__(self) -> None:
        self._server = HttpServer(name="site")
        self.received: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, Response] = {}
        self.refuses = False
        self._server.start(self._answer)

    @property
    def url(self) -> str:
        return self._server.origin

    @property
    def environment(self) -> dict[str, str]:
        return {"SITE_BASE_URL": self.url, "SITE_API_TOKEN": "token of the site"}

    def close(self) -> None:
        self._server.stop()

    def _answer(self, request: Request) -> Response:
        if request.method == "GET":
            return self.answers.get(request.path, Response.of(404, {"error": "not found"}))
        if self.refuses:
            return Response.of(403, {"error": "forbidden"})
        self.received.append((request.method, request.path, json.loads(request.body)))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        return Response.of(201, {"url": f"https://site.example{request.path}/{len(self.received)}"})


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()
