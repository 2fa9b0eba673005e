"""Connectors without code: ``connector.json`` for a plain REST service.

::

    { "id": "ntfy", "title": "ntfy", "docs": "https://docs.ntfy.sh/publish/",
      "connection": {
        "fields": { "server": { "type": "string", "description": "…", "default": "https://ntfy.sh" },
                    "token": { "type": "string", "description": "…", "x-secret": true, "x-optional": true } },
        "request": { "base_url": "{{ connection.server }}",
                     "headers": { "Authorization": "Bearer {{ connection.token }}" } },
        "test": { "path": "/v1/account", "account": "{{ response.body.username }}" } },
      "actions": { "publish": {
        "title": "Publish message", "docs": "https://docs.ntfy.sh/publish/#publish-as-json",
        "effect": "at_least_once",
        "input": { "topic": { "type": "string", "description": "…" },
                   "message": { "type": "string", "description": "…", "x-optional": true } },
        "request": { "method": "POST", "path": "/", "json": { "topic": "{{ input.topic }}" } },
        "output": { "id": { "type": "string", "description": "…" } },
        "summary": "Published to {topic}",
        "examples": [ … ] } } }

Rules:

- A field is required unless it has a ``default`` or says ``"x-optional": true``.
- ``{{ … }}`` sees ``connection`` in the connection's request, ``input`` and ``idempotency_key`` in
  an action's request, and ``response`` (``status``, ``headers`` with lower-case names, ``body``)
  and ``input`` in an output.
- An entry of ``query``, ``headers`` or ``json`` that reads an optional field which was not given
  is left out, unless the expression provides for that with ``.?`` or ``has()``.
- What is put into ``path`` is percent-encoded, so it cannot become another path.
- Each key of ``output`` is taken from the same key of the answer, or from its ``value``; without
  ``output`` the answer itself is the output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Set
from typing import Any
from urllib.parse import quote

from hookline.core.expressions import ExpressionError, Reference, compile_value

from .clients import Http, Response
from .components import Action, ConnectionType, Connector, Example, Recorded
from .context import ConnectionContext, Context
from .errors import BadInput, MalformedOutput
from .http import raise_for_status
from .manifest_schema import ManifestError, check_manifest, pointer

__all__ = ["ManifestError", "connector_from_manifest"]

Json = Any
Roots = Mapping[str, Set[str] | None]
"""Names an expression may start with, and what may follow each; None when nothing does."""

_RESPONSE = frozenset({"status", "headers", "body"})
_PLACEHOLDER = re.compile(r"""\{\{((?:[^{}"']|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\{(?!\{)|\}(?!\}))*)\}\}""")


def connector_from_manifest(document: Mapping[str, Json], folder: str) -> Connector:
    """Build the connector that a ``connector.json`` describes.

    Args:
        document: The parsed file.
        folder: Name of the folder it lies in; the connector's id must be the same.

    Raises:
        ManifestError: The document breaks the format, or an expression in it is wrong.
    """
    check_manifest(document)
    if document["id"] != folder:
        raise ManifestError(
            f"the id {document['id']!r} is not the name of its folder, {folder!r}", pointer="/id"
        )
    connector = Connector(document["id"], title=document["title"], docs=document["docs"])
    _declare_connection(connector, document["connection"])
    for name, described in document["actions"].items():
        connector.actions.append(_action(connector, name, described))
    return connector


def _declare_connection(connector: Connector, described: Mapping[str, Json]) -> None:
    at = "/connection"
    fields = _Fields(described["fields"])
    roots: Roots = {"connection": fields.names}
    base_url = _Template(described["request"]["base_url"], f"{at}/request/base_url", roots)
    headers = _Template(described["request"].get("headers", {}), f"{at}/request/headers", roots)

    def open_connection(ctx: ConnectionContext, /, **values: Json) -> Http:
        given = fields.given(values)
        scope = {"connection": given}
        address = str(_render(base_url, scope, fields.absent(given)))
        return ctx.http(
            # A relative path is joined below the base address only when that ends with a slash.
            address if address.endswith("/") else f"{address}/",
            headers=_texts(_render(headers, scope, fields.absent(given)), "header"),
        )

    connector.connection_type = ConnectionType(
        connector.id, connector.title, connector.docs, fields.schema, open_connection
    )
    test = described.get("test")
    if test is None:
        return
    path = _Path(test["path"], f"{at}/test/path", {}, frozenset())
    account = _Template(test.get("account", ""), f"{at}/test/account", {"response": _RESPONSE})

    async def test_connection(client: Http) -> str:
        response = await client.request(test.get("method", "GET"), path.render({}))
        raise_for_status(response, effect="read", service=connector.title)
        if not test.get("account"):
            return f"{connector.title} answered"
        try:
            return str(account.render({"response": _seen(response)}, frozenset()))
        except ExpressionError as error:
            raise _unreadable(connector.title, error) from error

    connector.connection_type.test = test_connection


def _action(connector: Connector, name: str, described: Mapping[str, Json]) -> Action:
    at = f"/actions/{name}"
    title, effect, asked = connector.title, described["effect"], described["request"]
    fields = _Fields(described["input"])
    roots: Roots = {"input": fields.names, "idempotency_key": None}
    path = _Path(asked["path"], f"{at}/request/path", roots, fields.optional)
    parts = {
        part: _Template(asked[part], f"{at}/request/{part}", roots)
        for part in ("query", "headers", "json")
        if part in asked
    }
    output = _Output(described["output"], f"{at}/output", fields.names) if "output" in described else None

    async def run(ctx: Context, /, **values: Json) -> Json:
        given = fields.given(values)
        scope: dict[str, Json] = {"input": given, "idempotency_key": ctx.idempotency_key}
        absent = fields.absent(given)
        rendered = {part: _render(template, scope, absent) for part, template in parts.items()}
        body = {"json": rendered["json"]} if "json" in rendered else {}
        response = await ctx.connection.request(
            asked["method"],
            _rendered_path(path, scope),
            params=_texts(rendered.get("query", {}), "query parameter"),
            headers=_texts(rendered.get("headers", {}), "header"),
            **body,
        )
        raise_for_status(response, effect=effect, service=title)
        seen = _seen(response)
        if output is None:
            return seen["body"]
        try:
            return output.read({"input": given, "response": seen})
        except ExpressionError as error:
            raise _unreadable(title, error) from error

    return Action(
        name=f"{connector.id}.{name}",
        title=described["title"],
        description=described.get("description", ""),
        docs=described.get("docs", connector.docs),
        connection=connector.id,
        input_schema=fields.schema,
        output_schema=output.schema if output else None,
        run=run,
        effect=effect,
        summary=described["summary"],
        examples=tuple(_example(example) for example in described["examples"]),
    )


def _example(described: Mapping[str, Json]) -> Example:
    responses = described.get("responses", [described["response"]] if "response" in described else [])
    return Example(
        input=described["input"],
        responses=tuple(Recorded(**response) for response in responses),
        output=described.get("output"),
        title=described.get("title", ""),
    )


class _Fields:
    """Declared fields: their schema, and which of them a call leaves out."""

    def __init__(self, described: Mapping[str, Mapping[str, Json]]) -> None:
        self._defaults = {name: field["default"] for name, field in described.items() if "default" in field}
        self.names = frozenset(described)
        self.optional = frozenset(
            name
            for name, field in described.items()
            if field.get("x-optional") and name not in self._defaults
        )
        self.schema: dict[str, Json] = {
            "type": "object",
            "properties": {
                name: {key: value for key, value in field.items() if key != "x-optional"}
                for name, field in described.items()
            },
            "required": [name for name in described if name not in self.optional | self._defaults.keys()],
            "additionalProperties": False,
        }

    def given(self, values: Mapping[str, Json]) -> dict[str, Json]:
        """Values with defaults; an explicit null counts as left out."""
        return self._defaults | {name: value for name, value in values.items() if value is not None}

    def absent(self, given: Mapping[str, Json]) -> frozenset[str]:
        return self.optional - given.keys()


class _Output:
    """The declared output: each key out of the answer."""

    def __init__(self, described: Mapping[str, Mapping[str, Json]], at: str, inputs: Set[str]) -> None:
        roots: Roots = {"response": _RESPONSE, "input": inputs}
        self._keys = {
            key: _Template(
                field.get("value", f"{{{{ response.body[{json.dumps(key)}] }}}}"), f"{at}/{key}/value", roots
            )
            for key, field in described.items()
        }
        self._optional = frozenset(key for key, field in described.items() if field.get("x-optional"))
        self.schema: dict[str, Json] = {
            "type": "object",
            "properties": {
                key: {name: value for name, value in field.items() if name not in ("value", "x-optional")}
                for key, field in described.items()
            },
            "required": [key for key in described if key not in self._optional],
            "additionalProperties": False,
        }

    def read(self, scope: Mapping[str, Json]) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for key, template in self._keys.items():
            try:
                value = template.render(scope, frozenset())
            except ExpressionError:
                if key not in self._optional:
                    raise
                continue
            if value is not None or key not in self._optional:
                found[key] = value
        return found


class _Template:
    """A JSON value with expressions in its texts, compiled once."""

    def __init__(self, value: Json, at: str, roots: Roots) -> None:
        self._members: dict[str, _Template] | None = None
        self._items: list[_Template] | None = None
        self.names: frozenset[str] = frozenset()
        if isinstance(value, Mapping):
            self._members = {
                key: _Template(member, at + pointer([key]), roots) for key, member in value.items()
            }
        elif isinstance(value, list):
            self._items = [_Template(item, f"{at}/{index}", roots) for index, item in enumerate(value)]
        else:
            try:
                self._compiled = compile_value(value)
            except ExpressionError as error:
                raise ManifestError(f"{error.code}: {error.message}", pointer=at, hint=error.hint) from error
            self.names = _names(self._compiled.references, at, roots)

    def render(self, scope: Mapping[str, Json], absent: frozenset[str]) -> Json:
        """The value; members and items that name something absent are left out."""
        if self._members is not None:
            return {
                key: member.render(scope, absent)
                for key, member in self._members.items()
                if not member.names & absent
            }
        if self._items is not None:
            return [item.render(scope, absent) for item in self._items if not item.names & absent]
        return self._compiled.render(scope)


def _names(references: Iterable[Reference], at: str, roots: Roots) -> frozenset[str]:
    """The fields that must be there for an expression to have a value."""
    needed: set[str] = set()
    provided: set[str] = set()
    for reference in references:
        if reference.root not in roots:
            known = ", ".join(sorted(roots)) or "nothing"
            raise ManifestError(
                f"{reference.root!r} is not in scope here", pointer=at, hint=f"known: {known}"
            )
        names = roots[reference.root]
        if names is None or not reference.path:
            continue
        name = str(reference.path[0])
        if name not in names:
            known = ", ".join(sorted(names)) or "nothing"
            raise ManifestError(f"there is no {reference.root}.{name}", pointer=at, hint=f"declared: {known}")
        (provided if reference.optional_at == 0 else needed).add(name)
    return frozenset(needed - provided)


class _Path:
    """A path with expressions; every value put in is percent-encoded and stays one segment."""

    def __init__(self, text: str, at: str, roots: Roots, optional: Set[str]) -> None:
        self._parts: list[str | _Template] = []
        end = 0
        for match in _PLACEHOLDER.finditer(text):
            template = _Template(match[0], at, roots)
            if template.names & optional:
                raise ManifestError(
                    "the path needs a field that may be left out", pointer=at, hint="make the field required"
                )
            self._parts += [text[end : match.start()], template]
            end = match.end()
        self._parts.append(text[end:])

    def render(self, scope: Mapping[str, Json]) -> str:
        text = ""
        for part in self._parts:
            if isinstance(part, str):
                text += part
                continue
            value = part.render(scope, frozenset())
            if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
                raise BadInput("a value in the address is empty or is neither a text nor an integer")
            text += quote(str(value), safe="")
        if any(segment in (".", "..") for segment in text.split("/")):
            # Percent-encoding leaves dots alone, and servers resolve them.
            raise BadInput("a value in the address is . or .., which would name another resource")
        return text.lstrip("/")


def _render(template: _Template, scope: Mapping[str, Json], absent: frozenset[str]) -> Json:
    try:
        return template.render(scope, absent)
    except ExpressionError as error:
        raise BadInput(error.message, hint=error.hint) from error


def _rendered_path(path: _Path, scope: Mapping[str, Json]) -> str:
    try:
        return path.render(scope)
    except ExpressionError as error:
        raise BadInput(error.message, hint=error.hint) from error


def _texts(values: Mapping[str, Json], what: str) -> dict[str, str]:
    """Values as they stand in a query or a header."""
    texts: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not isinstance(value, str | int | float):
            raise BadInput(f"the {what} {name!r} is neither a text, a number nor true or false")
        text = str(value)
        if what == "header" and any(ord(char) < 32 or ord(char) == 127 for char in text):
            raise BadInput(f"the header {name!r} would hold a line break or another control character")
        texts[name] = text
    return texts


def _seen(response: Response) -> dict[str, Json]:
    """An answer as expressions see it; an empty body is an empty object."""
    return {
        "status": response.status,
        "headers": {name.lower(): value for name, value in response.headers.items()},
        "body": response.json() if response.content.strip() else {},
    }


def _unreadable(service: str, error: ExpressionError) -> MalformedOutput:
    return MalformedOutput(
        f"{service} answered without something this action needs: {error.message}", hint=error.hint
    )
