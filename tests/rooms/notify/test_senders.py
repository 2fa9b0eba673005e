"""Discord, Teams and signed webhooks: what is sent, and what every answer means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from hookline.engine.loader import import_room
from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Recorded,
    Unavailable,
)
from hookline.testing.clock import SystemClock
from hookline.testing.fakes import FakeContext, FakeFiles, open_connection, run_action
from hookline.testing.httpd import Answer, HttpServer, Request, Reset, Response

from ..driver import Driver

discord = import_room("connectors.discord.connector")
teams = import_room("connectors.teams.connector")
webhook = import_room("connectors.webhook.connector")

SECRETS = (
    "whsec_RXhhbXBsZUV4YW1wbGVFeGFtcGxlRXhhbXBsZSE=",
    "whsec_T2xkT2xkT2xkT2xkT2xkT2xkT2xkT2xkT2xkT2xkT2w=",
)
CANARY = "canary-7f3e5a91c0d24b68"


class Receiver:
    """A service on loopback that answers as told and remembers."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.answers: list[Answer] = []
        self.usual: Callable[[], Answer] = lambda: Response.of(200, {"id": "1", "channel_id": "2"})
        self.server = HttpServer(name="receiver")

    def __call__(self, request: Request) -> Answer:
        self.seen.append(request)
        return self.answers.pop(0) if self.answers else self.usual()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.server.start(made)
    yield made
    made.server.stop()


def run(action: Any, connect: Any, step: dict[str, Any], **options: Any) -> Any:
    async def scenario() -> Any:
        async with Driver(action, step, connect, SystemClock(), **options) as driver:
            record = await driver.start()
            if driver.unknown is not None:
                raise driver.unknown
            if record.error is not None:
                raise record.error
            return record.output

    return asyncio.run(scenario())


def to_discord(receiver: Receiver, step: dict[str, Any], **options: Any) -> Any:
    url = f"{receiver.server.origin}/api/webhooks/1/{CANARY}"
    return run(discord.send, lambda ctx: discord.connect(ctx, url=url), step, **options)


def to_teams(receiver: Receiver, step: dict[str, Any]) -> Any:
    url = f"{receiver.server.origin}/workflows/1/invoke?api-version=1&sig={CANARY}%2B"
    return run(teams.send, lambda ctx: teams.connect(ctx, url=url), step)


def to_webhook(receiver: Receiver, body: Any, **options: Any) -> Any:
    step = {"url": f"{receiver.server.origin}/hook", "body": body}
    connect = lambda ctx: webhook.WebhookSecrets(SECRETS)  # noqa: E731
    return run(webhook.send, connect, step, **options)


def test_discord_is_sent_a_text_that_notifies_nobody(receiver: Receiver) -> None:
    assert to_discord(receiver, {"content": "@everyone hi"}) == {"id": "1", "channel_id": "2"}
    (request,) = receiver.seen
    assert request.query == {"wait": "true"}
    assert request.json() == {"content": "@everyone hi", "allowed_mentions": {"parse": []}}
    to_discord(receiver, {"content": "@everyone", "allow_mentions": True, "thread_id": "7"})
    assert receiver.seen[1].query == {"wait": "true", "thread_id": "7"}
    assert "allowed_mentions" not in receiver.seen[1].json()


def test_discord_is_sent_files(receiver: Receiver) -> None:
    files = FakeFiles()
    step = {
        "content": "two",
        "files": [files.put(b"a", name="a.png").to_json(), files.put(b"b", name="b").to_json()],
    }
    to_discord(receiver, step, files=files)
    (request,) = receiver.seen
    head = f"Content-Type: {request.header('Content-Type')}\r\n\r\n".encode()
    parts = {
        str(part.get_param("name", header="content-disposition")): part
        for part in message_from_bytes(head + request.body, policy=policy.default).iter_parts()
    }
    assert json.loads(parts["payload_json"].get_payload(decode=True))["content"] == "two"
    assert parts["files[0]"].get_filename() == "a.png"
    assert parts["files[0]"].get_payload(decode=True) == b"a"
    assert parts["files[1]"].get_payload(decode=True) == b"b"


@pytest.mark.parametrize("step", [{}, {"content": "x" * 2001}])
def test_what_discord_would_refuse_is_not_sent(receiver: Receiver, step: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        to_discord(receiver, step)
    assert receiver.seen == []


def test_teams_is_sent_a_card(receiver: Receiver) -> None:
    receiver.usual = lambda: Response(202)
    assert to_teams(receiver, {"text": "**done**", "title": "Backup"}) == {"accepted": True}
    (request,) = receiver.seen
    assert (request.path, request.query) == ("/workflows/1/invoke", {"api-version": "1", "sig": f"{CANARY}+"})
    (attachment,) = request.json()["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [block["text"] for block in attachment["content"]["body"]] == ["Backup", "**done**"]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": []}
    to_teams(receiver, {"text": "x", "card": card})
    assert receiver.seen[1].json()["attachments"][0]["content"] == card
    with pytest.raises(BadInput, match="28 KB"):
        to_teams(receiver, {"text": "x" * 28_000})


@pytest.mark.parametrize("send", [to_discord, to_teams])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response.of(401, {"message": CANARY, "code": 50027}), AuthenticationFailed),
        (Response.of(404, {"message": CANARY, "code": 10015}), NotFound),
        (Response.of(400, {"content": [CANARY]}), BadInput),
        (Response.of(429, {"retry_after": 3}, headers={"Retry-After": "3"}), RateLimited),
        (Response.text(500, CANARY), OutcomeUnknown),
        (Reset(), OutcomeUnknown),
    ],
)
def test_every_answer_has_its_type_and_shows_no_address(
    receiver: Receiver, send: Any, answer: Answer, error: type[ActionError]
) -> None:
    receiver.answers = [answer]
    step = {"content": "hi"} if send is to_discord else {"text": "hi"}
    with pytest.raises(error) as caught:
        send(receiver, step)
    assert type(caught.value) is error
    told = f"{caught.value.message} {caught.value.hint}"
    assert CANARY not in told


