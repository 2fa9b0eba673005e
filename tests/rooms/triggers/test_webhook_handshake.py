"""Senders that try an address out before they use it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hookline.sdk import HookAnswered, HookEvent, HookRefused, HookReply
from hookline.testing import FakeClock, FakeHookContext, run_trigger

from .hooks import SECRETS, WEBHOOK, refusal, request, sign_body

JSON = {"content-type": "application/json"}
SECRET = "canary-secret-4711"
NOW = 1_795_000_000
ZOOM = {
    "type": "hmac",
    "header": "X-Zm-Signature",
    "prefix": "v0=",
    "timestamp_header": "X-Zm-Request-Timestamp",
    "template": "v0:{timestamp}:{body}",
}


def ask(handshake: str, sent: Any, auth: Any = None, verify_token: str = "verify-me") -> Any:
    ctx = FakeHookContext(clock=FakeClock(datetime.fromtimestamp(NOW, UTC)))
    ctx.connection = SECRETS((SECRET,), verify_token)
    given = {"path": "test", "auth": auth or {"type": "github"}, "handshake": handshake}
    return asyncio.run(run_trigger(WEBHOOK, given, ctx, sent))


def answer(*arguments: Any, **options: Any) -> HookReply:
    found = ask(*arguments, **options)
    assert isinstance(found, HookAnswered)
    return found.answer


def get(**query: str) -> Any:
    return request(query={name.replace("__", "."): value for name, value in query.items()}, method="GET")


def mac(text: str) -> bytes:
    return hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256)


def test_meta_hears_its_challenge_if_it_knows_the_verify_token() -> None:
    asked = {"hub__mode": "subscribe", "hub__challenge": "1158201444"}
    assert answer("meta", get(**asked, hub__verify_token="verify-me")).body == b"1158201444"
    for token in ("", "verify-mE"):
        with pytest.raises(HookRefused) as refused:
            ask("meta", get(**asked, hub__verify_token=token))
        assert (refused.value.status, refused.value.code) == (401, "C601")
    with pytest.raises(HookRefused) as refused:
        ask("meta", get(**asked, hub__verify_token=""), verify_token="")
    assert refused.value.code == "C603"


def test_dropbox_hears_its_challenge() -> None:
    found = answer("dropbox", get(challenge="abc-123_X"))
    assert (found.status, found.body, found.content_type) == (200, b"abc-123_X", "text/plain; charset=utf-8")


def test_microsoft_graph_hears_its_token() -> None:
    token = "Validation: Testing client application reachability for subscription Request-Id: 522a8e7e-096a"
    sent = request(query={"validationToken": token}, headers={"content-type": "text/plain"})
    assert answer("microsoft_graph", sent, {"type": "microsoft_graph"}).body == token.encode()


def test_x_hears_its_token_signed() -> None:
    found = answer("x", get(crc_token="some_crc_token"))
    expected = "sha256=" + base64.b64encode(mac("some_crc_token")).decode()
    assert json.loads(found.body) == {"response_token": expected}


def test_what_x_has_signed_can_never_be_an_event() -> None:
    with pytest.raises(HookRefused):
        ask("x", get(crc_token='{"a":1}'))
    forged = base64.b64encode(mac("1")).decode()
    auth = {
        "type": "hmac",
        "header": "X-Twitter-Webhooks-Signature",
        "prefix": "sha256=",
        "encoding": "base64",
    }
    headers = {**JSON, "x-twitter-webhooks-signature": f"sha256={forged}"}
    with pytest.raises(HookRefused) as refused:
        ask("x", request(b"1", headers), auth)
    assert refused.value.status == 400


def test_zoom_hears_its_token_signed_once_it_has_signed_itself() -> None:
    body = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6"}}).encode()
    signed = "v0=" + sign_body(SECRET, f"v0:{NOW}:".encode() + body)
    headers = {**JSON, "x-zm-request-timestamp": str(NOW), "x-zm-signature": signed}
    found = answer("zoom", request(body, headers), ZOOM)
    assert json.loads(found.body) == {"plainToken": "qgg8vlvZRS6", "encryptedToken": mac("qgg8vlvZRS6").hex()}
    with pytest.raises(HookRefused) as refused:
        ask("zoom", request(body, {**headers, "x-zm-signature": "v0=" + "0" * 64}), ZOOM)
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("handshake", "sent"),
    [
        ("none", get(challenge="a")),
        ("meta", get(challenge="a")),
        ("dropbox", get(crc_token="a")),
        ("x", get()),
        ("zoom", get(challenge="a")),
        ("microsoft_graph", get(validationToken="a")),
    ],
)
def test_another_senders_question_is_no_question(handshake: str, sent: Any) -> None:
    with pytest.raises(HookRefused) as refused:
        ask(handshake, sent)
    assert refused.value.status == 405


@pytest.mark.parametrize("token", ["<script>alert(1)</script>", "a\r\nb", "é", "a" * 2000, ""])
@pytest.mark.parametrize(
    ("handshake", "method", "name"),
    [("dropbox", "GET", "challenge"), ("microsoft_graph", "POST", "validationToken")],
)
def test_nothing_that_could_be_a_page_is_given_back(
    handshake: str, method: str, name: str, token: str
) -> None:
    with pytest.raises(HookRefused) as refused:
        ask(handshake, request(query={name: token}, method=method))
    assert refused.value.status == 400


def graph(*states: Any) -> Any:
    body = {
        "value": [{"subscriptionId": "s", "clientState": state, "changeType": "created"} for state in states]
    }
    return request(json.dumps(body).encode(), JSON)


def test_graph_knows_the_secret_in_every_notification() -> None:
    auth = {"type": "microsoft_graph"}
    assert isinstance(ask("none", graph(SECRET, SECRET), auth), HookEvent)
    for sent in (graph(), graph(SECRET, "x"), graph(None), graph(SECRET[:-1]), request(b"{", JSON)):
        found = refusal(sent, auth=auth, secrets=[SECRET])
        assert (found.status, found.code) == (401, "C601")
