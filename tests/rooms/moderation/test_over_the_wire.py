"""OpenAI and Azure through the guarded HTTP client and a socket, and the ways a network lets one down."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from hookline.engine.http import GuardedClient, Policy
from hookline.engine.http.sdk import SdkHttp
from hookline.testing import FakeConnectionContext, FakeContext, run_action
from hookline.testing.httpd import Answer, Chunks, Hang, Reset, Response, Trickle
from hookline.testing.moderation import ModerationServer

from .kit import CHECK, REGISTRY

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
LOOPBACK = Policy(allow_http=True, allow_networks=("127.0.0.0/8",), ports=None)


@pytest.fixture
def server() -> Iterator[ModerationServer]:
    with ModerationServer() as started:
        yield started


def check(server: ModerationServer, provider: str, *, key: str = "test-key", **given: Any) -> Any:
    async def run() -> Any:
        ctx = FakeContext()
        async with GuardedClient(LOOPBACK) as client:

            class Opening(FakeConnectionContext):
                def http(self, base_url: str, *, headers: Any = None) -> Any:
                    return SdkHttp(client, files=ctx.files, base_url=base_url, headers=headers)

            if provider == "openai":
                kind, fields = "openai", {"api_key": key, "base_url": f"{server.origin}/v1"}
            else:
                kind, fields = "azure_content_safety", {"endpoint": server.origin, "key": key}
            ctx.connections[kind] = REGISTRY.connection_types[kind].open(Opening(kind), **fields)
            if "image" in given:
                given["image"] = ctx.fake_files.put(given["image"], name="a.png").to_json()
            return await run_action(CHECK, {"provider": provider, **given}, ctx)

    return asyncio.run(run())


@pytest.mark.parametrize("provider", ["openai", "azure"])
@pytest.mark.parametrize("given", [{"text": "hello"}, {"image": PNG}, {"text": "hello", "image": PNG}])
def test_what_is_sent_is_understood(server: ModerationServer, provider: str, given: dict[str, Any]) -> None:
    assert check(server, provider, **given)["action"] == "allow"
    server.scores["violence"], server.severities["Violence"] = 0.93, 6
    verdict = check(server, provider, **given)
    assert (verdict["status"], verdict["action"]) == ("ok", "block")
    assert verdict["reason"].startswith("violence ")
    assert server.received


FAILURES: dict[str, Answer] = {
    "hang": Hang(),
    "reset": Reset(),
    "slow": Trickle(Response.of(200, {"results": []}), interval=0.2),
    "endless": Chunks(200, "application/json", (b" " * 65_536 for _ in range(1000))),
    "html": Response(200, b"<!doctype html><title>Sign in</title>", "text/html"),
    "empty": Response(200, b""),
    "cut": Response(200, b'{"results": [{"fl', headers={"Content-Length": "4000"}),
    "not utf-8": Response(200, b'{"results": "\xff\xfe"}'),
    "gzip": Response(200, b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"}),
    "redirect": Response(302, b"", headers={"Location": "http://169.254.169.254/latest"}),
    "nothing": Response.of(200, {}),
    "busy": Response.of(429, {"error": {"message": "slow down"}}, headers={"Retry-After": "99999999999"}),
    "broken": Response.text(503, "oops"),
    "no content": Response(204, b""),
}


@pytest.mark.parametrize("provider", ["openai", "azure"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_network_that_fails_never_allows(server: ModerationServer, provider: str, failure: str) -> None:
    server.instead = FAILURES[failure]
    verdict = check(server, provider, text="hello", timeout=1)
    assert (verdict["status"], verdict["action"]) == ("error", "review")
    assert verdict["reason"].startswith("the provider failed: ")


@pytest.mark.parametrize("provider", ["openai", "azure"])
def test_a_wrong_key_is_no_allowance_and_is_not_told(server: ModerationServer, provider: str) -> None:
    verdict = check(server, provider, key="wrong-key-12345", text="hello")
    assert (verdict["status"], verdict["action"]) == ("error", "review")
    assert verdict["reason"] == "the provider failed: authentication"
    assert "wrong-key" not in str(verdict)
