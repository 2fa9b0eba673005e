"""``openapi.json``: OpenAPI 3.1, made from the routes' declarations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hookline import __version__

from .problems import PROBLEM_TYPE
from .routes import Answer, Route
from .schemas import SCHEMAS, ref

__all__ = ["openapi_document"]

Json = Any

_EXPLAINED = {
    400: "What was sent cannot be read.",
    401: "No token or signature, or a wrong one.",
    403: "Not allowed.",
    404: "There is none.",
    405: "The address does not take this method.",
    409: "Not in its present state.",
    410: "The run is over.",
    411: "A length is needed.",
    413: "Too large.",
    415: "A content type that is not read.",
    422: "Readable, but it does not fit.",
    429: "Too many requests; `Retry-After` says when to come again.",
    502: "The run failed or was canceled.",
    503: "Come back after `Retry-After`.",
}


def openapi_document(routes: Iterable[Route]) -> dict[str, Json]:
    """The description of every listed route."""
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        if route.is_listed:
            paths.setdefault(route.template, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hookline",
            "version": __version__,
            "description": "Hooks, callbacks and the API of a Hookline installation.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "The password is the token."},
            },
        },
    }


def _operation(route: Route) -> dict[str, Json]:
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in route.variables
    ]
    parameters += [
        {"name": each.name, "in": "query", "description": each.description, "schema": dict(each.schema)}
        for each in route.parameters
    ]
    operation: dict[str, Json] = {
        "operationId": route.view.__name__,
        "summary": route.summary,
        "x-permission": route.permission,
        "responses": {str(status): _response(answer) for status, answer in sorted(_answers(route).items())},
    }
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {media_type: {"schema": dict(route.body)} for media_type in route.body_types}
        operation["requestBody"] = {"content": content, "required": "required" in route.body}
    if route.permission != "open":
        operation["security"] = [{"bearer": []}, {"basic": []}]
    return operation


def _answers(route: Route) -> dict[int, Answer]:
    answers = dict(route.answers)
    usual = (403, 503) if route.permission == "open" else (401, 403, 503)
    for status in (*usual, *route.problems):
        answers.setdefault(status, Answer(_EXPLAINED[status], ref("Problem"), PROBLEM_TYPE))
    return answers


def _response(answer: Answer) -> dict[str, Json]:
    content = {} if answer.schema is None else {"schema": dict(answer.schema)}
    return {"description": answer.description, "content": {answer.media_type: content}}
