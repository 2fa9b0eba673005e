"""Push channels: a hint that comes in time, is verified, and is never needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from hookline.sdk import HookAnswered, HookRefused, HookRequest, Poll
from hookline.testing.clock import ManualClock
from hookline.testing.drive import DriveStandIn, Push
from hookline.testing.httpd import HttpServer, Response

from .conftest import TRIGGER, Watch

DAY = 86400.0


@pytest.fixture
def drive() -> Iterator[DriveStandIn]:
    with DriveStandIn(clock=ManualClock()) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[HttpServer]:
    """Stands where Hookline's hooks are."""
    server = HttpServer(name="hooks")
    server.start(lambda request: Response(200))
    yield server
    server.stop()


@pytest.fixture
def watch(drive: DriveStandIn, receiver: HttpServer) -> Watch:
    folder = drive.people.folder("inbox")
    watch = Watch(drive, folder, public_url=receiver.origin, push={"path": "drive/inbox"})
    watch.settle()
    return watch


def hint(watch: Watch, push: Push, **changes: str) -> Poll | HookAnswered:
    """Give the trigger a notification, as the engine does."""
    headers = {name.lower(): value for name, value in push.headers.items()}
    headers |= {f"x-goog-{name.replace('_', '-')}": value for name, value in changes.items()}
    now = datetime.now(UTC)
    request = HookRequest("POST", "drive/inbox", headers, {}, b"", now)
    told = TRIGGER.file_uploaded.request
    return asyncio.run(told(watch.ctx, request, **watch.parameters))  # type: ignore[no-any-return]


def pushed(drive: DriveStandIn, count: int) -> list[Push]:
    return drive.wait_for_pushes(lambda sent: len(sent) >= count)


def test_drive_tells_and_a_look_is_asked_for(drive: DriveStandIn, watch: Watch, receiver: HttpServer) -> None:
    (channel,) = drive.channels
    assert channel.address == f"{receiver.origin}/hooks/drive/inbox"
    assert channel.expiration - drive.clock.now() == 7 * DAY
    (sync,) = pushed(drive, 1)
    assert isinstance(hint(watch, sync), HookAnswered)
    drive.people.put("a.txt", b"x", watch.parameters["folder"])
    change = pushed(drive, 2)[1]
    assert change.status == 200
    asked = hint(watch, change)
    assert isinstance(asked, Poll)
    assert (asked.events, asked.baseline) == ((), ())
    assert asked.next_at is not None
    assert 0 < asked.next_at.timestamp() - drive.clock.now() <= 5
    assert watch.settle() == ["a.txt"]
    assert drive.count("changes.watch") == 1


@pytest.mark.parametrize(
    "changes", [{"channel_token": "x"}, {"channel_token": ""}, {"channel_id": "other"}, {"channel_id": ""}]
)
def test_what_is_not_drives_is_refused(drive: DriveStandIn, watch: Watch, changes: dict[str, str]) -> None:
    drive.people.put("a.txt", b"x", watch.parameters["folder"])
    change = pushed(drive, 2)[1]
    with pytest.raises(HookRefused) as caught:
        hint(watch, change, **changes)
    assert (caught.value.status, caught.value.code) == (401, "C601")
    assert isinstance(hint(watch, change, resource_id="other"), HookAnswered)


def test_the_token_is_nowhere_on_disk(drive: DriveStandIn, watch: Watch) -> None:
    (channel,) = drive.channels
    assert len(channel.token) == 64
    assert channel.token not in str(watch.ctx.cursor)


def test_a_channel_is_replaced_before_it_ends(drive: DriveStandIn, watch: Watch) -> None:
    (first,) = drive.channels
    drive.clock.advance(5.9 * DAY)
    watch.settle()
    assert [channel.id for channel in drive.channels] == [first.id]
    drive.clock.advance(0.2 * DAY)
    lost = watch.look(commit=False)
    assert lost.acknowledge is not None
    # The process died before that was stored: both are open, and what the new one says is no news.
    assert len(drive.channels) == 2
    drive.people.put("a.txt", b"x", watch.parameters["folder"])
    told = [push for push in pushed(drive, 4) if push.state == "change"]
    answers = {push.channel: type(hint(watch, push)) for push in told}
    assert answers[first.id] is Poll
    assert list(answers.values()).count(HookAnswered) == 1
    drive.clock.advance(1)
    assert watch.settle() == ["a.txt"]
    assert first.id not in [channel.id for channel in drive.channels]
    drive.clock.advance(7 * DAY)
    watch.settle()
    assert len(drive.channels) == 1


def test_another_credential_means_another_token(
    drive: DriveStandIn, watch: Watch, receiver: HttpServer
) -> None:
    (first,) = drive.channels
    watch.ctx.connection = Watch(drive, "root", person=False, public_url=receiver.origin).ctx.connection
    drive.clock.advance(1)
    watch.settle()
    (second,) = drive.channels
    assert second.token != first.token


@pytest.mark.parametrize("fault", ["watch.forbidden", "watch.server_error", "watch.too_many"])
def test_without_a_channel_it_is_looked_at_as_usual(
    drive: DriveStandIn, receiver: HttpServer, fault: str
) -> None:
    folder = drive.people.folder("inbox")
    drive.faults.set(fault, times=None)
    watch = Watch(drive, folder, public_url=receiver.origin, push={"path": "drive"})
    assert "does not tell of changes" in watch.look().problem
    drive.people.put("a.txt", b"x", folder)
    poll = watch.look()
    assert "asked again" in poll.problem
    assert watch.started == ["a.txt"]
    assert drive.count("changes.watch") == 1
    drive.faults.clear()
    drive.clock.advance(600)
    assert watch.look().problem == ""
    assert len(drive.channels) == 1


def test_without_a_public_address_that_is_said(drive: DriveStandIn) -> None:
    watch = Watch(drive, drive.people.folder("inbox"), push={"path": "drive"})
    assert "HOOKLINE_BASE_URL" in watch.look().problem
    assert drive.channels == []


def test_a_channel_that_is_not_wanted_any_more_is_closed(drive: DriveStandIn, watch: Watch) -> None:
    del watch.parameters["push"]
    watch.settle()
    assert drive.channels == []
    watch.parameters |= {"push": {"path": "drive"}}
    watch.settle()
    assert len(drive.channels) == 1


def test_another_folder_gets_a_channel_of_its_own(drive: DriveStandIn, watch: Watch) -> None:
    team = drive.people.shared_drive("team")
    watch.parameters["folder"] = team
    drive.clock.advance(1)
    watch.settle()
    assert [channel.log for channel in drive.channels] == [team]


def test_a_list_that_is_begun_anew_is_said_once(drive: DriveStandIn, watch: Watch) -> None:
    drive.expire_page_tokens()
    assert "listed anew" in watch.look().problem
    assert watch.look().problem == ""


def test_lost_notifications_lose_nothing(drive: DriveStandIn, watch: Watch) -> None:
    drive.faults.set("push.lost", times=None)
    drive.people.put("a.txt", b"x", watch.parameters["folder"])
    assert watch.settle() == ["a.txt"]


def test_a_request_before_the_first_look_is_refused(drive: DriveStandIn) -> None:
    watch = Watch(drive, drive.people.folder("inbox"), push={"path": "drive"})
    made: Any = Push("x", "change", 1, {"X-Goog-Channel-ID": "x", "X-Goog-Channel-Token": "y"}, 0)
    with pytest.raises(HookRefused):
        hint(watch, made)
