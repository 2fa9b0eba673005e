"""The client as connectors see it: base addresses, credentials, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from http_harness import Connection, ScriptedTransport, always, answer, run, serving

from hookline.engine.files import stored_file
from hookline.engine.http import GuardedClient, Policy, RefusedByPolicy, WireFailure
from hookline.engine.http.sdk import SdkHttp
from hookline.sdk.errors import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
)
from hookline.sdk.files import File

BASE = "https://api.example.com/v1"
SECRET = {"Authorization": "Bearer never-shown"}


class Store:
    """Keeps files in memory."""

    def __init__(self) -> None:
        self.saved: dict[str, bytes] = {}

    async def save(self, content: bytes | AsyncIterator[bytes], *, name: str, mime: str = "") -> File:
        body = content if isinstance(content, bytes) else b"".join([chunk async for chunk in content])
        self.saved[name] = body
        return File(uri="artifact:x", name=name, mime=mime, bytes=len(body))

    async def read(self, file: File, *, max_bytes: int | None = None) -> bytes:
        return self.saved[file.name]

    def stream(self, file: File) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise NotImplementedError

    async def local_path(self, file: File) -> Path:
        raise NotImplementedError


async def request(
    transport: ScriptedTransport, url: str, *, method: str = "GET", base: str = BASE, **options: Any
) -> Any:
    async with GuardedClient(transport=transport) as client:
        http = SdkHttp(client, base_url=base, headers=SECRET if base else None)
        return await http.request(method, url, **options)


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("predictions", BASE + "/predictions"),
        ("/predictions?x=1", BASE + "/predictions?x=1"),
        ("//evil.com/x", BASE + "/evil.com/x"),
        ("", BASE + "/"),
        ("https://api.example.com/other", "https://api.example.com/other"),
        ("HTTPS://API.example.com/other", "https://api.example.com/other"),
    ],
)
def test_relative_addresses_are_below_the_base_and_get_the_credential(url: str, full: str) -> None:
    transport = ScriptedTransport((200, {}, b"{}"))
    assert run(request(transport, url)).json() == {}
    assert transport.requests[0].url.text == full
    assert transport.sent_headers(0)["authorization"] == "Bearer never-shown"


def test_absolute_addresses_elsewhere_do_not() -> None:
    transport = ScriptedTransport((200, {}, b""))
    run(request(transport, "https://files.example.com/x"))
    assert "authorization" not in transport.sent_headers(0)
    assert transport.trusted == [False]


@pytest.mark.parametrize("url", ["../admin", "a/../../b", "%2e%2e/b", "a%2f..%2fb", "a\\..\\b", "./x", ".."])
def test_a_path_does_not_leave_the_base(url: str) -> None:
    transport = ScriptedTransport()
    with pytest.raises(BadInput) as caught:
        run(request(transport, url))
    assert caught.value.code == "C101"


def test_without_a_base_only_absolute_addresses() -> None:
    with pytest.raises(BadInput):
        run(request(ScriptedTransport(), "path", base=""))
    transport = ScriptedTransport((200, {}, b""))
    assert run(request(transport, "https://example.com/", base="")).status == 200


def test_the_operator_s_base_may_be_on_this_machine() -> None:
    async def check() -> None:
        async with serving(always(answer(b"{}"))) as server, GuardedClient() as client:
            http = SdkHttp(client, base_url=server.origin, headers=SECRET)
            assert (await http.request("POST", "/predictions", json={})).json() == {}
            assert b"Authorization: Bearer never-shown" in server.requests[0]
            with pytest.raises(BadInput):
                await http.request("GET", server.origin.replace("127.0.0.1", "localhost"))

    run(check())


def test_a_bad_base_is_found_at_once() -> None:
    client = GuardedClient(transport=ScriptedTransport())
    with pytest.raises(RefusedByPolicy):
        SdkHttp(client, base_url="api.example.com")
    with pytest.raises(ValueError):
        SdkHttp(client, headers=SECRET)


class Failing(ScriptedTransport):
    def __init__(self, kind: Any, *, sent: bool) -> None:
        super().__init__()
        self._kind = kind
        self._sent = sent

    async def send(self, request: Any, progress: Any, *, trusted: bool, connect_timeout: float) -> Any:
        progress.sent = self._sent
        raise WireFailure(self._kind, "boom")


@pytest.mark.parametrize(
    ("kind", "sent", "method", "error"),
    [
        ("dns", False, "POST", Unavailable),
        ("connect", False, "POST", Unavailable),
        ("timeout", False, "POST", Unavailable),
        ("lost", True, "POST", OutcomeUnknown),
        ("protocol", True, "PUT", OutcomeUnknown),
        ("timeout", True, "DELETE", OutcomeUnknown),
        ("lost", True, "GET", Unavailable),
        ("protocol", True, "HEAD", Unavailable),
    ],
)
def test_only_what_certainly_did_nothing_may_be_sent_again(
    kind: str, sent: bool, method: str, error: type[ActionError]
) -> None:
    with pytest.raises(ActionError) as caught:
        run(request(Failing(kind, sent=sent), "x", method=method))
    assert type(caught.value) is error
    assert caught.value.code.startswith("C1")
    assert caught.value.detail in ("boom", "")


def test_refusals_and_bad_answers() -> None:
    with pytest.raises(BadInput):
        run(request(ScriptedTransport(), "http://example.com/"))
    gzipped = ScriptedTransport((200, {"Content-Encoding": "gzip"}, b""))
    with pytest.raises(MalformedOutput):
        run(request(gzipped, "x", method="POST"))
    with pytest.raises(MalformedOutput) as caught:
        run(request(ScriptedTransport((200, {}, b"<html>")), "x")).json()
    assert caught.value.code == "C118"


def test_an_answer_has_what_connectors_read() -> None:
    transport = ScriptedTransport((429, {"Retry-After": "7", "X-A": "1"}, "ü".encode()))
    response = run(request(transport, "x"))
    assert (response.status, response.headers["x-a"], response.text, response.retry_after) == (
        429,
        "1",
        "ü",
        7.0,
    )


class TestDownload:
    async def _download(
        self, transport: Any, url: str = "https://files.example.com/a/p%20q.png?sig=1", **options: Any
    ) -> Any:
        store = Store()
        async with GuardedClient(Policy(max_response_bytes=1), transport=transport) as client:
            http = SdkHttp(client, files=store, base_url=BASE, headers=SECRET)
            return await http.download(url, **options), store

    def test_into_the_store(self) -> None:
        transport = ScriptedTransport(
            (302, {"Location": "https://cdn.example.com/x"}, b""),
            (200, {"Content-Type": "image/png"}, b"png"),
        )
        file, store = run(self._download(transport))
        assert (file.name, file.mime, file.bytes) == ("p q.png", "image/png", 3)
        assert store.saved == {"p q.png": b"png"}
        assert not any("never-shown" in str(sent.headers) for sent in transport.requests)

    @pytest.mark.parametrize("told", ["application/octet-stream", "binary/octet-stream", ""])
    @pytest.mark.parametrize(
        ("name", "mime"),
        [("out.webp", "image/webp"), ("a.FLAC", "audio/flac"), ("a.png", "image/png"), ("x", "")],
    )
    def test_a_type_that_says_nothing_gives_way_to_the_name(self, told: str, name: str, mime: str) -> None:
        file, _ = run(self._download(ScriptedTransport((200, {"Content-Type": told}, b"x")), name=name))
        kept = stored_file("0" * 64, 1, file.name, file.mime)
        assert kept.mime == (mime or "application/octet-stream")

    def test_a_given_name(self) -> None:
        file, _ = run(self._download(ScriptedTransport((200, {}, b"x")), name="mine.webp"))
        assert file.name == "mine.webp"

    @pytest.mark.parametrize(
        "url", ["https://x.example.com/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "https://x.example.com/"]
    )
    def test_a_name_is_never_a_path(self, url: str) -> None:
        file, _ = run(self._download(ScriptedTransport((200, {}, b"x")), url))
        assert "/" not in file.name
        assert file.name

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (404, NotFound),
            (410, NotFound),
            (403, AuthenticationFailed),
            (429, RateLimited),
            (500, Unavailable),
            (503, Unavailable),
            (400, BadInput),
            (304, BadInput),
        ],
    )
    def test_an_error_status_is_not_a_file(self, status: int, error: type[ActionError]) -> None:
        with pytest.raises(ActionError) as caught:
            run(self._download(ScriptedTransport((status, {"Retry-After": "9"}, b"x"))))
        assert type(caught.value) is error
        assert caught.value.retry_after == 9.0

    def test_too_large(self) -> None:
        with pytest.raises(MalformedOutput):
            run(self._download(ScriptedTransport((200, {}, b"x" * 11)), max_bytes=10))

    def test_a_body_that_breaks_off(self) -> None:
        async def short(connection: Connection) -> None:
            await connection.request()
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

        async def check() -> None:
            async with serving(short) as server, GuardedClient() as client:
                http = SdkHttp(client, files=Store(), base_url=server.origin)
                with pytest.raises(Unavailable):
                    await http.download("/f")

        run(check())
