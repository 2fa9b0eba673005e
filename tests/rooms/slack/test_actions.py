"""Every other action of Slack's against the stand-in, and what its faults and crashes lead to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import (
    AuthenticationFailed,
    BadInput,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Recorded,
    Unavailable,
)
from hookline.testing.clock import ManualClock, SystemClock
from hookline.testing.fakes import FakeContext, FakeFiles, open_connection, run_action
from hookline.testing.slack import SlackStandIn

from ..driver import Driver

connector = import_room("connectors.slack.connector")


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn() as server:
        yield server


def driver_of(slack: SlackStandIn, action: Any, step: dict[str, Any], **options: Any) -> Driver:
    def connect(ctx: Any) -> Any:
        if action.connection == "slack_webhook":
            return connector.connect_webhook(ctx, url=slack.webhook_url)
        return connector.connect(ctx, token=slack.token, base_url=slack.api_url)

    return Driver(action, step, connect, options.pop("clock", None) or SystemClock(), **options)


def run(slack: SlackStandIn, action: Any, step: dict[str, Any], **options: Any) -> Any:
    """The output; an error is raised."""

    async def scenario() -> Any:
        async with driver_of(slack, action, step, **options) as driver:
            record = await driver.start()
            if driver.unknown is not None:
                raise driver.unknown
            if record.error is not None:
                raise record.error
            return record.output

    return asyncio.run(scenario())


def posted(slack: SlackStandIn) -> Any:
    return run(slack, connector.post_message, {"channel": "#art", "text": "first"})


def test_a_message_is_updated_and_deleted(slack: SlackStandIn) -> None:
    place = posted(slack)
    where = {"channel": place["channel"], "ts": place["ts"]}
    blocks = [{"type": "divider"}]
    run(slack, connector.update_message, {**where, "text": "<!here>", "blocks": blocks})
    assert (slack.messages[0].text, slack.messages[0].blocks) == ("&lt;!here&gt;", blocks)
    assert slack.messages[0].metadata is not None
    run(slack, connector.update_message, {**where, "text": "plain"})
    assert (slack.messages[0].text, slack.messages[0].blocks) == ("plain", [])
    assert run(slack, connector.delete_message, where) == {**where, "deleted": True}
    assert slack.messages == []
    assert run(slack, connector.delete_message, where) == {**where, "deleted": False}
    with pytest.raises(NotFound):
        run(slack, connector.update_message, {**where, "text": "gone"})


@pytest.mark.parametrize("fault", ["html_500_after", "reset_after"])
def test_what_is_harmless_to_repeat_may_be_repeated(slack: SlackStandIn, fault: str) -> None:
    place = posted(slack)
    for action, more in (
        (connector.update_message, {"text": "second"}),
        (connector.add_reaction, {"name": "eyes"}),
        (connector.delete_message, {}),
    ):
        slack.faults.set(fault)
        step = {"channel": place["channel"], "ts": place["ts"], **more}
        with pytest.raises(Unavailable):
            run(slack, action, step)
        run(slack, action, step)


def test_a_reaction_is_there_once(slack: SlackStandIn) -> None:
    place = posted(slack)
    step = {"channel": place["channel"], "ts": place["ts"], "name": ":eyes:"}
    assert run(slack, connector.add_reaction, step)["added"] is True
    assert run(slack, connector.add_reaction, step)["added"] is False
    assert slack.messages[0].reactions == ("eyes",)


def test_one_person_is_shown_a_message(slack: SlackStandIn) -> None:
    ada = slack.user_id("ada")
    run(slack, connector.post_ephemeral, {"channel": "#art", "user": ada, "text": "psst"})
    assert (slack.messages[0].seen_by, slack.messages[0].text) == (ada, "psst")
    slack.faults.set("reset_after")
    with pytest.raises(OutcomeUnknown):
        run(slack, connector.post_ephemeral, {"channel": "#art", "user": ada, "text": "psst"})


def test_a_message_is_posted_later() -> None:
    clock = ManualClock()
    with SlackStandIn(clock=clock) as slack:
        at = int(clock.now()) + 3600
        step = {"channel": "#art", "text": "later", "post_at": at}
        output = run(slack, connector.schedule_message, step, clock=clock)
        assert output["post_at"] == at
        assert slack.messages == []
        clock.advance(3601)
        assert [message.text for message in slack.messages] == ["later"]
        with pytest.raises(BadInput, match="time_in_past"):
            run(slack, connector.schedule_message, {**step, "post_at": at - 60}, clock=clock)


def test_people_and_channels(slack: SlackStandIn) -> None:
    found = run(slack, connector.lookup_user, {"email": "ada@example.com"})
    assert (found["id"], found["name"], found["is_bot"]) == (slack.user_id("ada"), "ada", False)
    with pytest.raises(NotFound):
        run(slack, connector.lookup_user, {"email": "nobody@example.com"})
    listed = run(slack, connector.list_channels, {})
    assert [each["name"] for each in listed["channels"]] == ["general", "random", "moderation", "art", "ops"]
    assert listed["next_cursor"] == ""


def test_a_missing_scope_says_which() -> None:
    with SlackStandIn(scopes=("chat:write",)) as slack, pytest.raises(AuthenticationFailed) as caught:
        run(slack, connector.list_channels, {})
    assert "channels:read" in caught.value.message


def test_an_incoming_webhook_posts(slack: SlackStandIn) -> None:
    run(slack, connector.send_webhook, {"text": "<!channel> done", "blocks": [{"type": "divider"}]})
    (message,) = slack.messages
    assert (message.text, message.arrived_by) == ("&lt;!channel&gt; done", "webhook")
    slack.faults.set("ratelimited", value="9")
    with pytest.raises(RateLimited) as caught:
        run(slack, connector.send_webhook, {"text": "again"})
    assert caught.value.retry_after == 9
    slack.faults.set("reset_after")
    with pytest.raises(OutcomeUnknown):
        run(slack, connector.send_webhook, {"text": "lost"})


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (400, "invalid_payload", BadInput),
        (400, "no_text", BadInput),
        (403, "action_prohibited", AuthenticationFailed),
        (403, "invalid_token", AuthenticationFailed),
        (404, "no_service", AuthenticationFailed),
        (404, "no_team", AuthenticationFailed),
        (404, "channel_not_found", NotFound),
        (410, "channel_is_archived", NotFound),
        (500, "rollup_error", OutcomeUnknown),
        (200, "<html>", OutcomeUnknown),
    ],
)
def test_every_refusal_of_an_incoming_webhook_has_its_type(status: int, text: str, error: Any) -> None:
    ctx = FakeContext(answers=[Recorded(status, text=text)])
    secret = "https://hooks.slack.com/services/T0/B0/canary-7f3e"
    open_connection(connector.slack_webhook.connection_type, ctx, url=secret)
    with pytest.raises(error) as caught:
        asyncio.run(run_action(connector.send_webhook, {"text": "hi"}, ctx))
    told = f"{caught.value.message} {caught.value.hint} {caught.value.detail}"
    assert "canary" not in told
    assert "canary" not in repr(ctx.connection)


def test_a_webhook_address_that_is_none_is_refused_without_showing_it() -> None:
    for url in (
        "hooks.slack.com/canary",
        "https://hooks.slack.com",
        "https://u:p@hooks.slack.com/canary",
        "x",
    ):
        with pytest.raises(BadInput) as caught:
            open_connection(connector.slack_webhook.connection_type, FakeContext(), url=url)
        assert "canary" not in caught.value.message + caught.value.hint


# Uploads


def upload_step(slack: SlackStandIn, files: FakeFiles, **more: Any) -> dict[str, Any]:
    file = files.put(b"\x89PNG bytes", name="cat.png")
    return {"file": file.to_json(), "channel": slack.channel_id("art"), **more}


def test_a_file_is_uploaded_without_the_token(slack: SlackStandIn) -> None:
    files = FakeFiles()
    step = upload_step(slack, files, initial_comment="look <!here>", title="A cat")
    output = run(slack, connector.upload_file, step, files=files)
    (file,) = slack.files
    assert (file.id, file.data, file.title, file.shared) == (output["id"], b"\x89PNG bytes", "A cat", True)
    assert slack.messages[0].text == "look &lt;!here&gt;"
    assert slack.upload_leaks == []


def test_a_crash_anywhere_shows_the_file_once(slack: SlackStandIn) -> None:
    files = FakeFiles()
    step = upload_step(slack, files)

    async def life(place: tuple[int, ...]) -> Driver:
        async with driver_of(slack, connector.upload_file, step, files=files, crash_at=place) as driver:
            await driver.finish()
            return driver

    quiet = asyncio.run(life(()))
    for place, name in enumerate(quiet.boundaries):
        before = len(slack.messages)
        driver = asyncio.run(life((place,)))
        (message,) = slack.messages[before:]
        assert driver.crashes == 1, name
        assert message.file_ids == (driver.record.output["id"],), name


def test_without_the_scope_an_upload_stays_unknown() -> None:
    files = FakeFiles()

    async def life(slack: SlackStandIn, place: tuple[int, ...]) -> Driver:
        step = upload_step(slack, files)
        async with driver_of(slack, connector.upload_file, step, files=files, crash_at=place) as driver:
            await driver.start()
            return driver

    with SlackStandIn(scopes=("files:write",)) as slack:
        quiet = asyncio.run(life(slack, ())).boundaries
        shared = next(n for n, name in enumerate(quiet) if name.startswith("after") and "complete" in name)
        driver = asyncio.run(life(slack, (shared,)))
        assert driver.crashes == 1
        assert driver.unknown is not None
        assert driver.unknown.final
        assert "files:read" in driver.unknown.hint
        assert len(slack.messages) == 2


def test_bytes_that_did_not_arrive_are_sent_again_without_harm(slack: SlackStandIn) -> None:
    files = FakeFiles()
    slack.faults.set("upload_500")
    with pytest.raises(Unavailable):
        run(slack, connector.upload_file, upload_step(slack, files), files=files)
    assert slack.messages == []


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("https://files.slack.com/upload/v1/x", True),
        ("https://slack.com/x", True),
        ("http://files.slack.com/x", False),
        ("https://files.slack.com:8443/x", False),
        ("https://files.slack.com@evil.example/x", False),
        ("https://evilslack.com/x", False),
        ("https://files.slack.com.evil.example/x", False),
        ("https://127.0.0.1/x", False),
        ("//files.slack.com/x", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_bytes_and_answers_go_to_slack_only(address: str, is_own: bool) -> None:
    place = Recorded(json={"ok": True, "upload_url": address or "x:", "file_id": "F1"})
    ctx = FakeContext(
        answers=[place, Recorded(text="OK"), Recorded(json={"ok": True, "files": [{"id": "F1"}]})]
    )
    open_connection(connector.slack.connection_type, ctx, token="xoxb-canary")
    file = ctx.fake_files.put(b"bytes", name="a.bin")
    step = {"file": file.to_json(), "channel": "C1"}
    if is_own:
        assert asyncio.run(run_action(connector.upload_file, step, ctx))["id"] == "F1"
        assert "authorization" not in ctx.requests[1].headers
    else:
        with pytest.raises(MalformedOutput):
            asyncio.run(run_action(connector.upload_file, step, ctx))
        assert len(ctx.requests) == 1
    answering = FakeContext(answers=[Recorded(text="ok")])
    open_connection(connector.slack.connection_type, answering, token="xoxb-canary")
    step = {"response_url": address or "x", "text": "done"}
    if is_own:
        asyncio.run(run_action(connector.respond, step, answering))
        assert "authorization" not in answering.requests[0].headers
    else:
        with pytest.raises(BadInput):
            asyncio.run(run_action(connector.respond, step, answering))
        assert answering.requests == []


def test_an_empty_file_is_refused_before_slack_does(slack: SlackStandIn) -> None:
    files = FakeFiles()
    empty = files.put(b"", name="empty.txt")
    with pytest.raises(BadInput, match="empty"):
        run(
            slack,
            connector.upload_file,
            {"file": empty.to_json(), "channel": slack.channel_id("art")},
            files=files,
        )
    assert slack.files == []


def test_a_shortened_message_says_so(slack: SlackStandIn) -> None:
    step = {"channel": "#art", "text": "x" * 50_000}
    with pytest.raises(BadInput):
        run(slack, connector.post_message, step)
    assert run(slack, connector.post_message, {**step, "truncate": True})["truncated"] is True
    assert slack.messages[0].text.endswith("… (shortened)")
