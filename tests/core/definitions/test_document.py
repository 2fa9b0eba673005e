"""Reading: strictness, positions, and bounded cost on hostile texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.core.diagnostics import DefinitionError, Diagnostic
from hookline.core.document import (
    Document,
    DocumentError,
    DocumentLimits,
    join_pointer,
    read,
    split_pointer,
    strict_json,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
numbers = st.integers(-(2**63 - 1), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def refusal(source: str | bytes, **options: Any) -> Diagnostic:
    with pytest.raises(DefinitionError) as refused:
        read(source, **options)
    (diagnostic,) = refused.value.diagnostics
    return diagnostic


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types: 1 is not 1.0 and not true."""
    return json.dumps(left) == json.dumps(right)


@given(json_values)
def test_reads_what_the_standard_library_writes(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)):
        assert same(read(text).value, value)
        assert same(strict_json(text.encode()), value)


@given(json_values)
def test_plain_json_is_yaml_with_the_same_value(value: Any) -> None:
    # libyaml decodes one \uXXXX at a time, so only unescaped text is common to both syntaxes; and YAML
    # breaks lines where JSON does not and refuses some control characters.
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable() and "\ufeff" not in text:
        assert same(read(text, syntax="yaml").value, value)


def test_comments_and_trailing_commas_are_accepted() -> None:
    assert read('// a\n{ /* b */ "x": [1, 2,], // c\n } // d').value == {"x": [1, 2]}
    assert read('{ "url": "http://x/*y*/" }').value == {"url": "http://x/*y*/"}


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbf[1]").value == [1]
    assert read("\ufeff[1]").position("/0") == (1, 2)
    assert strict_json(b"\xef\xbb\xbf[1]") == [1]


REFUSED = [
    (b'{"a": "\xff"}', "D101"),
    ("[" + " " * (1 << 20) + "]", "D102"),
    ("é" * (1 << 19) + "éé", "D102"),
    ("[" * 65 + "]" * 65, "D103"),
    ("[" + "1," * 100_000 + "1]", "D104"),
    ("{", "D105"),
    ('{"a" 1}', "D105"),
    ("{a: 1}", "D105"),
    ("{'a': 1}", "D105"),
    ("[1 2]", "D105"),
    ("[1}", "D105"),
    ("]", "D105"),
    ("[1] [2]", "D105"),
    ("[,]", "D105"),
    ("[1,,2]", "D105"),
    ('{"a": 1,,}', "D105"),
    ('{"a":}', "D105"),
    ('{"a"}', "D105"),
    ("[01]", "D105"),
    ("[+1]", "D105"),
    ("[.5]", "D105"),
    ("[0x10]", "D105"),
    ("[True]", "D105"),
    ('["a\nb"]', "D105"),
    ('["a\tb"]', "D105"),
    ('["\x07"]', "D105"),
    ('["\\x41"]', "D105"),
    ('["\\u12"]', "D105"),
    ('["abc', "D105"),
    ('["abc\\', "D105"),
    ("/* open", "D105"),
    ("# no comment\n1", "D105"),
    ('{"a": 1, "a": 2}', "D106"),
    ('{"a": 1, "\\u0061": 2}', "D106"),
    ('["\\u0000"]', "D107"),
    ('["\x00"]', "D107"),
    ("\x00", "D107"),
    ('["\\ud800"]', "D107"),
    ('["\ud800"]', "D107"),
    ("[9223372036854775808]", "D108"),
    ("[1" + "0" * 5000 + "]", "D108"),
    ("[1e999]", "D108"),
    ("[NaN]", "D109"),
    ("[Infinity]", "D109"),
    ("[-Infinity]", "D109"),
    ('{"' + "k" * 257 + '": 1}', "D110"),
    ("", "D112"),
    (" // nothing\n", "D112"),
]


