"""One declaration for each route: address, permission, and what it takes and answers.

The application, the permission check, ``/api/v1/openapi.json`` and the reference page are all made
from these declarations, so that none of them can say something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from flask import Flask

__all__ = ["Answer", "Parameter", "Permission", "Route", "Routes", "install"]

Json = Any
Schema = Mapping[str, Any]
Method = Literal["GET", "POST"]

Permission = Literal["open", "read", "run", "edit", "admin"]
"""What a route asks for; until there are roles, everything but ``open`` asks for the admin token."""

F = TypeVar("F", bound=Callable[..., object])

_VARIABLE = re.compile(r"<(?:path:)?([a-z_0-9]+)>")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query."""

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: what it means, and its body's JSON Schema (None for what is not JSON)."""

    description: str
    schema: Schema | None = None
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address.

    Attributes:
        path: As Flask writes it: ``/api/v1/runs/<run_id>``.
        permission: What it asks for.
        summary: The first line of the view's docstring.
        answers: By status; problem details are understood.
        problems: Statuses that are answered with problem details, beside 401, 403 and 503.
        body: JSON Schema of the request's body, None when it takes none or is not JSON.
        is_listed: Whether the OpenAPI document has it; pages for people are left out.
    """

    method: Method
    path: str
    permission: Permission
    view: Callable[..., Any]
    answers: Mapping[int, Answer]
    problems: Sequence[int]
    parameters: Sequence[Parameter]
    body: Schema | None
    body_types: Sequence[str]
    is_listed: bool

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def summary(self) -> str:
        return (self.view.__doc__ or "").strip().partition("\n")[0]

    @property
    def variables(self) -> list[str]:
        """Names in the path."""
        return _VARIABLE.findall(self.path)

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it: ``/api/v1/runs/{run_id}``."""
        return _VARIABLE.sub(r"{\1}", self.path)


class Routes:
    """A module's routes, in the order in which they are declared.

    Args:
        prefix: What every path begins with.
        is_listed: See `Route`.
    """

    def __init__(self, prefix: str = "", *, is_listed: bool = True) -> None:
        self._prefix = prefix
        self._is_listed = is_listed
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def get(
        self,
        path: str,
        *,
        permission: Permission,
        answers: Mapping[int, Answer],
        problems: Sequence[int] = (),
        parameters: Sequence[Parameter] = (),
    ) -> Callable[[F], F]:
        """Declare a view that changes nothing."""
        return self._declare("GET", path, permission, answers, problems, parameters, None, ())

    def post(
        self,
        path: str,
        *,
        permission: Permission,
        answers: Mapping[int, Answer],
        problems: Sequence[int] = (),
        parameters: Sequence[Parameter] = (),
        body: Schema | None = None,
        body_types: Sequence[str] = ("application/json",),
    ) -> Callable[[F], F]:
        """Declare a view that changes something."""
        return self._declare("POST", path, permission, answers, problems, parameters, body, body_types)

    def _declare(
        self,
        method: Method,
        path: str,
        permission: Permission,
        answers: Mapping[int, Answer],
        problems: Sequence[int],
        parameters: Sequence[Parameter],
        body: Schema | None,
        body_types: Sequence[str],
    ) -> Callable[[F], F]:
        def declare(view: F) -> F:
            self._routes.append(
                Route(
                    method,
                    self._prefix + path,
                    permission,
                    view,
                    answers,
                    problems,
                    parameters,
                    body,
                    body_types,
                    self._is_listed,
                )
            )
            return view

        return declare


def install(app: Flask, routes: Sequence[Route]) -> None:
    """Give an application its routes; there is no other way in."""
    for route in routes:
        app.add_url_rule(
            route.path,
            route.endpoint,
            route.view,
            methods=[route.method],
            provide_automatic_options=False,
        )
    app.extensions["hookline.routes"] = {route.endpoint: route for route in routes}
