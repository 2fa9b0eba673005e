"""A Cog server's HTTP API (https://cog.run/http), both of its generations.

0.23 (coglet) answers ``{id, status, output, error, logs, metrics}``; up to 0.16 the answer also holds
the input and times. Errors are ``{"error": …}`` or ``{"detail": …}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from hookline.sdk import (
    Http,
    MalformedOutput,
    OutcomeUnknown,
    Unavailable,
)
from hookline.sdk.http import raise_for_status
from hookline.sdk.model_files import ModelSchema
from hookline.sdk.predictions import amount, iso, parse_time

from .problems import raise_problem

__all__ = ["CogClient", "Health", "Published", "Snapshot"]

Json = Any

TERMINAL = frozenset({"succeeded", "failed", "canceled"})
ASK_TIMEOUT = 10.0
SEND_TIMEOUT = 30.0
MAX_ANSWER = 100 * 1024 * 1024
"""Bytes of an answer: output files come inside it."""


@dataclass(frozen=True, slots=True)
class Health:
    """What ``GET /health-check`` says.

    Attributes:
        status: STARTING, READY, BUSY, SETUP_FAILED, UNHEALTHY, DEFUNCT, UNKNOWN.
        boot: When it began to set up its model; changes when the server starts anew.
        ready: When the model was set up, None until then.
        version: What it says of its own version: ``coglet``, ``python_sdk``, ``python``, …; empty up to 0.16.
    """

    status: str
    boot: str | None
    version: Mapping[str, Json] = field(default_factory=dict)
    ready: str | None = None

    @property
    def is_coglet(self) -> bool:
        """Whether it is of the newer generation.

        Webhooks of the older one, up to 0.16, name files by their paths on the server's disk; only the
        answer to a held request has their bytes.
        """
        return "coglet" in self.version

    @property
    def works(self) -> bool:
        """Whether the model is set up and its worker alive."""
        return self.status in ("READY", "BUSY")


@dataclass(frozen=True, slots=True)
class Published:
    """What ``GET /openapi.json`` says.

    Attributes:
        digest: SHA-256 of the document, hexadecimal, whatever the order of its keys.
    """

    document: Mapping[str, Json]
    schema: ModelSchema
    digest: str

    @classmethod
    def of(cls, document: Mapping[str, Json]) -> Published:
        """Read a document."""
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return cls(document, ModelSchema(document), hashlib.sha256(text.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A prediction as the server tells it."""

    id: str | None
    status: str
    output: Json
    error: Json
    predict_seconds: float | None
    created_at: datetime | None
    completed_at: datetime | None

    @property
    def done(self) -> bool:
        """Whether the status is final."""
        return self.status in TERMINAL

    def to_json(self) -> dict[str, Json]:
        """What `read` takes, to be noted."""
        return {
            "id": self.id,
            "status": self.status,
            "output": self.output,
            "error": self.error,
            "metrics": {"predict_time": self.predict_seconds},
            "created_at": self.created_at and iso(self.created_at),
            "completed_at": self.completed_at and iso(self.completed_at),
        }

    @classmethod
    def read(cls, value: Json) -> Snapshot:
        """Read a body.

        Raises:
            MalformedOutput: It is no prediction.
        """
        if not isinstance(value, Mapping) or not isinstance(value.get("status"), str):
            raise MalformedOutput("the Cog server answered something that is no prediction")
        job, metrics = value.get("id"), value.get("metrics")
        return cls(
            id=job if isinstance(job, str) else None,
            status=value["status"],
            output=value.get("output"),
            error=value.get("error"),
            predict_seconds=amount(metrics.get("predict_time")) if isinstance(metrics, Mapping) else None,
            created_at=parse_time(value.get("created_at")) or parse_time(value.get("started_at")),
            completed_at=parse_time(value.get("completed_at")),
        )


