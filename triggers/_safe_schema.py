"""JSON Schema of authors, reduced to the keywords whose cost is bounded by the value's size.

``$ref`` could read files and addresses, or make a small schema explode; ``pattern`` could take
exponential time; ``uniqueItems`` quadratic. None of them is accepted.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from referencing import Registry

__all__ = ["UnsafeSchema", "first_error"]

_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "format", "deprecated", "$comment"})
_LIMITS = frozenset(
    {
        "type",
        "enum",
        "const",
        "required",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    }
    | {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)
_ONE = frozenset({"items", "additionalProperties", "not", "contains"})
_MANY = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_ALLOWED = _ANNOTATIONS | _LIMITS | _ONE | _MANY | {"properties", "$schema"}
_MAX_DEPTH = 16
_MAX_SCHEMAS = 500
_SHOWN = 200


class UnsafeSchema(ValueError):
    """The author's schema uses something that is not accepted; the message says what and where."""


def first_error(schema: Mapping[str, Any], value: object) -> str:
    """What is wrong with `value`, as ``"/a/0: …"``, or ``""`` when it satisfies the schema.

    Raises:
        UnsafeSchema: The schema itself cannot be used.
    """
    for count, (pointer, each, depth) in enumerate(_schemas(schema, "", 0)):
        if count >= _MAX_SCHEMAS or depth > _MAX_DEPTH:
            raise UnsafeSchema(f"{pointer or '/'}: the schema is too large or too deep")
        unknown = sorted(set(each) - _ALLOWED)
        if unknown:
            raise UnsafeSchema(f"{pointer}/{unknown[0]}: the keyword {unknown[0]!r} is not supported")
    validator = _validator(json.dumps(schema, default=repr))
    found = next(iter(validator.iter_errors(value)), None)
    if found is None:
        return ""
    return f"/{'/'.join(map(str, found.absolute_path))}: {found.message[:_SHOWN]}"


@functools.lru_cache(maxsize=256)
def _validator(text: str) -> jsonschema.Draft202012Validator:
    """Checking a schema takes far longer than using it, and every request uses it."""
    schema = json.loads(text)
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise UnsafeSchema(f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:_SHOWN]}") from error
    return jsonschema.Draft202012Validator(schema, registry=Registry())


def _schemas(schema: object, pointer: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise UnsafeSchema(f"{pointer or '/'}: a schema is an object, true or false")
    yield pointer, schema, depth
    for key in sorted(_ONE & schema.keys()):
        yield from _schemas(schema[key], f"{pointer}/{key}", depth + 1)
    for key in sorted(_MANY & schema.keys()):
        members = schema[key]
        for index, member in enumerate(members if isinstance(members, list) else ()):
            yield from _schemas(member, f"{pointer}/{key}/{index}", depth + 1)
    properties = schema.get("properties")
    for name, member in (properties if isinstance(properties, Mapping) else {}).items():
        yield from _schemas(member, f"{pointer}/properties/{name}", depth + 1)
