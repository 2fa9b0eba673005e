"""Routes: a method, a path pattern, and what answers it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hookline.testing.httpd import Chunks, Request, Response

__all__ = ["MADE_HEADER", "Route", "RouteAnswer", "find"]

RouteAnswer = Response | Chunks

MADE_HEADER = "X-Standin-Prediction"
"""Tells the dispatcher which prediction an answer made; never sent to the client."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Attributes:
        pattern: Path with ``{name}`` for one segment.
        group: The group of faults and of rate limits it belongs to.
        open: Answered without a token.
    """

    method: str
    pattern: str
    group: str
    answer: Callable[[Request, Mapping[str, str]], RouteAnswer]
    open: bool = False

    def match(self, path: str) -> dict[str, str] | None:
        """The named segments when `path` fits."""
        expression = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.pattern))
        found = re.fullmatch(expression, path)
        return None if found is None else found.groupdict()


def find(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | frozenset[str]:
    """The route for a request, or the methods that `path` knows (none: it does not exist)."""
    methods: set[str] = set()
    for route in routes:
        values = route.match(path)
        if values is not None:
            if route.method == method:
                return route, values
            methods.add(route.method)
    return frozenset(methods)