class CogClient:
    """One Cog server, which serves one model.

    Args:
        base_url: Its address, without a trailing slash.
        webhook_token: What the server sends with webhooks (its ``WEBHOOK_AUTH_TOKEN``), or "".
        model_version: What its operator calls the model's version, or "".
    """

    def __init__(self, http: Http, base_url: str, webhook_token: str = "", model_version: str = "") -> None:
        self.http = http
        self.base_url = base_url
        self.webhook_token = webhook_token
        self.model_version = model_version
        self._published: dict[str, Published] = {}

    async def health(self) -> Health:
        """How the server is.

        Raises:
            Unavailable: It does not answer.
        """
        try:
            response = await self.http.request("GET", "health-check", timeout=ASK_TIMEOUT)
        except OutcomeUnknown as error:
            raise Unavailable(error.message) from error
        # A server that is not ready may say so with 503 and the same body.
        if response.status != 503:
            raise_for_status(response, effect="read", service="The Cog server")
        body = response.json() if response.status == 200 or response.content else None
        if not isinstance(body, Mapping) or not isinstance(body.get("status"), str):
            raise Unavailable("the server's health check is not a Cog server's", hint="check the base_url")
        setup = body.get("setup")
        times = [
            setup.get(key) if isinstance(setup, Mapping) else None for key in ("started_at", "completed_at")
        ]
        boot, ready = (time if isinstance(time, str) else None for time in times)
        version = body.get("version")
        return Health(
            status=body["status"],
            boot=boot,
            version=version if isinstance(version, Mapping) else {},
            ready=ready,
        )

    async def published(self, boot: str | None) -> Published | None:
        """What the server says of its model, None when it does not; asked once for each start.

        Raises:
            ActionError: It cannot be asked just now, or not with this token.
        """
        if boot is not None and boot in self._published:
            return self._published[boot]
        response = await self.http.request("GET", "openapi.json", timeout=ASK_TIMEOUT)
        try:
            document = response.json()
        except MalformedOutput:
            document = None
        # A server without a schema says so with 503 and JSON; one that cannot write its schema fails with
        # 500. Anything else comes from a proxy before it, and does not mean that there is none.
        says_none = response.status in (404, 500) or (response.status == 503 and document is not None)
        if not says_none:
            raise_for_status(response, effect="read", service="The Cog server")
        if response.status != 200 or not isinstance(document, Mapping):
            return None
        published = Published.of(document)
        if boot is not None:
            self._published = {boot: published}
        return published

    async def put(self, job: str, body: Mapping[str, Json], *, hold: float | None) -> Snapshot:
        """Start a prediction under this id, or join the one that is in flight under it.

        Args:
            hold: Seconds to hold the connection until the result; None to be called back. When a
                held connection breaks, the server stops the prediction.

        Raises:
            RateLimited, Unavailable: The server is busy or not ready; nothing was started.
            OutcomeUnknown: It may have been started.
        """
        headers = {"Prefer": "respond-async"} if hold is None else {}
        try:
            response = await self.http.request(
                "PUT",
                f"predictions/{quote(job, safe='')}",
                json=body,
                headers=headers,
                timeout=SEND_TIMEOUT if hold is None else hold,
                max_bytes=MAX_ANSWER,
            )
        except MalformedOutput as error:
            raise OutcomeUnknown(f"the Cog server's answer cannot be read: {error.message}") from error
        raise_problem(response)
        try:
            return Snapshot.read(response.json())
        except MalformedOutput as error:
            raise OutcomeUnknown(error.message) from error

    async def cancel(self, job: str) -> None:
        """Stop a prediction; one that is over or unknown is left as it is."""
        response = await self.http.request(
            "POST", f"predictions/{quote(job, safe='')}/cancel", timeout=ASK_TIMEOUT
        )
        if response.status != 404:
            raise_for_status(response, effect="idempotent", service="The Cog server")

    def owns(self, url: str) -> bool:
        """Whether an address is on the server's own origin."""
        try:
            ours, theirs = urlsplit(self.base_url), urlsplit(url)
            return (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
        except ValueError:
            return False
