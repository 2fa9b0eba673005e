"""Posting: what is sent, what every answer means, and that a crash repeats nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import referencing

from hookline.engine.loader import import_room
from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Recorded,
    Unavailable,
)
from hookline.testing.clock import SystemClock
from hookline.testing.fakes import FakeContext, open_connection, run_action
from hookline.testing.slack import SlackStandIn

from ..driver import Driver

connector = import_room("connectors.slack.connector")


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn() as server:
        yield server


def _driver(slack: SlackStandIn, step: dict[str, Any], **options: Any) -> Driver:
    def connect(ctx: Any) -> Any:
        return connector.connect(ctx, token=slack.token, base_url=slack.api_url)

    return Driver(connector.post_message, step, connect, SystemClock(), **options)


def _post(slack: SlackStandIn, step: dict[str, Any], *, key: str = "run_1/steps[0]/1", **options: Any) -> Any:
    async def scenario() -> Any:
        async with _driver(slack, step, **options) as driver:
            driver.key = key
            return await driver.start()

    return asyncio.run(scenario())


def _context(*answers: Any) -> FakeContext:
    ctx = FakeContext(answers=answers)
    open_connection(connector.slack.connection_type, ctx, token="xoxb-canary")
    return ctx


def _fake(answer: Any, **step: Any) -> Any:
    ctx = _context(answer)
    return asyncio.run(run_action(connector.post_message, {"channel": "C1", "text": "hi", **step}, ctx)), ctx


# Against the stand-in


def test_a_message_arrives_with_its_key(slack: SlackStandIn) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*hello*"}}]
    record = _post(slack, {"channel": "#art", "text": "hello", "blocks": blocks})
    message = slack.messages[0]
    assert record.output == {
        "channel": message.channel.id,
        "ts": message.ts,
        "permalink": None,
        "truncated": False,
    }
    assert message.text == "hello"
    assert list(message.blocks) == blocks
    assert message.metadata["event_payload"] == {"idempotency_key": "run_1/steps[0]/1"}


@pytest.mark.parametrize(
    ("text_format", "sent"),
    [
        (None, "*hi* &lt;!channel&gt; &lt;@U1&gt; &lt;https://a|https://b&gt; R&amp;D &amp;lt;"),
        ("escaped", "*hi* &lt;!channel&gt; &lt;@U1&gt; &lt;https://a|https://b&gt; R&amp;D &amp;lt;"),
        ("plain", "*hi* &lt;!channel&gt; &lt;@U1&gt; &lt;https://a|https://b&gt; R&amp;D &amp;lt;"),
        ("mrkdwn", "*hi* <!channel> <@U1> <https://a|https://b> R&D &lt;"),
    ],
)
def test_values_from_outside_cannot_mention_or_link(text_format: str | None, sent: str) -> None:
    text = "*hi* <!channel> <@U1> <https://a|https://b> R&D &lt;"
    step = {} if text_format is None else {"text_format": text_format}
    _, ctx = _fake(Recorded(json={"ok": True, "channel": "C1", "ts": "1.2"}), text=text, **step)
    assert ctx.requests[0].json["text"] == sent
    assert ctx.requests[0].json.get("mrkdwn", True) is (text_format != "plain")


@pytest.mark.parametrize("fault", ["html_500_after", "timeout_after", "reset_after"])
def test_a_lost_answer_is_unknown_and_nothing_is_sent_again(slack: SlackStandIn, fault: str) -> None:
    slack.faults.set(fault)
    record = _post(slack, {"channel": "#art", "text": "hello"}, timeout=0.5)
    assert record.stage == "unknown"
    assert len(slack.messages) == 1


@pytest.mark.parametrize("fault", ["html_500", "timeout", "reset_before"])
def test_an_unanswered_request_is_unknown(slack: SlackStandIn, fault: str) -> None:
    slack.faults.set(fault)
    assert _post(slack, {"channel": "#art", "text": "hello"}, timeout=0.5).stage == "unknown"
    assert slack.messages == []


def test_a_limit_says_how_long(slack: SlackStandIn) -> None:
    slack.faults.set("ratelimited", value="17")
    error = _post(slack, {"channel": "#art", "text": "hello"}).error
    assert type(error) is RateLimited
    assert error.retry_after == 17
    assert slack.messages == []


def test_a_service_that_is_not_there_was_not_asked(slack: SlackStandIn) -> None:
    # A port that is taken and not listened to: nobody else can get it and answer.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api/"

        async def scenario() -> Any:
            driver = _driver(slack, {"channel": "#art", "text": "hello"})
            driver._connect = lambda ctx: connector.connect(ctx, token="xoxb-x", base_url=url)
            async with driver:
                return await driver.start()

        assert type(asyncio.run(scenario()).error) is Unavailable


def test_an_unknown_channel_is_not_found(slack: SlackStandIn) -> None:
    assert type(_post(slack, {"channel": "#nowhere", "text": "hello"}).error) is NotFound


def test_a_wrong_token_is_a_credential_problem(slack: SlackStandIn) -> None:
    async def scenario() -> Any:
        driver = _driver(slack, {"channel": "#art", "text": "hello"})
        driver._connect = lambda ctx: connector.connect(ctx, token="xoxb-wrong", base_url=slack.api_url)
        async with driver:
            return await driver.start()

    assert type(asyncio.run(scenario()).error) is AuthenticationFailed


@pytest.mark.parametrize("channel", ["#art", "id"])
@pytest.mark.parametrize("threaded", [False, True])
def test_a_crash_anywhere_posts_once(slack: SlackStandIn, channel: str, threaded: bool) -> None:
    where = slack.channel_id("art") if channel == "id" else channel
    step = {"channel": where, "text": "hello"}
    if threaded:
        first = _post(slack, {"channel": where, "text": "first"}, key="first").output
        step["thread_ts"] = first["ts"]

    async def life(number: int, place: tuple[int, ...]) -> Driver:
        async with _driver(slack, step, crash_at=place) as driver:
            driver.key = f"run_{channel}_{number}/steps[0]/1"
            await driver.finish()
            return driver

    quiet = asyncio.run(life(0, ()))
    assert len(quiet.boundaries) == 5
    for place in range(len(quiet.boundaries)):
        before = len(slack.messages)
        driver = asyncio.run(life(place + 1, (place,)))
        (posted,) = slack.messages[before:]
        assert driver.crashes == 1
        assert driver.record.output["ts"] == posted.ts
        assert driver.record.output["channel"] == slack.channel_id("art")


@pytest.mark.parametrize("fault", ["html_500_after", "timeout_after", "reset_after"])
def test_a_lost_answer_is_looked_up(slack: SlackStandIn, fault: str) -> None:
    slack.faults.set(fault)

    async def scenario() -> Any:
        async with _driver(slack, {"channel": "#art", "text": "hello"}, timeout=0.5) as driver:
            return await driver.finish()

    record = asyncio.run(scenario())
    (message,) = slack.messages
    assert record.output["ts"] == message.ts


def test_what_was_never_posted_is_posted_only_after_a_while(slack: SlackStandIn) -> None:
    slack.faults.set("html_500")

    async def scenario() -> Any:
        async with _driver(slack, {"channel": "#art", "text": "hello"}) as driver:
            await driver.start()
            await driver.look_up()
            assert driver.unknown is not None
            assert not driver.unknown.final
            assert slack.messages == []
            await driver.advance(60)
            return await driver.look_up()

    assert asyncio.run(scenario()).output["ts"] == slack.messages[0].ts


@pytest.mark.parametrize(
    ("answer", "is_final"),
    [
        (Recorded(429, headers={"Retry-After": "9"}), False),
        (Recorded(json={"ok": False, "error": "ratelimited"}), False),
        (Recorded(503), False),
        (Recorded(text="<html>"), False),
        (Unavailable("not connected"), False),
        (OutcomeUnknown("the answer was lost"), False),
        (Recorded(json={"ok": False, "error": "internal_error"}), False),
        (Recorded(json={"ok": False, "error": "invalid_auth"}), True),
        (Recorded(403), True),
        (Recorded(json={"ok": False, "error": "missing_scope"}), True),
        (Recorded(json={"ok": False, "error": "a_code_of_tomorrow"}), True),
    ],
)
def test_a_look_up_that_fails_never_lets_the_message_be_sent_again(answer: Any, is_final: bool) -> None:
    for channel in ("C012AB3CD", "#art"):
        ctx = _context(answer)
        ctx.notes = {"sending_at": ctx.now().timestamp() - 3600}
        with pytest.raises(OutcomeUnknown) as caught:
            asyncio.run(connector.post_message.lookup(ctx, channel=channel, text="hi"))
        assert caught.value.final == is_final
    ctx = _context(answer)
    ctx.notes = {"sending_at": ctx.now().timestamp() - 3600, "file_id": "F1"}
    file = ctx.fake_files.put(b"x", name="x")
    with pytest.raises(OutcomeUnknown) as caught:
        asyncio.run(connector.upload_file.lookup(ctx, file=file, channel="C1"))
    assert caught.value.final == is_final


def test_without_the_scope_it_stays_unknown_and_nothing_is_posted_again() -> None:
    with SlackStandIn(scopes=("chat:write",)) as slack:
        slack.faults.set("reset_after")

        async def scenario() -> Any:
            async with _driver(slack, {"channel": "#art", "text": "hello"}) as driver:
                await driver.start()
                await driver.advance(3600)
                await driver.look_up()
                return driver

        driver = asyncio.run(scenario())
        assert driver.record.stage == "unknown"
        assert driver.unknown.final
        assert "channels:history" in driver.unknown.hint
        assert len(slack.messages) == 1


def test_the_token_works() -> None:
    ctx = _context(
        Recorded(json={"ok": True, "user": "hookline", "team": "Acme"}, expect="POST /api/auth.test")
    )
    assert asyncio.run(connector.slack.connection_type.test(ctx.connection)) == "hookline in Acme"
    assert ctx.requests[0].headers["authorization"] == "Bearer xoxb-canary"


# With recorded answers


def test_the_example_runs() -> None:
    example = connector.post_message.examples[0]
    ctx = _context(*example.responses)
    output = asyncio.run(run_action(connector.post_message, example.input, ctx))
    assert output == example.output
    schema = connector.post_message.output_schema
    jsonschema.Draft202012Validator(schema, registry=referencing.Registry()).validate(output)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ratelimited", RateLimited),
        ("rate_limited", RateLimited),
        ("service_unavailable", Unavailable),
        ("request_timeout", Unavailable),
        ("team_added_to_org", Unavailable),
        ("fatal_error", OutcomeUnknown),
        ("internal_error", OutcomeUnknown),
        ("invalid_auth", AuthenticationFailed),
        ("token_revoked", AuthenticationFailed),
        ("missing_scope", AuthenticationFailed),
        ("channel_not_found", NotFound),
        ("not_in_channel", BadInput),
        ("is_archived", BadInput),
        ("restricted_action_read_only_channel", BadInput),
        ("msg_too_long", BadInput),
        ("invalid_blocks", BadInput),
        ("a_code_of_tomorrow", BadInput),
    ],
)
def test_every_refusal_has_its_type(code: str, error: type[ActionError]) -> None:
    with pytest.raises(error) as caught:
        _fake(Recorded(json={"ok": False, "error": code, "needed": "chat:write"}))
    assert type(caught.value) is error
    assert "xoxb" not in caught.value.message + caught.value.hint + caught.value.detail


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Recorded(status=503, text="<html>"), OutcomeUnknown),
        (Recorded(status=200, text="<html>"), OutcomeUnknown),
        (Recorded(status=200, json={"ok": "yes"}), OutcomeUnknown),
        (Recorded(status=200, json=[]), OutcomeUnknown),
        (Recorded(status=302, headers={"location": "https://elsewhere"}), MalformedOutput),
        (Recorded(status=403, text="no"), AuthenticationFailed),
        (Recorded(json={"ok": True}), MalformedOutput),
        (MalformedOutput("too large"), OutcomeUnknown),
        (OutcomeUnknown("timed out"), OutcomeUnknown),
        (Unavailable("refused"), Unavailable),
    ],
)
def test_answers_that_are_none_are_typed(answer: Any, error: type[ActionError]) -> None:
    with pytest.raises(error) as caught:
        _fake(answer)
    assert type(caught.value) is error


def test_a_link_is_asked_for_after_posting_and_may_fail() -> None:
    posted = Recorded(json={"ok": True, "channel": "C1", "ts": "1.2"})
    for answer, link in (
        (Recorded(json={"ok": True, "permalink": "https://acme.slack.com/archives/C1/p12"}), "p12"),
        (Recorded(json={"ok": False, "error": "fatal_error"}), None),
        (Recorded(status=500), None),
        (OutcomeUnknown("timed out"), None),
    ):
        ctx = _context(posted, answer)
        step = {"channel": "C1", "text": "hi", "permalink": True}
        found = asyncio.run(run_action(connector.post_message, step, ctx))["permalink"]
        assert (found or "").endswith(link or "")
        assert (found is None) == (link is None)


def test_only_what_is_given_is_sent() -> None:
    posted = Recorded(json={"ok": True, "channel": "C1", "ts": "1.2"})
    _, ctx = _fake(posted)
    assert set(ctx.requests[0].json) == {"channel", "text", "metadata"}
    _, ctx = _fake(posted, thread_ts="1.1", reply_broadcast=True, unfurl_links=False, icon_emoji=":art:")
    sent = ctx.requests[0].json
    assert (sent["thread_ts"], sent["reply_broadcast"], sent["unfurl_links"], sent["icon_emoji"]) == (
        "1.1",
        True,
        False,
        ":art:",
    )


def _text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


@pytest.mark.parametrize(
    ("step", "where"),
    [
        ({"text": "x" * 40_001}, "/text"),
        ({"text": "<" * 10_001}, "/text"),
        ({"text": ""}, "/text"),
        ({"blocks": [{"type": "divider"}] * 51}, "/blocks"),
        ({"blocks": ["text"]}, "/blocks/0"),
        ({"blocks": [{"type": "divider"}, _section("x" * 3001)]}, "/blocks/1/text"),
        (
            {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
            "/blocks/0/text",
        ),
        (
            {"blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}]},
            "/blocks/0/fields",
        ),
        (
            {"blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}]},
            "/blocks/0/fields/0",
        ),
        (
            {"blocks": [{"type": "actions", "elements": [{"type": "button", "value": "x" * 2001}]}]},
            "/blocks/0/elements/0/value",
        ),
        ({"blocks": [{"type": "actions", "elements": [{"type": "button"}] * 26}]}, "/blocks/0/elements"),
        ({"blocks": [{"type": "divider", "block_id": "x" * 256}]}, "/blocks/0/block_id"),
        ({"blocks": [{"type": "image", "alt_text": "x" * 2001}]}, "/blocks/0/alt_text"),
        ({"blocks": [{"type": "markdown", "text": "x" * 6001}] * 2}, "markdown"),
        ({"blocks": [_section("x" * 2700)] * 5}, "all blocks"),
    ],
)
def test_what_slack_would_refuse_is_not_sent(step: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as caught:
        _fake(AssertionError("nothing may be sent"), **step)
    assert where in caught.value.message


def test_what_slack_takes_is_sent() -> None:
    blocks = [_section("x" * 3000)] * 4 + [{"type": "divider"}] * 46
    _fake(Recorded(json={"ok": True, "channel": "C1", "ts": "1.2"}), text="x" * 40_000, blocks=blocks)
