"""What may be given to a Cog server as a file.

A Cog server opens a plain path that is given to a ``Path`` input from **its own disk**, so a text
that comes from outside must never reach such an input. The model's schema tells which inputs are
files (``format: uri``); those take an http(s) address or a ``data:`` URL. A server that publishes no
schema cannot be asked: then every value that could be the name of a file is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hookline.sdk import BadInput
from hookline.sdk.model_files import ModelSchema, is_data_url, is_web_url

__all__ = ["check_input"]

Json = Any

_NAME_OF_A_FILE = re.compile(r"(?=\S+\Z)(?:~.*|.*[/\\].*|file:.*|\.*[\w-][\w.-]*\.\w{1,8}\Z)", re.ASCII)
"""One word with a slash, a tilde in front, or an extension."""


def check_input(values: Mapping[str, Json], schema: ModelSchema | None) -> None:
    """Refuse what the server would read from its own disk.

    Raises:
        BadInput: A value could be a path there.
    """
    properties = schema.input.get("properties") if schema else None
    for name, value in values.items():
        if schema is None or not isinstance(properties, Mapping):
            _check(value, None, schema, f"/input/{name}")
        elif name in properties:  # The server drops what the model does not know.
            _check(value, schema.resolve(properties[name]), schema, f"/input/{name}")


def _check(value: Json, node: Mapping[str, Json] | None, schema: ModelSchema | None, where: str) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check(item, schema.child(node, key) if schema and node else None, schema, f"{where}/{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _check(item, schema.child(node, place) if schema and node else None, schema, f"{where}/{place}")
    elif isinstance(value, str) and not is_web_url(value) and not is_data_url(value):
        if node and _is_file(node, schema):
            raise BadInput(
                f"{where} is a file input, and its value is no address",
                hint="give a file of an earlier step, an http(s) address or a data: URL; a path would be "
                "read from the server's own disk",
            )
        if not (node and _is_text(node)) and _NAME_OF_A_FILE.match(value):
            raise BadInput(
                f"{where} could be the name of a file on the Cog server, and the server does not say that it "
                "is a text",
                hint="build the model with cog, or put its schema into .cog/openapi_schema.json, so that the "
                "server publishes it at /openapi.json",
            )


def _is_file(node: Mapping[str, Json], schema: ModelSchema | None) -> bool:
    if node.get("format") == "uri":
        return True
    choices = node.get("anyOf")
    if not isinstance(choices, list) or schema is None:
        return False
    return any(schema.resolve(choice).get("format") == "uri" for choice in choices)


def _is_text(node: Mapping[str, Json]) -> bool:
    return "type" in node or "enum" in node or "anyOf" in node
