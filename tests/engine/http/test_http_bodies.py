"""Bodies: what is sent, how much is read, and what is believed of it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import pytest
from http_harness import Connection, Script, ScriptedTransport, always, answer, run, serving
from hypothesis import given
from hypothesis import strategies as st

from hookline.engine.http import (
    BadResponse,
    GuardedClient,
    Headers,
    HttpResponse,
    Policy,
    RefusedByPolicy,
    SentUnknown,
    parse_retry_after,
)
from hookline.engine.http.strict_json import MAX_DEPTH, MAX_NODES, StrictJsonError, loads


async def get(script: Script, *, method: str = "GET", limit: int = 1000, **options: Any) -> HttpResponse:
    async with serving(script) as server:
        policy = Policy(allow_origins=(server.origin,), max_response_bytes=limit, max_download_bytes=5000)
        async with GuardedClient(policy) as client:
            return await client.request(method, server.origin, **options)


def refused(script: Script, **options: Any) -> BadResponse:
    with pytest.raises(BadResponse) as caught:
        run(get(script, **options))
    return caught.value


async def endless(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await connection.send(b"400\r\n" + b"x" * 1024 + b"\r\n")


class TestCaps:
    def test_the_limit_is_exact(self) -> None:
        assert len(run(get(always(answer(b"x" * 1000)))).content) == 1000
        assert refused(always(answer(b"x" * 1001))).code == "C115"

    def test_a_length_that_is_announced_is_not_waited_for(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"
        assert refused(always(head)).code == "C115"

    def test_an_endless_stream(self) -> None:
        assert refused(endless).code == "C115"

    def test_an_endless_body_without_length(self) -> None:
        async def script(connection: Connection) -> None:
            await connection.request()
            await connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await connection.send(b"x" * 1024)

        assert refused(script).code == "C115"

    def test_a_request_may_ask_for_more_up_to_the_policy_s_download_limit(self) -> None:
        assert len(run(get(always(answer(b"x" * 4000)), max_bytes=4000)).content) == 4000
        assert refused(always(answer(b"x" * 6000)), max_bytes=10**9).code == "C115"

    def test_less(self) -> None:
        assert refused(always(answer(b"x" * 11)), max_bytes=10).code == "C115"

    def test_head_and_no_content_have_no_body_to_refuse(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\nContent-Encoding: gzip\r\n\r\n"
        response = run(get(always(head), method="HEAD"))
        assert (response.content, response.headers["content-length"]) == (b"", "99999999")
        assert run(get(always(b"HTTP/1.1 204 No Content\r\n\r\n"))).content == b""

    @pytest.mark.parametrize(
        "coding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "x-unknown"]
    )
    def test_compressed_answers_are_refused(self, coding: str) -> None:
        bomb = gzip.compress(b"\0" * 5_000_000)
        error = refused(always(answer(bomb, headers=[f"Content-Encoding: {coding}"])), limit=10**6)
        assert error.code == "C116"

    def test_identity_is_not_compression(self) -> None:
        assert run(get(always(answer(headers=["Content-Encoding: identity"])))).content == b"ok"

    def test_plain_answers_are_asked_for(self) -> None:
        async def check() -> bytes:
            async with serving(always(answer())) as server:
                async with GuardedClient(Policy(allow_origins=(server.origin,))) as client:
                    await client.request("GET", server.origin)
                return server.requests[0]

        head = run(check()).lower()
        assert head.count(b"accept-encoding:") == 1
        assert b"accept-encoding: identity\r\n" in head


class TestDownload:
    async def _download(self, script: Script, **options: Any) -> tuple[Any, bytes]:
        written = bytearray()
        async with serving(script) as server:
            policy = Policy(allow_origins=(server.origin,), max_response_bytes=10, max_download_bytes=200_000)
            async with GuardedClient(policy) as client:
                result = await client.download(server.origin + "/f", written.extend, **options)
                return result, bytes(written)

    def test_bytes_digest_and_type(self) -> None:
        body = bytes(range(256)) * 700
        result, written = run(
            self._download(always(answer(body, headers=["Content-Type: Image/PNG; charset=x"])))
        )
        assert written == body
        assert result.bytes == len(body)
        assert result.sha256 == hashlib.sha256(body).hexdigest()
        assert result.content_type == "image/png"

    def test_the_body_of_an_error_is_not_the_file(self) -> None:
        with pytest.raises(BadResponse) as caught:
            run(self._download(always(answer(b"gone", status="404 Not Found"))))
        assert (caught.value.code, caught.value.status) == ("C119", 404)

    def test_too_much(self) -> None:
        with pytest.raises(BadResponse, match="C115"):
            run(self._download(endless))

    def test_what_the_writer_raises_is_passed_on(self) -> None:
        class DiskFull(OSError):
            pass

        def write(chunk: bytes) -> None:
            raise DiskFull

        async def check() -> None:
            async with (
                serving(always(answer(b"x" * 100))) as server,
                GuardedClient(Policy(allow_origins=(server.origin,))) as client,
            ):
                with pytest.raises(DiskFull):
                    await client.download(server.origin, write)
                assert (await client.request("GET", server.origin)).status == 200

        run(check())


class TestStream:
    def test_piece_by_piece_and_left_early(self) -> None:
        async def check() -> None:
            async with serving(endless) as server:
                policy = Policy(allow_origins=(server.origin,), max_response_bytes=10**6)
                async with GuardedClient(policy) as client, client.stream("GET", server.origin) as response:
                    assert response.status == 200
                    seen = 0
                    async for chunk in response.iter_bytes():
                        seen += len(chunk)
                        if seen > 5000:
                            break

        run(check())

    def test_the_connection_goes_back_when_the_reader_fails(self) -> None:
        async def check() -> None:
            async with (
                serving(always(answer(b"x" * 500))) as server,
                GuardedClient(Policy(allow_origins=(server.origin,))) as client,
            ):
                for _ in range(150):  # more than there are places in the pool
                    with pytest.raises(KeyError):
                        async with client.stream("GET", server.origin):
                            raise KeyError
                assert (await client.request("GET", server.origin, timeout=5)).status == 200

        run(check())


class TestRequestBody:
    def _sent(self, method: str = "POST", **options: Any) -> bytes:
        async def check() -> bytes:
            async with serving(always(answer())) as server:
                async with GuardedClient(Policy(allow_origins=(server.origin,))) as client:
                    await client.request(method, server.origin + "/x", **options)
                return server.requests[0]

        return run(check())

    def test_json(self) -> None:
        head, _, body = self._sent(json={"a": "ü", "b": None}).partition(b"\r\n\r\n")
        assert json.loads(body) == {"a": "ü", "b": None}
        assert b"Content-Type: application/json" in head
        assert f"Content-Length: {len(body)}".encode() in head

    def test_json_null_is_a_body_and_nothing_is_not(self) -> None:
        assert self._sent(json=None).endswith(b"\r\n\r\nnull")
        assert self._sent().endswith(b"\r\n\r\n")
        assert b"Content-Length: 0" in self._sent()
        assert b"Content-Length" not in self._sent("GET")

    def test_form_and_multipart(self) -> None:
        assert self._sent(data={"a": "1 &", "b": ["x", "y"]}).endswith(b"a=1+%26&b=x&b=y")
        sent = self._sent(data={"a": "1"}, files={"f": ("p.png", b"\x89PNG", "image/png")})
        assert b"multipart/form-data; boundary=" in sent
        assert b'name="f"; filename="p.png"' in sent
        assert b"\x89PNG" in sent

    def test_a_stream_with_a_length_is_not_chunked(self) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"abc"
            yield b"def"

        sent = self._sent("PUT", content=pieces(), headers={"Content-Length": "6"})
        assert sent.endswith(b"\r\n\r\nabcdef")
        assert b"ransfer-" not in sent

    def test_own_headers_win_over_the_defaults(self) -> None:
        sent = self._sent(content="x", headers={"user-agent": "mine", "content-type": "text/x"})
        assert b"user-agent: mine" in sent
        assert b"content-type: text/x" in sent
        assert b"User-Agent" not in sent
        assert sent.lower().count(b"content-type") == 1

    def test_the_idempotency_key(self) -> None:
        assert b"Idempotency-Key: run/1" in self._sent(idempotency_key="run/1")

    @pytest.mark.parametrize(
        "options",
        [
            {"headers": {"Host": "evil.com"}},
            {"headers": {"hOsT": "evil.com"}},
            {"headers": {"Content-Length": "5"}},
            {"headers": {"Transfer-Encoding": "chunked"}},
            {"headers": {"Connection": "Upgrade"}},
            {"headers": {"Accept-Encoding": "gzip"}},
            {"headers": {"Proxy-Authorization": "x"}},
            {"headers": {"X": "a\r\nY: b"}},
            {"headers": {"X": "a\nb"}},
            {"headers": {"X": "a\x00b"}},
            {"headers": {"X": "\ud800"}},
            {"headers": {"X": "a" * 20_000}},
            {"headers": {"X Y": "a"}},
            {"headers": {"X\r\nY": "a"}},
            {"headers": {"": "a"}},
            {"headers": {"X": "1", "x": "2"}},
            {"headers": {"idempotency-key": "1"}, "idempotency_key": "2"},
            {"idempotency_key": "a\r\nb"},
            {"json": float("nan")},
            {"json": {"a": object()}},
            {"json": "\ud800"},
            {"json": 1, "content": b"x"},
            {"json": 1, "data": {"a": "b"}},
            {"content": b"x", "files": {"f": ("n", b"x", "a/b")}},
            {"content": [b"a", b"b"]},
            {"timeout": 0},
            {"timeout": float("inf")},
            {"max_bytes": -1},
            {"follow_redirects": 4},
            {"follow_redirects": -1},
            {"hosts": ("https://x",)},
        ],
    )
    def test_what_cannot_be_sent_is_not_sent(self, options: dict[str, Any]) -> None:
        async def check() -> None:
            transport = ScriptedTransport()
            async with GuardedClient(transport=transport) as client:
                with pytest.raises(RefusedByPolicy) as caught:
                    await client.request("POST", "https://example.com/", **options)
                assert caught.value.code == "C108"
                assert transport.requests == []

        run(check())

    @pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET /", "", "GÉT", "A\r\nB"])
    def test_methods(self, method: str) -> None:
        with pytest.raises(RefusedByPolicy, match="C108"):
            run(get(always(answer()), method=method))

    def test_a_streamed_body_of_another_length_than_announced_is_an_unknown_outcome(self) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"abc"
            yield b"def"

        for length in ("5", "7"):
            with pytest.raises(SentUnknown) as caught:
                self._sent("PUT", content=pieces(), headers={"Content-Length": length})
            assert caught.value.code == "C108"


def response(content: bytes, content_type: str = "application/json") -> HttpResponse:
    headers = Headers([("Content-Type", content_type)] if content_type else [])
    return HttpResponse(status=200, headers=headers, content=content, url="https://x/", elapsed=0.0)


class TestText:
    def test_the_charset_that_is_stated(self) -> None:
        assert response("ü".encode("latin-1"), "text/plain; charset=ISO-8859-1").text == "ü"
        assert response("ü".encode(), "text/plain").text == "ü"

    @pytest.mark.parametrize("charset", ["no-such", "base64", "idna", "undefined", "utf-16", '"', "\x00"])
    def test_a_wrong_charset_is_no_error(self, charset: str) -> None:
        assert isinstance(response(b"\xff\xfeabc", f"text/plain; charset={charset}").text, str)

    def test_headers(self) -> None:
        headers = Headers([("Set-Cookie", "a"), ("X-A", "1"), ("set-cookie", "b")])
        assert headers["SET-COOKIE"] == "a, b"
        assert headers.get_list("set-cookie") == ["a", "b"]
        assert "x-a" in headers
        assert dict(headers) == {"set-cookie": "a, b", "x-a": "1"}
        assert "1" not in repr(headers)


class TestStrictJson:
    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**63) + 1, 2**63 - 1)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0")), inner)
            ),
        )
    )
    def test_what_can_be_kept_is_read_as_the_standard_library_reads_it(self, value: Any) -> None:
        for ascii_only in (True, False):
            assert loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<html>",
            b'{"a": NaN}',
            b"Infinity",
            b"-Infinity",
            b"1e999",
            b'{"a": 1, "a": 2}',
            b'"\\u0000"',
            b'{"\\u0000": 1}',
            b'"\\ud800"',
            b'["\\udc00\\ud800"]',
            b'"\xff"',
            '{"a": 1}'.encode("utf-16"),
            b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b"[" + b"0," * MAX_NODES + b"0]",
            b"[" + b"[]," * MAX_NODES + b"0]",
            b"9" * 5000,
            b'{"' + b"k" * 2000 + b'": 1}',
            b'{"a": 1}x',
            b"[1, 2",
            b'"\\"\\"\\"' * 100 + b"[" * 100,
        ],
    )
    def test_what_cannot_is_refused(self, data: bytes) -> None:
        with pytest.raises(StrictJsonError):
            loads(data)
        with pytest.raises(BadResponse) as caught:
            response(data).json()
        assert caught.value.code == "C118"
        assert caught.value.error_type == "malformed_output"

    def test_the_message_holds_nothing_of_the_body(self) -> None:
        with pytest.raises(BadResponse) as caught:
            response(b"never-shown", "text/html").json()
        assert "never-shown" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
        assert "text/html" in caught.value.hint

    def test_brackets_in_strings_do_not_count(self) -> None:
        value = ["[" * 200, "{" * 200, ("," * 1000 + '\\"[') * 3]
        assert loads(json.dumps(value).encode()) == value
        assert loads(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None
        commas = json.dumps("," * (MAX_NODES + 10)).encode()
        assert len(loads(commas)) == MAX_NODES + 10

    def test_integers_beyond_64_bits_become_text(self) -> None:
        assert loads(b'{"seed": 18446744073709551615}') == {"seed": "18446744073709551615"}
        assert loads(b"[9223372036854775807, -9223372036854775807]") == [2**63 - 1, -(2**63) + 1]

    def test_a_byte_order_mark_is_no_fault(self) -> None:
        assert loads(b"\xef\xbb\xbf[1]") == [1]

    def test_a_surrogate_pair_is_a_character(self) -> None:
        assert loads(b'"\\ud83d\\ude00"') == "😀"


class TestRetryAfter:
    NOW = 1_700_000_000.0

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("0", 0),
            ("7", 7),
            (" 7 ", 7),
            ("1.5", 1.5),
            ("+3", 3),
            ("-5", 0),
            ("99999999999", 3600),
            ("9" * 90, 3600),
            ("9" * 5000, None),
            ("", None),
            (None, None),
            ("soon", None),
            ("nan", None),
            ("inf", None),
            ("1e3", None),
            ("٧", None),
            ("Wed, 99 Foo 2026 99:99:99 GMT", None),
            ("Mon, 01 Jan 0001 00:00:00 GMT", 0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ],
    )
    def test_values(self, header: str | None, seconds: float | None) -> None:
        assert parse_retry_after(header, self.NOW) == seconds

    def test_dates(self) -> None:
        assert parse_retry_after(formatdate(self.NOW + 90, usegmt=True), self.NOW) == 90
        assert parse_retry_after(formatdate(self.NOW - 90, usegmt=True), self.NOW) == 0
        assert parse_retry_after(formatdate(self.NOW + 90), self.NOW) == 90

    @given(st.text(max_size=60) | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,6} \d\d:\d\d:\d\d \w{1,5}"))
    def test_never_raises_and_never_leaves_its_bounds(self, header: str) -> None:
        seconds = parse_retry_after(header, self.NOW)
        assert seconds is None or 0 <= seconds <= 3600


def test_many_requests_at_once() -> None:
    async def check() -> None:
        async with serving(always(answer())) as server:
            async with GuardedClient(Policy(allow_origins=(server.origin,))) as client:
                results = await asyncio.gather(*(client.request("GET", server.origin) for _ in range(300)))
            assert {result.status for result in results} == {200}
            assert server.connections <= 100

    run(check())
