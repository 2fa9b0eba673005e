"""What a dry run makes up in the place of what only a service, a model or a sender could have said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookline.sdk import Action

__all__ = ["instance_of", "result_of"]

Json = Any

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def result_of(action: Action, written: Mapping[str, Json], given: Mapping[str, Json]) -> tuple[Json, str]:
    """What an action is taken to have given, and where that is from; see `Rehearsed.source`.

    Args:
        written: The step as it stands in the definition.
        given: Its parameters, without expressions.
    """
    if "sample" in written:
        return written["sample"], "sample"
    for example in action.examples:
        if example.output is not None:
            return _as_expected(example.output, given.get("expect")), "example"
    if action.output_schema is not None:
        return instance_of(action.output_schema), "schema"
    return None, "nothing"


def _as_expected(output: Json, expect: Json) -> Json:
    """A model's example; where the step expects files, with as many of them as it needs."""
    if not isinstance(expect, Mapping) or expect.get("type") != "files":
        return output
    if not isinstance(output, Mapping) or output.get("files") != []:
        return output
    mime = str(expect.get("mime", "image/png")).replace("image/*", "image/png").replace("/*", "/octet-stream")
    name = f"output.{mime.partition('/')[2]}"
    file = {"$file": f"artifact:{_SHA256}", "name": name, "mime": mime, "bytes": 48213, "sha256": _SHA256}
    files = [file] * max(1, expect.get("min_files", 1))
    return {**output, "output_type": "files", "output_text": None, "files": files, "output": files}


def instance_of(schema: Mapping[str, Json]) -> Json:
    """A value that a schema describes, with every property that it names."""
    return _instance(schema, schema, 0)


def _instance(schema: Any, root: Any, depth: int) -> Json:
    """A value that a schema describes, with every property that it names."""
    if not isinstance(schema, Mapping) or depth > 12:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "$ref" in schema:
        found = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found.get(part, {}) if isinstance(found, Mapping) else {}
        return _instance(found, root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _instance(schema[key][0], root, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        parts = schema.get("properties", {})
        return {name: _instance(part, root, depth + 1) for name, part in parts.items()}
    if kind == "array":
        return [_instance(schema.get("items", {}), root, depth + 1)]
    makers: dict[Any, Callable[[], Json]] = {
        "string": lambda: "text",
        "integer": lambda: schema.get("minimum", 1),
        "number": lambda: schema.get("minimum", 1.0),
        "boolean": lambda: True,
    }
    return makers[kind]() if kind in makers else None
