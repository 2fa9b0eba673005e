"""Large forms: signed, read and kept without being held in memory."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, BinaryIO

import pytest

from hookline.sdk import File, HookEvent, HookRequest
from hookline.testing import FakeClock, FakeHookContext, run_trigger

from .hooks import SECRETS, VECTORS, WEBHOOK, Vector, receive, refusal, request, sign_body
from .test_webhook_body import multipart

MB = 1_000_000
SIZE = 32 * MB


class Keeps(FakeHookContext):
    """Remembers digests in place of bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.digests: list[str] = []

    def save_file(self, content: bytes | BinaryIO, *, name: str, mime: str) -> File:
        assert not isinstance(content, bytes)
        digest, size = hashlib.sha256(), 0
        while piece := content.read(65536):
            digest.update(piece)
            size += len(piece)
        self.digests.append(digest.hexdigest())
        return File(f"artifact:{digest.hexdigest()}", name=name, mime=mime, bytes=size)


class Generated(io.RawIOBase):
    """A form around `SIZE` zeros, which exist nowhere."""

    HEAD, TAIL = multipart(("photo", "../big.bin", "image/png", b"|"))[0].split(b"|")

    def __init__(self) -> None:
        self.size = len(self.HEAD) + SIZE + len(self.TAIL)
        self.at = 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        assert (offset, whence) == (0, 0)
        self.at = 0
        return 0

    def read(self, size: int = -1) -> bytes:
        assert 0 < size <= MB, "a body is read in pieces"
        piece = self._slice(self.at, min(self.at + size, self.size))
        self.at += len(piece)
        return piece

    def _slice(self, start: int, end: int) -> bytes:
        parts = ((0, self.HEAD), (len(self.HEAD), None), (len(self.HEAD) + SIZE, self.TAIL))
        found = b""
        for begin, content in parts:
            length = SIZE if content is None else len(content)
            low, high = max(start, begin) - begin, min(end, begin + length) - begin
            if low < high:
                found += bytes(high - low) if content is None else content[low:high]
        return found


def test_a_large_signed_form_is_kept_in_little_memory() -> None:
    source = Generated()
    expected = hashlib.sha256(bytes(SIZE)).hexdigest()
    whole = hashlib.sha256()
    while piece := source.read(65536):
        whole.update(piece)
    headers = {
        **multipart()[1],
        "x-signature": sign_body("canary-secret", source.HEAD + bytes(SIZE) + source.TAIL),
    }
    sent = replace(request(b"", headers), stream=source, stream_bytes=source.size)
    ctx = Keeps()
    auth = {"type": "hmac", "header": "X-Signature"}
    tracemalloc.start()
    try:
        event = receive(sent, ctx=ctx, auth=auth, secrets=["older", "canary-secret"], max_bytes="40MB")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ctx.digests == [expected]
    assert event.data["files"][0]["name"] == "big.bin"
    assert event.data["body"]["photo"] == event.data["files"][0]
    assert peak < SIZE / 8
    assert refusal(sent, ctx=Keeps(), auth=auth, secrets=["older"], max_bytes="40MB").status == 401
    assert refusal(sent, ctx=Keeps(), auth=auth, secrets=["canary-secret"], max_bytes="1MB").status == 413


def test_fields_do_not_hide_a_large_body_in_memory() -> None:
    body, headers = multipart(("a", None, "", b"x" * 2 * MB))
    found = refusal(request(body, headers), max_bytes="10MB")
    assert (found.status, found.code) == (413, "C607")


def streamed(vector: Vector, body: bytes) -> HookRequest:
    return replace(request(b"", vector.headers), stream=io.BytesIO(body), stream_bytes=len(body))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_signature_is_the_same_over_a_stream(vector: Vector) -> None:
    def take(body: bytes) -> Any:
        ctx = FakeHookContext(clock=FakeClock(datetime.fromtimestamp(vector.at, UTC)))
        ctx.connection = SECRETS((vector.secret,))
        given = {"path": "test", "auth": dict(vector.auth)}
        return asyncio.run(run_trigger(WEBHOOK, given, ctx, streamed(vector, body)))

    event = take(vector.body)
    assert isinstance(event, HookEvent)
    whole = receive(
        request(vector.body, vector.headers), auth=vector.auth, secrets=[vector.secret], at=vector.at
    )
    assert (event.data, event.key) == (whole.data, whole.key)
    for altered in changed(vector.body):
        found = refusal(streamed(vector, altered), auth=vector.auth, secrets=[vector.secret], at=vector.at)
        assert found.status == 401


def changed(body: bytes) -> Iterator[bytes]:
    for place in {0, len(body) // 2, len(body) - 1}:
        yield body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
