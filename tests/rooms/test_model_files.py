"""Files in and out of models, whatever provider runs them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.sdk import BadInput, File, MalformedOutput, NotFound
from hookline.sdk.model_files import (
    MAX_FILES,
    Archived,
    ModelSchema,
    archive,
    data_url,
    is_data_url,
    read_data_url,
    web_urls,
)
from hookline.sdk.model_inputs import send_files
from hookline.testing.fakes import FakeFiles
from hookline.testing.replicate import openapi_schema


def _archive(output: Any, schema: ModelSchema | None = None, addresses: Any = "unless_text") -> Any:
    files = FakeFiles()
    asked: list[tuple[str, str]] = []

    async def download(url: str, name: str) -> File:
        asked.append((url, name))
        return await files.save(url.encode(), name=name)

    found = asyncio.run(archive(output, files=files, download=download, schema=schema, addresses=addresses))
    return found, asked


def _schema(output: dict[str, Any], **more: Any) -> ModelSchema:
    return ModelSchema({"components": {"schemas": {"Output": output, **more}}})


@given(st.binary(max_size=200))
def test_data_urls_hold_what_was_put_into_them(content: bytes) -> None:
    url = data_url(content, "image/png")
    assert is_data_url(url)
    assert read_data_url(url) == ("image/png", content)


@pytest.mark.parametrize(
    ("url", "mime", "content"),
    [
        ("data:,hello%20there", "text/plain", b"hello there"),
        ("data:text/plain;charset=utf-8,a", "text/plain", b"a"),
        ("data:text/plain;charset=utf-8;base64,YQ==", "text/plain", b"a"),
        ("DATA:image/PNG;BASE64,YQ%3D%3D", "image/PNG", b"a"),
    ],
)
def test_other_forms_of_data_urls_are_read(url: str, mime: str, content: bytes) -> None:
    assert read_data_url(url) == (mime, content)


@pytest.mark.parametrize("url", ["data:", "data", "data:image/png;base64", "data:image/png;base64,@@@"])
def test_broken_data_urls_are_malformed(url: str) -> None:
    with pytest.raises(MalformedOutput):
        read_data_url(url)


def test_each_address_is_fetched_once_and_named_after_its_path() -> None:
    urls = [
        "https://a.example/x/out%20put.png?sig=1",
        "https://a.example/x/out%20put.png?sig=1",
        "https://b/",
    ]
    found, asked = _archive(urls)
    assert asked == [(urls[0], "out put.png"), ("https://b/", "output-2")]
    assert len(found.files) == 3
    assert found.only_files
    assert found.text is None


@pytest.mark.parametrize("url", ["https://a/..", "https://a/%2e%2e", "https://a/x/%2e", "https://a/x/%00%0a"])
def test_names_are_never_ways_out(url: str) -> None:
    _, asked = _archive(url)
    assert asked[0][1] == "output-0"


@pytest.mark.parametrize(
    "text",
    ["see https://example.com", "https://", "ftp://a/b", "https://a b", "data is here, look", "", "http:/x"],
)
def test_texts_stay_texts(text: str) -> None:
    found, asked = _archive({"text": text})
    assert found.value == {"text": text}
    assert asked == []


def test_the_schema_decides_between_texts_and_files() -> None:
    uri = {"type": "string", "format": "uri"}
    schema = _schema(
        {
            "type": "object",
            "properties": {
                "link": {"type": "string"},
                "file": {"allOf": [{"$ref": "#/components/schemas/Uri"}]},
                "many": {"type": "array", "items": uri},
            },
        },
        Uri=uri,
    )
    value = {"link": "https://a/1", "file": "https://a/2", "many": ["https://a/3"], "other": "https://a/4"}
    _, asked = _archive(value, schema)
    assert [url for url, _ in asked] == ["https://a/2", "https://a/3", "https://a/4"]
    _, asked = _archive(value, schema, "if_declared")
    assert [url for url, _ in asked] == ["https://a/2", "https://a/3"]
    assert web_urls(value) == ["https://a/1", "https://a/2", "https://a/3", "https://a/4"]


@pytest.mark.parametrize(
    ("output", "value", "text"),
    [
        ({"type": "array", "x-cog-array-display": "concatenate"}, "ab", "ab"),
        ({"type": "array", "x-cog-array-type": "iterator"}, ["a", "b"], "ab"),
        ({"type": "array"}, ["a", "b"], "a\nb"),
        ({}, ["a", "b"], "ab"),
    ],
)
def test_pieces_of_text_are_joined_as_the_schema_says(output: dict[str, Any], value: Any, text: str) -> None:
    found, _ = _archive(["a", "b"], _schema(output))
    assert (found.value, found.text) == (value, text)


def test_an_output_of_countless_files_is_a_mistake() -> None:
    with pytest.raises(MalformedOutput):
        _archive([f"https://a/{number}" for number in range(MAX_FILES + 1)])


def test_a_schema_that_refers_to_itself_is_survived() -> None:
    loop = {"$ref": "#/components/schemas/Output"}
    found, _ = _archive(["x"], _schema(loop))
    assert isinstance(found, Archived)
    for broken in ({}, {"components": None}, {"components": {"schemas": []}}):
        assert ModelSchema(broken).output == {}


def test_files_of_an_input_are_replaced_wherever_they_are() -> None:
    files = FakeFiles()
    small, large = files.put(b"abc", name="a.png"), files.put(b"x" * 50, name="b.bin")

    async def upload(content: bytes, file: File) -> str:
        return f"https://files.example/{file.name}/{len(content)}"

    value = {"a": small.to_json(), "deep": [{"b": large.to_json()}, "text", 3, None]}
    sent = asyncio.run(send_files(value, files, inline=10, largest=100, upload=upload))
    assert sent == {
        "a": "data:image/png;base64,YWJj",
        "deep": [{"b": "https://files.example/b.bin/50"}, "text", 3, None],
    }
    assert value["a"] == small.to_json()


def test_a_file_that_is_too_large_or_gone_is_refused() -> None:
    files = FakeFiles()
    large = files.put(b"x" * 50, name="b.bin").to_json()
    with pytest.raises(BadInput):
        asyncio.run(send_files(large, files, inline=10, largest=100))
    with pytest.raises(BadInput):
        asyncio.run(send_files(large, files, inline=10, largest=20))
    with pytest.raises(NotFound):
        asyncio.run(send_files({"$file": "artifact:none"}, files, inline=10, largest=20))


def test_a_path_of_somebody_else_s_disk_is_no_file_and_no_text() -> None:
    schema = ModelSchema(
        openapi_schema({}, [], {"type": "array", "items": {"type": "string", "format": "uri"}})
    )

    async def download(url: str, name: str) -> File:
        raise AssertionError(url)

    with pytest.raises(MalformedOutput, match="no address"):
        asyncio.run(
            archive(
                ["/tmp/out.png"], files=FakeFiles(), download=download, schema=schema, addresses="if_declared"
            )
        )


@pytest.mark.parametrize(
    ("output", "gives"),
    [
        ({"type": "string"}, False),
        ({"type": "string", "format": "uri"}, True),
        ({"type": "array", "items": {"type": "string", "format": "uri"}}, True),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "object", "additionalProperties": {"format": "uri"}}},
            },
            True,
        ),
        ({"anyOf": [{"type": "null"}, {"type": "string", "format": "uri"}]}, True),
        ({}, False),
    ],
)
def test_whether_files_may_come(output: dict[str, Any], gives: bool) -> None:
    assert ModelSchema(openapi_schema({}, [], output)).gives_files is gives
