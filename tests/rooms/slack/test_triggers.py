"""Events, commands and clicks: through the stand-in, the server and the engine, and what is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urlsplit

import jsonschema
import pytest
import referencing
from slack_sdk import WebClient

from hookline.engine.engine import Engine
from hookline.engine.loader import load_registry
from hookline.engine.settings import load_settings
from hookline.sdk import HookRequest
from hookline.server.access import Access
from hookline.server.app import create_app
from hookline.store.sqlite import SQLiteStore
from hookline.testing.clock import ManualClock
from hookline.testing.fakes import FakeHookContext
from hookline.testing.slack import SlackStandIn
from hookline.testing.slack.outgoing import Outgoing

EVENTS, COMMANDS, CLICKS = (f"http://hookline.test/hooks/{name}" for name in ("events", "commands", "clicks"))


def _workflow(name: str, uses: str, output: str, **given: Any) -> dict[str, Any]:
    return {
        "name": name,
        "trigger": {"uses": uses, "with": {"path": name, **given}},
        "steps": [{"id": "it", "uses": "transform", "with": {"value": output}}],
        "output": "{{ steps.it.value }}",
    }


WORKFLOWS = (
    _workflow("events", "slack.event", "{{ trigger.event.text }}", events=["message", "app_mention"]),
    _workflow("bots", "slack.event", "{{ trigger.event.text }}", include_bots=True),
    _workflow(
        "commands", "slack.command", "{{ trigger.text }}", commands=["/deploy"], acknowledge="On <it>!"
    ),
    _workflow("quiet", "slack.command", "{{ trigger.text }}"),
    _workflow(
        "clicks", "slack.action", "{{ trigger.value + ' by ' + trigger.user.name }}", action_ids=["yes"]
    ),
)


@dataclass
class Place:
    """A server with the workflows above, and a Slack that sends to it."""

    engine: Engine
    slack: SlackStandIn
    client: Any

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Any:
        answer = self.client.post(urlsplit(url).path, data=body, headers=dict(headers))
        return answer.status_code, answer.data, {name.lower(): value for name, value in answer.headers}

    def signed(self, path: str, body: bytes, content_type: str) -> Any:
        headers = self.slack.outgoing.signed(body, content_type)
        return self.client.post(f"/hooks/{path}", data=body, headers=headers)

    def events(self) -> list[Any]:
        self.engine.store.flush()
        answer = self.client.get("/api/v1/events", headers={"Authorization": "Bearer test-admin-token-1"})
        found: list[Any] = answer.get_json()["events"]
        return found

    def output(self, event: Mapping[str, Any]) -> Any:
        (run,) = event["runs"]
        wait([self.engine.outcome(run)], timeout=15)
        row = self.engine.store.run(run)
        assert row is not None
        assert row.status == "succeeded", row.error
        return row.output


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_registry(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def place(tmp_path: Path, registry: Any) -> Iterator[Place]:
    clock = ManualClock(float(int(time.time())))
    with SlackStandIn(clock=clock) as slack:
        (tmp_path / "workflows").mkdir()
        for workflow in WORKFLOWS:
            (tmp_path / "workflows" / f"{workflow['name']}.json").write_text(json.dumps(workflow))
        environment = {
            "SLACK_BOT_TOKEN": slack.token,
            "SLACK_BASE_URL": slack.api_url,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
        }
        store = SQLiteStore(tmp_path / "hookline.db", "worker-1")
        engine = Engine(load_settings(tmp_path, environment), registry, store)
        loaded = engine.load_project()
        assert [file.diagnostics for file in loaded.files if file.has_errors] == []
        engine.start()
        client = create_app(engine, Access("test-admin-token-1")).test_client()
        made = Place(engine, slack, client)
        slack.outgoing.post = made.post
        yield made
        engine.stop(grace=0)


def test_slack_is_told_that_the_address_is_ours(place: Place) -> None:
    assert place.slack.verify_url(EVENTS)
    assert place.events() == []


def test_a_foreign_question_is_not_answered(place: Place) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    answer = place.client.post("/hooks/events", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 401
    assert b"abc" not in answer.data


def test_an_event_starts_a_run_once_however_often_it_comes(place: Place) -> None:
    message = {"type": "message", "channel": "C1", "user": "U1", "text": "hello", "ts": "1.2"}
    for _ in range(3):
        delivery = place.slack.send_event(EVENTS, message, event_id="Ev1")
        assert (delivery.last.status, delivery.last.answer, len(delivery.tries)) == (200, b"", 1)
    states = sorted(event["state"] for event in place.events())
    assert states.count("duplicate") == 2
    started = [event for event in place.events() if event["state"] != "duplicate"]
    assert len(started) == 1
    assert place.output(started[0]) == "hello"


def test_what_is_not_taken_is_tried_again_by_the_clock(place: Place) -> None:
    message = {"type": "message", "channel": "C1", "text": "late"}
    real, outages = place.post, iter([None, 500, None])

    def failing(url: str, headers: Mapping[str, str], body: bytes) -> Any:
        try:
            return next(outages), b"", {}
        except StopIteration:
            return real(url, headers, body)

    place.slack.outgoing.post = failing
    delivery = place.slack.send_event(EVENTS, message)
    assert [sent.retry_num for sent in delivery.tries] == [0, 1]
    place.slack.clock.advance(61)
    assert [sent.status for sent in delivery.tries] == [None, 500, None]
    place.slack.clock.advance(200)
    assert len(delivery.tries) == 3
    # The signature's time is Slack's own; the server's clock is the machine's.
    place.slack.outgoing.post = lambda url, headers, body: (200, b"", {})
    place.slack.clock.advance(100)
    assert delivery.last.headers["X-Slack-Retry-Num"] == "3"
    assert delivery.last.headers["X-Slack-Retry-Reason"] == "http_timeout"
    assert delivery.last.ok


@pytest.mark.parametrize(
    "event",
    [
        {"type": "reaction_added", "user": "U1"},
        {"type": "message", "bot_id": "B1", "text": "mine"},
        {"type": "message", "subtype": "bot_message", "text": "mine"},
        {"type": "message", "subtype": "message_changed", "message": {"bot_id": "B1", "text": "mine"}},
    ],
)
def test_what_is_not_asked_for_is_recorded_and_starts_nothing(place: Place, event: dict[str, Any]) -> None:
    assert place.slack.send_event(EVENTS, event).last.status == 200
    (kept,) = place.events()
    assert (kept["state"], kept["runs"]) == ("filtered", [])
    assert kept["reason"]


def test_bots_are_heard_when_they_are_asked_for(place: Place) -> None:
    url = "http://hookline.test/hooks/bots"
    place.slack.send_event(url, {"type": "message", "bot_id": "B1", "text": "mine"})
    (kept,) = place.events()
    assert place.output(kept) == "mine"


def test_a_command_is_acknowledged_and_starts_a_run(place: Place) -> None:
    sent = place.slack.send_command(COMMANDS, "/deploy", "blue <!here>", user="grace", channel="ops").last
    assert sent.status == 200
    assert json.loads(sent.answer) == {"response_type": "ephemeral", "text": "On &lt;it&gt;!"}
    (kept,) = place.events()
    assert place.output(kept) == "blue <!here>"
    other = place.slack.send_command(COMMANDS, "/other").last
    assert (other.status, other.answer) == (200, b"")
    quiet = place.slack.send_command("http://hookline.test/hooks/quiet", "/any", "x").last
    assert (quiet.status, quiet.answer) == (200, b"")


def test_a_click_starts_a_run_once(place: Place) -> None:
    button = {
        "type": "button",
        "action_id": "yes",
        "value": "7",
        "text": {"type": "plain_text", "text": "Yes"},
    }
    blocks = [{"type": "actions", "elements": [button, {**button, "action_id": "no"}]}]
    WebClient(place.slack.token, base_url=place.slack.api_url).chat_postMessage(
        channel="#ops", text="?", blocks=blocks
    )
    (message,) = place.slack.messages
    sent = place.slack.click(CLICKS, message, "yes", user="grace").last
    assert (sent.status, sent.answer) == (200, b"")
    again = place.post(CLICKS, sent.headers, sent.body)
    assert again[0] == 200
    assert place.slack.click(CLICKS, message, "no").last.status == 200
    states = {event["state"] for event in place.events()}
    assert {"duplicate", "filtered"} < states
    (started,) = (event for event in place.events() if event["state"] not in ("duplicate", "filtered"))
    assert place.output(started) == "7 by grace"


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status"),
    [
        ("events", b"{", "application/json", 400),
        ("events", b"[]", "application/json", 400),
        ("events", b"\xff", "application/json", 400),
        ("events", b'{"type": "event_callback"}', "application/json", 400),
        ("events", b'{"type": "event_callback", "event": {"type": 1}}', "application/json", 400),
        ("events", b'{"event": {"type": "message", "n": NaN}}', "application/json", 400),
        ("events", b'{"event": {"type": "message", "n": 1e999}}', "application/json", 400),
        ("events", b'{"event": {"type": "message", "n": 99999999999999999999}}', "application/json", 400),
        ("events", b'{"event": {"type": "message", "text": "\\u0000"}}', "application/json", 400),
        ("events", b'{"event": {"type": "message", "text": "\\ud800"}}', "application/json", 400),
        ("events", b'{"event": {"type": "message", "f": {"$file": "artifact:x"}}}', "application/json", 422),
        ("events", b"[" * 50_000, "application/json", 400),
        ("events", b'{"type": "url_verification"}', "application/json", 400),
        ("commands", b"text=hi", "application/x-www-form-urlencoded", 400),
        ("commands", b"command=%FF", "application/x-www-form-urlencoded", 400),
        ("commands", "command=é".encode(), "application/x-www-form-urlencoded", 400),
        ("clicks", b"payload=", "application/x-www-form-urlencoded", 400),
        ("clicks", b"payload=%7B%7D", "application/x-www-form-urlencoded", 400),
    ],
)
def test_what_slack_would_not_send_is_refused(
    place: Place, path: str, body: bytes, content_type: str, status: int
) -> None:
    assert place.signed(path, body, content_type).status_code == status
    (kept,) = place.events()
    assert (kept["state"], kept["runs"]) == ("rejected", [])


def test_slack_checks_that_the_address_has_a_certificate(place: Place) -> None:
    answer = place.signed("commands", b"ssl_check=1", "application/x-www-form-urlencoded")
    assert (answer.status_code, answer.data) == (200, b"")
    assert place.events() == []


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ({"type": "shortcut", "callback_id": "yes", "user": {"id": "U1"}, "trigger_id": "1"}, ""),
        ({"type": "view_submission", "view": {"callback_id": "yes"}, "user": None}, ""),
        ({"type": "block_actions", "actions": [{"action_id": "a", "selected_option": {"value": "b"}}]}, "b"),
        ({"type": "block_actions", "actions": [{"action_id": "a", "selected_user": "U2"}]}, "U2"),
        ({"type": "block_actions", "actions": "x", "channel": [], "message": 1, "container": "x"}, ""),
    ],
)
def test_every_interaction_has_the_declared_shape(registry: Any, payload: dict[str, Any], value: str) -> None:
    trigger = registry.triggers["slack.action"]
    ctx = FakeHookContext(connection=SimpleNamespace(signing_secret="a-signing-secret"))
    body = urlencode({"payload": json.dumps({**payload, "token": "old"})}).encode()
    outgoing = Outgoing(ManualClock(ctx.now().timestamp()), "a-signing-secret")
    headers = outgoing.signed(body, "application/x-www-form-urlencoded")
    sent = {name.lower(): text for name, text in headers.items()}
    event = trigger.run(ctx, HookRequest("POST", "x", sent, {}, body, ctx.now()), path="x")
    jsonschema.Draft202012Validator(trigger.output_schema, registry=referencing.Registry()).validate(
        event.data
    )
    assert event.data["value"] == value
    assert event.data["payload"] == payload
    assert event.key
