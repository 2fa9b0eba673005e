"""Connectors without code."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from hookline.sdk import BadInput, Connector, MalformedOutput, OutcomeUnknown, Recorded, Unavailable
from hookline.sdk.manifest import ManifestError, connector_from_manifest
from hookline.testing import FakeContext, open_connection, run_action

BOX: dict[str, Any] = {
    "id": "box",
    "title": "Box",
    "docs": "https://box.example/docs",
    "connection": {
        "fields": {
            "server": {"type": "string", "description": "Server.", "default": "https://box.example/api"},
            "token": {"type": "string", "description": "Token.", "x-secret": True, "x-optional": True},
        },
        "request": {
            "base_url": "{{ connection.server }}",
            "headers": {"Authorization": "Bearer {{ connection.token }}"},
        },
        "test": {"path": "/me", "account": "{{ response.body.user.name }}"},
    },
    "actions": {
        "put": {
            "title": "Put a thing",
            "effect": "at_least_once",
            "input": {
                "shelf": {"type": "string", "description": "Shelf."},
                "thing": {"type": "object", "description": "Thing."},
                "note": {"type": "string", "description": "Note.", "x-optional": True},
                "count": {"type": "integer", "description": "How many.", "default": 1},
            },
            "request": {
                "method": "POST",
                "path": "/shelves/{{ input.shelf }}/things:put",
                "query": {"count": "{{ input.count }}", "dry": False, "note": "{{ input.note }}"},
                "headers": {"Idempotency-Key": "{{ idempotency_key }}", "X-Note": "n {{ input.note }}"},
                "json": {
                    "thing": "{{ input.thing }}",
                    "notes": ["{{ input.note }}"],
                    "has_note": "{{ has(input.note) ? input.note : 'none' }}",
                },
            },
            "output": {
                "id": {"type": "string", "description": "Identifier."},
                "where": {
                    "type": "string",
                    "description": "Place.",
                    "value": "{{ input.shelf }}/{{ response.body.id }}",
                },
                "etag": {
                    "type": "string",
                    "description": "Version.",
                    "value": "{{ response.headers.etag }}",
                    "x-optional": True,
                },
            },
            "summary": "Put {id}",
            "examples": [{"input": {"shelf": "a", "thing": {}}, "response": {"json": {"id": "1"}}}],
        },
        "list": {
            "title": "List things",
            "effect": "read",
            "input": {},
            "request": {"method": "GET", "path": "/things"},
            "summary": "Listed",
            "examples": [{"input": {}, "responses": [{"json": []}]}],
        },
    },
}


def box() -> Connector:
    return connector_from_manifest(BOX, "box")


def call(name: str, given: dict[str, Any], answer: Recorded, **fields: Any) -> tuple[Any, FakeContext]:
    connector = box()
    ctx = FakeContext(answers=[answer])
    open_connection(connector.connection_type, ctx, **fields)
    [action] = [action for action in connector.actions if action.name == name]
    return asyncio.run(run_action(action, given, ctx)), ctx


def test_the_declared_request_is_sent_and_the_output_mapped() -> None:
    output, ctx = call(
        "box.put",
        {"shelf": "a/b c", "thing": {"size": 3}, "note": "careful"},
        Recorded(json={"id": "7"}, headers={"ETag": "v1"}),
        token="canary",
    )
    assert output == {"id": "7", "where": "a/b c/7", "etag": "v1"}
    [request] = ctx.requests
    assert request.url == "https://box.example/api/shelves/a%2Fb%20c/things:put"
    assert request.params == {"count": "1", "dry": "false", "note": "careful"}
    assert request.headers["authorization"] == "Bearer canary"
    assert request.headers["x-note"] == "n careful"
    assert request.headers["idempotency-key"] == ctx.idempotency_key
    assert request.json == {"thing": {"size": 3}, "notes": ["careful"], "has_note": "careful"}


def test_what_was_not_given_is_left_out() -> None:
    output, ctx = call("box.put", {"shelf": "a", "thing": {}, "note": None}, Recorded(json={"id": "7"}))
    assert output == {"id": "7", "where": "a/7"}
    [request] = ctx.requests
    assert request.params == {"count": "1", "dry": "false"}
    assert set(request.headers) == {"idempotency-key"}
    assert request.json == {"thing": {}, "notes": [], "has_note": "none"}


def test_without_an_output_the_answer_is_the_output() -> None:
    assert call("box.list", {}, Recorded(json=[1, 2]))[0] == [1, 2]
    assert call("box.list", {}, Recorded(204))[0] == {}


def test_the_connection_test_says_whose_the_credential_is() -> None:
    connector = box()
    ctx = FakeContext(
        answers=[Recorded(json={"user": {"name": "ada"}}, expect="GET /api/me"), Recorded(json={})]
    )
    client = open_connection(connector.connection_type, ctx, token="t")
    assert connector.connection_type is not None
    assert connector.connection_type.test is not None
    assert asyncio.run(connector.connection_type.test(client)) == "ada"
    with pytest.raises(MalformedOutput):
        asyncio.run(connector.connection_type.test(client))


@pytest.mark.parametrize("shelf", ["", ".", ".."])
def test_a_value_cannot_change_the_path(shelf: str) -> None:
    with pytest.raises(BadInput):
        call("box.put", {"shelf": shelf, "thing": {}}, Recorded(json={"id": "7"}))


def test_a_value_cannot_add_a_header() -> None:
    with pytest.raises(BadInput):
        call("box.put", {"shelf": "a", "thing": {}, "note": "x\r\nHost: y"}, Recorded(json={"id": "7"}))


def test_an_answer_without_what_is_needed_is_malformed() -> None:
    with pytest.raises(MalformedOutput, match="Box answered without"):
        call("box.put", {"shelf": "a", "thing": {}}, Recorded(json={}))


def test_failures_follow_the_effect() -> None:
    with pytest.raises(Unavailable):
        call("box.list", {}, Recorded(503))
    with pytest.raises(OutcomeUnknown):
        call("box.put", {"shelf": "a", "thing": {}}, Recorded(503))


def test_the_schema_says_what_is_required() -> None:
    [put] = [action for action in box().actions if action.name == "box.put"]
    assert put.input_schema["required"] == ["shelf", "thing"]
    assert "x-optional" not in str(put.input_schema)
    assert put.output_schema is not None
    assert put.output_schema["required"] == ["id", "where"]
    assert "value" not in put.output_schema["properties"]["where"]


def changed(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(BOX)
    *parents, last = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        ("id", "Box", "/id"),
        ("id", "other", "/id"),
        ("docs", "http://box.example", "/docs"),
        ("extra", 1, ""),
        ("actions.put.effect", "check", "/actions/put/effect"),
        ("actions.put.input.shelf", {"type": "string"}, "/actions/put/input/shelf"),
        ("actions.put.input.shelf.type", ["string", "null"], "/actions/put/input/shelf/type"),
        ("actions.put.request.path", "//elsewhere.example/", "/actions/put/request/path"),
        ("actions.put.request.path", "https://elsewhere.example/", "/actions/put/request/path"),
        ("actions.put.request.path", "/{{ input.note }}", "/actions/put/request/path"),
        ("actions.put.request.json", {"a/b": "{{ input.shelff }}"}, "/actions/put/request/json/a~1b"),
        ("actions.put.request.json", {"a": "{{ connection.token }}"}, "/actions/put/request/json/a"),
        ("actions.put.request.json", ["{{ input. }}"], "/actions/put/request/json/0"),
        ("actions.put.output.id.value", "{{ response.json.id }}", "/actions/put/output/id/value"),
        ("connection.request.base_url", "{{ input.server }}", "/connection/request/base_url"),
    ],
)
def test_a_broken_manifest_names_the_place(path: str, value: Any, pointer: str) -> None:
    with pytest.raises(ManifestError) as caught:
        connector_from_manifest(changed(path, value), "box")
    assert caught.value.code == "C010"
    assert caught.value.pointer == pointer
    assert caught.value.hint
