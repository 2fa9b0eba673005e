"""Asking services from the command line: actions that only read, called outside of any run."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hookline.sdk import BadInput, File, FileStore, Http
from hookline.store.artifacts import ArtifactStore

from .attempts import to_json
from .connections import Connections
from .files import EngineFiles
from .http import GuardedClient, Policy
from .http.sdk import SdkHttp
from .parameters import checked
from .redaction import Redactor
from .registry import Registry
from .settings import Settings

__all__ = ["Asker", "asker"]

Json = Any


@dataclass(slots=True)
class _AskContext:
    """The part of `hookline.sdk.Context` that an action needs that only asks a service."""

    connection: Any
    http: Http
    clock: Callable[[], float]

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def log(self, message: str, **values: Json) -> None:
        """There is no run whose log it could be in."""


class Asker:
    """Calls actions that only read. Made by `asker`."""

    def __init__(
        self,
        registry: Registry,
        connections: Connections,
        client: GuardedClient,
        files: EngineFiles,
        clock: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._connections = connections
        self._client = client
        self._files = files
        self._clock = clock

    async def ask(self, name: str, *, connection: str = "", **values: Json) -> Json:
        """What an action gives.

        Args:
            connection: Name of its connection; that of its type when empty.

        Raises:
            BadInput: There is no such action, it does more than read, or a value does not fit.
            ActionError: What the action raises.
        """
        action = self._registry.actions.get(name)
        if action is None or action.effect != "read" or action.blocking or action.pure:
            raise BadInput(f"{name} is no action that asks a service and changes nothing")
        opened = None
        if action.connection is not None:
            given = connection or action.connection
            opened = self._connections.open(given, action.connection, self._client, self._files)
        context = _AskContext(opened, SdkHttp(self._client, files=self._files), self._clock)
        return to_json(await action.run(context, **action.bind(checked(action, values))))


@asynccontextmanager
async def asker(
    settings: Settings, registry: Registry, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[Asker]:
    """An `Asker` for a project, on the running loop."""
    redactor = Redactor()
    connections = Connections(settings, registry, redactor)
    policy = Policy(allow_origins=tuple(settings.list("allow_origins")))
    files = EngineFiles(ArtifactStore(settings.path("artifacts_dir")), _no_store)
    async with GuardedClient(policy, wall=clock, redactor=redactor) as client:
        yield Asker(registry, connections, client, files, clock)


async def _no_store(file: File) -> FileStore:
    raise BadInput(f"{file.name} is not read here")
