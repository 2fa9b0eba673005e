"""What comes out: files kept in time, texts joined, costs estimated, failures typed, the token kept."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import jsonschema
import pytest
import referencing

from hookline.engine.http import Policy
from hookline.engine.loader import import_room
from hookline.sdk import (
    ActionError,
    BadInput,
    ContentRejected,
    File,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    Recorded,
    TimedOut,
)
from hookline.testing.fakes import FakeContext, FakeFiles, open_connection, run_action
from hookline.testing.replicate.plans import FileValue, png

connector = import_room("connectors.replicate.connector")
PICTURE = png(3, 2, (1, 2, 3))
NO_SCHEMA = Recorded(status=404)


def _run(driver) -> Any:
    async def scenario() -> Any:
        async with driver:
            return await driver.finish()

    return asyncio.run(scenario())


def _manual(make, standin, output: Any, **options: Any) -> Any:
    """The record of a step whose model returns `output`."""

    async def scenario() -> Any:
        step = {
            "model": f"hookline/manual:{standin.version_of('hookline/manual')}",
            "input": {},
            "webhook": "never",
        }
        async with make({**step, **options}) as driver:
            record = await driver.start()
            standin.complete(record.notes["prediction"], output)
            return await driver.finish(), driver

    return asyncio.run(scenario())


def _valid(output: Any) -> None:
    validator = jsonschema.Draft202012Validator(connector.run.output_schema, registry=referencing.Registry())
    assert [error.message for error in validator.iter_errors(output)] == []


def test_files_are_kept_and_the_token_stays_with_the_api(make, standin, picture) -> None:
    driver = make({**picture, "hardware": "gpu-t4"})
    output = _run(driver).output
    _valid(output)
    assert output["output_type"] == "files"
    assert output["output_text"] is None
    assert [file["name"] for file in output["files"]] == ["out-0.png", "out-1.png"]
    assert output["output"] == output["files"]
    for file in output["files"]:
        assert driver.files.content(File.from_json(file)).startswith(b"\x89PNG")
    assert len(standin.cdn_requests) >= 1
    assert standin.cdn_leaks == []
    assert output["model_reference"] == picture["model"]
    assert output["cost_usd"] == driver.usd


def test_files_nested_and_as_data_urls_are_kept(make, standin) -> None:
    data = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
    value = {
        "picture": FileValue(PICTURE, "image/png", "p.png"),
        "deep": [{"inline": data, "score": 0.5}, "a text with https://example.com in it"],
        "ok": True,
    }
    record, driver = _manual(make, standin, value)
    output = record.output
    _valid(output)
    assert output["output_type"] == "json"
    assert len(output["files"]) == 2
    assert all(driver.files.content(File.from_json(file)) == PICTURE for file in output["files"])
    assert output["output"]["deep"][0] == {"inline": output["files"][1], "score": 0.5}
    assert output["output"]["deep"][1] == "a text with https://example.com in it"


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("hello", "text", "hello"),
        ("", "text", ""),
        (None, "none", None),
        (12.5, "json", None),
        ([], "json", None),
        (["a", "b "], "json-or-text", "ab "),
        ({"a": [1, None]}, "json", None),
    ],
)
def test_other_outputs_keep_their_form(make, standin, value, kind, text) -> None:
    record, _ = _manual(make, standin, value)
    _valid(record.output)
    assert record.output["output"] == value
    assert record.output["output_text"] == text
    assert record.output["output_type"] == ("text" if kind == "json-or-text" else kind)


def test_a_stream_of_text_is_joined_when_the_model_says_so(make, standin) -> None:
    step = {
        "model": f"hookline/tokens:{standin.version_of('hookline/tokens')}",
        "input": {"prompt": "one two three"},
        "webhook": "never",
    }
    assert _run(make(step)).output["output"] == "one two three"
    standin.faults.set("models.null_schema", times=None)
    unknown = _run(make(step)).output
    assert unknown["output"] == ["one ", "two ", "three"]
    assert unknown["output_text"] == "one two three"


def test_an_address_is_a_text_when_the_model_calls_it_one(make, standin) -> None:
    step = {
        "model": f"hookline/echo:{standin.version_of('hookline/echo')}",
        "input": {"text": "https://example.com/page"},
    }
    output = _run(make(step)).output
    assert output["output"] == "https://example.com/page"
    assert output["files"] == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("cdn.not_found", NotFound),
        ("cdn.redirect", MalformedOutput),
        ("cdn.endless", MalformedOutput),
    ],
)
def test_a_file_that_cannot_be_had_is_a_typed_error(make, standin, picture, fault: str, error: type) -> None:
    standin.faults.set(fault, times=None)
    policy = Policy(
        allow_http=True, allow_networks=("127.0.0.0/8",), ports=None, max_download_bytes=1_000_000
    )
    record = _run(make(picture, policy=policy))
    assert type(record.error) is error, record
    assert len(standin.creates) == 1


@pytest.mark.parametrize("times", [3, None])
def test_a_text_is_not_taken_for_a_file_because_the_schema_cannot_be_had(make, standin, times) -> None:
    """For a minute; then the output has to be judged by its looks."""
    model = f"hookline/echo:{standin.version_of('hookline/echo')}"
    text = f"{standin.cdn_url}/not-a-file"
    standin.faults.set("models.server_error", times=times)
    record = _run(make({"model": model, "input": {"text": text}}))
    if times is not None:
        assert record.output["output_text"] == text
    else:
        assert type(record.error) is NotFound
    assert len(standin.creates) == 1


@pytest.mark.parametrize("fault", ["cdn.server_error", "cdn.wrong_length", "cdn.not_found"])
def test_a_file_that_comes_at_the_second_try_is_waited_for(make, standin, picture, fault: str) -> None:
    standin.faults.set(fault, times=3)
    record = _run(make(picture))
    assert record.error is None, record.error
    assert len(record.output["files"]) == 2
    assert standin.faults.happened(fault) == 3
    assert len(standin.creates) == 1


def test_a_file_that_never_comes_ends_as_a_timeout_not_as_unavailable(make, standin, picture) -> None:
    standin.faults.set("cdn.server_error", times=None)
    record = _run(make(picture))
    assert type(record.error) in (TimedOut, NotFound)
    assert len(standin.creates) == 1


def test_an_output_that_was_deleted_after_an_hour_is_a_typed_error(make, standin, sleepy) -> None:
    async def scenario() -> None:
        async with make({**sleepy, "webhook": "never"}) as driver:
            await driver.start()
            await driver.advance(2 * 3600)
            record = await driver.wake()
            assert type(record.error) is NotFound
            assert "one hour" in record.error.hint

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Prediction interrupted; please retry (code: PA)", TimedOut),
        ("Director: unexpected error handling prediction (E9828)", TimedOut),
        ("The service is currently unavailable due to high demand. (E003) (abc)", TimedOut),
        ("The input or output was flagged as sensitive. Please try again (E005) (x)", ContentRejected),
        ("NSFW content detected. Try running it again, or try a different prompt.", ContentRejected),
        ("CUDA out of memory (E1001)", BadInput),
        ("ValueError: asked to fail", BadInput),
    ],
)
@pytest.mark.parametrize("webhook", ["always", "never"])
def test_failures_are_typed_and_never_promise_that_nothing_was_done(
    make, standin, sleepy, text: str, error: type, webhook: str
) -> None:
    standin.faults.set("execution.fail", value=text)
    record = _run(make({**sleepy, "webhook": webhook}))
    assert type(record.error) is error
    assert text in record.error.message
    assert record.notes["prediction"] in record.error.message
    assert record.error.hint


def test_the_cost_of_failed_work_counts_too(make, standin, sleepy) -> None:
    step = {**sleepy, "hardware": "gpu-h100", "input": {**sleepy["input"], "error": "boom"}}
    driver = make({**step, "webhook": "never"})
    assert type(_run(driver).error) is BadInput
    assert driver.usd == pytest.approx(20 * 0.001525, rel=0.05)


def test_small_files_travel_inline_and_large_ones_are_uploaded(make, standin, picture) -> None:
    files = FakeFiles()
    small = files.put(PICTURE, name="a.png")
    large = files.put(b"\x89PNG" + bytes(300_000), name="b.png")
    for file in (small, large):
        step = {**picture, "input": {**picture["input"], "image": file.to_json()}}
        assert _run(make(step, files=files)).error is None
    first, second = (creation.body["input"]["image"] for creation in standin.creates)
    assert first == "data:image/png;base64," + base64.b64encode(PICTURE).decode()
    assert second.startswith(f"{standin.base_url}/v1/files/")


@pytest.mark.parametrize("fault", ["files.server_error_after", "files.reset_after", "files.throttled"])
def test_a_failed_upload_creates_nothing_and_may_be_retried(make, standin, picture, fault: str) -> None:
    standin.faults.set(fault)
    files = FakeFiles()
    large = files.put(bytes(300_000), name="b.bin")
    step = {**picture, "input": {**picture["input"], "image": large.to_json()}}
    record = _run(make(step, files=files))
    assert isinstance(record.error, ActionError)
    assert record.error.type in ("unavailable", "rate_limited")
    assert standin.creates == []


def test_a_deployment_and_an_official_model_need_no_version(make, standin) -> None:
    output = _run(make({"model": "hookline/official-echo", "input": {"text": "x"}})).output
    assert output["model_reference"] == "hookline/official-echo"
    assert standin.creates[0].path == "/v1/predictions"


# With recorded answers


def _context(*answers: Any) -> FakeContext:
    ctx = FakeContext(answers=answers)
    open_connection(connector.replicate.connection_type, ctx, token="r8_canary")
    return ctx


def test_the_example_runs() -> None:
    example = connector.run.examples[0]
    ctx = _context(*example.responses)
    assert asyncio.run(run_action(connector.run, example.input, ctx)) == example.output
    assert ctx.requests[0].headers["authorization"] == "Bearer r8_canary"
    _valid(example.output)


def test_a_deployment_has_its_own_address() -> None:
    ctx = _context(NO_SCHEMA, Recorded(status=201, json={"id": "p", "status": "starting"}))
    parked = asyncio.run(run_action(connector.run, {"deployment": "acme/up", "input": {"a": 1}}, ctx))
    assert parked.data["prediction"] == "p"
    assert ctx.requests[0].path == "/v1/deployments/acme/up"
    assert ctx.requests[1].path == "/v1/deployments/acme/up/predictions"
    assert ctx.requests[1].json == {
        "input": {"a": 1},
        "webhook": "https://hookline.example/callbacks/token",
        "webhook_events_filter": ["completed"],
    }


@pytest.mark.parametrize(
    ("following", "asked"),
    [
        (
            "http://api.replicate.com/v1/predictions?cursor=abc%3D%3D",
            "https://api.replicate.com/v1/predictions?cursor=abc%3D%3D",
        ),
        (
            "https://api.replicate.com/v1/predictions?cursor=x",
            "https://api.replicate.com/v1/predictions?cursor=x",
        ),
        ("https://evil.example/v1/predictions?cursor=x", None),
        ("https://api.replicate.com@evil.example/v1/predictions?cursor=x", None),
        ("https://user@api.replicate.com/v1/predictions?cursor=x", None),
        ("https://api.replicate.com:8443/v1/predictions?cursor=x", None),
        ("https://api.replicate.com/internal?cursor=x", None),
        ("https://[", None),
    ],
)
def test_pages_are_followed_on_the_apis_own_origin_only(following: str, asked: str | None) -> None:
    ctx = _context(
        Recorded(json={"results": [], "next": following}), Recorded(json={"results": [], "next": None})
    )
    call = ctx.connection.created_since(ctx.now())
    if asked is None:
        with pytest.raises(MalformedOutput):
            asyncio.run(call)
        assert len(ctx.requests) == 1
    else:
        assert asyncio.run(call).complete
        assert ctx.requests[1].url == asked


def test_an_endless_list_is_not_complete() -> None:
    page = {"results": [], "next": "https://api.replicate.com/v1/predictions?cursor=x"}
    ctx = _context(*(Recorded(json=page) for _ in range(30)))
    assert not asyncio.run(ctx.connection.created_since(ctx.now())).complete
    assert len(ctx.requests) <= 21


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", '{"id": 3, "status": "starting"}', '{"id": "x"}', "<html>"]
)
def test_an_unreadable_success_leaves_the_outcome_open(body: str) -> None:
    ctx = _context(NO_SCHEMA, Recorded(status=201, text=body))
    with pytest.raises(ActionError) as caught:
        asyncio.run(run_action(connector.run, {"model": "a/b", "input": {}}, ctx))
    assert caught.value.type == "unknown"
    assert "intent" in ctx.notes


def test_the_address_may_end_in_v1() -> None:
    for base_url in (
        "http://127.0.0.1:9",
        "http://127.0.0.1:9/",
        "http://127.0.0.1:9/v1",
        "http://127.0.0.1:9/v1/",
    ):
        ctx = FakeContext(answers=[Recorded(json={"username": "acme"})])
        client = open_connection(connector.replicate.connection_type, ctx, token="t", base_url=base_url)
        assert asyncio.run(connector.replicate.connection_type.test(client)) == "acme"
        assert ctx.requests[0].url == "http://127.0.0.1:9/v1/account"


def _succeeded(output: Any) -> Recorded:
    body = {"id": "p", "status": "succeeded", "model": "a/b", "version": "hidden", "output": output}
    return Recorded(status=201, json=body)


def _authorized(ctx: FakeContext) -> list[bool]:
    return ["authorization" in request.headers for request in ctx.requests]


def test_the_token_is_offered_to_the_apis_own_origin_and_only_when_asked_for() -> None:
    url = "https://api.replicate.com/v1/files/x/download"
    ctx = _context(NO_SCHEMA, _succeeded(url), Recorded(text="bytes"))
    asyncio.run(run_action(connector.run, {"model": "a/b", "input": {}}, ctx))
    assert _authorized(ctx) == [True, True, False]
    ctx = _context(NO_SCHEMA, _succeeded(url), Recorded(status=401), Recorded(text="bytes"))
    output = asyncio.run(run_action(connector.run, {"model": "a/b", "input": {}}, ctx))
    assert _authorized(ctx) == [True, True, False, True]
    assert output["output_type"] == "files"


def test_no_other_origin_is_offered_the_token() -> None:
    url = "https://xezq.replicate.delivery/out.png"
    ctx = _context(NO_SCHEMA, _succeeded(url), Recorded(status=403))
    with pytest.raises(NotFound):
        asyncio.run(run_action(connector.run, {"model": "a/b", "input": {}}, ctx))
    assert _authorized(ctx) == [True, True, False]


def test_a_list_that_was_not_followed_to_its_end_proves_nothing() -> None:
    ctx = _context(NO_SCHEMA, Recorded(status=502, text="<html>"))
    with pytest.raises(OutcomeUnknown):
        asyncio.run(run_action(connector.run, {"model": "a/b", "input": {}}, ctx))
    ctx.clock.advance(3600)
    page = {"results": [], "next": "https://api.replicate.com/v1/predictions?cursor=x"}
    ctx.exchange.answers.extend(Recorded(json=page) for _ in range(50))
    with pytest.raises(OutcomeUnknown):
        asyncio.run(connector.run.lookup(ctx, model="a/b", input={}))
    ctx.exchange.answers.clear()
    ctx.exchange.answers.append(Recorded(json={"results": [], "next": None}))
    assert asyncio.run(connector.run.lookup(ctx, model="a/b", input={})) is None
