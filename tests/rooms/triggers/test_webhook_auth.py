"""Who may start a workflow: real signatures pass, everything else is refused and nothing crashes."""

from __future__ import annotations

import base64
import contextlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier
from standardwebhooks import Webhook

from hookline.engine.loader import import_room
from hookline.sdk import HookRefused
from hookline.testing import FakeConnectionContext

from .hooks import SECRETS, VECTORS, Vector, receive, refusal, request, sign_body

BY_NAME = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
TIMED = pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector.at != 1_795_000_000], ids=lambda vector: vector.name
)


def send(vector: Vector, **changes: Any) -> Any:
    sent = request(changes.pop("body", vector.body), {**vector.headers, **changes.pop("headers", {})})
    options = {"auth": vector.auth, "secrets": [vector.secret], "at": vector.at, **changes}
    return receive(sent, **options)


@BY_NAME
def test_a_published_signature_is_accepted(vector: Vector) -> None:
    event = send(vector)
    assert event.data["method"] == "POST"
    assert vector.signature not in event.data["headers"]


@BY_NAME
def test_one_byte_of_the_body_changed_is_refused(vector: Vector) -> None:
    for position in {0, len(vector.body) // 2, len(vector.body) - 1}:
        body = bytearray(vector.body)
        body[position] ^= 1
        with pytest.raises(HookRefused) as caught:
            send(vector, body=bytes(body))
        assert (caught.value.status, caught.value.code) == (401, "C601")
    for body in (vector.body + b" ", vector.body[:-1], b""):
        with pytest.raises(HookRefused):
            send(vector, body=body)


@BY_NAME
def test_one_character_of_the_signature_changed_is_refused(vector: Vector) -> None:
    good = vector.headers[vector.signature]
    start = good.rindex("=", 0, -1) + 1 if "," not in good else good.rindex(",") + 1
    for position in range(start, len(good)):
        changed = "A" if good[position] != "A" else "B"
        if good[position] == "=" or changed.lower() == good[position].lower():
            continue
        with pytest.raises(HookRefused) as caught:
            send(vector, headers={vector.signature: good[:position] + changed + good[position + 1 :]})
        assert caught.value.status == 401


@BY_NAME
def test_another_secret_is_refused(vector: Vector) -> None:
    other = "whsec_" + base64.b64encode(b"another secret").decode()
    with pytest.raises(HookRefused):
        send(vector, secrets=[other])


@BY_NAME
@pytest.mark.parametrize("position", [0, 1])
def test_every_active_secret_is_tried_during_a_rotation(vector: Vector, position: int) -> None:
    secrets = ["whsec_" + base64.b64encode(b"another secret").decode()]
    secrets.insert(position, vector.secret)
    assert send(vector, secrets=secrets).data["method"] == "POST"


@BY_NAME
def test_a_missing_signature_is_refused(vector: Vector) -> None:
    for value in ("", " ", "v1,", "sha256=", "v0=", "t=,v1=", "é", "\udcff"):
        with pytest.raises(HookRefused) as caught:
            send(vector, headers={vector.signature: value})
        assert caught.value.status == 401


@TIMED
@pytest.mark.parametrize(("offset", "accepted"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_the_replay_window_is_300_seconds_both_ways(vector: Vector, offset: int, accepted: bool) -> None:
    if accepted:
        assert send(vector, at=vector.at + offset).data
    else:
        with pytest.raises(HookRefused) as caught:
            send(vector, at=vector.at + offset)
        assert caught.value.code == "C602"


@pytest.mark.parametrize("timestamp", ["", "abc", "1e9", "-1", "17000000000000", "１７００", "\udcff"])
@pytest.mark.parametrize(
    ("auth", "header"), [("slack", "x-slack-request-timestamp"), ("standard_webhooks", "webhook-timestamp")]
)
def test_a_timestamp_that_is_no_number_is_refused(auth: str, header: str, timestamp: str) -> None:
    sent = request(b"{}", {header: timestamp, "webhook-id": "a", "webhook-signature": "v1,AAAA"})
    assert refusal(sent, auth={"type": auth}, secrets=["c2VjcmV0"]).status == 401


def standard(message: str, at: int, body: bytes, secret: str, *, version: str = "v1") -> dict[str, str]:
    from datetime import UTC, datetime

    signed = Webhook(secret).sign(message, datetime.fromtimestamp(at, UTC), body.decode())
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": signed.replace("v1,", f"{version},"),
        "content-type": "application/json",
    }


def test_standard_webhooks_takes_any_v1_signature_and_no_other_version() -> None:
    secret = "whsec_" + base64.b64encode(b"0123456789").decode()
    headers = standard("msg_1", 1_795_000_000, b"{}", secret)
    good = headers["webhook-signature"]
    for value in (f"v1,AAAA {good}", f"v1a,AAAA v2,BBBB {good}"):
        sent = request(b"{}", {**headers, "webhook-signature": value})
        assert receive(sent, auth={"type": "standard_webhooks"}, secrets=[secret]).key == "msg_1"
    other = standard("msg_1", 1_795_000_000, b"{}", secret, version="v2")
    assert refusal(request(b"{}", other), auth={"type": "standard_webhooks"}, secrets=[secret]).status == 401


def test_an_identity_with_a_full_stop_cannot_shift_into_the_body() -> None:
    secret = "whsec_" + base64.b64encode(b"0123456789").decode()
    at = 1_795_000_000
    headers = standard("msg", at, b"1795000001.{}", secret)
    shifted = {**headers, "webhook-id": f"msg.{at}", "webhook-timestamp": "1795000001"}
    assert (
        refusal(request(b"{}", shifted), auth={"type": "standard_webhooks"}, secrets=[secret]).status == 401
    )


def test_a_secret_that_is_not_base64_lets_nobody_in() -> None:
    found = refusal(request(b"{}"), auth={"type": "standard_webhooks"}, secrets=["not base64!"])
    assert (found.status, found.code) == (401, "C603")


@pytest.mark.parametrize(
    "auth", ["hmac", "standard_webhooks", "github", "stripe", "slack", "basic", "bearer"]
)
def test_without_a_secret_nobody_is_let_in(auth: str) -> None:
    found = refusal(request(b"{}"), auth={"type": auth, "header": "X-Signature", "username": ""}, secrets=[])
    assert (found.status, found.code) == (401, "C603")


def test_stripe_takes_any_of_several_v1_signatures() -> None:
    body, at = b'{"id":"evt_1"}', 1_700_000_000
    good = sign_body("whsec_test", f"{at}.".encode() + body)
    headers = {"content-type": "application/json"}
    for value in (f"t={at},v1={'0' * 64},v1={good},v0=xyz", f"v1={good}, t={at}"):
        sent = request(body, {**headers, "stripe-signature": value})
        event = receive(sent, auth={"type": "stripe"}, secrets=["whsec_test"], at=at)
        assert event.key == "evt_1"
    found = refusal(
        request(body, {**headers, "stripe-signature": f"t={at},v0={good}"}),
        auth={"type": "stripe"},
        secrets=["whsec_test"],
        at=at,
    )
    assert found.status == 401


def test_hmac_in_base64() -> None:
    body = b'{"a":1}'
    auth = {"type": "hmac", "header": "X-Shopify-Hmac-Sha256", "encoding": "base64"}
    headers = {
        "x-shopify-hmac-sha256": sign_body("shop-secret", body, encoding="base64"),
        "content-type": "application/json",
    }
    assert receive(request(body, headers), auth=auth, secrets=["shop-secret"]).data["body"] == {"a": 1}
    assert refusal(request(body + b" ", headers), auth=auth, secrets=["shop-secret"]).status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"template": "{body}", "timestamp_header": "X-Time"},
        {"template": "{timestamp}", "timestamp_header": "X-Time"},
        {"template": "{timestamp}.{body}"},
        {"algorithm": "md5"},
        {"timestamp_header": "X-Time", "tolerance": "soon"},
    ],
    ids=str,
)
def test_an_unsafe_hmac_declaration_lets_nobody_in(changes: Mapping[str, str]) -> None:
    auth = {"type": "hmac", "header": "X-Signature", **changes}
    sent = request(b"{}", {"x-signature": sign_body("topsecret", b"{}"), "content-type": "application/json"})
    assert refusal(sent, auth=auth, secrets=["topsecret"]).code == "C610"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("Bearer topsecret", True),
        ("bearer topsecret", True),
        ("Bearer older-secret", True),
        ("Bearer topsecre", False),
        ("Bearer topsecret2", False),
        ("Bearer ", False),
        ("Basic topsecret", False),
        ("topsecret", False),
        ("", False),
        ("Bearer \udcff", False),
    ],
)
def test_bearer(header: str, accepted: bool) -> None:
    sent = request(b"", {"authorization": header})
    options: dict[str, Any] = {"auth": {"type": "bearer"}, "secrets": ["topsecret", "older-secret"]}
    if accepted:
        assert "authorization" not in receive(sent, **options).data["headers"]
    else:
        assert refusal(sent, **options).status == 401


