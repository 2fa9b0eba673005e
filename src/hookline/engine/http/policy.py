"""Where outgoing requests may go: the operator's rules, and nobody else's.

The rules for addresses are those of `docs/explanation/outbound-requests.md`. They are spelt out
because `ipaddress.is_global` alone answers True, depending on the Python version, for multicast,
NAT64, 6to4 and IPv4-compatible addresses.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .errors import RefusedByPolicy
from .urls import Origin, Url

__all__ = ["Guard", "IPAddress", "Policy", "is_public"]

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_REDIRECTS = 3
MIB = 1024 * 1024


def _networks(*texts: str) -> tuple[IPNetwork, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Metadata and platform services that answer with credentials, outside the link-local range.
_METADATA = _networks("fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32")
_PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
# Ranges that carry another address inside them, and special ones that some Pythons call global.
_SPECIAL = _networks(
    "0.0.0.0/8",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2001::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
)
_GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's rules. A workflow can narrow them, never widen them.

    Attributes:
        allow_hosts: Hosts that may be reached, ``api.example.com`` or ``*.example.com`` (which
            does not include ``example.com``); empty: every public host.
        allow_origins: Exact origins such as ``http://127.0.0.1:9000`` that may be reached whatever
            the rules on scheme, port, host and private addresses say. An origin given by name
            never reaches link-local addresses, where the clouds' credentials are.
        allow_networks: Networks in CIDR form that may be reached although they are not public.
        deny_networks: Networks that are never reached; wins over everything else here.
        allow_private: Allow RFC 1918, ``fc00::/7`` and ``100.64.0.0/10``. Loopback and link-local
            stay refused: name them in `allow_origins` or `allow_networks`.
        allow_http: Allow plain http.
        ports: Allowed ports; None: all.
        max_response_bytes: Largest body of `request` and `stream`.
        max_download_bytes: Largest body of `download`, and of any request that asks for more.
        connect_timeout: Seconds for name look-up and connection, and again for TLS.
        timeout: Seconds for everything together, the whole body included.
        download_timeout: The same for `download`.
        max_redirects: Redirects followed when a request does not say; at most 3.

    Raises:
        ValueError: A network, origin, host or number is not valid.
    """

    allow_hosts: tuple[str, ...] = ()
    deny_networks: tuple[str, ...] = ()
    allow_networks: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    allow_private: bool = False
    allow_http: bool = False
    ports: tuple[int, ...] | None = (443, 80, 8443)
    max_response_bytes: int = 10 * MIB
    max_download_bytes: int = 1024 * MIB
    connect_timeout: float = 5.0
    timeout: float = 30.0
    download_timeout: float = 600.0
    max_redirects: int = 0

    def __post_init__(self) -> None:
        Guard(self)
        for name in ("connect_timeout", "timeout", "download_timeout"):
            seconds = getattr(self, name)
            if not (seconds > 0 and math.isfinite(seconds)):
                raise ValueError(f"{name} must be a number of seconds above 0")
        if not 0 <= self.max_redirects <= MAX_REDIRECTS:
            raise ValueError(f"max_redirects must be between 0 and {MAX_REDIRECTS}")
        if self.max_response_bytes < 0 or self.max_download_bytes < 0:
            raise ValueError("byte limits must not be negative")


class Guard:
    """Applies a `Policy`. Holds no state."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._origins = frozenset(Origin.parse(text) for text in policy.allow_origins)
        self._hosts = check_host_patterns(policy.allow_hosts)
        self._deny = _networks(*policy.deny_networks)
        self._allow = _networks(*policy.allow_networks)

    def trusts(self, origin: Origin, trusted: Sequence[Origin] = ()) -> bool:
        """Whether the operator named exactly this origin."""
        return origin in self._origins or origin in trusted

    def check_url(self, url: Url, *, hosts: Sequence[str] = (), trusted: Sequence[Origin] = ()) -> None:
        """Check what can be checked without resolving the name.

        Args:
            hosts: Narrows this request to these hosts, in the form of `Policy.allow_hosts`.
            trusted: Origins set by the operator elsewhere, such as a connection's base address.

        Raises:
            RefusedByPolicy: C102, C104 or C106.
        """
        origin = url.origin
        if hosts and not _matches(origin.host, hosts):
            raise RefusedByPolicy("C106", f"{origin.host} is not one of the hosts this request may reach")
        if self.trusts(origin, trusted):
            return
        if origin.scheme == "http" and not self.policy.allow_http:
            raise RefusedByPolicy(
                "C102",
                f"plain http to {origin.authority} is not allowed",
                hint=f"use https; for a service of your own: HOOKLINE_ALLOW_ORIGINS=http://{origin.authority}",
            )
        if self.policy.ports is not None and origin.port not in self.policy.ports:
            raise RefusedByPolicy("C104", f"port {origin.port} of {origin.host} is not allowed")
        if self._hosts and not _matches(origin.host, self._hosts):
            raise RefusedByPolicy("C106", f"{origin.host} is not on the list of allowed hosts")

    def check_address(self, host: str, address: IPAddress, *, trusted: bool = False) -> None:
        """Check one address that `host` is or resolves to.

        Raises:
            RefusedByPolicy: C105. The address is only in the error's detail.
        """
        if reason := self._refusal(host, address, trusted):
            raise RefusedByPolicy(
                "C105",
                f"{host} is, or resolves to, an address that may not be reached",
                detail=f"{host} -> {address}: {reason}",
            )

    def _refusal(self, host: str, address: IPAddress, trusted: bool) -> str:
        plain = _unmapped(address)
        if _within(plain, self._deny) or _within(address, self._deny):
            return "denied by the operator"
        if _within(plain, self._allow):
            return ""
        if trusted and host == str(address):
            return ""
        if is_public(plain):
            return ""
        if _within(plain, _METADATA) or plain.is_link_local:
            return "link-local or a metadata service"
        if plain.is_loopback and trusted:
            return ""
        if _within(plain, _PRIVATE) and (trusted or self.policy.allow_private):
            return ""
        return "not a public address"


def is_public(address: IPAddress) -> bool:
    """Whether an address is a public unicast address with no other address inside it."""
    address = _unmapped(address)
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST_V6:
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not address.is_loopback
        and not address.is_link_local
        and not _within(address, _SPECIAL)
        and not _within(address, _METADATA)
        and not _within(address, _PRIVATE)
    )


def check_host_patterns(patterns: Sequence[str]) -> tuple[str, ...]:
    """Host patterns in canonical form.

    Raises:
        ValueError: One is not a host name, an address, or ``*.`` and a host name.
    """
    checked = []
    for pattern in patterns:
        wildcard = "*." if pattern.startswith("*.") else ""
        host = pattern.removeprefix("*.")
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        origin = Origin.parse(f"https://{host}")
        if origin.port != 443:
            raise ValueError(f"{pattern!r} is not a host: it has a port")
        checked.append(wildcard + origin.host)
    return tuple(checked)


def _matches(host: str, patterns: Sequence[str]) -> bool:
    return any(
        host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern for pattern in patterns
    )


def _unmapped(address: IPAddress) -> IPAddress:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _within(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return any(address in network for network in networks)
