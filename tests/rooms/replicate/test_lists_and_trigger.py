"""Lists that are gone through in parts, what answers may be missing, and the trigger."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, HookRefused, HookRequest, MalformedOutput, NotFound, Recorded
from hookline.testing.fakes import FakeContext, FakeHookContext, open_connection, run_action, run_trigger
from hookline.testing.replicate.signing import new_secret, sign

connector = import_room("connectors.replicate.connector")
recorded = import_room("connectors.replicate.recorded")
ACTIONS = {action.name.partition(".")[2]: action for action in connector.replicate.actions}
API = "https://api.replicate.com/v1/"


def _context(*answers: Any) -> FakeContext:
    ctx = FakeContext(answers=answers)
    open_connection(connector.replicate.connection_type, ctx, token="r8_canary")
    return ctx


def _run(name: str, parameters: dict[str, Any], *answers: Any) -> tuple[Any, FakeContext]:
    ctx = _context(*answers)
    return asyncio.run(run_action(ACTIONS[name], parameters, ctx)), ctx


def _page(numbers: range, following: str | None) -> Recorded:
    results = [{**recorded.FINISHED, "id": f"p{number}"} for number in numbers]
    return Recorded(json={"results": results, "previous": None, "next": following})


PAGES = {
    "/v1/predictions": _page(range(100), f"{API}predictions?cursor=b%3D%3D"),
    "/v1/predictions?cursor=b%3D%3D": _page(range(100, 200), f"{API}predictions?cursor=c"),
    "/v1/predictions?cursor=c": _page(range(200, 250), None),
}


@pytest.mark.parametrize("limit", [1, 7, 99, 100, 101, 250, 1000])
def test_going_on_from_the_cursor_sees_everything_once(limit: int) -> None:
    seen: list[str] = []
    cursor = None
    for _ in range(300):
        ctx = _context()
        client = ctx.connection

        async def request(method: str, url: str, **options: Any) -> Any:
            from hookline.testing.fake_http import FakeResponse

            path = "/v1/" + url.removeprefix(API)
            return FakeResponse.of(PAGES[path])

        client.http.request = request
        output = asyncio.run(run_action(ACTIONS["list_predictions"], {"limit": limit, "cursor": cursor}, ctx))
        assert len(output["results"]) <= limit
        seen += [item["id"] for item in output["results"]]
        cursor = output["next"]
        if cursor is None:
            break
    assert seen == [f"p{number}" for number in range(250)]


def test_a_next_page_of_another_scheme_is_asked_for_on_our_origin() -> None:
    following = "http://api.replicate.com/v1/predictions?cursor=x"
    _, ctx = _run("list_predictions", {"limit": 101}, _page(range(100), following), _page(range(1), None))
    assert ctx.requests[1].url.startswith(API)


@pytest.mark.parametrize(
    "cursor",
    [
        "https://evil.example/v1/predictions#0",
        "//evil.example/predictions#0",
        "predictions/../account#0",
        "deployments?cursor=x#0",
        "predictions?cursor=x",
        "predictions#-1",
        "predictions?cursor=a b#0",
        "predictions?cursor=a\r\nX-Y: z#0",
        "predictions#x",
        "",
    ],
)
def test_a_cursor_leads_nowhere_else(cursor: str) -> None:
    ctx = _context()
    with pytest.raises(BadInput):
        asyncio.run(run_action(ACTIONS["list_predictions"], {"cursor": cursor}, ctx))
    assert ctx.requests == []


@pytest.mark.parametrize(
    ("action", "parameters", "missing"),
    [
        ("get_prediction", {"id": "p"}, "id"),
        ("get_model", {"model": "a/b"}, "owner"),
        ("get_account", {}, "username"),
        ("get_file", {"id": "f"}, "urls"),
        ("get_deployment", {"deployment": "a/b"}, "owner"),
        ("get_training", {"id": "t"}, "status"),
    ],
)
def test_answers_without_what_is_promised_are_malformed(action, parameters, missing: str) -> None:
    body = dict(ACTIONS[action].examples[0].responses[0].json)
    del body[missing]
    with pytest.raises(MalformedOutput):
        _run(action, parameters, Recorded(json=body))


def test_fields_that_older_answers_lack_are_null() -> None:
    body = {"id": "p", "status": "starting"}
    output, _ = _run("get_prediction", {"id": "p"}, Recorded(json=body))
    assert output["data_removed"] is False
    assert output["output"] is output["logs"] is output["web"] is None


@pytest.mark.parametrize("status", [404, 409, 422])
def test_canceling_what_is_over_returns_it_as_it_is(status: int) -> None:
    output, ctx = _run("cancel_prediction", {"id": "p"}, Recorded(status), Recorded(json=recorded.FINISHED))
    assert output["status"] == "succeeded"
    assert ctx.requests[1].method == "GET"


def test_names_cannot_become_other_paths() -> None:
    for name in ("a/../account", "../x", "a/b/c", "a", "./b"):
        ctx = _context()
        with pytest.raises(BadInput):
            asyncio.run(run_action(ACTIONS["get_model"], {"model": name}, ctx))
        assert ctx.requests == []
    _, ctx = _run("get_prediction", {"id": "../account"}, Recorded(json=recorded.FINISHED))
    assert ctx.requests[0].url == f"{API}predictions/..%2Faccount"


def test_deleting_twice_is_no_error() -> None:
    assert _run("delete_file", {"id": "f"}, Recorded(204))[0] == {"deleted": True}
    assert _run("delete_file", {"id": "f"}, Recorded(404))[0] == {"deleted": False}


def test_what_was_created_before_the_answer_was_lost_is_found() -> None:
    parameters = dict(ACTIONS["create_model"].examples[0].input)
    model = {**recorded.MODEL, "owner": "acme", "name": "tuned", "visibility": "private"}
    lookup = ACTIONS["create_model"].lookup
    assert asyncio.run(lookup(_context(Recorded(json=model)), **parameters))["name"] == "tuned"
    assert asyncio.run(lookup(_context(Recorded(404)), **parameters)) is None
    parameters = dict(ACTIONS["create_deployment"].examples[0].input)
    lookup = ACTIONS["create_deployment"].lookup
    account = Recorded(json={"username": "acme"})
    found = asyncio.run(lookup(_context(account, Recorded(json=recorded.DEPLOYMENT)), **parameters))
    assert found["hardware"] == "cpu"
    assert asyncio.run(lookup(_context(account, Recorded(404)), **parameters)) is None


def test_a_readme_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        _run("get_readme", {"model": "a/b"}, Recorded(404))


SECRET = new_secret()


def _receive(
    body: dict[str, Any] | bytes,
    *,
    secret: str = SECRET,
    configured: str | None = SECRET,
    previous: str | None = None,
    age: float = 0,
    method: str = "POST",
    **parameters: Any,
) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    opener = FakeContext()
    secrets = {"webhook_secret": configured, "previous_webhook_secret": previous}
    open_connection(connector.replicate.connection_type, opener, token="r8_canary", **secrets)
    ctx = FakeHookContext(connection=opener.connection)
    stamp = int((ctx.now() - timedelta(seconds=age)).timestamp())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(secret, "msg_1", stamp, content),
    }
    request = HookRequest(method, "replicate", headers, {}, content, ctx.now())
    trigger = connector.prediction_completed
    return asyncio.run(run_trigger(trigger, {"path": "replicate", **parameters}, ctx, request))


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "aborted"])
def test_a_completed_prediction_is_an_event_with_the_messages_identity(status: str) -> None:
    event = _receive({**recorded.FINISHED, "status": status})
    assert event.key == "msg_1"
    assert event.data["status"] == status
    assert event.data["id"] == recorded.FINISHED["id"]


def test_while_the_secret_is_being_changed_both_are_good() -> None:
    assert _receive(recorded.FINISHED, configured=new_secret(), previous=SECRET).key == "msg_1"
    assert _receive(recorded.FINISHED, configured=SECRET, previous=new_secret()).key == "msg_1"


def test_a_training_is_an_event_too() -> None:
    assert _receive(recorded.TRAINING).data["output"]["version"].startswith("acme/tuned:")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"secret": new_secret()}, 401, "C601"),
        ({"age": 600}, 401, "C602"),
        ({"age": -600}, 401, "C602"),
        ({"method": "GET"}, 415, "C604"),
        ({"body": b"{"}, 400, "C605"),
        ({"body": b'{"a": NaN}'}, 400, "C605"),
        ({"body": b"[]"}, 422, "C606"),
        ({"body": {"id": "p", "status": "processing"}}, 422, "C606"),
        ({"body": b" " * 10_000_001}, 413, "C607"),
    ],
)
def test_everything_else_is_refused(change: dict[str, Any], status: int, code: str) -> None:
    change = {"body": recorded.FINISHED, **change}
    with pytest.raises(HookRefused) as caught:
        _receive(change.pop("body"), **change)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_without_a_secret_nobody_is_let_in() -> None:
    with pytest.raises(BadInput) as caught:
        _receive(recorded.FINISHED, configured=None)
    assert "webhook_secret" in caught.value.message
