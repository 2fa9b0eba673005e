"""``files.hash``, ``read_text``, ``write_text`` and ``convert``."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.engine.loader import import_room, load_registry
from hookline.sdk import BadInput
from hookline.testing import FakeContext, FakeObjectStore, run_action

REGISTRY = load_registry()
text = import_room("actions._files.text")


def do(action: str, ctx: FakeContext, **given: Any) -> Any:
    try:
        return asyncio.run(run_action(REGISTRY.actions[f"files.{action}"], given, ctx))
    finally:
        ctx.fake_files.close()


def convert(content: bytes | str, name: str, **given: Any) -> str:
    ctx = FakeContext()
    encoded = content.encode() if isinstance(content, str) else content
    output = do("convert", ctx, file=ctx.fake_files.put(encoded, name=name).to_json(), **given)
    return ctx.fake_files.content(output["file"]).decode(given.get("to_encoding", "utf-8"))


def refused(content: bytes | str, name: str, code: str = "C064", **given: Any) -> str:
    with pytest.raises(BadInput) as caught:
        convert(content, name, **given)
    assert caught.value.code == code
    return caught.value.message


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1", "md5"])
def test_a_digest_is_the_files(algorithm: str) -> None:
    content = b"x" * 200_000
    ctx = FakeContext(connections={"s3": FakeObjectStore({"s3://b/a": content})})
    output = do("hash", ctx, file="s3://b/a", algorithm=algorithm)
    assert output["hash"] == hashlib.new(algorithm, content).hexdigest()
    assert output["bytes"] == 200_000


def test_text_is_read_and_written() -> None:
    store = FakeObjectStore()
    ctx = FakeContext(connections={"s3": store})
    written = do("write_text", ctx, text="Grüße ☃\n", to="s3://b/notes/", name="a.txt")
    assert store.objects == {"s3://b/notes/a.txt": "Grüße ☃\n".encode()}
    assert do("read_text", ctx, file="s3://b/notes/a.txt")["text"] == "Grüße ☃\n"
    assert written["url"] == "s3://b/notes/a.txt"
    kept = do("write_text", ctx, text="x", name="../y.md")
    assert (kept["name"], kept["url"][:9]) == (".._y.md", "artifact:")
    old = do("write_text", ctx, text="Grüße", encoding="windows-1252")["file"].to_json()
    assert do("read_text", ctx, file=old, encoding="windows-1252")["text"] == "Grüße"
    with pytest.raises(BadInput) as caught:
        do("read_text", ctx, file=old)
    assert (caught.value.code, "byte 3" in caught.value.message) == ("C063", True)
    with pytest.raises(BadInput) as caught:
        do("write_text", ctx, text="☃", encoding="iso-8859-1")
    assert caught.value.code == "C063"


def test_a_mark_at_the_beginning_is_no_text() -> None:
    ctx = FakeContext()
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        content = "a".encode("utf-8-sig" if encoding == "utf-8" else encoding)
        file = ctx.fake_files.put(content).to_json()
        assert do("read_text", ctx, file=file, encoding=encoding)["text"] == "a"


def test_a_text_is_not_larger_than_a_run_can_hold() -> None:
    ctx = FakeContext()
    file = ctx.fake_files.put(b"x" * 17 * 1024**2).to_json()
    with pytest.raises(BadInput) as caught:
        do("read_text", ctx, file=file, max_bytes="1GB")
    assert caught.value.code == "C026"


def test_csv_becomes_json_and_back() -> None:
    table = 'name,note\r\nAda,"a, b"\r\nBob,"two\r\nlines"\r\n'
    rows = [{"name": "Ada", "note": "a, b"}, {"name": "Bob", "note": "two\r\nlines"}]
    assert json.loads(convert(table, "t.csv", to="json")) == rows
    lines = convert(table, "t.csv", to="jsonl")
    assert [json.loads(line) for line in lines.splitlines()] == rows
    assert convert(lines, "t.jsonl", to="csv") == table
    assert convert(json.dumps(rows), "t.json", to="csv") == table
    assert convert("", "t.csv", to="json") == "[]\n"
    assert convert("[]", "t.json", to="csv") == ""


def test_every_key_becomes_a_column_and_values_are_written_plainly() -> None:
    rows = '{"a": 1, "b": null}\n\n{"b": [1, {"c": "ü"}], "d": true}\n'
    made = convert(rows, "t.ndjson", to="csv", delimiter=";")
    assert list(csv.reader(io.StringIO(made), delimiter=";")) == [
        ["a", "b", "d"],
        ["1", "", ""],
        ["", '[1, {"c": "ü"}]', "true"],
    ]


def test_formulas_can_be_made_harmless() -> None:
    rows = json.dumps([{"a": "=HYPERLINK(1)", "b": -5, "c": "-5"}])
    assert "\r\n=HYPERLINK(1),-5,-5" in convert(rows, "t.json", to="csv")
    assert "\r\n'=HYPERLINK(1),-5,'-5" in convert(rows, "t.json", to="csv", formulas="escape")


def test_text_is_written_in_another_encoding() -> None:
    long = "Grüße, " * 40_000
    ctx = FakeContext()
    file = ctx.fake_files.put(long.encode("windows-1252"), name="old.txt").to_json()
    for encoding in ("utf-8", "utf-16", "utf-8-sig"):
        output = do("convert", ctx, file=file, to="text", encoding="windows-1252", to_encoding=encoding)
        assert ctx.fake_files.content(output["file"]).decode(encoding) == long
        assert (output["file"].name, output["rows"]) == ("old.txt", None)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\n1\n", "t.csv"),
        ("a,b\n1,2,3\n", "t.csv"),
        ("a,a\n1,2\n", "t.csv"),
        ('a\n"open', "t.csv"),
        ('a\n"x"y\n', "t.csv"),
        ("a\n" + "x" * 5_000_000, "t.csv"),
        ("a\n" + "x" * 200_000, "t.csv"),
        ('{"a": 1}', "t.json"),
        ("[1, 2", "t.json"),
        ("[1 2]", "t.json"),
        ("[1,]", "t.json"),
        ("[,1]", "t.json"),
        ("[1] 2", "t.json"),
        ("[NaN]", "t.json"),
        ("[" * 100_000, "t.json"),
        ("", "t.json"),
        ("{}\nnot json\n", "t.jsonl"),
        ("[" * 100_000, "t.jsonl"),
        ("x", "t.bin"),
    ],
)
def test_what_cannot_be_converted_says_where(content: str, name: str) -> None:
    assert len(refused(content, name, to="jsonl")) < 300


def test_rows_of_csv_are_objects() -> None:
    refused("[1, 2]", "t.json", to="csv")
    refused(b"a\n\xff\n", "t.csv", code="C063", to="json")


_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(rows=st.lists(_JSON, max_size=8), indent=st.sampled_from([None, 1]), piece=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_an_array_is_read_whole_however_it_is_cut(rows: list[Any], indent: int | None, piece: int) -> None:
    class Slow(io.StringIO):
        def read(self, size: int | None = -1) -> str:
            return super().read(piece if size is None or size < 100_000 else size)

    found = list(text._array_rows(Slow(json.dumps(rows, indent=indent))))
    assert found == rows


@given(
    rows=st.lists(
        st.fixed_dictionaries({"a": st.text(max_size=9), "b,": st.text(max_size=9)}), min_size=1, max_size=6
    )
)
@settings(max_examples=60, deadline=None)
def test_texts_survive_the_way_through_csv(rows: list[dict[str, str]]) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    made = convert(lines, "t.jsonl", to="csv")
    assert [json.loads(line) for line in convert(made, "t.csv", to="jsonl").split("\n") if line] == rows


@pytest.mark.parametrize("file", ["file:inbox/people.csv", {"$file": "artifact:x", "name": "people.csv"}])
def test_the_summary_of_a_conversion_names_the_file_however_it_is_given(file: Any) -> None:
    summary = REGISTRY.actions["files.convert"].summarize({"file": file, "to": "json"}, {"rows": 1})
    assert summary.startswith("Made json of ")
    assert summary.endswith("people.csv")