def test_bearer_in_another_header() -> None:
    options: dict[str, Any] = {"auth": {"type": "bearer", "header": "X-Gitlab"}, "secrets": ["topsecret"]}
    assert receive(request(b"", {"x-gitlab": "topsecret"}), **options).data["headers"] == {}
    assert refusal(request(b"", {"authorization": "Bearer topsecret"}), **options).status == 401


@pytest.mark.parametrize(
    ("credential", "accepted"),
    [
        (b"ann:topsecret", True),
        (b"ann:topsecre", False),
        (b"bob:topsecret", False),
        (b"ann:", False),
        (b"\xff\xfe", False),
    ],
)
def test_basic(credential: bytes, accepted: bool) -> None:
    sent = request(b"", {"authorization": f"Basic {base64.b64encode(credential).decode()}"})
    options: dict[str, Any] = {"auth": {"type": "basic", "username": "ann"}, "secrets": ["topsecret"]}
    if accepted:
        assert receive(sent, **options).data["body"] is None
    else:
        assert refusal(sent, **options).status == 401


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic YQ", "Bearer YTpi", ""])
def test_broken_basic_is_refused(header: str) -> None:
    sent = request(b"", {"authorization": header})
    assert refusal(sent, auth={"type": "basic", "username": "a"}, secrets=["topsecret"]).status == 401