@pytest.mark.parametrize(("source", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_acceptable_is_refused(source: str | bytes, code: str) -> None:
    diagnostic = refusal(source)
    assert diagnostic.code == code
    assert diagnostic.line >= 1
    assert diagnostic.column >= 1


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("a: &x 1", "D111"),
        ("a: *x", "D111"),
        ("<<: {a: 1}", "D111"),
        ("a: !python/object:x 1", "D111"),
        ("a: !!int 1", "D111"),
        ("--- 1\n--- 2", "D111"),
        ("? [a]\n: 1", "D111"),
        ("a: .inf", "D109"),
        ("a: .nan", "D109"),
        ("a: 1e999", "D108"),
        ("a: 99999999999999999999", "D108"),
        ("a: 1\na: 2", "D106"),
        ('a: "\\0"', "D107"),
        ("a: [", "D105"),
        ("a: b: c", "D105"),
        ("\x07", "D105"),
        ("[" * 65, "D103"),
        ("# nothing", "D112"),
        ("", "D112"),
        ("- 1\n" * 100_001, "D104"),
    ],
)
def test_yaml_beyond_json_is_refused(source: str, code: str) -> None:
    assert refusal(source, syntax="yaml").code == code


def test_yaml_words_are_not_booleans_and_leading_zeros_not_octal() -> None:
    lines = ["on: yes", "off: no", "t: true", "n: ~", "i: 012", "o: 0o17", "h: 0x1F", "f: 1.5e3"]
    text = "\n".join([*lines, "clock: 12:30", "day: 2026-01-01", "s: !!str 1"])
    assert read(text, syntax="yaml").value == {
        "on": "yes", "off": "no", "t": True, "n": None, "i": 12, "o": 15, "h": 31, "f": 1500.0,
        "clock": "12:30", "day": "2026-01-01", "s": "1",
    }  # fmt: skip


def test_a_billion_laughs_stop_at_the_first_anchor() -> None:
    text = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]"
    assert refusal(text, syntax="yaml").line == 1


def test_refusals_say_where() -> None:
    diagnostic = refusal('{\n  "steps": [\n    { "id": "a", "with": { "n": tru } }\n  ]\n}')
    assert (diagnostic.line, diagnostic.column, diagnostic.pointer) == (3, 33, "/steps/0/with/n")
    unclosed = refusal('{\n  "steps": [\n    1\n')
    assert "line 2" in unclosed.hint


def positions_are_right(document: Document, value: Any, pointer: str = "") -> None:
    line, column = document.position(pointer)
    lines = document.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    rest = lines[line - 1][column - 1 :]
    opening = {dict: "{", list: "["}.get(type(value)) or json.dumps(value, ensure_ascii=False)
    assert rest.startswith(opening), (pointer, rest, opening)
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        below = pointer + join_pointer([key])
        if isinstance(value, dict):
            line, column = document.key_position(below)
            assert lines[line - 1][column - 1 :].startswith(json.dumps(key, ensure_ascii=False))
        positions_are_right(document, child, below)


@given(json_values, st.sampled_from([None, 1]), st.sampled_from(["\n", "\r\n", "\r"]))
def test_positions_point_at_the_first_character(value: Any, indent: int | None, line_break: str) -> None:
    text = "// a comment\n" + json.dumps(value, ensure_ascii=False, indent=indent)
    positions_are_right(read(text.replace("\n", line_break)), value)


