"""Summaries, durations and sizes."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.sdk import BadInput, Context, Field, action, parse_duration, parse_size, render_summary
from hookline.sdk.summary import summary_fields


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Posted to {channel}", "Posted to #art"),
        ("{id}: {n} {ok} {half}", "7: 3 true 0.5"),
        ("Kept {file[name]} and {file}", "Kept a.png and a.png"),
        ("{list} things, first {list[0][x]}", "2 things, first 1"),
        ("{absent} {file[size]} {list[9]} {channel[0]}", "… … … …"),
        ("{lines}", "a b"),
    ],
)
def test_values_come_from_input_and_output(template: str, text: str) -> None:
    given = {"channel": "#art", "n": 3}
    output = {
        "id": "7",
        "channel": "C01",
        "ok": True,
        "half": 0.5,
        "file": {"$file": "artifact:x", "name": "a.png"},
        "list": [{"x": 1}, 2],
        "lines": "a\n b",
    }
    assert render_summary(template, given, output) == text


def test_an_output_that_is_no_object_has_a_name() -> None:
    assert render_summary("Got {output}", {}, "x") == "Got x"
    assert len(render_summary("{output}", {}, "x" * 10_000)) < 200


@pytest.mark.parametrize("template", ["{a.b}", "{a!r}", "{a:>99}", "{}", "{", "}", "{a b}", "{{a}}"])
def test_it_is_no_format_string(template: str) -> None:
    with pytest.raises(ValueError, match="not a summary"):
        summary_fields(template)


@given(st.text(max_size=60), st.dictionaries(st.text(max_size=5), st.integers()))
def test_a_summary_never_fails(template: str, values: dict[str, Any]) -> None:
    assert isinstance(render_summary(template, values, values), str)


def test_defaults_are_part_of_what_was_asked() -> None:
    @action("say", effect="read", summary="{n} × {what}")
    async def say(
        ctx: Context, what: Annotated[str, Field("What.")], n: Annotated[int, Field("How often.")] = 2
    ) -> None:
        """Say"""

    assert say.summarize({"what": "hi"}, None) == "2 × hi"
    assert say.summarize({"what": "hi", "n": 3}, None) == "3 × hi"


@pytest.mark.parametrize(("value", "seconds"), [("90s", 90.0), ("1h30m", 5400.0), (5, 5.0), (0.5, 0.5)])
def test_durations(value: Any, seconds: float) -> None:
    assert parse_duration(value, name="timeout") == seconds


@pytest.mark.parametrize("value", ["", "soon", -1, True, None, float("nan"), float("inf"), "1h1h"])
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(BadInput, match="timeout"):
        parse_duration(value, name="timeout")


@pytest.mark.parametrize(("value", "size"), [("25MB", 25_000_000), ("1KiB", 1024), (7, 7)])
def test_sizes(value: Any, size: int) -> None:
    assert parse_size(value, name="max_bytes") == size


@pytest.mark.parametrize("value", ["", "big", -1, True, None, 1.5, 2**64])
def test_what_is_no_size(value: Any) -> None:
    with pytest.raises(BadInput, match="max_bytes"):
        parse_size(value, name="max_bytes")
