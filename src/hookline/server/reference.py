"""The reference page of the HTTP API, made from the routes: ``python -m hookline.server.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from .app import ROUTES
from .openapi import openapi_document
from .routes import Route

__all__ = ["reference_text"]

_HEAD = """# HTTP API

<!-- Made by `python -m hookline.server.reference`; a test compares it with the routes. -->

Everything below is also in `/api/v1/openapi.json` (OpenAPI 3.1), with the schemas of all bodies.

- **Errors** are problem details (RFC 9457, `application/problem+json`) with a stable `code`;
  `hookline explain CODE` says more.
- **Access**: `open` routes check their senders themselves or tell nothing. All others ask for the admin
  token in `hookline serve`: `Authorization: Bearer <token>`, or as the password of Basic. `hookline dev`
  asks for none, answers on loopback only, and refuses foreign `Host` and `Origin` headers.
- **Lists** answer `{"<name>": [...], "next": cursor or null}`, newest first; `limit` is 50 unless given,
  at most 500.
- **Names**: the token vouches for the name in `X-Hookline-User` (or of Basic), which is noted with what
  was done.
- **Coming back**: 503 carries `Retry-After`. Nothing was taken in; send it again.
- **Bodies** are at most `max_body_bytes` long, with a length or in chunks. A request must arrive within
  30 seconds.
"""


def reference_text(routes: Iterable[Route]) -> str:
    """The page as Markdown."""
    routes = [route for route in routes if route.is_listed]
    document = openapi_document(routes)
    parts = [_HEAD]
    for route in routes:
        parts.append(_section(route, document["paths"][route.template][route.method.lower()]))
    return "\n".join(parts)


def _section(route: Route, operation: dict[str, Any]) -> str:
    lines = [f"## `{route.method} {route.template}`", "", f"{route.summary} Access: {route.permission}.", ""]
    if route.parameters:
        lines += ["| parameter | | |", "| --- | --- | --- |"]
        lines += [
            f"| `{each.name}` | {_kind(each.schema)} | {each.description} |" for each in route.parameters
        ]
        lines.append("")
    if route.body is not None:
        properties = route.body.get("properties", {})
        types = ", ".join(f"`{each}`" for each in route.body_types)
        lines += [f"Body: {types}", ""]
        if properties:
            required = route.body.get("required", ())
            lines += ["| field | | |", "| --- | --- | --- |"]
            for name, schema in properties.items():
                need = "required" if name in required else ""
                lines.append(f"| `{name}` | {_field(schema)} | {need} |")
            lines.append("")
    lines += ["| status | |", "| --- | --- |"]
    lines += [
        f"| {status} | {answer['description']}{_body(answer['content'])} |"
        for status, answer in operation["responses"].items()
    ]
    return "\n".join([*lines, ""])


def _field(schema: Any) -> str:
    return f"{_kind(schema)} {schema.get('description', '')}".strip()


def _kind(schema: Any) -> str:
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kind = schema.get("type", "any value")
    return kind if isinstance(kind, str) else " or ".join(kind)


def _body(content: dict[str, Any]) -> str:
    ((media_type, body),) = content.items()
    name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if name == "Problem":
        return ""
    return f" (`{name}`)" if name else f" (`{media_type}`)" if media_type != "application/json" else ""


if __name__ == "__main__":
    sys.stdout.write(reference_text(ROUTES))