@given(texts, st.booleans(), st.data())
def test_positions_inside_strings(text: str, escaped: bool, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    document = read(json.dumps({"k": text}, ensure_ascii=escaped))
    _, column = document.text_position("/k", offset)
    written = document.text[len('{"k": "') : column - 1]
    assert json.loads(f'"{written}"') == text[:offset]


def test_positions_in_yaml() -> None:
    document = read("steps:\n  - id: a\n    with: {text: 'x {{ y }}', n: 1}\n", syntax="yaml")
    assert document.position("/steps/0/id") == (2, 9)
    assert document.key_position("/steps/0/with") == (3, 5)
    assert document.position("/steps/0/with/n") == (3, 34)
    assert document.text_position("/steps/0/with/text", 2) == (3, 21)


def test_a_pointer_to_nothing_falls_back_to_what_encloses_it() -> None:
    document = read('{"a": [1]}')
    assert document.position("/a/7/b") == document.position("/a")
    assert document.position("/a/-") == document.position("/a")


@given(st.lists(st.text(max_size=5)))
def test_pointers_split_into_their_parts(parts: list[str]) -> None:
    assert split_pointer(join_pointer(parts)) == parts


@given(st.binary(max_size=60) | st.text("{}[]:,\"/*\\ \n\r\tab01.-eEu#&!|>'%?~\x00é\ud800", max_size=40))
@settings(max_examples=400)
def test_any_input_is_read_or_refused(source: bytes | str) -> None:
    for syntax in ("jsonc", "yaml"):
        try:
            document = read(source, syntax=syntax)  # type: ignore[arg-type]
        except DefinitionError as error:
            refused = error
        else:
            json.dumps(document.value, allow_nan=False).encode()
            continue
        assert refused.diagnostics[0].code.startswith("D1")


@given(st.binary(max_size=60) | st.text('{}[]:,"\\ \n01.-eEu\x00é', max_size=40).map(str.encode))
@settings(max_examples=400)
def test_any_body_is_read_or_refused(data: bytes) -> None:
    try:
        value = strict_json(data)
    except DocumentError as error:
        code = error.code
    else:
        assert same(value, json.loads(data.decode("utf-8-sig")))
        return
    assert code.startswith("D1")


STRICT_REFUSED = [
    (b"\xff", "D101"),
    (b"[" + b" " * (1 << 20), "D102"),
    (b"[" * 65, "D103"),
    (b"[" * 100_000, "D103"),
    (b"[" + b"1," * 100_000 + b"1]", "D104"),
    (b"{} // no comments", "D105"),
    (b"[1,]", "D105"),
    (b'{"a":1,"a":2}', "D106"),
    (b'["\\u0000"]', "D107"),
    (b'{"\\ud800": 1}', "D107"),
    (b"[9223372036854775808]", "D108"),
    (b"[" + b"9" * 5000 + b"]", "D108"),
    (b"[1e999]", "D108"),
    (b"[NaN]", "D109"),
    (b"[-Infinity]", "D109"),
    (b'{"' + b"k" * 257 + b'":1}', "D110"),
    (b"  ", "D112"),
]


@pytest.mark.parametrize(("data", "code"), STRICT_REFUSED, ids=range(len(STRICT_REFUSED)))
def test_bodies_are_read_strictly(data: bytes, code: str) -> None:
    with pytest.raises(DocumentError) as refused:
        strict_json(data)
    assert refused.value.code == code


def test_brackets_inside_strings_are_not_depth() -> None:
    text = json.dumps(["[" * 1000 + '"' + "\\" * 3 + "{" * 500])
    assert strict_json(text.encode()) == json.loads(text)


def test_limits_are_the_callers() -> None:
    limits = DocumentLimits(max_bytes=10, max_depth=1, max_nodes=3, max_key_length=2)
    assert read("[1, 2]", limits=limits).value == [1, 2]
    assert refusal("[1, 2, 3]  ", limits=limits).code == "D102"
    assert refusal("[1,2,3]", limits=limits).code == "D104"
    assert refusal("[[]]", limits=limits).code == "D103"
    assert refusal('{"abc":1}', limits=limits).code == "D110"


HOSTILE = {
    "depth": "[" * 1_000_000,
    "objects": '{"a":' * 200_000,
    "comments": "[" + "//\n" * 300_000,
    "block comments": "[" + "/**/" * 90_000 + "]",
    "open block comment": "/*" + "*a" * 500_000,
    "escapes": '"' + "\\n" * 500_000,
    "closed escapes": '"' + "\\n" * 500_000 + '"',
    "open string": '"' + "a" * 1_000_000,
    "digits": "1" * 1_000_000,
    "spaces": " " * 1_000_000,
    "duplicate keys": "{" + '"a":1,' * 140_000 + "}",
    "many keys": "{" + ",".join(f'"{n}":1' for n in range(90_000)) + "}",
    "ten megabytes": "[" + "1," * 5_000_000 + "1]",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("syntax", ["jsonc", "yaml"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_end_in_bounded_time(name: str, syntax: Any) -> None:
    try:
        read(HOSTILE[name], syntax=syntax)
    except DefinitionError as error:
        messages = [diagnostic.message for diagnostic in error.diagnostics]
    else:
        return
    assert len(messages) == 1
    assert len(messages[0]) < 300
