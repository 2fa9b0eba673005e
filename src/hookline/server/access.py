"""Who may do what over HTTP: one rule for every route, deny by default.

Hooks, callbacks and the probes are open (hooks and callbacks check their senders themselves).
Everything else asks for the admin token in ``hookline serve``; ``hookline dev`` asks for nothing,
answers on loopback only, and refuses what a foreign web page could send.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Request, Response, current_app, request

from .problems import problem

__all__ = ["Access", "Permission", "permission", "protect"]

Permission = Literal["open", "read", "run", "edit", "admin"]
"""What a route asks for; until there are roles, everything but ``open`` asks for the admin token."""

F = TypeVar("F", bound=Callable[..., object])

_PERMISSIONS: dict[str, Permission] = {}


def permission(name: Permission) -> Callable[[F], F]:
    """Declare what a view asks for. A view without a declaration answers 403."""

    def declare(view: F) -> F:
        _PERMISSIONS[f"{view.__module__}.{view.__qualname__}"] = name
        return view

    return declare


@dataclass(frozen=True, slots=True)
class Access:
    """The server's rule.

    Attributes:
        token: The admin token, None in ``dev``.
        hosts: ``Host`` values answered in ``dev``.
    """

    token: str | None
    hosts: frozenset[str] = frozenset()

    @classmethod
    def dev(cls, port: int) -> Access:
        """No login, but only what asks for this very server, from this machine."""
        names = ("127.0.0.1", "localhost", "[::1]")
        return cls(None, frozenset(f"{name}:{port}" for name in names))

    def refuse(self, request: Request, needed: Permission) -> Response | None:
        """The answer to a request that is not allowed, else None."""
        if self.token is None:
            # A page elsewhere can make a browser send requests here, and a name that points to
            # this machine can make it read the answers. Neither gets past these two.
            if request.headers.get("Host", "") not in self.hosts:
                return problem(403, "S401", "this server answers to its own address only")
            origin = request.headers.get("Origin")
            if origin is not None and urlsplit(origin).netloc not in self.hosts:
                return problem(403, "S402", "requests from other web pages are refused")
            return None
        if needed == "open":
            return None
        given = _credential(request)
        if given is None:
            return problem(401, "S403", "an access token is needed", hint="Authorization: Bearer <token>")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return problem(401, "S404", "this access token is not valid")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return problem(403, "S402", "requests from other web pages are refused")
        return None


def _credential(request: Request) -> str | None:
    """A bearer token, or the password of Basic, which is how a browser asks a person for it."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return None
    return None


def protect(app: Flask, access: Access) -> None:
    """Ask `access` before every view."""

    @app.before_request
    def check() -> Response | None:
        view = current_app.view_functions.get(request.endpoint or "")
        if view is None:
            return access.refuse(request, "open")
        needed = _PERMISSIONS.get(f"{view.__module__}.{view.__qualname__}")
        if needed is None:
            return problem(403, "S405", "this address is not released")
        return access.refuse(request, needed)
