"""Addresses: the one place where a URL's text is read.

Everything later works on the parsed parts, and the parts that are checked are the parts that
are dialled. A host that two programs could read differently is refused, not guessed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import RefusedByPolicy
from .wire import BadUrl, ParamValue, UrlParts, join_url, split_url

__all__ = ["MAX_URL_LENGTH", "Origin", "Url", "join", "parse_url"]

MAX_URL_LENGTH = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# A last label like this makes inet_aton, and so getaddrinfo, read the whole name as an IPv4 address.
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what a credential is bound to.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Lower-case ASCII name (IDNA) or canonical IP address, IPv6 without brackets.
        port: Always explicit.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read an origin such as ``https://api.example.com`` or ``http://127.0.0.1:9000``.

        Raises:
            ValueError: It is not an origin, or has a path or a query.
        """
        try:
            url = parse_url(text)
        except RefusedByPolicy as error:
            raise ValueError(f"{text!r} is not an origin: {error.message}") from error
        if url.target != "/":
            raise ValueError(f"{text!r} is not an origin: it has a path or a query")
        return url.origin

    @property
    def authority(self) -> str:
        """Host and port as in a ``Host`` header: the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Url:
    """A parsed address without fragment. Its ``str`` is the origin, because paths and queries can be secret.

    Attributes:
        origin: Where the request goes.
        target: Path and query, percent-encoded.
    """

    origin: Origin
    target: str = field(repr=False)

    @property
    def text(self) -> str:
        """The whole address."""
        return f"{self.origin}{self.target}"

    def __str__(self) -> str:
        return str(self.origin)


def parse_url(text: str, params: Mapping[str, ParamValue] | None = None) -> Url:
    """Parse an absolute http or https URL, adding `params` to its query.

    Raises:
        RefusedByPolicy: C101 (not usable), C102 (scheme) or C103 (user name or password).
    """
    if len(text) > MAX_URL_LENGTH:
        raise RefusedByPolicy("C101", f"the URL is longer than {MAX_URL_LENGTH} characters")
    try:
        parts = split_url(text, params)
    except BadUrl as error:
        raise RefusedByPolicy("C101", "the URL cannot be parsed") from error
    return _checked(parts)


def join(base: Url, location: str) -> Url:
    """The address a redirect from `base` leads to.

    Raises:
        RefusedByPolicy: As `parse_url`.
    """
    if len(location) > MAX_URL_LENGTH:
        raise RefusedByPolicy("C101", f"the URL is longer than {MAX_URL_LENGTH} characters")
    try:
        parts = join_url(base.text, location)
    except BadUrl as error:
        raise RefusedByPolicy("C101", "the URL cannot be parsed") from error
    return _checked(parts)


def _checked(parts: UrlParts) -> Url:
    if parts.scheme not in _DEFAULT_PORTS:
        raise RefusedByPolicy(
            "C102", "the URL does not start with https://", hint="write the whole address, with https://"
        )
    if parts.has_userinfo:
        raise RefusedByPolicy("C103", "the URL contains a user name or password")
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    if not 1 <= port <= 65535:
        raise RefusedByPolicy("C101", "the URL's port is not between 1 and 65535")
    url = Url(Origin(parts.scheme, _canonical_host(parts.host), port), parts.target)
    if len(url.text) > MAX_URL_LENGTH:
        raise RefusedByPolicy("C101", f"the URL is longer than {MAX_URL_LENGTH} characters")
    return url


def _canonical_host(host: str) -> str:
    if not host:
        raise RefusedByPolicy("C101", "the URL has no host")
    if ":" in host:
        if "%" in host:
            raise RefusedByPolicy("C101", "the URL's host has a zone, which is not accepted")
        return str(ipaddress.IPv6Address(host))
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise RefusedByPolicy(
            "C101", "the URL's host is not a plain host name", hint="no trailing dot, no percent signs"
        )
    if _NUMBER_LABEL.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise RefusedByPolicy(
                "C101", "the URL's host is a number", hint="write IPv4 addresses as four decimal numbers"
            ) from None
    return host
