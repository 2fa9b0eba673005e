"""Where requests may go: URLs, addresses, and what is dialled in the end."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl

import pytest
from http_harness import FakeResolver, RecordingDial, answer, run

from hookline.engine.http import (
    ConnectFailed,
    Guard,
    GuardedClient,
    HttpError,
    HttpResponse,
    Origin,
    Policy,
    PoolTransport,
    RefusedByPolicy,
    is_public,
    parse_url,
)

# Loading the real authorities takes longer than a whole test; nothing here gets as far as a handshake.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PUBLIC = "93.184.215.14"

# Every way of writing an address that is not public, with https so that only the address is at fault.
NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.9.10",
    "localhost",
    "0.0.0.0",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "169.254.169.254",
    "169.254.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]",
    "[2001::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:db8::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[ff0e::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[100::1]",
    "[0:0:0:0:0:0:0:1]",
    "[4000::1]",
]

# Text that getaddrinfo, a browser or another parser would read as some other address than it shows.
AMBIGUOUS = [
    *("2130706433", "0x7f000001", "0x7f.1", "0x7f.0x0.0x0.0x1", "017700000001", "0177.0.0.1", "0x"),
    *("127.1", "127.0.1", "0", "1.1", "127.0.0.1.", "localhost.", "127.0.0.0x1", "256.256.256.256"),
    *(
        "1.2.3.4.5",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "１２７.0.0.1",
        "%31%32%37.0.0.1",
        "127.0.0.1%00.example.com",
    ),
    *("[fe80::1%25eth0]", "[::1%25lo]", "[127.0.0.1]", "[::ffff:127.0.0.1", "::1", "exa\\mple.com"),
    *("example..com", ".example.com", "-x.example.com", "example.com\\.evil.com", 'exam"ple.com'),
    *("exam|ple.com", "{example}.com", f"a.{'a' * 64}.com", "a." * 127 + "com"),
]


def client_with(resolver: FakeResolver, dial: RecordingDial, policy: Policy | None = None) -> GuardedClient:
    policy = policy or Policy()
    transport = PoolTransport(Guard(policy), resolver=resolver, dial=dial, ssl_context=NO_AUTHORITIES)
    return GuardedClient(policy, transport=transport)


async def get(
    url: str,
    *,
    addresses: tuple[list[str], ...] = ([PUBLIC],),
    policy: Policy | None = None,
    dial: RecordingDial | None = None,
) -> tuple[HttpResponse | HttpError, RecordingDial]:
    dial = dial or RecordingDial(answer())
    async with client_with(FakeResolver(*addresses), dial, policy) as client:
        try:
            return await client.request("GET", url), dial
        except HttpError as error:
            return error, dial


@pytest.mark.parametrize("host", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_never_dialled(host: str) -> None:
    result, dial = run(get(f"https://{host}/x", addresses=(["127.0.0.1"],)))
    assert isinstance(result, RefusedByPolicy)
    assert result.code == "C105"
    assert dial.dialled == []


@pytest.mark.parametrize("host", AMBIGUOUS)
def test_a_host_that_can_be_read_in_two_ways_is_refused(host: str) -> None:
    result, dial = run(get(f"https://{host}/x"))
    assert isinstance(result, RefusedByPolicy)
    assert result.code in ("C101", "C105"), "not understood, or understood and not public"
    assert dial.dialled == []


@pytest.mark.parametrize("host", [host.strip("[]") for host in NOT_PUBLIC if host != "localhost"])
def test_a_name_with_one_bad_address_among_good_ones_is_refused(host: str) -> None:
    for addresses in ([PUBLIC, host], [host, PUBLIC], [PUBLIC, "2606:2800:21f:cb07::1", host]):
        result, dial = run(get("https://mixed.example.com/", addresses=(addresses,)))
        assert isinstance(result, RefusedByPolicy)
        assert result.code == "C105"
        assert dial.dialled == []
        assert host not in str(result), "a user must not learn internal addresses"


@pytest.mark.parametrize(
    "address", ["8.8.8.8", PUBLIC, "2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8"]
)
def test_public_addresses_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_the_address_that_was_checked_is_the_one_dialled() -> None:
    """DNS rebinding: the second answer of the name server is never asked for."""

    async def check() -> None:
        resolver = FakeResolver([PUBLIC], ["127.0.0.1"])
        dial = RecordingDial(answer(headers=["Connection: close"]))
        async with client_with(resolver, dial) as client:
            assert (await client.request("GET", "https://rebind.example.com/")).status == 200
            assert dial.dialled == [(PUBLIC, 443)]
            assert resolver.asked == ["rebind.example.com"]
            with pytest.raises(RefusedByPolicy) as caught:
                await client.request("GET", "https://rebind.example.com/")
            assert caught.value.code == "C105"
            assert dial.dialled == [(PUBLIC, 443)]

    run(check())


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    dial = RecordingDial(answer(), refuse=[PUBLIC])
    result, dial = run(get("https://two.example.com/", addresses=([PUBLIC, "93.184.215.15"],), dial=dial))
    assert isinstance(result, HttpResponse)
    assert dial.dialled == [(PUBLIC, 443), ("93.184.215.15", 443)]


def test_a_name_with_endless_addresses_is_given_up() -> None:
    many = [f"93.184.215.{n}" for n in range(100)]
    result, dial = run(get("https://many.example.com/", addresses=(many,), dial=RecordingDial(refuse=many)))
    assert isinstance(result, ConnectFailed)
    assert result.code == "C110"
    assert len(dial.dialled) == 4


@pytest.mark.parametrize("addresses", [[], ["not an address"]])
def test_a_resolver_without_an_answer(addresses: list[str]) -> None:
    result, _ = run(get("https://nowhere.example.com/", addresses=(addresses,)))
    assert isinstance(result, ConnectFailed)
    assert result.code == "C109"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/", "C102"),
        ("ftp://example.com/", "C102"),
        ("file:///etc/passwd", "C102"),
        ("gopher://example.com/", "C102"),
        ("javascript:alert(1)", "C102"),
        ("//example.com/", "C102"),
        ("/path", "C102"),
        ("example.com", "C102"),
        ("", "C102"),
        ("https://user:pw@example.com/", "C103"),
        ("https://user@example.com/", "C103"),
        ("https://api.example.com@127.0.0.1/", "C103"),
        ("https://api.example.com\\@127.0.0.1/", "C103"),
        ("https://api.example.com%20@evil.com/", "C103"),
        ("https://a@b@example.com/", "C103"),
        ("https://example.com:22/", "C104"),
        ("https://example.com:6379/", "C104"),
        ("https://example.com:0/", "C101"),
        ("https://example.com:65536/", "C101"),
        ("https://example.com:-443/", "C101"),
        ("https://example.com:443:80/", "C101"),
        ("https://", "C101"),
        ("https:///etc/passwd", "C101"),
        ("https://exa mple.com/", "C101"),
        ("https://example.com/\r\nHost: evil.com", "C101"),
        ("https://example.com/\x00", "C101"),
        ("https://example.com/" + "a" * 2048, "C101"),
        ("https://example.com/" + "ü" * 700, "C101"),
    ],
)
def test_urls_that_are_refused(url: str, code: str) -> None:
    result, dial = run(get(url))
    assert isinstance(result, RefusedByPolicy)
    assert result.code == code
    assert dial.dialled == []


def test_plain_http_names_the_setting_that_allows_it() -> None:
    result, _ = run(get("http://127.0.0.1:8000/x"))
    assert isinstance(result, RefusedByPolicy)
    assert result.hint is not None
    assert "HOOKLINE_ALLOW_ORIGINS=http://127.0.0.1:8000" in result.hint


@pytest.mark.parametrize(
    ("text", "origin", "target"),
    [
        ("HTTPS://API.Example.COM", "https://api.example.com", "/"),
        ("https://api.example.com:443/a", "https://api.example.com", "/a"),
        ("https://api.example.com:8443/a", "https://api.example.com:8443", "/a"),
        ("https://api.example.com/a#fragment", "https://api.example.com", "/a"),
        ("https://api.example.com?x=1#y", "https://api.example.com", "/?x=1"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example", "/%C3%BC"),
        ("https://[2606:4700:0:0::1111]/", "https://[2606:4700::1111]", "/"),
        (
            "https://api.example.com/k?X-Amz-Signature=a%2Fb",
            "https://api.example.com",
            "/k?X-Amz-Signature=a%2Fb",
        ),
        ("https://api.example.com:４４３/", "https://api.example.com", "/"),
        ("https://api.example.com/\\evil.com/", "https://api.example.com", "/\\evil.com/"),
    ],
)
def test_what_a_url_means(text: str, origin: str, target: str) -> None:
    url = parse_url(text)
    assert str(url.origin) == origin
    assert url.target == target
    assert str(url) == origin, "nothing that may be secret is shown by accident"
    assert target == "/" or target not in repr(url)


def test_params_are_added_and_leave_the_query_as_it_is() -> None:
    url = parse_url("https://a.example.com/?sig=a%20b%2F", {"x": "1 &", "y": [1, 2], "z": True})
    assert url.target == "/?sig=a%20b%2F&x=1+%26&y=1&y=2&z=true"


class TestOperatorRules:
    def test_an_allowed_origin_is_that_one_and_no_other(self) -> None:
        policy = Policy(allow_origins=("http://127.0.0.1:9000",))
        result, dial = run(get("http://127.0.0.1:9000/x", policy=policy))
        assert isinstance(result, HttpResponse)
        assert dial.dialled == [("127.0.0.1", 9000)]
        for other in (
            "http://127.0.0.1:9001/",
            "https://127.0.0.1:9000/",
            "http://127.0.0.2:9000/",
            "http://localhost:9000/",
            "https://127.0.0.1/",
        ):
            result, dial = run(get(other, policy=policy, addresses=(["127.0.0.1"],)))
            assert isinstance(result, RefusedByPolicy), other
            assert dial.dialled == []

    def test_the_scheme_counts_where_only_the_address_would_be_refused(self) -> None:
        policy = Policy(allow_origins=("http://127.0.0.1:8443",))
        result, dial = run(get("https://127.0.0.1:8443/", policy=policy))
        assert isinstance(result, RefusedByPolicy)
        assert result.code == "C105"
        assert dial.dialled == []

    @pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "fd12::1", PUBLIC])
    def test_an_origin_allowed_by_name_may_be_local(self, address: str) -> None:
        policy = Policy(allow_origins=("http://minio:9000",))
        result, dial = run(get("http://minio:9000/", policy=policy, addresses=([address],)))
        assert isinstance(result, HttpResponse)
        assert dial.dialled == [(address, 9000)]

    @pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "0.0.0.0", "224.0.0.1"])
    def test_but_never_a_metadata_service(self, address: str) -> None:
        policy = Policy(allow_origins=("http://minio:9000",), allow_private=True)
        result, _ = run(get("http://minio:9000/", policy=policy, addresses=([address],)))
        assert isinstance(result, RefusedByPolicy)

    def test_private_networks(self) -> None:
        policy = Policy(allow_private=True)
        for address in ("10.1.2.3", "192.168.1.1", "172.20.0.1", "100.64.0.1", "fd12::1"):
            result, _ = run(get("https://inside.example.com/", policy=policy, addresses=([address],)))
            assert isinstance(result, HttpResponse), address
        for address in ("127.0.0.1", "169.254.169.254", "100.100.100.200", "fd00:ec2::254", "::1", "0.0.0.0"):
            result, _ = run(get("https://inside.example.com/", policy=policy, addresses=([address],)))
            assert isinstance(result, RefusedByPolicy), address

    def test_named_networks(self) -> None:
        policy = Policy(allow_networks=("10.1.0.0/16", "127.0.0.0/8"), deny_networks=("10.1.9.0/24",))
        cases = {
            "10.1.2.3": True,
            "127.0.0.1": True,
            "::ffff:10.1.2.3": True,
            "10.2.0.1": False,
            "10.1.9.1": False,
        }
        for address, allowed in cases.items():
            result, _ = run(get("https://inside.example.com/", policy=policy, addresses=([address],)))
            assert isinstance(result, HttpResponse) is allowed, address

    def test_a_denied_network_wins_over_everything(self) -> None:
        policy = Policy(
            deny_networks=("93.184.215.0/24", "127.0.0.0/8"),
            allow_networks=("93.184.215.0/24",),
            allow_origins=("http://127.0.0.1:9000",),
        )
        for url in ("https://example.com/", "http://127.0.0.1:9000/"):
            result, dial = run(get(url, policy=policy))
            assert isinstance(result, RefusedByPolicy)
            assert dial.dialled == []

    def test_http_and_ports(self) -> None:
        result, _ = run(get("http://example.com/", policy=Policy(allow_http=True)))
        assert isinstance(result, HttpResponse)
        result, _ = run(get("https://example.com:9999/", policy=Policy(ports=None)))
        assert isinstance(result, HttpResponse)

    @pytest.mark.parametrize(
        ("host", "allowed"),
        [
            ("api.example.com", True),
            ("API.EXAMPLE.COM", True),
            ("x.files.example.com", True),
            ("x.y.files.example.com", True),
            ("files.example.com", False),
            ("example.com", False),
            ("api.example.com.evil.com", False),
            ("evilfiles.example.com", False),
            ("notapi.example.com", False),
            ("extra.example.org", True),
        ],
    )
    def test_allowed_hosts(self, host: str, allowed: bool) -> None:
        policy = Policy(
            allow_hosts=("api.example.com", "*.files.example.com"),
            allow_origins=("https://extra.example.org",),
        )
        result, _ = run(get(f"https://{host}/", policy=policy))
        assert isinstance(result, HttpResponse) is allowed
        if isinstance(result, HttpError):
            assert result.code == "C106"

    def test_a_request_may_narrow_the_hosts_but_not_widen_them(self) -> None:
        async def check() -> None:
            policy = Policy(allow_hosts=("a.example.com", "b.example.com"))
            async with client_with(FakeResolver([PUBLIC]), RecordingDial(answer()), policy) as client:
                await client.request("GET", "https://a.example.com/", hosts=("a.example.com",))
                for host, hosts in (("b", ("a.example.com",)), ("c", ("c.example.com",))):
                    with pytest.raises(RefusedByPolicy, match="C106"):
                        await client.request("GET", f"https://{host}.example.com/", hosts=hosts)

        run(check())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"allow_origins": ("127.0.0.1:9000",)},
            {"allow_origins": ("http://127.0.0.1:9000/path",)},
            {"allow_origins": ("http://u:p@127.0.0.1:9000",)},
            {"allow_networks": ("10.0.0.1/8",)},
            {"deny_networks": ("everything",)},
            {"allow_hosts": ("https://example.com",)},
            {"allow_hosts": ("example.com:443",)},
            {"allow_hosts": ("*",)},
            {"allow_hosts": ("a.*.example.com",)},
            {"timeout": 0},
            {"timeout": float("nan")},
            {"connect_timeout": -1},
            {"max_redirects": 4},
            {"max_response_bytes": -1},
        ],
    )
    def test_a_wrong_rule_is_not_taken_for_no_rule(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValueError):
            Policy(**wrong)  # type: ignore[arg-type]


def test_origins_are_compared_in_canonical_form() -> None:
    assert Origin.parse("HTTPS://API.example.com:443") == Origin.parse("https://api.example.com")
    assert Origin.parse("https://[0:0::1]") == Origin.parse("https://[::1]")
    assert Origin.parse("https://example.com") != Origin.parse("https://example.com:8443")


def test_the_environment_s_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    for url, port in (("https://example.com/", 443), ("http://example.com/", 80)):
        result, dial = run(get(url, policy=Policy(allow_http=True)))
        assert isinstance(result, HttpResponse)
        assert dial.dialled == [(PUBLIC, port)]


def test_a_slow_name_server_counts_against_the_connect_timeout() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    async def check() -> None:
        policy = Policy(connect_timeout=0.01)
        transport = PoolTransport(Guard(policy), resolver=never, dial=RecordingDial())
        async with GuardedClient(policy, transport=transport) as client:
            with pytest.raises(ConnectFailed) as caught:
                await client.request("POST", "https://slow.example.com/")
            assert caught.value.code == "C112"
            assert caught.value.error_type == "timeout"

    run(check())