@pytest.mark.parametrize("module", [discord, teams])
@pytest.mark.parametrize(
    "url", [CANARY, f"ftp://a.example/{CANARY}", f"https://u:{CANARY}@a.example/x", "https://["]
)
def test_an_address_that_is_none_is_refused_without_showing_it(module: Any, url: str) -> None:
    kind = getattr(module, module.__name__.split(".")[-2]).connection_type
    with pytest.raises(BadInput) as caught:
        open_connection(kind, FakeContext(), url=url)
    assert CANARY not in caught.value.message + caught.value.hint


def test_a_connection_shows_no_secret() -> None:
    ctx = FakeContext()
    open_connection(discord.discord.connection_type, ctx, url=f"https://discord.com/api/webhooks/1/{CANARY}")
    assert CANARY not in repr(ctx.connection)
    open_connection(teams.teams.connection_type, ctx, url=f"https://a.example/x?sig={CANARY}")
    assert CANARY not in repr(ctx.connection)
    assert "whsec" not in repr(webhook.WebhookSecrets(SECRETS))


# Signed webhooks


def test_the_official_library_takes_it_with_either_secret(receiver: Receiver) -> None:
    receiver.usual = lambda: Response(204)
    body = {"type": "order.paid", "data": {"text": "Grüße"}}
    output = to_webhook(receiver, body)
    (request,) = receiver.seen
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert output == {"id": headers["webhook-id"], "status": 204}
    for secret in SECRETS:
        assert Webhook(secret).verify(request.body, headers) == {
            "type": "order.paid",
            "data": {"text": "Grüße"},
        }
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(request.body + b" ", headers)


def test_every_try_of_a_step_has_one_id_and_every_step_its_own() -> None:
    def id_of(**place: Any) -> str:
        ctx = FakeContext(answers=[Recorded(200)], attempt=place.pop("attempt", 1))
        for name, value in place.items():
            setattr(ctx, name, value)
        ctx.connection = webhook.WebhookSecrets(SECRETS)
        asyncio.run(run_action(webhook.send, {"url": "https://a.example/", "body": 1}, ctx))
        return ctx.requests[0].headers["webhook-id"]

    assert id_of(attempt=1) == id_of(attempt=2)
    assert len({id_of(), id_of(step="steps[1]"), id_of(run_id="run_2"), id_of(step="steps[0].do[0]#1")}) == 4


def test_a_crash_anywhere_sends_the_same_message(receiver: Receiver) -> None:
    async def life(place: tuple[int, ...]) -> Driver:
        step = {"url": f"{receiver.server.origin}/hook", "body": {"n": 1}}
        connect = lambda ctx: webhook.WebhookSecrets(SECRETS)  # noqa: E731
        async with Driver(webhook.send, step, connect, SystemClock(), crash_at=place) as driver:
            try:
                await driver.start()
            except AssertionError:
                # The engine repeats an idempotent action under its key; it has nothing to look up.
                driver.record.stage = "new"
                await driver.start()
            return driver

    for place in range(len(asyncio.run(life(())).boundaries)):
        asyncio.run(life((place,)))
    assert len(receiver.seen) > 3
    assert len({request.header("webhook-id") for request in receiver.seen}) == 1
    assert len({request.body for request in receiver.seen}) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(500), Unavailable),
        (Response(503), Unavailable),
        (Response(429, headers={"Retry-After": "7"}), RateLimited),
        (Response(500, headers={"webhook-delivery": "abort-message"}), BadInput),
        (Response(410), NotFound),
        (Response(400), BadInput),
        (Response(302, headers={"Location": "/elsewhere"}), ActionError),
        (Reset(), OutcomeUnknown),
    ],
)
def test_what_may_be_tried_again_says_so(
    receiver: Receiver, answer: Answer, error: type[ActionError]
) -> None:
    receiver.answers = [answer]
    with pytest.raises(error):
        to_webhook(receiver, {"n": 1})
    assert len(receiver.seen) == 1


def test_a_secret_that_cannot_sign_is_not_shown() -> None:
    ctx = FakeContext()
    ctx.connection = webhook.WebhookSecrets((f"{CANARY}!",))
    with pytest.raises(BadInput) as caught:
        asyncio.run(run_action(webhook.send, {"url": "https://a.example/", "body": 1}, ctx))
    assert CANARY not in caught.value.message + caught.value.hint
