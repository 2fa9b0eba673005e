"""Requests and signatures for the tests of the webhook trigger."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hookline.engine.loader import import_room
from hookline.sdk import HookEvent, HookRefused, HookRequest
from hookline.testing import FakeClock, FakeHookContext, run_trigger

WEBHOOK = import_room("triggers.webhook").webhook
SECRETS = import_room("connectors.webhook.connector").WebhookSecrets


@dataclass(frozen=True)
class Vector:
    """A request that a service really signs like this."""

    name: str
    auth: Mapping[str, Any]
    secret: str
    headers: Mapping[str, str]
    body: bytes
    at: int = 1_795_000_000
    signature: str = ""
    """The header that holds the signature."""


SLACK_COMMAND = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
REPLICATE = (
    b'{"id":"gm3qorzdhgbfurvjtvhg6dckhu","model":"replicate/hello-world",'
    b'"version":"5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa",'
    b'"input":{"text":"Alice"},"output":"hello Alice","status":"succeeded","error":null,"logs":"",'
    b'"metrics":{"predict_time":0.012683,"total_time":0.025507}}'
)

VECTORS = [
    Vector(
        "standard webhooks (Replicate)",
        {"type": "standard_webhooks"},
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        {
            "webhook-id": "msg_2bXkQ7uPfHc9sVnYtW3ZrLmD0aE",
            "webhook-timestamp": "1795000000",
            "webhook-signature": "v1,LRfqPUWYcNfRu7WXYbnu/FI+vDhFlWBIvdZnh6WQsKI=",
            "content-type": "application/json",
        },
        REPLICATE,
        1_795_000_000,
        "webhook-signature",
    ),
    Vector(
        "standard webhooks (official suite)",
        {"type": "standard_webhooks"},
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            "content-type": "application/json",
        },
        b'{"test": 2432232314}',
        1_614_265_330,
        "webhook-signature",
    ),
    Vector(
        "github",
        {"type": "github"},
        "It's a Secret to Everybody",
        {
            "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            "content-type": "text/plain",
        },
        b"Hello, World!",
        signature="x-hub-signature-256",
    ),
    Vector(
        "stripe",
        {"type": "stripe"},
        "whsec_test",
        {
            "stripe-signature": "t=1700000000,"
            "v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925",
            "content-type": "application/json; charset=utf-8",
        },
        b'{"id":"evt_1"}',
        1_700_000_000,
        "stripe-signature",
    ),
    Vector(
        "slack command",
        {"type": "slack"},
        "8f742231b10e8888abcd99yyyzzz85a5",
        {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "content-type": "application/x-www-form-urlencoded",
        },
        SLACK_COMMAND,
        1_531_420_618,
        "x-slack-signature",
    ),
    Vector(
        "slack event",
        {"type": "slack"},
        "0123456789abcdef0123456789abcdef",
        {
            "x-slack-request-timestamp": "1700000000",
            "x-slack-signature": "v0=64c9bd9b1bbbdc7b6e5fd3f66b819f13b9a838bb286032e22dcd448fba73ce26",
            "content-type": "application/json",
        },
        b'{"type":"url_verification","challenge":"abc123","token":"tok"}',
        1_700_000_000,
        "x-slack-signature",
    ),
    Vector(
        "hmac with a prefix (Backblaze B2)",
        {"type": "hmac", "header": "X-Bz-Event-Notification-Signature", "prefix": "v1="},
        "12345678901234567890123456789012",
        {
            "x-bz-event-notification-signature": "v1="
            "2df8e2d72cd22da01b1aa8c14637ce67fe4d9e3bc3b045b79c15965a806912da",
            "content-type": "application/json",
        },
        b'{"events":[]}',
        signature="x-bz-event-notification-signature",
    ),
    Vector(
        "b2",
        {"type": "b2"},
        "12345678901234567890123456789012",
        {
            "x-bz-event-notification-signature": "v1="
            "2df8e2d72cd22da01b1aa8c14637ce67fe4d9e3bc3b045b79c15965a806912da",
            "content-type": "application/json",
        },
        b'{"events":[]}',
        signature="x-bz-event-notification-signature",
    ),
    Vector(
        "hmac spelling out Slack's scheme",
        {
            "type": "hmac",
            "header": "X-Slack-Signature",
            "prefix": "v0=",
            "timestamp_header": "X-Slack-Request-Timestamp",
            "template": "v0:{timestamp}:{body}",
            "tolerance": "5m",
        },
        "0123456789abcdef0123456789abcdef",
        {
            "x-slack-request-timestamp": "1700000000",
            "x-slack-signature": "v0=64c9bd9b1bbbdc7b6e5fd3f66b819f13b9a838bb286032e22dcd448fba73ce26",
            "content-type": "application/json",
        },
        b'{"type":"url_verification","challenge":"abc123","token":"tok"}',
        1_700_000_000,
        "x-slack-signature",
    ),
]


def request(
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    query: Mapping[str, str] | None = None,
    method: str = "POST",
) -> HookRequest:
    """A request as the server hands it over."""
    return HookRequest(
        method, "/hooks/test", dict(headers or {}), dict(query or {}), body, datetime(2026, 3, 1, tzinfo=UTC)
    )


def receive(
    sent: HookRequest,
    *,
    auth: Mapping[str, Any] | None = None,
    secrets: Sequence[str] = (),
    at: float = 1_795_000_000,
    ctx: FakeHookContext | None = None,
    **parameters: Any,
) -> HookEvent:
    """What the trigger makes of a request."""
    ctx = ctx or FakeHookContext()
    ctx.connection = SECRETS(tuple(secrets))
    ctx.clock = FakeClock(datetime.fromtimestamp(at, UTC))
    given = {"path": "test", "auth": dict(auth or {"type": "none"}), **parameters}
    event = asyncio.run(run_trigger(WEBHOOK, given, ctx, sent))
    assert isinstance(event, HookEvent)
    return event


def refusal(sent: HookRequest, **options: Any) -> HookRefused:
    """How the trigger refuses a request."""
    try:
        event = receive(sent, **options)
    except HookRefused as error:
        return error
    raise AssertionError(f"it was accepted: {event}")


def sign_body(secret: str, body: bytes, *, encoding: str = "hex") -> str:
    """HMAC-SHA256 of a body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode() if encoding == "base64" else digest.hex()