def test_an_unknown_scheme_lets_nobody_in() -> None:
    assert refusal(request(b""), auth={"type": "whatever"}, secrets=["topsecret"]).code == "C610"
    assert refusal(request(b""), auth={"kind": "none"}, secrets=["topsecret"]).code == "C610"


TEXTS = st.text(st.characters(codec=None), max_size=60)
HEADERS = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-hub-signature-256",
    "stripe-signature",
    "x-slack-signature",
    "x-slack-request-timestamp",
    "x-signature",
    "x-time",
    "authorization",
    "content-type",
]
AUTHS = [
    {"type": "standard_webhooks"},
    {"type": "github"},
    {"type": "stripe"},
    {"type": "slack"},
    {"type": "basic", "username": "é"},
    {"type": "bearer"},
    {"type": "hmac", "header": "X-Signature", "prefix": "sha256=", "timestamp_header": "X-Time"},
]
NEARLY = st.one_of(
    TEXTS,
    st.builds(lambda a, b: f"{a}{b}", st.sampled_from(["v1,", "v0=", "sha256=", "t=1,v1=", "Basic "]), TEXTS),
    st.integers().map(str),
)


@settings(max_examples=300, deadline=None)
@given(
    auth=st.sampled_from(AUTHS),
    headers=st.dictionaries(st.sampled_from(HEADERS), NEARLY),
    body=st.binary(max_size=200),
    secret=st.one_of(TEXTS.filter(bool), st.just("whsec_c2VjcmV0")),
)
def test_a_forged_request_is_refused_with_401_and_nothing_else_happens(
    auth: dict[str, str], headers: dict[str, str], body: bytes, secret: str
) -> None:
    assert refusal(request(body, headers), auth=auth, secrets=[secret]).status == 401


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=300).filter(lambda body: body.isascii()), offset=st.integers(-400, 400))
def test_the_verdict_is_that_of_slacks_own_verifier(body: bytes, offset: int) -> None:
    class Frozen:
        @staticmethod
        def now() -> float:
            return 1_795_000_000 + offset

    verifier = SignatureVerifier("topsecret", clock=Frozen())  # type: ignore[arg-type]
    signature = verifier.generate_signature(timestamp="1795000000", body=body)
    assert signature is not None
    headers = {
        "x-slack-request-timestamp": "1795000000",
        "x-slack-signature": signature,
        "content-type": "text/plain",
    }
    try:
        receive(
            request(body, headers),
            auth={"type": "slack"},
            secrets=["topsecret"],
            at=1_795_000_000 + offset,
        )
        accepted = True
    except HookRefused as error:
        accepted = error.status != 401
    assert accepted == verifier.is_valid_request(body, headers)


