"""Credentials stay where they belong, through every redirect and every spelling of a host."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from http_harness import FakeResolver, RecordingDial, ScriptedTransport, always, answer, run, serving

from hookline.engine.http import (
    BadResponse,
    Credential,
    Guard,
    GuardedClient,
    HttpResponse,
    Origin,
    Policy,
    PoolTransport,
    RefusedByPolicy,
    SentUnknown,
)

HOME = "https://api.example.com"
CREDENTIAL = Credential({"Authorization": "Bearer never-shown", "X-Api-Key": "never-shown"}, (HOME,))
OK = (200, {}, b"ok")


def redirect(location: str, status: int = 302) -> tuple[int, dict[str, str], bytes]:
    return status, {"Location": location, "Set-Cookie": "session=1"}, b"moved"


async def send(
    transport: ScriptedTransport, url: str = HOME + "/a", *, method: str = "GET", **options: Any
) -> HttpResponse:
    async with GuardedClient(Policy(allow_http=True), transport=transport) as client:
        return await client.request(
            method, url, **({"credential": CREDENTIAL, "follow_redirects": 3} | options)
        )


def has_credential(transport: ScriptedTransport, index: int) -> bool:
    return any("never-shown" in value for _, value in transport.requests[index].headers)


@pytest.mark.parametrize(
    "url",
    [
        HOME,
        HOME + "/v1/x?y=1",
        HOME + ":443/",
        "https://API.EXAMPLE.COM/",
        "HTTPS://Api.Example.Com:443/x",
    ],
)
def test_its_own_origin_gets_it_however_it_is_written(url: str) -> None:
    transport = ScriptedTransport(OK)
    run(send(transport, url))
    assert transport.sent_headers(0)["authorization"] == "Bearer never-shown"
    assert transport.sent_headers(0)["x-api-key"] == "never-shown"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://evil.com/",
        "https://api.example.com.evil.com/",
        "https://api.example.com:8443/",
        "http://api.example.com/",
        "http://api.example.com:443/",
        "https://api-example.com/",
        "https://xapi.example.com/",
        "https://evil.com/https://api.example.com/",
        "https://evil.com/?https://api.example.com/",
        "https://evil.com#@api.example.com/",
        "https://evil.com?@api.example.com/",
        "https://аpi.example.com/",  # the first letter is Cyrillic
    ],
)
def test_another_origin_is_an_error_not_a_leak(url: str) -> None:
    transport = ScriptedTransport(OK)
    with pytest.raises(RefusedByPolicy) as caught:
        run(send(transport, url))
    assert caught.value.code == "C107"
    assert transport.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com./",
        "https://api.example.com@evil.com/",
        "https://api.example.com:443@evil.com/",
        "https://api.example.com%2eevil.com/",
        "https://api.example.com\\.evil.com/",
        "https://api.example.com\t.evil.com/",
        "https://api.example.com%00.evil.com/",
        "//api.example.com/",
    ],
)
def test_a_spelling_that_deceives_is_refused(url: str) -> None:
    transport = ScriptedTransport(OK)
    with pytest.raises(RefusedByPolicy):
        run(send(transport, url))
    assert transport.requests == []


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.com/",
        "//evil.com/",
        "///evil.com/",
        "https:evil.com",
        "/\\evil.com",
        "\\\\evil.com",
        "https://api.example.com.evil.com/",
        "https://api.example.com:8443/",
        "https://api.example.com@evil.com/",
        "https://api.example.com./",
        "https:///evil.com",
        "https://evil.com\\@api.example.com/",
    ],
)
def test_a_redirect_never_takes_it_to_another_origin(location: str) -> None:
    transport = ScriptedTransport(redirect(location), OK)
    own = {"X-Custom-Token": "never-shown", "Cookie": "never-shown", "Accept": "text/x"}
    with contextlib.suppress(BadResponse):
        run(send(transport, headers=own))
    for index, request in enumerate(transport.requests):
        if request.url.origin != Origin.parse(HOME):
            assert not has_credential(transport, index)
            assert transport.sent_headers(index)["host"] == request.url.origin.authority
            assert "session" not in str(request.headers), "no cookie is kept"


def test_a_redirect_within_the_origin_keeps_it() -> None:
    transport = ScriptedTransport(redirect("/b"), redirect("c?d=1"), redirect(HOME + ":443/e#f"), OK)
    response = run(send(transport))
    assert response.status == 200
    assert [request.url.target for request in transport.requests] == ["/a", "/b", "/c?d=1", "/e"]
    assert all(has_credential(transport, index) for index in range(4))
    assert all("cookie" not in transport.sent_headers(index) for index in range(4))
    assert response.url == HOME + "/e"
    assert transport.closed == 4


def test_once_lost_it_does_not_come_back() -> None:
    transport = ScriptedTransport(redirect("https://cdn.example.com/"), redirect(HOME + "/b"), OK)
    run(send(transport, headers={"X-Own": "1", "Range": "bytes=0-1"}))
    assert [has_credential(transport, index) for index in range(3)] == [True, False, False]
    assert "x-own" not in transport.sent_headers(1)
    assert transport.sent_headers(2)["range"] == "bytes=0-1"


def test_a_credential_of_two_origins_does_not_follow_a_redirect_between_them() -> None:
    both = Credential({"Authorization": "never-shown"}, (HOME, "https://files.example.com"))
    transport = ScriptedTransport(redirect("https://files.example.com/"), OK, OK)
    run(send(transport, credential=both))
    assert not has_credential(transport, 1)
    run(send(transport, "https://files.example.com/", credential=both))
    assert has_credential(transport, 2)


def test_the_credential_replaces_a_header_of_the_same_name() -> None:
    transport = ScriptedTransport(OK)
    run(send(transport, headers={"authorization": "Bearer mine"}))
    names = [name.lower() for name, _ in transport.requests[0].headers]
    assert names.count("authorization") == 1
    assert transport.sent_headers(0)["authorization"] == "Bearer never-shown"


def test_a_credential_shows_nothing_of_itself() -> None:
    assert "never-shown" not in f"{CREDENTIAL!r} {CREDENTIAL}"


@pytest.mark.parametrize("origins", [(), "https://api.example.com", ("https://api.example.com/v1",), ("*",)])
def test_a_credential_needs_real_origins(origins: Any) -> None:
    with pytest.raises(ValueError):
        Credential({"Authorization": "x"}, origins)


class TestRedirects:
    def test_off_unless_asked_for(self) -> None:
        transport = ScriptedTransport(redirect("/b"))
        response = run(send(transport, follow_redirects=None))
        assert (response.status, response.headers["location"]) == (302, "/b")
        transport = ScriptedTransport(redirect("/b"))
        assert run(send(transport, follow_redirects=0)).status == 302

    def test_a_loop_ends(self) -> None:
        transport = ScriptedTransport(*[redirect("/a")] * 10)
        with pytest.raises(BadResponse) as caught:
            run(send(transport))
        assert caught.value.code == "C117"
        assert len(transport.requests) == 4
        assert transport.closed == 4

    def test_never_from_https_to_http(self) -> None:
        for location in ("http://api.example.com/", "http://evil.com/"):
            transport = ScriptedTransport(redirect(location), OK)
            with pytest.raises(BadResponse) as caught:
                run(send(transport))
            assert caught.value.code == "C117"
            assert len(transport.requests) == 1

    @pytest.mark.parametrize(
        "location", ["ftp://x/", "javascript:alert(1)", "data:,x", "https://127.1/", "http://["]
    )
    def test_an_unusable_address_after_a_post_is_an_answer_not_a_refusal(self, location: str) -> None:
        transport = ScriptedTransport(redirect(location, 303))
        with pytest.raises(BadResponse) as caught:
            run(send(transport, method="POST", json=1))
        assert (caught.value.code, caught.value.status) == ("C117", 303)

    @pytest.mark.parametrize(
        ("status", "method", "then"),
        [
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (303, "POST", "GET"),
            (303, "PUT", "GET"),
            (303, "HEAD", "HEAD"),
            (307, "POST", "POST"),
            (308, "POST", "POST"),
            (302, "DELETE", "DELETE"),
            (307, "GET", "GET"),
        ],
    )
    def test_methods(self, status: int, method: str, then: str) -> None:
        transport = ScriptedTransport(redirect("/b", status), OK)
        body = {} if method in ("GET", "HEAD", "DELETE") else {"json": {"a": 1}, "idempotency_key": "k"}
        run(send(transport, method=method, **body))
        second = transport.requests[1]
        assert second.method == then
        if then == "POST":
            assert second.body == b'{"a":1}'
            assert transport.sent_headers(1)["idempotency-key"] == "k"
        else:
            assert second.body == b""
            assert not {"content-type", "idempotency-key"} & set(transport.sent_headers(1))
            assert transport.sent_headers(1).get("content-length", "0") == "0"

    def test_a_body_is_not_carried_to_another_origin(self) -> None:
        transport = ScriptedTransport(redirect("https://evil.com/", 307), OK)
        with pytest.raises(BadResponse, match="C117"):
            run(send(transport, method="POST", json={"secret": 1}))
        assert len(transport.requests) == 1

    def test_other_statuses_and_a_missing_location_are_answers(self) -> None:
        for status, headers in ((304, {"Location": "/b"}), (300, {"Location": "/b"}), (302, {})):
            assert run(send(ScriptedTransport((status, headers, b"")))).status == status

    def test_every_hop_is_resolved_and_checked(self) -> None:
        """Redirects to the places an attacker would like the engine to go."""
        targets = ["https://169.254.169.254/latest/", "https://localhost/", "https://internal.example.com/"]

        async def check(location: str) -> None:
            policy = Policy()
            dial = RecordingDial(answer(status="302 Found", headers=[f"Location: {location}"]))
            resolver = FakeResolver(["93.184.215.14"], ["10.0.0.7"])
            transport = PoolTransport(Guard(policy), resolver=resolver, dial=dial)
            async with GuardedClient(policy, transport=transport) as client:
                with pytest.raises(BadResponse) as caught:
                    await client.request("POST", "https://start.example.com/", follow_redirects=3)
            assert caught.value.code == "C117"
            assert caught.value.phase == "response", "the POST itself was sent and answered"
            assert "C105" in caught.value.message
            assert dial.dialled == [("93.184.215.14", 443)]

        for location in targets:
            run(check(location))

    def test_an_allowed_origin_does_not_vouch_for_where_it_redirects(self) -> None:
        async def check() -> None:
            async with serving(always(answer())) as inner:
                moved = answer(status="302 Found", headers=[f"Location: {inner.origin}/"])
                async with serving(always(moved)) as outer:
                    async with GuardedClient(Policy(allow_origins=(outer.origin,))) as client:
                        with pytest.raises(BadResponse, match="C117"):
                            await client.request("GET", outer.origin, follow_redirects=1)
                    assert inner.connections == 0

        run(check())

    def test_a_connection_that_fails_after_a_redirect_is_not_called_unsent(self) -> None:
        async def check() -> None:
            dial = RecordingDial(
                answer(status="303 See Other", headers=["Location: https://two.example.com/"]),
                refuse=["93.184.215.15"],
            )
            policy = Policy()
            resolver = FakeResolver(["93.184.215.14"], ["93.184.215.15"])
            transport = PoolTransport(Guard(policy), resolver=resolver, dial=dial)
            async with GuardedClient(policy, transport=transport) as client:
                with pytest.raises(SentUnknown) as caught:
                    await client.request("POST", "https://one.example.com/", follow_redirects=1)
                assert caught.value.code == "C110"

        run(check())

    def test_hosts_of_the_request_hold_for_every_hop(self) -> None:
        transport = ScriptedTransport(redirect("https://other.example.com/"), OK)
        with pytest.raises(BadResponse) as caught:
            run(send(transport, hosts=("api.example.com",)))
        assert "C106" in caught.value.message
        assert len(transport.requests) == 1


def test_trusted_origins_of_one_request_are_not_trusted_by_the_next() -> None:
    async def check() -> None:
        async with serving(always(answer())) as server, GuardedClient() as client:
            trusted = (Origin.parse(server.origin),)
            assert (await client.request("GET", server.origin, trusted=trusted)).status == 200
            with pytest.raises(RefusedByPolicy):
                await client.request("GET", server.origin)
            assert server.connections == 1

    run(check())
