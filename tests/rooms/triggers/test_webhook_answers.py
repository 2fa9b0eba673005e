"""Identity by an expression, answers of the author's own, and a rate."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookline.testing import FakeHookContext

from .hooks import receive, refusal, request

JSON = {"content-type": "application/json", "x-kind": "order"}


def sent(body: Any) -> Any:
    return request(json.dumps(body).encode(), JSON)


@pytest.mark.parametrize(
    ("dedupe", "key"),
    [
        ("{{ trigger.body.shop }}/{{ trigger.body.id }}", "north/17"),
        ("{{ trigger.body.id }}", "17"),
        ("{{ trigger.headers['x-kind'] + ':' + trigger.body.shop }}", "order:north"),
    ],
)
def test_the_identity_may_be_an_expression(dedupe: str, key: str) -> None:
    assert receive(sent({"shop": "north", "id": 17}), dedupe=dedupe).key == key


@pytest.mark.parametrize(
    "dedupe",
    ["{{ trigger.body.missing }}", "{{ trigger.body }}", "{{ trigger.body.shop == 'north' }}", "{{ 1 +"],
)
def test_an_expression_without_an_identity_is_refused(dedupe: str) -> None:
    assert refusal(sent({"shop": "north"}), dedupe=dedupe).code == "C608"


def test_an_answer_of_ones_own_is_text_or_json() -> None:
    text = receive(sent({"id": 17}), respond={"type": "answer", "body": "got {{ trigger.body.id }}"}).answer
    assert text is not None
    assert (text.status, text.body, text.content_type) == (200, b"got 17", "text/plain; charset=utf-8")
    given = {
        "type": "answer",
        "status": 201,
        "body": {"id": "{{ trigger.body.id }}"},
        "headers": {"X-A": "b"},
    }
    document = receive(sent({"id": 17}), respond=given).answer
    assert document is not None
    assert (document.status, json.loads(document.body), document.headers) == (201, {"id": 17}, {"X-A": "b"})
    assert document.content_type == "application/json"
    empty = receive(sent({}), respond={"type": "answer", "status": 204}).answer
    assert empty is not None
    assert empty.body == b""
    assert receive(sent({}), respond="at_once").answer is None
    assert refusal(sent({}), respond={"type": "answer", "body": "{{ trigger.body.id }}"}).code == "C610"


def test_a_rate_counts_verified_requests_only() -> None:
    ctx = FakeHookContext()
    limit = {"max": 60, "per": "1m"}
    assert receive(sent({}), rate_limit=limit, ctx=ctx).data["body"] == {}
    assert ctx.turns == [(60, 60.0)]
    assert refusal(sent({}), rate_limit=limit, ctx=ctx, auth={"type": "github"}, secrets=["s"]).status == 401
    assert ctx.turns == [(60, 60.0)]
    ctx.wait = 2.5
    found = refusal(sent({}), rate_limit=limit, ctx=ctx)
    assert (found.status, found.code, found.retry_after) == (429, "C611", 2.5)
    assert refusal(sent({}), rate_limit={"max": 1, "per": "soon"}).code == "C610"


def test_a_compressed_body_is_not_read() -> None:
    bomb = request(b"\x1f\x8b\x08", {"content-type": "application/json", "content-encoding": "gzip"})
    assert refusal(bomb).status == 415


def test_a_replay_window_beyond_what_is_remembered_is_refused() -> None:
    auth = {"type": "hmac", "header": "X-S", "timestamp_header": "X-T", "tolerance": "4d"}
    assert refusal(sent({}), auth=auth, secrets=["s"]).code == "C610"