def test_a_signature_of_the_standard_webhooks_library_is_accepted_today() -> None:
    secret = "whsec_" + base64.b64encode(b"0123456789").decode()
    now = int(time.time())
    sent = request(b'{"a":1}', standard("msg_now", now, b'{"a":1}', secret))
    assert receive(sent, auth={"type": "standard_webhooks"}, secrets=[secret], at=now).key == "msg_now"


def test_the_connection_keeps_both_secrets_and_shows_none() -> None:
    from hookline.engine.loader import import_room

    kind = import_room("connectors.webhook.connector").webhook.connection_type
    client = kind.open(FakeConnectionContext(), secret="topsecret", previous_secret="older-secret")
    assert client == SECRETS(("topsecret", "older-secret"))
    assert "secret" not in repr(client).replace("WebhookSecrets", "")
    assert kind.open(FakeConnectionContext(), secret="topsecret").secrets == ("topsecret",)


def test_only_auth_none_needs_no_connection() -> None:
    from .hooks import WEBHOOK

    assert not WEBHOOK.needs_connection({"auth": {"type": "none"}})
    assert WEBHOOK.needs_connection({"auth": {"type": "github"}})
    assert WEBHOOK.needs_connection({})


@BY_NAME
def test_a_forgery_takes_the_same_work_as_the_real_one(
    vector: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong, and with however many secrets: as many digests, and as many comparisons."""
    module = import_room("triggers._webhook.verify")
    compared: list[int] = []
    compare = hmac.compare_digest
    monkeypatch.setattr(module.hmac, "compare_digest", lambda a, b: compared.append(len(a)) or compare(a, b))
    changed = vector.headers[vector.signature]
    place = len(changed) - 2
    forged = changed[:place] + ("A" if changed[place] != "A" else "B") + changed[place + 1 :]
    work = []
    for headers, body in (
        (vector.headers, vector.body),
        ({**vector.headers, vector.signature: forged}, vector.body),
        (vector.headers, vector.body + b" "),
        (vector.headers, b"x" + vector.body[1:]),
    ):
        compared.clear()
        other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        with contextlib.suppress(HookRefused):
            receive(request(body, headers), auth=vector.auth, secrets=[vector.secret, other], at=vector.at)
        work.append(list(compared))
    assert len(work[0]) == 2
    assert work == [work[0]] * 4
