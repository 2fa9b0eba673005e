"""The public fakes behave as the real things promise to."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from hookline.sdk import (
    BadInput,
    Context,
    Field,
    File,
    MalformedOutput,
    NotFound,
    Poll,
    Recorded,
    TriggerEvent,
    action,
)
from hookline.testing import FakeContext, FakeFiles, FakeHttp, FakeObjectStore, FakeTriggerContext


def test_answers_come_in_order_and_requests_are_remembered() -> None:
    http = FakeHttp(
        [Recorded(json={"n": 1}, expect="POST /base/one"), Recorded(text="two")],
        base_url="https://service.example/base/",
        headers={"Authorization": "Bearer secret"},
    )

    async def talk() -> tuple[Any, str]:
        first = await http.request("POST", "/one", json={"a": 1}, headers={"X-Extra": "1"})
        second = await http.request("GET", "https://elsewhere.example/two")
        return first.json(), second.text

    assert asyncio.run(talk()) == ({"n": 1}, "two")
    first, second = http.requests
    assert first.url == "https://service.example/base/one"
    assert first.headers == {"authorization": "Bearer secret", "x-extra": "1"}
    assert first.json == {"a": 1}
    assert "authorization" not in second.headers


@pytest.mark.parametrize(
    "answers", [[], [Recorded(expect="GET /other")], [Recorded(expect="POST /thing")]], ids=str
)
def test_an_unexpected_request_fails_the_test(answers: list[Recorded]) -> None:
    with pytest.raises(AssertionError):
        asyncio.run(FakeHttp(answers).request("GET", "https://service.example/thing"))


def test_a_recording_may_name_the_query() -> None:
    http = FakeHttp([Recorded(expect="GET /find?q=a+b")], base_url="https://service.example")
    assert asyncio.run(http.request("GET", "find", params={"q": "a b"})).status == 200


def test_an_exception_stands_for_a_failed_request() -> None:
    with pytest.raises(NotFound):
        asyncio.run(FakeHttp([NotFound("gone")]).request("GET", "https://service.example/"))


@pytest.mark.parametrize("text", ["", "<html>", '{"a": NaN}', "[" * 100_000])
def test_what_is_not_json_is_malformed_output(text: str) -> None:
    response = asyncio.run(FakeHttp([Recorded(text=text)]).request("GET", "https://service.example/"))
    with pytest.raises(MalformedOutput):
        response.json()


def test_redirects_are_followed_only_when_asked() -> None:
    moved = Recorded(302, headers={"Location": "/new"})
    assert asyncio.run(FakeHttp([moved]).request("GET", "https://service.example/old")).status == 302
    http = FakeHttp([moved, Recorded(text="here")])
    response = asyncio.run(http.request("GET", "https://service.example/old", follow_redirects=1))
    assert response.text == "here"
    assert http.requests[1].url == "https://service.example/new"


def test_files_are_kept_by_content() -> None:
    files = FakeFiles()

    async def use() -> None:
        async def pieces() -> Any:
            yield b"ab"
            yield b"cd"

        file = await files.save(pieces(), name="letters.txt")
        assert file.uri == f"artifact:{file.sha256}"
        assert (file.mime, file.bytes) == ("text/plain", 4)
        assert await files.read(file) == b"abcd"
        async with files.stream(file) as stream:
            assert b"".join([piece async for piece in stream]) == b"abcd"
        assert (await files.local_path(file)).read_bytes() == b"abcd"
        with pytest.raises(BadInput):
            await files.read(file, max_bytes=3)
        with pytest.raises(NotFound):
            await files.read(File("artifact:none"))

    asyncio.run(use())
    files.close()


def test_an_object_store_reads_what_was_written() -> None:
    store = FakeObjectStore()

    async def use() -> None:
        written = await store.write("s3://b/k.png", b"123", mime="image/png", metadata={"a": "1"})
        assert written == await store.stat("s3://b/k.png")
        async with store.stream("s3://b/k.png") as stream:
            assert [piece async for piece in stream] == [b"123"]
        with pytest.raises(NotFound):
            await store.stat("s3://b/other")

    asyncio.run(use())


def test_connections_are_found_by_name_and_checked_for_their_type() -> None:
    ctx = FakeContext(connections={"s3": 1, "main": 2}, types={"main": "slack"})
    assert asyncio.run(ctx.open("s3", type="s3")) == 1
    assert asyncio.run(ctx.open("main", type="slack")) == 2
    for name in ("main", "absent"):
        with pytest.raises(BadInput):
            asyncio.run(ctx.open(name, type="s3"))


def test_a_trigger_context_remembers_as_the_engine_does() -> None:
    ctx = FakeTriggerContext()
    look = Poll(
        events=[TriggerEvent("a", {}), TriggerEvent("a", {}), TriggerEvent("b", {})],
        cursor=5,
        baseline=["c"],
    )
    assert ctx.commit(look) == ["a", "b"]
    assert ctx.seen(["a", "b", "c", "d"]) == {"a", "b", "c"}
    assert ctx.cursor == 5
    assert ctx.commit(look) == []


def test_the_fixture_runs_an_action(hookline_run: Callable[..., Any], hookline_context: FakeContext) -> None:
    @action("sample", effect="read", summary="Read")
    async def sample(
        ctx: Context, from_: Annotated[str, Field("Where from.")], n: Annotated[int, Field("A number.")] = 2
    ) -> dict[str, Any]:
        """Sample"""
        ctx.cost(0.5)
        ctx.log("asked", n=n)
        await ctx.note(asked=True)
        return {"n": n, "said": (await ctx.http.request("GET", from_)).json()}

    output = hookline_run(sample, {"from": "https://service.example/x"}, Recorded(json="hi"))
    assert output == {"n": 2, "said": "hi"}
    assert hookline_context.usd == 0.5
    assert hookline_context.logged == [("asked", {"n": 2})]
    assert hookline_context.notes == {"asked": True}


def test_the_plugin_imports_nothing_of_hookline_by_itself() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import hookline.testing.pytest_plugin\n"
        "new = {name for name in set(sys.modules) - before if name.startswith('hookline')}\n"
        "assert new == {'hookline', 'hookline.testing', 'hookline.testing.pytest_plugin'}, new\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
