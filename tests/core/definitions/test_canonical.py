"""The canonical forms: what the version depends on, and what ``fmt`` keeps."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.core.canonical import WIDTH, canonical_json, format_document, version_of
from hookline.core.document import read

keys = st.sampled_from(
    ["id", "uses", "with", "steps", "then", "if", "name", "trigger", "cases", "zz", "é", "a b", ""]
)
scalars = (
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text('ab"\\\n/{} é', max_size=30)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=25,
)


@st.composite
def commented(draw: st.DrawFn) -> tuple[Any, str, list[str]]:
    """A value, a text of it with comments wherever they may stand, and the comments."""
    value = draw(values)
    comments: list[str] = []

    def space() -> str:
        parts = []
        for kind in draw(st.lists(st.sampled_from([" ", "\n", "\r\n", "line", "block", "tall"]), max_size=3)):
            if kind in (" ", "\n", "\r\n"):
                parts.append(kind)
                continue
            mark = f"c{len(comments)}."
            body = {"line": f"// {mark}", "block": f"/* {mark} */", "tall": f"/* {mark}\n  * */"}[kind]
            comments.append(body)
            parts.append(body + ("\n" if kind == "line" else ""))
        return "".join(parts)

    def write(part: Any) -> str:
        if isinstance(part, dict):
            members = [
                f"{space()}{json.dumps(k)}{space()}:{space()}{write(v)}{space()}" for k, v in part.items()
            ]
            return "{" + ",".join(members) + space() + "}"
        if isinstance(part, list):
            items = [f"{space()}{write(item)}{space()}" for item in part]
            return "[" + ",".join(items) + (draw(st.sampled_from(["", ","])) if items else "") + space() + "]"
        return json.dumps(part)

    text = space() + write(value) + space()
    return value, text, comments


@given(commented())
@settings(max_examples=200)
def test_formatting_keeps_value_and_comments_and_is_idempotent(drawn: tuple[Any, str, list[str]]) -> None:
    value, text, comments = drawn
    formatted = format_document(read(text))
    assert read(formatted).value == value
    assert format_document(read(formatted)) == formatted
    for comment in comments:
        assert formatted.count(comment.rstrip()) == 1
    assert formatted.endswith("\n")


@given(values)
def test_formatting_breaks_what_is_too_wide(value: Any) -> None:
    for line in format_document(read(json.dumps(value))).splitlines():
        if len(line) > WIDTH + 1:
            # Only a single scalar (with its key) may be wider.
            assert re.fullmatch(r'\s*("([^"\\]|\\.)*": )?("([^"\\]|\\.)*"|[^\s{}\[\]]+)[,{\[]?', line)


def test_keys_come_in_the_order_of_the_grammar() -> None:
    text = """{"steps": [{"with": {"z": 1, "a": 2}, "extra": 1, "uses": "x", "id": "a"},
                         {"else": [], "then": [{"uses": "y", "id": "b"}], "if": true}], "name": "n"}"""
    formatted = format_document(read(text))
    assert (
        formatted
        == """{
  "name": "n",
  "steps": [
    { "id": "a", "uses": "x", "with": { "z": 1, "a": 2 }, "extra": 1 },
    { "if": true, "then": [ { "id": "b", "uses": "y" } ], "else": [] }
  ]
}
"""
    )


def test_comments_stay_where_they_speak() -> None:
    text = """// the whole
{ "steps": [ { "with": { "a": 1 }, // why so
               // what it does
               "uses": "x" }, /* inline */ { "stop": "done" } ], "name": "n" // the name
  // at the end
} // behind
"""
    assert (
        format_document(read(text))
        == """// the whole
{
  "name": "n", // the name
  "steps": [
    {
      // what it does
      "uses": "x",
      "with": { "a": 1 } // why so
    },
    /* inline */
    { "stop": "done" }
  ]
  // at the end
}
// behind
"""
    )


def test_yaml_comments_become_json_comments() -> None:
    text = """# the whole
name: n   # the name
steps:
  # first
  - uses: x
    with:
      text: |  # a block
        # not a comment
        line
"""
    formatted = format_document(read(text, syntax="yaml"))
    assert read(formatted).value == read(text, syntax="yaml").value
    assert formatted.count("//") == 4
    assert '"name": "n", // the name' in formatted
    assert "    // first\n    {" in formatted


def test_the_version_does_not_depend_on_layout() -> None:
    one = read('{ "name": "a", // x\n "$schema": "s", "steps": [{"id": "b", "uses": "c"}] }').value
    two = read("steps:\n- uses: c\n  id: b\nname: a", syntax="yaml").value
    assert version_of(one) == version_of(two)
    assert re.fullmatch("[0-9a-f]{16}", version_of(one))
    assert version_of(two) != version_of({**two, "description": ""})


def test_the_schema_address_counts_only_at_the_top() -> None:
    assert version_of({"inputs": {"$schema": "a"}}) != version_of({"inputs": {}})


@given(values)
def test_the_canonical_text_depends_only_on_the_value(value: Any) -> None:
    def reversed_keys(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: reversed_keys(part[key]) for key in reversed(part)}
        return [reversed_keys(item) for item in part] if isinstance(part, list) else part

    assert canonical_json(reversed_keys(value)) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value
