"""The format of ``connector.json``, as JSON Schema, and the error a broken one gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["MANIFEST_SCHEMA", "ManifestError", "check_manifest"]

_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"}
_TEXT = {"type": "string", "minLength": 1}
_DOCS = {"type": "string", "pattern": "^https://"}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_VALUES = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}

_FIELD_KEYWORDS: dict[str, Any] = {
    "type": {"enum": ["string", "integer", "number", "boolean", "object", "array"]},
    "description": _TEXT,
    "default": True,
    "enum": {"type": "array", "minItems": 1},
    "format": {"enum": ["uri", "duration", "date-time", "size", "time-zone", "email"]},
    "examples": {"type": "array"},
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "minLength": {"type": "integer", "minimum": 0},
    "maxLength": {"type": "integer", "minimum": 0},
    "minItems": {"type": "integer", "minimum": 0},
    "maxItems": {"type": "integer", "minimum": 0},
    "items": {"$ref": "#/$defs/part"},
    "properties": {"type": "object", "additionalProperties": {"$ref": "#/$defs/part"}},
    "required": {"type": "array", "items": {"type": "string"}},
    "additionalProperties": {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/part"}]},
    "x-secret": {"const": True},
    "x-advanced": {"const": True},
    "x-multiline": {"const": True},
    "x-optional": {"const": True},
    "x-env": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"},
}


def _object(properties: Mapping[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _named(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _NAME, "additionalProperties": dict(value)}


_RECORDED = _object(
    {
        "status": {"type": "integer", "minimum": 100, "maximum": 599},
        "json": True,
        "text": {"type": "string"},
        "headers": _TEXTS,
        "expect": {"type": "string"},
    }
)

MANIFEST_SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Declarative connector",
    **_object(
        {
            "$schema": {"type": "string"},
            "id": _NAME,
            "title": _TEXT,
            "docs": _DOCS,
            "connection": _object(
                {
                    "fields": _named({"$ref": "#/$defs/field"}),
                    "request": _object({"base_url": _TEXT, "headers": _TEXTS}, ["base_url"]),
                    "test": _object(
                        {
                            "method": {"enum": ["GET", "HEAD", "POST"]},
                            "path": {"$ref": "#/$defs/path"},
                            "account": {"type": "string"},
                        },
                        ["path"],
                    ),
                },
                ["fields", "request"],
            ),
            "actions": {**_named({"$ref": "#/$defs/action"}), "minProperties": 1},
        },
        ["id", "title", "docs", "connection", "actions"],
    ),
    "$defs": {
        "path": {"type": "string", "pattern": "^/(?!/)"},
        "part": _object(_FIELD_KEYWORDS, ["type"]),
        "field": _object(_FIELD_KEYWORDS, ["type", "description"]),
        "result": _object({**_FIELD_KEYWORDS, "value": {"type": "string"}}, ["type", "description"]),
        "action": _object(
            {
                "title": _TEXT,
                "description": {"type": "string"},
                "docs": _DOCS,
                # An effect that can be looked up needs code to look it up.
                "effect": {"enum": ["read", "idempotent", "at_least_once"]},
                "input": _named({"$ref": "#/$defs/field"}),
                "request": _object(
                    {
                        "method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
                        "path": {"$ref": "#/$defs/path"},
                        "query": _VALUES,
                        "headers": _TEXTS,
                        "json": True,
                    },
                    ["method", "path"],
                ),
                "output": {"type": "object", "additionalProperties": {"$ref": "#/$defs/result"}},
                "summary": _TEXT,
                "examples": {
                    "type": "array",
                    "minItems": 1,
                    "items": _object(
                        {
                            "title": {"type": "string"},
                            "input": {"type": "object"},
                            "response": _RECORDED,
                            "responses": {"type": "array", "items": _RECORDED},
                            "output": True,
                        },
                        ["input"],
                    ),
                },
            },
            ["title", "effect", "input", "request", "summary", "examples"],
        ),
    },
}
"""What ``connector.json`` may hold."""


class ManifestError(ValueError):
    """A ``connector.json`` that cannot be used.

    Attributes:
        code: A stable code, ``C010``.
        message: What is wrong.
        pointer: JSON Pointer into the file.
        hint: What to do about it.
    """

    def __init__(self, message: str, *, pointer: str = "", hint: str = "") -> None:
        self.code = "C010"
        self.message = message
        self.pointer = pointer
        self.hint = hint or "see the rules in hookline.sdk.manifest"
        super().__init__(f"{self.code} at {pointer or '/'}: {message}")


def check_manifest(document: object) -> None:
    """Check the format.

    Raises:
        ManifestError: With the place of the deepest fault.
    """
    import referencing
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    validator = Draft202012Validator(MANIFEST_SCHEMA, registry=referencing.Registry())
    error = best_match(validator.iter_errors(document))
    if error is not None:
        raise ManifestError(error.message, pointer=pointer(error.absolute_path))


def pointer(path: Iterable[object]) -> str:
    """A path as a JSON Pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
