"""Before anything is sent: the input against the model's schema, the newest version, the expectation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, MalformedOutput
from hookline.sdk.model_checks import check_input
from hookline.sdk.model_files import ModelSchema
from hookline.testing.replicate import openapi_schema
from hookline.testing.replicate.plans import FileValue, png

failures = import_room("connectors.replicate.failures")

REF = "#/components/schemas/"
SCHEMA = ModelSchema(
    openapi_schema(
        {
            "prompt": {"type": "string", "minLength": 1},
            "width": {"type": "integer", "minimum": 64, "maximum": 1024, "default": 512},
            "format": {"allOf": [{"$ref": f"{REF}format"}], "default": "png"},
            "maybe": {"allOf": [{"$ref": f"{REF}format"}], "nullable": True},
            "image": {"type": "string", "format": "uri"},
            "images": {"type": "array", "items": {"type": "string", "format": "uri"}, "maxItems": 2},
            "key": {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True},
            "either": {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 2}]},
            "shape": {"$ref": f"{REF}shape"},
            "broken": {"type": "nonsense", "pattern": "(a+)+$"},
        },
        ["prompt"],
        {"type": "string"},
        {
            "format": {"type": "string", "enum": ["png", "jpg"]},
            "shape": {"type": "object", "required": ["w"], "properties": {"w": {"type": "number"}}},
        },
    )
)
FILE = {"$file": "artifact:1", "name": "a.png"}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"width": 64, "format": "jpg"},
        {"maybe": None},
        {"image": FILE, "images": ["https://example.com/a", FILE]},
        {"image": "data:image/png;base64,AAAA"},
        {"key": "s3cret"},
        {"either": 7},
        {"either": "ab"},
        {"shape": {"w": 1.5, "more": True}},
        {"broken": {"anything": ["goes"]}},
    ],
)
def test_what_the_model_takes_is_taken(values: dict[str, Any]) -> None:
    assert check_input({"prompt": "a", **values}, SCHEMA, model="a/b")


@pytest.mark.parametrize(
    ("values", "place", "words"),
    [
        ({"prompt": ""}, "/input/prompt", "at least 1 characters"),
        ({"width": 63}, "/input/width", "at least 64"),
        ({"width": "64"}, "/input/width", "of type integer"),
        ({"width": True}, "/input/width", "of type integer"),
        ({"width": None}, "/input/width", "be left out"),
        ({"format": "gif"}, "/input/format", "'png', 'jpg'"),
        ({"maybe": "gif"}, "/input/maybe", ""),
        ({"image": "/etc/passwd"}, "/input/image", "file of an earlier step"),
        ({"images": [FILE, FILE, FILE]}, "/input/images", "at most 2 members"),
        ({"images": [FILE, "a.png"]}, "/input/images/1", "file of an earlier step"),
        ({"either": "abc"}, "/input/either", "integer or string"),
        ({"shape": {}}, "/input/shape", "lacks w"),
        ({"shape": {"w": "1"}}, "/input/shape/w", "of type number"),
        ({"key": 4}, "/input/key", "of type string"),
    ],
)
def test_what_it_refuses_is_found_with_its_place(values: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_input({"prompt": "a", **values}, SCHEMA, model="a/b")
    assert f"{place}: " in caught.value.message
    assert words in caught.value.message


def test_unknown_and_missing_keys_are_named_with_a_hint() -> None:
    with pytest.raises(BadInput) as caught:
        check_input({"promt": "a", "zzz": 1}, SCHEMA, model="a/b")
    assert "/input/promt: the model has no such input" in caught.value.message
    assert "/input/prompt: it is required" in caught.value.message
    assert 'did you mean "prompt"' in caught.value.hint
    assert "width" in caught.value.hint


def test_values_are_never_repeated() -> None:
    with pytest.raises(BadInput) as caught:
        check_input({"prompt": "a", "key": ["canary-value"], "format": "canary-value"}, SCHEMA, model="m")
    assert "canary-value" not in caught.value.message + caught.value.hint


def test_a_schema_that_refers_to_itself_again_and_again_is_no_trap() -> None:
    node = {
        "type": "object",
        "properties": {f"p{number}": {"$ref": f"{REF}node"} for number in range(20)},
        "anyOf": [{"$ref": f"{REF}node"}] * 20,
    }
    document = openapi_schema({"tree": {"$ref": f"{REF}node"}}, [], {}, {"node": node})
    assert check_input({"tree": {"p1": {"p2": {}}}}, ModelSchema(document), model="a/b")
    with pytest.raises(BadInput):
        check_input({"tree": "none"}, ModelSchema(document), model="a/b")


def test_a_broken_document_leaves_the_rest_to_be_checked() -> None:
    document = openapi_schema({"a": {"type": "integer"}, "b": {"enum": 7}}, [], {})
    document["components"]["schemas"]["Input"]["properties"]["c"] = ["not", "a", "schema"]
    document["components"]["schemas"]["Input"]["required"] = ["a", {"b": 1}, ["c"], None]
    schema = ModelSchema(document)
    assert check_input({"a": 1, "b": "x", "c": "y"}, schema, model="a/b")
    with pytest.raises(BadInput, match="/input/a: it is required"):
        check_input({"b": 1}, schema, model="a/b")


def test_a_document_that_says_nothing_checks_nothing() -> None:
    assert not check_input({"a": 1}, ModelSchema({}), model="a/b")


def _finish(driver: Any) -> Any:
    async def scenario() -> Any:
        async with driver:
            return await driver.finish()

    return asyncio.run(scenario())


def test_a_misspelled_input_is_not_sent_and_not_paid_for(make, standin, echo) -> None:
    record = _finish(make({**echo, "input": {"texd": "x", "text": "y"}}))
    assert isinstance(record.error, BadInput)
    assert 'did you mean "text"' in record.error.hint
    assert standin.creates == []


@pytest.mark.parametrize("fault", ["models.server_error", "models.reset_before", "models.null_schema"])
def test_a_schema_that_cannot_be_had_stops_nothing(make, standin, echo, fault: str) -> None:
    standin.faults.set(fault, times=None)
    driver = make({**echo, "input": {"text": "hello", "unknown": 1}})
    assert _finish(driver).output["output_text"] == "hello"
    assert any("was not checked" in line for line in driver.logged)


def test_the_schema_of_a_version_is_fetched_once(make, standin, echo) -> None:
    async def scenario() -> list[str]:
        async with make(echo) as driver:
            await driver.finish()
            before = len(driver.boundaries)
            driver.record = type(driver.record)()
            await driver.finish()
            return driver.boundaries[before:]

    assert not any("/models/" in name or "models/" in name for name in asyncio.run(scenario()))


def test_a_community_model_without_version_is_refused_with_its_newest(make, standin) -> None:
    record = _finish(make({"model": "hookline/echo", "input": {"text": "x"}}))
    assert isinstance(record.error, BadInput)
    assert standin.version_of("hookline/echo") in record.error.hint
    assert standin.creates == []


def test_latest_is_resolved_once_and_noted(make, standin) -> None:
    driver = make({"model": "hookline/echo:latest", "input": {"text": "x"}})
    record = _finish(driver)
    version = standin.version_of("hookline/echo")
    assert record.output["model_reference"] == f"hookline/echo:{version}"
    assert record.notes["versions"] == {"hookline/echo:latest": version}
    assert standin.creates[0].body["version"] == f"hookline/echo:{version}"


def test_latest_is_what_another_step_of_the_run_has_noted(make, standin) -> None:
    """Also when a newer one was published since, and the process that knew it is gone."""
    noted = "a" * 64
    driver = make({"model": "hookline/echo:latest", "input": {"text": "x"}})
    driver.other_notes = [{"prediction": "p1"}, {"versions": {"hookline/echo:latest": noted}}]
    record = _finish(driver)
    assert record.notes["versions"] == {"hookline/echo:latest": noted}
    assert isinstance(record.error, BadInput)
    assert standin.creates == []


def _manual(make, standin, output: Any, expectation: dict[str, Any]) -> Any:
    async def scenario() -> Any:
        model = f"hookline/manual:{standin.version_of('hookline/manual')}"
        step = {"model": model, "input": {}, "webhook": "never", "expect": expectation}
        async with make(step) as driver:
            record = await driver.start()
            standin.complete(record.notes["prediction"], output)
            return await driver.finish()

    return asyncio.run(scenario())


PICTURE = FileValue(png(3, 2, (1, 2, 3)), "image/png", "p.png")


@pytest.mark.parametrize(
    ("output", "expectation"),
    [
        ("hello", {"type": "text", "not_empty": True, "min_size": 5, "max_size": "1KB"}),
        ([PICTURE], {"type": "files", "min_files": 1, "max_files": 1, "mime": "image/*", "not_empty": True}),
        ({"a": 1}, {"type": "json", "schema": {"type": "object", "required": ["a"]}}),
        ('{"a": 1}', {"type": "json", "schema": {"properties": {"a": {"maximum": 1}}}}),
    ],
)
def test_an_expected_output_is_the_result(make, standin, output: Any, expectation: dict[str, Any]) -> None:
    record = _manual(make, standin, output, expectation)
    assert record.error is None, record.error
    if expectation["type"] == "json":
        assert record.output["output"] == {"a": 1}


@pytest.mark.parametrize(
    ("output", "expectation"),
    [
        ("  ", {"not_empty": True}),
        (None, {"not_empty": True}),
        ([], {"not_empty": True}),
        ("hello", {"type": "files"}),
        ("hello", {"type": "json"}),
        ('{"a": NaN}', {"type": "json"}),
        ("hello", {"max_size": 4}),
        ([PICTURE], {"min_files": 2}),
        ([PICTURE], {"mime": "video/*"}),
        ([PICTURE], {"min_size": "1MB"}),
        ({"a": "1"}, {"schema": {"properties": {"a": {"type": "integer"}}}}),
    ],
)
def test_any_other_output_is_malformed(make, standin, output: Any, expectation: dict[str, Any]) -> None:
    record = _manual(make, standin, output, expectation)
    assert isinstance(record.error, MalformedOutput)
    assert record.error.hint


@pytest.mark.parametrize(
    "expectation",
    [
        {"schema": {"pattern": "(a+)+$"}},
        {"schema": {"properties": {"a": {"$ref": "#/x"}}}},
        {"schema": {"type": "nonsense"}},
        {"min_size": "much"},
    ],
)
def test_an_expectation_that_cannot_be_used_costs_nothing(make, standin, echo, expectation) -> None:
    record = _finish(make({**echo, "expect": expectation}))
    assert isinstance(record.error, BadInput)
    assert standin.creates == []


@pytest.mark.parametrize("code", sorted(failures.PLATFORM_CODES))
def test_every_platform_code_has_its_advice(code: str) -> None:
    kind, advice = failures.PLATFORM_CODES[code]
    text = f"Director: unexpected error handling prediction ({'code: ' if code == 'PA' else ''}{code})"
    error = failures.failed(text, job="Replicate prediction p", page="https://replicate.com/p/p")
    assert type(error) is kind
    assert advice in error.hint
    assert "https://replicate.com/p/p" in error.hint
    # They promise that nothing was done; a prediction that failed was started.
    assert error.type not in ("rate_limited", "unavailable")
