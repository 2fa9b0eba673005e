"""Refusals of a create request, worded as Replicate words them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry

from hookline.testing.ports import is_loopback_host
from hookline.testing.replicate.catalog import input_schema
from hookline.testing.replicate.records import EVENTS, JsonObject

__all__ = ["Refused", "check_envelope", "check_input", "parse_cancel_after", "parse_prefer"]

_TYPES = {
    "enum": "enum",
    "type": "invalid_type",
    "minimum": "number_gte",
    "maximum": "number_lte",
    "minLength": "string_gte",
    "maxLength": "string_lte",
    "minItems": "array_min_items",
    "maxItems": "array_max_items",
    "pattern": "pattern",
}


@dataclass(frozen=True, slots=True)
class InvalidField:
    """One entry of `invalid_fields`."""

    type: str
    field: str
    description: str

    def wire(self) -> JsonObject:
        """As sent."""
        return {"type": self.type, "field": self.field, "description": self.description}


class Refused(Exception):
    """The request is answered with this problem and nothing is created.

    Attributes:
        status: HTTP status.
        body: The problem document.
    """

    def __init__(self, status: int, body: JsonObject) -> None:
        super().__init__(str(body.get("detail")))
        self.status = status
        self.body = body


def check_envelope(
    body: object,
    *,
    with_version: bool,
    allow_http_webhooks: bool,
    with_destination: bool = False,
) -> None:
    """Check the keys around `input`.

    Raises:
        Refused: Unknown key, missing key, wrong type, or a webhook address Replicate would not take.
    """
    properties: JsonObject = {
        "input": {"type": "object"},
        "webhook": {"type": "string"},
        "webhook_events_filter": {"type": "array", "items": {"enum": list(EVENTS)}},
        "stream": {"type": "boolean"},
    }
    required = ["input"]
    if with_version:
        properties["version"] = {"type": "string"}
        required.insert(0, "version")
    if with_destination:
        del properties["stream"]
        properties["destination"] = {"type": "string"}
        required.insert(0, "destination")
    schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    fields = _invalid_fields(schema, body, "")
    if not fields and isinstance(body, dict) and "webhook" in body:
        fields = _check_webhook(body["webhook"], allow_http_webhooks)
    if fields:
        raise _validation_failed(fields)


def check_input(schema: Mapping[str, Any], values: Mapping[str, Any], component: str = "Input") -> JsonObject:
    """Check `values` against a model's own schema; unknown keys are dropped silently, defaults filled in.

    Raises:
        Refused: With one entry per finding, in the order of the model's arguments.
    """
    declared: JsonObject = input_schema(schema, component).get("properties", {})
    known = {name: value for name, value in values.items() if name in declared} if declared else dict(values)
    prepared = {
        "type": "object",
        "properties": {name: _resolve(schema, prop) for name, prop in declared.items()},
        "required": input_schema(schema, component).get("required", []),
    }
    fields = _invalid_fields(prepared, known, "input")
    for name, prop in prepared["properties"].items():
        fields += _check_uris(f"input.{name}", name, prop, known.get(name))
    if fields:
        raise _validation_failed(fields)
    defaults = {name: prop["default"] for name, prop in declared.items() if "default" in prop}
    return {**defaults, **known}


def parse_prefer(header: str | None) -> float | None:
    """Seconds to hold the answer, ``None`` for an immediate one. Documented: 1 to 60, bare ``wait`` is 60.

    Raises:
        Refused: Not ``wait`` or ``wait=1`` … ``wait=99`` (what the published pattern admits).
    """
    if header is None:
        return None
    found = re.fullmatch(r"wait(?:=([1-9][0-9]?))?", header.strip())
    if found is None:
        raise _header_refused("Prefer", header, "use wait or wait=n with n from 1 to 60")
    return min(60.0, float(found.group(1) or 60))


def parse_cancel_after(header: str | None) -> float | None:
    """Seconds after creation, from ``30``, ``30s``, ``5m``, ``2h`` or ``1h30m45s``.

    Raises:
        Refused: Another form, or outside 5 seconds to 24 hours.
    """
    if header is None:
        return None
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", header.strip())
    if found is None or not any(found.groups()):
        raise _header_refused("Cancel-After", header, "use a duration such as 30s, 5m or 1h30m45s")
    hours, minutes, seconds = (int(group or 0) for group in found.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if not 5 <= total <= 86_400:
        raise _header_refused("Cancel-After", header, "must be between 5 seconds and 24 hours")
    return float(total)


def _header_refused(name: str, value: str, hint: str) -> Refused:
    detail = f"Invalid {name} header {value!r}: {hint}"
    return Refused(422, {"title": "Invalid header", "detail": detail, "status": 422})


def _validation_failed(fields: Sequence[InvalidField]) -> Refused:
    lines = "".join(f"- {f'{item.field}: ' if item.field else ''}{item.description}\n" for item in fields)
    return Refused(
        422,
        {
            "detail": lines,
            "status": 422,
            "title": "Input validation failed",
            "invalid_fields": [item.wire() for item in fields],
        },
    )


def _check_webhook(url: str, allow_http: bool) -> list[InvalidField]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        return [InvalidField("format", "webhook", "Does not match format 'uri'")]
    if parts.scheme == "http" and not (allow_http and is_loopback_host(host)):
        return [InvalidField("format", "webhook", "Webhook URL must be HTTPS")]
    return []


def _resolve(document: Mapping[str, Any], prop: JsonObject) -> JsonObject:
    """Cog's two ways to say "one of these" and OpenAPI's ``nullable`` as plain JSON Schema."""
    resolved = dict(prop)
    for part in resolved.pop("allOf", []):
        name = str(part.get("$ref", "")).rpartition("/")[2]
        target = document.get("components", {}).get("schemas", {}).get(name, {})
        resolved = {**target, **resolved}
    if resolved.pop("nullable", False) and isinstance(resolved.get("type"), str):
        resolved["type"] = [resolved["type"], "null"]
        if "enum" in resolved:
            resolved["enum"] = [*resolved["enum"], None]
    return resolved


def _invalid_fields(schema: JsonObject, value: object, root: str) -> list[InvalidField]:
    validator = Draft202012Validator(schema, registry=Registry())
    found: list[InvalidField] = []
    for error in validator.iter_errors(value):
        found += _describe(error, root)
    return found


def _describe(error: ValidationError, root: str) -> list[InvalidField]:
    path = [str(part) for part in error.absolute_path]
    field = ".".join([*([root] if root else []), *path])
    last = path[-1] if path else root
    keyword = str(error.validator)
    if keyword == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        # jsonschema reports each missing key as its own error, all with the same list.
        name = next((name for name in missing if repr(name) in error.message), missing[0])
        return [InvalidField("required", field, f"{name} is required")]
    if keyword == "additionalProperties":
        extra = [name for name in error.instance if name not in error.schema["properties"]]
        return [
            InvalidField(
                "additional_property_not_allowed", field, f"Additional property {name} is not allowed"
            )
            for name in extra
        ]
    if keyword == "enum":
        options = ", ".join(
            f'"{option}"' if isinstance(option, str) else str(option) for option in error.validator_value
        )
        text = f"{last} must be one of the following: {options}"
    elif keyword == "type":
        text = f"Invalid type. Expected: {_type_text(error.validator_value)}, given: {_given(error.instance)}"
    elif keyword == "minimum":
        text = f"Must be greater than or equal to {error.validator_value}"
    elif keyword == "maximum":
        text = f"Must be less than or equal to {error.validator_value}"
    elif keyword == "pattern":
        text = f"Does not match pattern '{error.validator_value}'"
    else:
        text = error.message
    return [InvalidField(_TYPES.get(keyword, keyword), field, text)]


def _type_text(expected: object) -> str:
    return "/".join(str(item) for item in expected) if isinstance(expected, list) else str(expected)


def _given(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _check_uris(field: str, name: str, prop: JsonObject, value: object) -> list[InvalidField]:
    if isinstance(value, list) and isinstance(prop.get("items"), dict):
        return [
            found
            for place, item in enumerate(value)
            for found in _check_uris(f"{field}.{place}", name, prop["items"], item)
        ]
    if prop.get("format") != "uri" or not isinstance(value, str):
        return []
    if re.match(r"(https?://[^/\s]+|data:[^,]*,)", value):
        return []
    return [InvalidField("format", field, "Does not match format 'uri'")]
