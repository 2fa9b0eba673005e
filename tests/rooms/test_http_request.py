"""``http.request``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookline.engine.loader import import_room, load_registry
from hookline.sdk import ActionError, BadInput, File, MalformedOutput, OutcomeUnknown, Recorded, Unavailable
from hookline.testing import FakeContext, FakeFiles, open_connection, run_action

REGISTRY = load_registry()
REQUEST = REGISTRY.actions["http.request"]
URL = "https://service.example/things/a.json"


def ask(
    answer: Recorded | Exception, ctx: FakeContext | None = None, **given: Any
) -> tuple[Any, FakeContext]:
    ctx = ctx or FakeContext()
    ctx.exchange.answers.append(answer)
    return asyncio.run(run_action(REQUEST, {"url": URL, **given}, ctx)), ctx


def test_headers_that_carry_credentials_are_not_recorded() -> None:
    headers = {
        "Set-Cookie": "a=1",
        "X-Auth-Token": "t",
        "X-Authorization": "t",
        "WWW-Authenticate": "Basic",
        "X-Api-Key": "k",
        "X-Total-Count": "3",
        "Content-Type": "text/plain",
    }
    output, _ = ask(Recorded(text="hi", headers=headers))
    assert output["headers"] == {"x-total-count": "3", "content-type": "text/plain"}


@pytest.mark.parametrize(
    ("answer", "body", "is_file"),
    [
        (Recorded(json={"a": 1}), {"a": 1}, False),
        (
            Recorded(text='{"a": 1}', headers={"Content-Type": "application/problem+json; charset=utf-8"}),
            {"a": 1},
            False,
        ),
        (Recorded(text="<p>", headers={"Content-Type": "text/html"}), "<p>", False),
        (Recorded(text="plain"), "plain", False),
        (Recorded(204), None, False),
        (Recorded(text="\0\1"), None, True),
        (Recorded(text="%PDF", headers={"Content-Type": "application/pdf"}), None, True),
        (Recorded(text="x" * (256 * 1024 + 1), headers={"Content-Type": "text/plain"}), None, True),
    ],
)
def test_a_body_is_a_value_or_a_file(answer: Recorded, body: Any, is_file: bool) -> None:
    output, ctx = ask(answer)
    assert output["body"] == body
    assert (output["file"] is not None) == is_file
    if is_file:
        assert ctx.fake_files.content(output["file"]) == answer.text.encode()
        assert output["file"].name == "a.json"
    assert (output["bytes"] == 0) == (answer.status == 204)


@pytest.mark.parametrize(("read_as", "body"), [("json", 5), ("text", "5"), ("file", None)])
def test_the_reading_can_be_chosen(read_as: str, body: Any) -> None:
    output, _ = ask(Recorded(text="5", headers={"Content-Type": "image/png"}), read_as=read_as)
    assert output["body"] == body
    assert isinstance(output["file"], File) == (read_as == "file")


def test_broken_json_is_an_error_and_not_a_text() -> None:
    with pytest.raises(MalformedOutput):
        ask(Recorded(text="{", headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_failure_of_what_may_be_repeated_is_unavailable(method: str) -> None:
    with pytest.raises(Unavailable):
        ask(Recorded(502), method=method)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_failure_of_what_may_have_acted_is_unknown(method: str) -> None:
    with pytest.raises(OutcomeUnknown):
        ask(Recorded(502), method=method)


def test_expected_statuses_are_a_success() -> None:
    assert ask(Recorded(404, text="no"), expect=[200, 404])[0]["status"] == 404
    with pytest.raises(BadInput, match="201"):
        ask(Recorded(201), expect=[200])
    with pytest.raises(BadInput):
        ask(Recorded(200), expect=[])


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"json": {"a": None}}, {"json": {"a": None}}),
        ({"json": False}, {"json": False}),
        ({"body": "hé"}, {"content": "hé".encode()}),
        ({"form": {"a": "1"}}, {"data": {"a": "1"}}),
    ],
)
def test_a_body_is_sent_as_given(given: dict[str, Any], sent: dict[str, Any]) -> None:
    _, ctx = ask(Recorded(), method="POST", **given)
    for name, value in sent.items():
        assert getattr(ctx.requests[0], name) == value


def test_a_file_is_sent_with_its_media_type() -> None:
    files = FakeFiles()
    reference = files.put(b"bytes", name="a.png").to_json()
    _, ctx = ask(Recorded(), FakeContext(files=files), method="PUT", file=reference)
    assert ctx.requests[0].content == b"bytes"
    assert ctx.requests[0].headers["content-type"] == "image/png"


def test_two_bodies_are_refused() -> None:
    with pytest.raises(BadInput) as caught:
        ask(Recorded(), method="POST", json=0, body="")
    assert caught.value.code == "C022"


@pytest.mark.parametrize(
    "headers", [{"X": "a\r\nHost: b"}, {"X\r\nY": "a"}, {"X Y": "a"}, {"": "a"}, {"X": "a\0"}, {"X:": "a"}]
)
def test_a_header_cannot_become_two(headers: dict[str, str]) -> None:
    with pytest.raises(BadInput) as caught:
        ask(Recorded(), headers=headers)
    assert caught.value.code == "C023"


def test_limits_are_handed_to_the_client() -> None:
    _, ctx = ask(
        Recorded(),
        query={"a": True, "b": 1, "c": "x"},
        timeout="1m30s",
        max_bytes="2MB",
        headers={"X-A": "1"},
    )
    [request] = ctx.requests
    assert (request.timeout, request.max_bytes) == (90.0, 2_000_000)
    assert request.params == {"a": "true", "b": "1", "c": "x"}
    assert request.headers == {"x-a": "1"}
    for wrong in ({"timeout": "soon"}, {"max_bytes": "big"}, {"timeout": True}):
        with pytest.raises(BadInput):
            ask(Recorded(), **wrong)


def test_redirects_are_followed_only_when_asked() -> None:
    moved = Recorded(302, headers={"Location": "/elsewhere"})
    with pytest.raises(ActionError):
        ask(moved)
    ctx = FakeContext(answers=[moved])
    assert ask(Recorded(text="here"), ctx, follow_redirects=1)[0]["body"] == "here"


def test_the_idempotency_key_is_that_of_the_attempt() -> None:
    _, ctx = ask(Recorded(), method="POST", idempotency_header="Idempotency-Key")
    assert ctx.requests[0].headers["idempotency-key"] == ctx.idempotency_key


def test_a_credential_comes_from_the_connection_and_stays_at_its_host() -> None:
    ctx = FakeContext()
    open_connection(
        import_room("connectors.http.connector").http.connection_type,
        ctx,
        base_url="https://api.example.com/v1",
        headers={"Authorization": "Bearer canary"},
    )
    ask(Recorded(), ctx, url="orders")
    ask(Recorded(), ctx, url="https://elsewhere.example/orders")
    ours, other = ctx.requests
    assert ours.url == "https://api.example.com/v1/orders"
    assert ours.headers["authorization"] == "Bearer canary"
    assert "authorization" not in other.headers


@pytest.mark.parametrize(
    ("url", "needed"), [("orders/7", True), ("https://a.example/", False), ("{{ trigger.body.url }}", False)]
)
def test_a_connection_is_needed_for_a_relative_address(url: str, needed: bool) -> None:
    assert REQUEST.needs_connection({"url": url}) is needed
