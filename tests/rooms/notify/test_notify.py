"""`notify`: everybody is tried, nobody is told twice, and what was not reached is said."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    OutcomeUnknown,
    RateLimited,
    Recorded,
    Unavailable,
)
from hookline.testing.clock import SystemClock
from hookline.testing.fake_smtp import FakeSmtp
from hookline.testing.fakes import FakeContext, run_action
from hookline.testing.slack import SlackStandIn

from ..driver import Driver

module = import_room("actions.notify")
slack = import_room("connectors.slack.connector")
email = import_room("connectors.email.connector")
discord = import_room("connectors.discord.connector")
teams = import_room("connectors.teams.connector")
webhook = import_room("connectors.webhook.connector")


class Told:
    """A connection that remembers, and fails as told."""

    def __init__(self, *fails: Exception | None) -> None:
        self.fails = list(fails)
        self.told: list[tuple[str, str, list[str]]] = []

    async def notify(self, ctx: Any, to: str, text: str, files: Any) -> dict[str, Any]:
        error = self.fails.pop(0) if self.fails else None
        if error is not None:
            raise error
        self.told.append((to, text, [file.name for file in files]))
        return {"n": len(self.told)}


def notify(ctx: FakeContext, to: list[dict[str, str]], **step: Any) -> Any:
    return asyncio.run(run_action(module.notify, {"to": to, "text": "hi", **step}, ctx))


def test_everybody_is_told_the_same() -> None:
    one, two = Told(), Told()
    ctx = FakeContext(connections={"slack": one, "alerts": two}, types={"alerts": "discord"})
    file = ctx.fake_files.put(b"x", name="x.png")
    output = notify(ctx, [{"slack": "#ops"}, {"discord": "alerts"}], files=[file.to_json()])
    assert one.told == [("#ops", "hi", ["x.png"])]
    assert two.told == [("alerts", "hi", ["x.png"])]
    assert output["sent"] == 2
    assert [(each["kind"], each["to"], each["sent"]) for each in output["places"]] == [
        ("slack", "#ops", True),
        ("discord", "alerts", True),
    ]


def test_another_connection_may_be_named() -> None:
    other = Told()
    ctx = FakeContext(connections={"slack-eu": other}, types={"slack-eu": "slack"})
    notify(ctx, [{"slack": "#ops", "connection": "slack-eu"}])
    assert other.told
    ctx.notes = {}
    with pytest.raises(BadInput):
        notify(ctx, [{"email": "ada@example.com", "connection": "slack-eu"}])


@pytest.mark.parametrize(
    "place", [{}, {"slack": "#a", "email": "b@c.de"}, {"slack": ""}, {"connection": "x"}]
)
def test_a_place_is_one_service(place: dict[str, str]) -> None:
    ctx = FakeContext(connections={"slack": (told := Told())})
    with pytest.raises(BadInput, match="/to/1"):
        notify(ctx, [{"slack": "#ops"}, place])
    assert told.told == []


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        ((Unavailable("a"), Unavailable("b")), Unavailable),
        ((RateLimited("a", retry_after=3), Unavailable("b")), RateLimited),
        ((AuthenticationFailed("a"), Unavailable("b")), AuthenticationFailed),
        ((None, Unavailable("b")), OutcomeUnknown),
        ((None, AuthenticationFailed("b")), AuthenticationFailed),
        ((OutcomeUnknown("a"), Unavailable("b")), OutcomeUnknown),
        ((Unavailable("a"), OutcomeUnknown("b")), OutcomeUnknown),
    ],
)
def test_only_what_reached_nobody_may_be_repeated(fails: Any, error: type[ActionError]) -> None:
    told = Told(*fails)
    ctx = FakeContext(connections={"slack": told})
    with pytest.raises(error) as caught:
        notify(ctx, [{"slack": "#a"}, {"slack": "#b"}])
    assert type(caught.value) is error
    assert "slack #b: b" in caught.value.message
    assert len(told.told) == list(fails).count(None)


def test_one_may_be_enough() -> None:
    ctx = FakeContext(connections={"slack": Told(Unavailable("down"))})
    output = notify(ctx, [{"slack": "#a"}, {"slack": "#b"}], require="any")
    assert output["sent"] == 1
    assert [each["error"] for each in output["places"]] == ["down", None]
    nobody = FakeContext(connections={"slack": Told(Unavailable("down"), Unavailable("down"))})
    with pytest.raises(Unavailable):
        notify(nobody, [{"slack": "#a"}, {"slack": "#b"}], require="any")


def test_after_a_crash_those_who_know_are_not_told_again() -> None:
    told = Told()
    ctx = FakeContext(connections={"slack": told})
    ctx.notes = {"place_0": {"n": 7}}
    output = notify(ctx, [{"slack": "#a"}, {"slack": "#b"}])
    assert [to for to, _, _ in told.told] == ["#b"]
    assert output["places"][0]["details"] == {"n": 7}


def test_every_real_connection_can_tell_somebody() -> None:
    """A text and, where the service takes them, a file, through the connectors themselves."""
    smtp = FakeSmtp()
    posted = Recorded(json={"ok": True, "channel": "C1", "ts": "1.2"}, expect="POST /api/chat.postMessage")
    ctx = FakeContext(
        answers=[
            posted,
            Recorded(json={"ok": True, "upload_url": "https://files.slack.com/u", "file_id": "F1"}),
            Recorded(text="OK"),
            Recorded(json={"ok": True, "files": [{"id": "F1"}]}),
            Recorded(json={"id": "1", "channel_id": "2"}),
            Recorded(204),
        ]
    )
    opened = ctx.connection_context()
    ctx.connections = {
        "slack": slack.connect(opened, token="xoxb-x"),
        "email": email.EmailClient(smtp, "hookline@example.com"),
        "discord": discord.connect(opened, url="https://discord.com/api/webhooks/1/x"),
        "webhook": webhook.WebhookSecrets(("whsec_RXhhbXBsZUV4YW1wbGVFeGFtcGxlRXhhbXBsZSE=",)),
    }
    file = ctx.fake_files.put(b"bytes", name="a.txt")
    to = [
        {"slack": "#ops"},
        {"email": "ada@example.com"},
        {"discord": "discord"},
        {"webhook": "https://receiver.example.com/hook"},
    ]
    output = notify(ctx, to, text="<!channel> done\nmore", files=[file.to_json()])
    assert output["sent"] == 4
    assert ctx.requests[0].json["text"] == "&lt;!channel&gt; done\nmore"
    assert ctx.requests[3].json["thread_ts"] == "1.2"
    mail = smtp.sent[0].message
    assert mail["Subject"] == "<!channel> done"
    assert [part.get_filename() for part in mail.iter_attachments()] == ["a.txt"]
    assert ctx.requests[4].files is not None
    body = json.loads(ctx.requests[5].content or b"")
    assert base64.b64decode(body["files"][0]["content"]) == b"bytes"


def test_services_without_files_say_so() -> None:
    ctx = FakeContext(answers=[Recorded(202), Recorded(text="ok")])
    opened = ctx.connection_context()
    ctx.connections = {
        "team": teams.connect(opened, url="https://a.example/workflows/1?sig=x"),
        "hook": slack.connect_webhook(opened, url="https://hooks.slack.com/services/T/B/x"),
    }
    ctx.types = {"team": "teams", "hook": "slack_webhook"}
    places = [{"teams": "team"}, {"slack_webhook": "hook"}]
    assert notify(ctx, places)["sent"] == 2
    ctx.notes = {}
    file = ctx.fake_files.put(b"bytes", name="a.txt")
    with pytest.raises(BadInput, match="no files"):
        notify(ctx, places, files=[file.to_json()])


def test_slack_shows_the_file_below_the_text() -> None:
    with SlackStandIn() as server:

        async def scenario() -> Any:
            def connect(ctx: Any) -> Any:
                return slack.connect(ctx, token=server.token, base_url=server.api_url)

            driver = Driver(
                module.notify, {"to": [{"slack": "#art"}], "text": "look"}, connect, SystemClock()
            )
            file = driver.files.put(b"bytes", name="a.txt")
            driver.parameters = {**driver.parameters, "files": [file.to_json()]}
            async with driver:

                async def opened(name: str, *, type: str) -> Any:
                    return driver.connection

                driver.open = opened  # type: ignore[attr-defined]
                record = await driver.start()
                return record.output

        output = asyncio.run(scenario())
        text, shown = server.messages
        assert output["sent"] == 1
        assert (text.text, shown.thread_ts) == ("look", text.ts)
        assert server.files[0].data == b"bytes"
        assert server.upload_leaks == []
