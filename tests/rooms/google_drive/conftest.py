"""A Drive of its own for every test, and connections to it through the guarded client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from hookline.engine.http import GuardedClient, Policy
from hookline.engine.http.sdk import SdkHttp
from hookline.engine.loader import import_room
from hookline.sdk import Poll
from hookline.testing import FakeConnectionContext, FakeTriggerContext, run_trigger
from hookline.testing.drive import DriveStandIn

LOOPBACK = Policy(allow_http=True, allow_networks=("127.0.0.0/8",), ports=None)
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Loopback speaks plain HTTP: reading the authorities for every client would take most of the time."""
ROOM = import_room("connectors.google_drive.connector")
TRIGGER = import_room("connectors.google_drive.trigger")


@pytest.fixture
def drive() -> Iterator[DriveStandIn]:
    with DriveStandIn() as running:
        yield running


def fields(drive: DriveStandIn, *, person: bool = False) -> dict[str, str]:
    """How to configure a connection to the stand-in."""
    given = {"base_url": drive.base_url, "token_url": drive.token_url}
    if person:
        accounts = drive.accounts
        return given | {
            "client_id": accounts.client_id,
            "client_secret": accounts.client_secret,
            "refresh_token": accounts.refresh_token,
        }
    return given | {"service_account_key": drive.accounts.service_account_key()}


class OwnLoop:
    """A guarded client that lives for one request: tests begin an event loop for everything they do."""

    def __init__(self, base_url: str, headers: Any) -> None:
        self._base_url, self._headers = base_url, headers

    async def request(self, *args: Any, **options: Any) -> Any:
        async with GuardedClient(LOOPBACK, ssl_context=NO_TLS) as guarded:
            http = SdkHttp(guarded, base_url=self._base_url, headers=self._headers)
            return await http.request(*args, **options)


def connect(drive: DriveStandIn, *, person: bool = True, public_url: str = "", **changes: str) -> Any:
    """The client of a connection called ``gd``, which goes by the clock of the stand-in."""

    class Opening(FakeConnectionContext):
        def http(self, base_url: str, *, headers: Any = None, account: str = "") -> Any:
            return OwnLoop(base_url, headers)

        def now(self) -> datetime:
            return datetime.fromtimestamp(drive.clock.now(), UTC)

    kind = ROOM.google_drive.connection_type
    settings = {"HOOKLINE_BASE_URL": public_url}
    return kind.open(Opening("gd", settings=settings), **(fields(drive, person=person) | changes))


class _Following:
    """The clock of the stand-in."""

    def __init__(self, drive: DriveStandIn) -> None:
        self._clock = drive.clock

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)


class Watch:
    """One trigger over many looks, with what the engine keeps of it."""

    def __init__(
        self,
        drive: DriveStandIn,
        folder: str,
        *,
        person: bool = True,
        public_url: str = "",
        **parameters: Any,
    ) -> None:
        self.parameters = {"folder": folder, **parameters}
        self.ctx = FakeTriggerContext(connection=connect(drive, person=person, public_url=public_url))
        self.ctx.clock = _Following(drive)  # type: ignore[assignment]
        self.started: list[str] = []
        self.skipped: list[str] = []

    def look(self, *, commit: bool = True) -> Poll:
        """One look; without `commit` the process dies before it is stored."""

        poll = asyncio.run(run_trigger(TRIGGER.file_uploaded, self.parameters, self.ctx))
        assert isinstance(poll, Poll)
        if commit:
            data = {event.key: event.data for event in poll.events}
            self.started += [str(data[key]["path"]) for key in self.ctx.commit(poll)]
            if poll.acknowledge is not None:
                asyncio.run(poll.acknowledge())  # type: ignore[arg-type]
            self.skipped += [reason for _, reason in poll.skipped]
        return poll

    def settle(self) -> list[str]:
        """Look until nothing is left to do; the paths that started a run meanwhile."""
        before = len(self.started)
        for _ in range(200):
            if self.look().next_at is None:
                return self.started[before:]
        raise AssertionError("it never ends")
