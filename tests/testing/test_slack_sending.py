"""What the Slack stand-in sends, as the official verifier and a real Bolt app see it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.webhook import WebhookClient

from hookline.testing.clock import ManualClock
from hookline.testing.httpd import HttpServer, Request, Response
from hookline.testing.slack import Message, SlackStandIn
from hookline.testing.slack.outgoing import post

BUTTON = {
    "type": "actions",
    "block_id": "b7",
    "elements": [
        {
            "type": "button",
            "action_id": "approve",
            "value": "7",
            "text": {"type": "plain_text", "text": "Approve"},
        }
    ],
}


class App:
    """Remembers what it was sent, and answers as told."""

    def __init__(self) -> None:
        self.seen: list[tuple[Mapping[str, str], bytes]] = []
        self.answers: list[Response] = []

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Any:
        self.seen.append((headers, body))
        answer = self.answers.pop(0) if self.answers else Response(200)
        return answer.status, answer.body, {name.lower(): value for name, value in answer.headers.items()}

    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.seen[-1][1].decode()).items()}


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def slack(app: App) -> Iterator[SlackStandIn]:
    with SlackStandIn(clock=ManualClock()) as server:
        server.outgoing.post = app
        yield server


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient(slack.token, base_url=slack.api_url, retry_handlers=[])


def posted(slack: SlackStandIn, client: WebClient) -> Message:
    client.chat_postMessage(channel="#ops", text="?", blocks=[BUTTON])
    return slack.messages[-1]


def test_everything_is_signed_as_the_official_verifier_wants_it(
    slack: SlackStandIn, app: App, client: WebClient
) -> None:
    slack.verify_url("http://app.test/")
    slack.send_event("http://app.test/", {"type": "message", "text": "Grüße"})
    slack.send_command("http://app.test/", "/deploy", "blau & grün")
    slack.click("http://app.test/", posted(slack, client), "approve")

    class StandInClock(Clock):
        def now(self) -> float:
            return slack.clock.now()

    verifier = SignatureVerifier(slack.signing_secret, StandInClock())
    assert len(app.seen) == 4
    for headers, body in app.seen:
        assert verifier.is_valid_request(body, dict(headers))
        assert not verifier.is_valid_request(body + b" ", dict(headers))


@pytest.mark.parametrize("as_json", [False, True])
def test_an_address_is_taken_when_it_answers_the_challenge(slack: SlackStandIn, as_json: bool) -> None:
    def answer(url: str, headers: Mapping[str, str], body: bytes) -> Any:
        challenge = json.loads(body)["challenge"]
        if as_json:
            return 200, json.dumps({"challenge": challenge}).encode(), {"content-type": "application/json"}
        return 200, challenge.encode(), {"content-type": "text/plain"}

    slack.outgoing.post = answer
    assert slack.verify_url("http://app.test/")
    slack.outgoing.post = lambda url, headers, body: (200, b"hello", {})
    assert not slack.verify_url("http://app.test/")
    slack.outgoing.post = lambda url, headers, body: (404, b"", {})
    assert not slack.verify_url("http://app.test/")


def test_an_event_is_tried_four_times_and_then_given_up(slack: SlackStandIn, app: App) -> None:
    app.answers = [Response(500)] * 9
    delivery = slack.send_event("http://app.test/", {"type": "message"})
    slack.clock.advance(3600)
    assert [sent.retry_num for sent in delivery.tries] == [0, 1, 2, 3]
    assert len({json.loads(sent.body)["event_id"] for sent in delivery.tries}) == 1
    assert delivery.last.headers["X-Slack-Retry-Reason"] == "http_error"
    times = [int(sent.headers["X-Slack-Request-Timestamp"]) for sent in delivery.tries]
    assert [later - times[0] for later in times] == [0, 0, 60, 360]


def test_an_app_can_ask_for_no_retries(slack: SlackStandIn, app: App) -> None:
    app.answers = [Response(500, headers={"X-Slack-No-Retry": "1"})]
    delivery = slack.send_event("http://app.test/", {"type": "message"})
    slack.clock.advance(3600)
    assert len(delivery.tries) == 1


def test_commands_and_clicks_are_sent_once(slack: SlackStandIn, app: App, client: WebClient) -> None:
    app.answers = [Response(500)] * 2
    slack.send_command("http://app.test/", "/deploy")
    slack.click("http://app.test/", posted(slack, client), "approve", user="grace")
    slack.clock.advance(3600)
    assert len(app.seen) == 2
    payload = json.loads(app.form()["payload"])
    assert payload["actions"][0]["value"] == "7"
    assert payload["actions"][0]["block_id"] == "b7"
    assert payload["user"]["username"] == "grace"
    assert payload["message"]["ts"] == slack.messages[0].ts
    with pytest.raises(KeyError):
        slack.click("http://app.test/", slack.messages[0], "reject")


def test_a_response_url_is_good_for_five_answers(slack: SlackStandIn, app: App) -> None:
    slack.send_command("http://app.test/", "/deploy", user="ada")
    answers = WebhookClient(app.form()["response_url"])
    assert answers.send(text="one").status_code == 200
    assert answers.send(text="two", response_type="in_channel").status_code == 200
    assert [message.seen_by for message in slack.messages] == [slack.user_id("ada"), None]
    for _ in range(3):
        answers.send(text="more")
    refused = answers.send(text="six")
    assert (refused.status_code, json.loads(refused.body)["error"]) == (404, "used_url")
    assert len(slack.messages) == 5


def test_a_response_url_is_good_for_half_an_hour(slack: SlackStandIn, app: App) -> None:
    slack.send_command("http://app.test/", "/deploy")
    slack.clock.advance(1801)
    refused = WebhookClient(app.form()["response_url"]).send(text="late")
    assert json.loads(refused.body)["error"] == "expired_url"
    assert slack.messages == []


def test_a_response_replaces_or_deletes_the_message(slack: SlackStandIn, app: App, client: WebClient) -> None:
    slack.click("http://app.test/", posted(slack, client), "approve")
    answers = WebhookClient(json.loads(app.form()["payload"])["response_url"])
    answers.send(text="Approved", replace_original=True)
    assert [(message.text, message.blocks) for message in slack.messages] == [("Approved", [])]
    answers.send(delete_original=True)
    assert slack.messages == []


def test_a_program_outside_can_ask_for_all_of_it(slack: SlackStandIn, app: App, client: WebClient) -> None:
    def ask(**body: Any) -> httpx.Response:
        return httpx.post(f"{slack.base_url}/_standin/send", json={"url": "http://app.test/", **body})

    assert ask(kind="event", event={"type": "message"}).json() == {"tries": 1, "status": 200, "answer": ""}
    assert ask(kind="command", command="/deploy", text="x", user="grace").json()["status"] == 200
    assert app.form()["user_name"] == "grace"
    ts = posted(slack, client).ts
    assert ask(kind="click", ts=ts, action_id="approve").json()["status"] == 200
    assert ask(kind="verify").json() == {"verified": False}
    assert len(app.seen) == 4
    for wrong in (
        {"kind": "fly"},
        {"kind": "event"},
        {"kind": "click", "ts": "1.0", "action_id": "approve"},
        {"kind": "click", "ts": ts, "action_id": "nothing"},
        {"kind": "command", "command": "/x", "user": "nobody"},
        {"kind": "event", "url": None},
    ):
        assert ask(**wrong).status_code == 400
    assert len(app.seen) == 4


def test_a_redirect_is_no_answer(slack: SlackStandIn) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.path)
        return Response(302, headers={"Location": "/elsewhere"})

    server = HttpServer(name="app")
    server.start(answer)
    try:
        status, _, _ = post(server.origin + "/hook", {}, b"{}")
    finally:
        server.stop()
    assert (status, asked) == (302, ["/hook"])
    assert post(server.origin + "/hook", {}, b"{}")[0] is None


class TestOtherMethods:
    def test_people(self, slack: SlackStandIn, client: WebClient) -> None:
        ada = client.users_lookupByEmail(email="ada@example.com")["user"]
        assert client.users_info(user=ada["id"])["user"]["name"] == "ada"
        assert {user["name"] for user in client.users_list()["members"]} == {"ada", "grace", "linus"}
        with pytest.raises(SlackApiError, match="users_not_found"):
            client.users_lookupByEmail(email="nobody@example.com")

    def test_reactions(self, slack: SlackStandIn, client: WebClient) -> None:
        made = client.chat_postMessage(channel="#ops", text="hi")
        where = {"channel": made["channel"], "timestamp": made["ts"]}
        client.reactions_add(name="eyes", **where)
        assert client.reactions_get(**where)["message"]["reactions"] == [{"name": "eyes", "count": 1}]
        with pytest.raises(SlackApiError, match="already_reacted"):
            client.reactions_add(name="eyes", **where)
        client.reactions_remove(name="eyes", **where)
        with pytest.raises(SlackApiError, match="no_reaction"):
            client.reactions_remove(name="eyes", **where)
        with pytest.raises(SlackApiError, match="message_not_found"):
            client.reactions_add(name="eyes", channel=made["channel"], timestamp="1.0")

    def test_scheduled_messages(self, slack: SlackStandIn, client: WebClient) -> None:
        at = int(slack.clock.now()) + 60
        kept = client.chat_scheduleMessage(channel="#ops", text="one", post_at=at)
        gone = client.chat_scheduleMessage(channel="#ops", text="two", post_at=at)
        where = kept["channel"]
        assert len(client.chat_scheduledMessages_list(channel=where)["scheduled_messages"]) == 2
        client.chat_deleteScheduledMessage(channel=where, scheduled_message_id=gone["scheduled_message_id"])
        slack.clock.advance(61)
        assert [message.text for message in slack.messages] == ["one"]
        assert client.chat_scheduledMessages_list()["scheduled_messages"] == []
        with pytest.raises(SlackApiError, match="time_too_far"):
            client.chat_scheduleMessage(channel="#ops", text="x", post_at=at + 121 * 86400)

    def test_ephemeral_messages_are_in_no_history(self, slack: SlackStandIn, client: WebClient) -> None:
        where = slack.channel_id("ops")
        client.chat_postEphemeral(channel=where, user=slack.user_id("ada"), text="psst")
        assert client.conversations_history(channel=where)["messages"] == []
        with pytest.raises(SlackApiError, match="user_not_in_channel"):
            client.chat_postEphemeral(channel=where, user="U0", text="psst")

    def test_links(self, slack: SlackStandIn, client: WebClient) -> None:
        made = client.chat_postMessage(channel="#ops", text="hi")
        link = client.chat_getPermalink(channel=made["channel"], message_ts=made["ts"])["permalink"]
        assert made["ts"].replace(".", "") in link

    def test_scopes(self) -> None:
        with SlackStandIn(scopes=("chat:write",)) as slack:
            client = WebClient(slack.token, base_url=slack.api_url)
            client.chat_postMessage(channel="#ops", text="hi")
            with pytest.raises(SlackApiError) as caught:
                client.conversations_history(channel=slack.channel_id("ops"))
            answer = caught.value.response
            assert (answer["error"], answer["needed"]) == ("missing_scope", "channels:history")
            assert answer["provided"] == "chat:write"


def test_an_unchanged_bolt_app_works() -> None:
    with SlackStandIn() as slack:
        program = Path(__file__).with_name("bolt_app.py")
        process = subprocess.Popen(
            [sys.executable, str(program), slack.api_url, slack.token, slack.signing_secret],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{int(process.stdout.readline())}/slack/events"
            assert slack.verify_url(url)
            mention = {"type": "app_mention", "user": "U1", "channel": slack.channel_id("ops"), "text": "hi"}
            assert slack.send_event(url, {**mention, "ts": "1.1"}).last.ok
            (hello,) = slack.wait_for_messages(1)
            assert hello.text == "Hi <@U1>"
            sent = slack.send_command(url, "/deploy", "blue", user="grace", channel="ops").last
            assert (sent.status, sent.answer) == (200, b"On it")
            deployed = slack.wait_for_messages(2)[1]
            assert (deployed.text, deployed.seen_by) == ("Deployed blue", None)
            assert slack.click(url, hello, "approve", user="linus").last.ok
            thanks = slack.wait_for_messages(3)[2]
            assert (thanks.text, thanks.seen_by) == ("Thank you", slack.user_id("linus"))
            assert slack.messages[0].text == "Approved order-7 by linus"
        finally:
            process.communicate("", timeout=20)
    assert process.returncode == 0
