"""What an output must be, apart from every provider."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hookline.sdk import BadInput, File, MalformedOutput
from hookline.sdk.expectations import check_expect, check_output
from hookline.sdk.model_files import Archived
from hookline.sdk.predictions import Prediction, succeeded

NOW = datetime(2026, 11, 18, 11, 0, tzinfo=UTC)
EMPTY = File(f"artifact:{'0' * 64}", "x.png", "image/png", bytes=0)


def result(value: Any, text: str | None = None, files: tuple[File, ...] = ()) -> Prediction:
    return succeeded(
        provider="acme",
        job_id="1",
        model="m",
        output=Archived(value, list(files), text),
        created_at=NOW,
        completed_at=NOW,
        attempts=1,
        cost_usd=None,
    )


@pytest.mark.parametrize(
    ("value", "text", "expect"),
    [
        (None, None, {"not_empty": True}),
        (" \n", " \n", {"not_empty": True}),
        ([], None, {"min_files": 1}),
        ({}, None, {"type": "text"}),
        ("é", "é", {"max_size": 1}),
        ("no", "no", {"type": "json"}),
        ({"n": 1}, None, {"schema": {"properties": {"n": {"minimum": 2}}}}),
    ],
)
def test_what_it_is_not_is_malformed_with_the_provider_s_advice(
    value: Any, text: str | None, expect: dict[str, Any]
) -> None:
    check_expect(expect)
    with pytest.raises(MalformedOutput, match="which expect does not allow") as caught:
        check_output(result(value, text), expect, hint="ask acme")
    assert caught.value.hint == "ask acme"


def test_an_empty_file_is_empty() -> None:
    made = result([EMPTY.to_json()], files=(EMPTY,))
    assert check_output(made, {"type": "files", "mime": "image/*"}, hint="") == made
    with pytest.raises(MalformedOutput):
        check_output(made, {"not_empty": True}, hint="")


def test_a_json_text_becomes_its_value_and_the_rest_stays() -> None:
    made = result('{"a": 1}', '{"a": 1}')
    read = check_output(made, {"type": "json", "schema": {"required": ["a"]}}, hint="")
    assert read == {**made, "output": {"a": 1}, "output_type": "json"}


@pytest.mark.parametrize(
    "expect", [{"schema": {"pattern": "(a+)+$"}}, {"schema": {"type": "nonsense"}}, {"min_size": "much"}]
)
def test_what_cannot_be_expected_is_refused_beforehand(expect: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        check_expect(expect)
