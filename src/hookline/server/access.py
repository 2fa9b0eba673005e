"""Who may do what over HTTP: one rule for every route, deny by default.

Hooks, callbacks and the probes are open (hooks and callbacks check their senders themselves).
Everything else asks for the admin token in ``hookline serve``; ``hookline dev`` asks for nothing,
answers on loopback only, and refuses what a foreign web page could send.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import Flask, Request, Response, request

from .problems import problem
from .routes import Permission, Route

__all__ = ["Access", "acting_user", "protect"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})

_HOW_TO_LOG_IN = (
    "In a browser, load the page again and give the admin token (HOOKLINE_ADMIN_TOKEN of the server) as the "
    "password, with any name; in a program, send Authorization: Bearer <token>."
)


@dataclass(frozen=True, slots=True)
class Access:
    """The server's rule.

    Attributes:
        token: The admin token, None in ``dev``.
        hosts: In ``dev`` the ``Host`` values that are answered; else further names under which
            browsers know this server, beside the ``Host`` they send.

    Raises:
        ValueError: The token is empty, which would let everybody in.
    """

    token: str | None = field(repr=False)
    hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.token is not None and not self.token.strip():
            raise ValueError("an empty admin token would let everybody in")

    @classmethod
    def dev(cls, port: int) -> Access:
        """No login, but only what asks for this very server, from this machine."""
        names = ("127.0.0.1", "localhost", "[::1]")
        # Browsers leave the usual port out.
        plain = names if port == 80 else ()
        return cls(None, frozenset([*(f"{name}:{port}" for name in names), *plain]))

    def refuse(self, request: Request, needed: Permission) -> Response | None:
        """The answer to a request that is not allowed, else None."""
        if self.token is None:
            # A page elsewhere can make a browser send requests here, and a name that points to
            # this machine can make it read the answers. Neither gets past these two.
            if request.headers.get("Host", "").lower() not in self.hosts:
                return problem(403, "S701", "this server answers to its own address only")
            return _refuse_foreign(request, self.hosts)
        if needed == "open":
            return None
        credential = _credential(request)
        if credential is None:
            return problem(401, "S703", "an access token is needed", hint=_HOW_TO_LOG_IN)
        if not _is_same(credential.secret, self.token):
            return problem(401, "S704", "this access token is not valid", hint=_HOW_TO_LOG_IN)
        # The browser adds a password it has saved to whatever a foreign page makes it send.
        return _refuse_foreign(request, self.hosts | {request.host.lower()})


def _refuse_foreign(request: Request, own: frozenset[str]) -> Response | None:
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc.lower() not in own
    if request.method not in _SAFE_METHODS:
        foreign = foreign or request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITES
    return problem(403, "S702", "requests from other web pages are refused") if foreign else None


def _is_same(given: str, expected: str) -> bool:
    # Hashed, so that the length of the right one does not show in the time taken.
    digests = (hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (given, expected))
    return hmac.compare_digest(*digests)


class _Credential(NamedTuple):
    user: str
    secret: str


def _credential(request: Request) -> _Credential | None:
    """A bearer token, or the password of Basic, which is how a browser asks a person for it."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _Credential("", rest.strip())
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        return _Credential(user, password)
    return None


def acting_user(request: Request, otherwise: str) -> str:
    """Who is noted for what this request does: the name it gives, which the token vouches for."""
    credential = _credential(request)
    name = request.headers.get("X-Hookline-User") or (credential.user if credential else "")
    return name[:200] or otherwise


def protect(app: Flask, access: Access) -> None:
    """Ask `access` before every view."""

    @app.before_request
    def check() -> Response | None:
        if request.endpoint is None:
            return access.refuse(request, "open")
        routes: Mapping[str, Route] = app.extensions["hookline.routes"]
        route = routes.get(request.endpoint)
        if route is None:
            return problem(403, "S705", "this address is not released")
        return access.refuse(request, route.permission)
