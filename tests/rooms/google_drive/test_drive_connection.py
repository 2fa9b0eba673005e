"""The credential: renewed in time, once for all, sent nowhere else; and what a refusal means."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hookline.engine.connections import Connections
from hookline.engine.loader import load_registry
from hookline.engine.redaction import Redactor
from hookline.engine.settings import load_settings
from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    ContentRejected,
    InsufficientCredit,
    MalformedOutput,
    NotFound,
    RateLimited,
    Unavailable,
)
from hookline.testing import FakeConnectionContext
from hookline.testing.clock import ManualClock
from hookline.testing.drive import DriveStandIn
from hookline.testing.httpd import HttpServer, Request, Response

from .conftest import ROOM, connect

STAT = "gdrive://root/a.txt"


def whose(client: Any) -> str:
    return str(asyncio.run(ROOM.google_drive.connection_type.test(client)))


@pytest.mark.parametrize("person", [True, False])
def test_whose_it_is(drive: DriveStandIn, person: bool) -> None:
    accounts = drive.accounts
    assert whose(connect(drive, person=person)) == (accounts.person if person else accounts.email)


def test_a_token_is_asked_for_once_however_many_wait(drive: DriveStandIn) -> None:
    drive.people.put("a.txt", b"x")
    client = connect(drive)

    async def go() -> None:
        await asyncio.gather(*(client.stat(STAT) for _ in range(8)))

    asyncio.run(go())
    assert drive.accounts.issued == 1


def test_a_token_is_renewed_before_it_ends_and_when_it_is_refused() -> None:
    clock = ManualClock()
    with DriveStandIn(clock=clock) as drive:
        client = connect(drive, person=False)
        whose(client)
        clock.advance(3000)
        whose(client)
        assert drive.accounts.issued == 1
        clock.advance(500)
        whose(client)
        assert drive.accounts.issued == 2
        assert 401 not in [request.status for request in drive.requests]
        drive.accounts.expire()
        whose(client)
        assert drive.accounts.issued == 3


def test_a_credential_that_is_refused_is_not_asked_for_for_ever(drive: DriveStandIn) -> None:
    client = connect(drive)
    whose(client)
    drive.faults.set("files.unauthorized", times=None)
    with pytest.raises(AuthenticationFailed):
        whose(client)
    assert drive.accounts.issued == 2
    drive.faults.clear()
    drive.accounts.revoked = True
    with pytest.raises(AuthenticationFailed) as caught:
        whose(connect(drive))
    assert caught.value.code == "C042"
    assert "seven days" in caught.value.hint


@pytest.mark.parametrize(
    ("fault", "value", "error"),
    [
        ("token.server_error", "500", Unavailable),
        ("token.server_error", "503", Unavailable),
        ("token.too_many", "9", RateLimited),
        ("token.reset_before", None, Unavailable),
        ("token.html_500", None, Unavailable),
        ("token.unparsable_after", None, MalformedOutput),
        ("token.forbidden", None, AuthenticationFailed),
    ],
)
def test_when_no_token_comes(
    drive: DriveStandIn, fault: str, value: str | None, error: type[ActionError]
) -> None:
    client = connect(drive)
    drive.faults.set(fault, value=value)
    with pytest.raises(error) as caught:
        whose(client)
    if error is RateLimited:
        assert caught.value.retry_after == 9
    assert whose(client) == drive.accounts.person


@pytest.mark.parametrize(
    ("fault", "value", "error"),
    [
        ("rate_limited", "rateLimitExceeded", RateLimited),
        ("rate_limited", "userRateLimitExceeded", RateLimited),
        ("rate_limited", "dailyLimitExceeded", RateLimited),
        ("too_many", "7", RateLimited),
        ("forbidden", "insufficientFilePermissions", AuthenticationFailed),
        ("forbidden", "accessNotConfigured", AuthenticationFailed),
        ("forbidden", "cannotDownloadAbusiveFile", ContentRejected),
        ("forbidden", "cannotDownloadFile", BadInput),
        ("forbidden", "storageQuotaExceeded", InsufficientCredit),
        ("forbidden", "somethingNew", AuthenticationFailed),
        ("server_error", "500", Unavailable),
        ("server_error", "503", Unavailable),
        ("html_500", None, Unavailable),
        ("reset_before", None, Unavailable),
        ("reset_after", None, Unavailable),
        ("unparsable_after", None, MalformedOutput),
    ],
)
def test_the_reason_decides_what_a_refusal_is(
    drive: DriveStandIn, fault: str, value: str | None, error: type[ActionError]
) -> None:
    """A 403 is a limit of requests, a full disk, a missing permission, or a file that nobody is given."""
    drive.people.put("a.txt", b"x")
    client = connect(drive)
    drive.faults.set(f"files.{fault}", value=value)
    with pytest.raises(error) as caught:
        asyncio.run(client.stat(STAT))
    assert type(caught.value) is error
    if fault == "too_many":
        assert caught.value.retry_after == 7
    assert drive.accounts.refresh_token not in f"{caught.value.message}{caught.value.hint}"


def test_what_is_not_there_or_not_shared(drive: DriveStandIn) -> None:
    client = connect(drive)
    file = drive.people.put("a.txt", b"x")
    drive.people.allow(file, "none")
    for uri in ("gdrive://1missing", f"gdrive://{file}", "gdrive://root/b.txt", "gdrive://root/none/b.txt"):
        with pytest.raises(NotFound):
            asyncio.run(client.stat(uri))


def test_the_addresses_in_a_key_file_are_never_used(drive: DriveStandIn) -> None:
    """Whoever writes a key file could have a valid assertion sent to a place of their choice."""
    asked: list[Request] = []
    elsewhere = HttpServer(name="elsewhere")
    elsewhere.start(lambda request: asked.append(request) or Response.of(200, {}))
    try:
        key = json.loads(drive.accounts.service_account_key())
        key |= {"token_uri": f"{elsewhere.origin}/token", "auth_uri": elsewhere.origin}
        client = connect(drive, person=False, service_account_key=json.dumps(key))
        assert whose(client) == drive.accounts.email
        drive.faults.set("upload.foreign_session", value=elsewhere.origin)
        team = drive.people.shared_drive("team")
        with pytest.raises(MalformedOutput, match="not its own"):
            asyncio.run(client.write(f"gdrive://{team}/a.bin", b"x" * 5 * 1024**2))
    finally:
        elsewhere.stop()
    assert asked == []


def key_of(**changes: Any) -> str:
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    usual = {"type": "service_account", "client_email": "a@example.com", "private_key": private.decode()}
    return json.dumps(usual | changes)


@pytest.mark.parametrize(
    "given",
    [
        {"service_account_key": "not JSON"},
        {"service_account_key": "[]"},
        {"service_account_key": key_of(type="external_account")},
        {"service_account_key": key_of(type="authorized_user")},
        {"service_account_key": key_of(client_email=None)},
        {"service_account_key": key_of(private_key="-----BEGIN PRIVATE KEY-----\ncanary\n")},
        {"service_account_key": key_of()},
        {"service_account_key": "{}", "refresh_token": "x"},
        {"refresh_token": "x", "client_id": "a", "client_secret": "b", "base_url": "ftp://example.com"},
        {
            "refresh_token": "x",
            "client_id": "a",
            "client_secret": "b",
            "token_url": "https://u:p@example.com",
        },
    ],
)
def test_what_cannot_be_a_credential(given: dict[str, str]) -> None:
    with pytest.raises((AuthenticationFailed, BadInput)) as caught:
        ROOM.google_drive.connection_type.open(FakeConnectionContext("gd"), **given)
    assert "canary" not in f"{caught.value}{caught.value.hint}{caught.value.detail}"


def connections(folder: Path, environment: dict[str, str], toml: str = "") -> Connections:
    (folder / "hookline.toml").write_text(toml)
    return Connections(load_settings(folder, environment), load_registry(), Redactor())


def test_a_connection_is_there_when_one_of_its_two_ways_is_complete(tmp_path: Path) -> None:
    person = {"GOOGLE_CLIENT_ID": "a", "GOOGLE_CLIENT_SECRET": "b", "GOOGLE_REFRESH_TOKEN": "c"}
    for environment in ({"GOOGLE_SERVICE_ACCOUNT_KEY": "{}"}, person):
        assert "google_drive" in connections(tmp_path, environment).types
    for environment in ({}, {"GOOGLE_CLIENT_ID": "a"}, {"GOOGLE_DRIVE_BASE_URL": "https://example.com"}):
        assert "google_drive" not in connections(tmp_path, environment).types
    partly = 'connections.archive = { type = "google_drive", client_id = "a", refresh_token = "c" }'
    with pytest.raises(AuthenticationFailed, match="no client_secret") as caught:
        connections(tmp_path, {}, partly).open("archive", "google_drive", None, None)  # type: ignore[arg-type]
    assert caught.value.code == "C922"


def test_nothing_shows_a_credential(drive: DriveStandIn) -> None:
    for person in (True, False):
        client = connect(drive, person=person)
        whose(client)
        shown = f"{client!r}{client.api!r}{vars(client.api.tokens)['_credential']!r}"
        assert drive.accounts.refresh_token not in shown
        assert "PRIVATE KEY" not in shown
        assert "ya29" not in shown
