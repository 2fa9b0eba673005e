"""The input of a model against the model's own schema, before anything is sent.

Providers drop keys that a model does not know without a word, so a misspelled one runs, and is billed,
with the default. Types, bounds and choices they refuse themselves (422); here they are found without a
request, all at once, and with the place.

What is understood is what Cog writes (OpenAPI 3.0.2): ``$ref``, ``allOf``, ``anyOf``, ``nullable``,
choices, lists, objects, files (``format: uri``) and secrets (``x-cog-secret``). A ``pattern`` is left
to the provider: it is somebody else's regular expression, and could be made to run for hours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import referencing

from .errors import BadInput
from .files import is_file
from .model_files import ModelSchema, is_data_url, is_web_url

__all__ = ["check_input"]

Json = Any

_KEPT = (
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "required",
)
_DEPTH = 12
_NODES = 500
"""Parts of one input's schema that are looked at: one that refers to itself twice doubles at every level."""

_MOST = 10
"""Findings shown."""

_A_FILE = "https://file.invalid/"


def check_input(values: Mapping[str, Json], schema: ModelSchema, *, model: str) -> bool:
    """Check the values of a step; False when the schema does not say what the model takes.

    Args:
        model: The model, for the message.

    Raises:
        BadInput: A key is unknown, a required one is missing, or a value does not fit.
    """
    declared = schema.input.get("properties")
    if not isinstance(declared, Mapping):
        return False
    found: list[str] = []
    hints: list[str] = []
    if not schema.input.get("additionalProperties"):
        for name in values:
            if name not in declared:
                found.append(f"/input/{name}: the model has no such input")
                hints.append(_did_you_mean(name, declared))
    required = schema.input.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in values:
            found.append(f"/input/{name}: it is required")
    for name, value in values.items():
        if name in declared:
            found += _check(value, declared[name], schema, f"/input/{name}")
    if found:
        more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
        advice = "; ".join(hint for hint in hints if hint) or "nothing was sent"
        raise BadInput(f"{model} does not take this input: {'; '.join(found[:_MOST])}{more}", hint=advice)
    return True


def _did_you_mean(name: str, declared: Mapping[str, Json]) -> str:
    near = difflib.get_close_matches(name, [str(key) for key in declared], n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}" in place of "{name}"?'
    return f"its inputs are {', '.join(sorted(map(str, declared)))[:500]}"


def _check(value: Json, node: Json, schema: ModelSchema, where: str) -> Iterator[str]:
    translated = _Translation(schema).plain(node, _DEPTH)
    try:
        jsonschema.Draft202012Validator.check_schema(translated)
    except jsonschema.SchemaError:
        return  # The model's document is wrong here: the provider decides.
    validator = jsonschema.Draft202012Validator(translated, registry=referencing.Registry())
    for error in validator.iter_errors(_without_files(value)):
        place = "/".join([where, *map(str, error.absolute_path)])
        yield f"{place}: {_words(error)}"
    yield from _not_addresses(value, _resolved(node, schema), schema, where)


def _resolved(node: Json, schema: ModelSchema) -> Mapping[str, Json]:
    """A node with its reference followed; keys beside the reference, such as ``nullable``, are kept."""
    found = dict(schema.resolve(node))
    if isinstance(node, Mapping):
        found |= {key: value for key, value in node.items() if key not in ("$ref", "allOf")}
    return found


class _Translation:
    """What Cog writes as plain JSON Schema; what is not understood, or too much, allows everything."""

    def __init__(self, schema: ModelSchema) -> None:
        self._schema = schema
        self._left = _NODES

    def plain(self, node: Json, depth: int) -> dict[str, Json]:
        """One node."""
        self._left -= 1
        if depth == 0 or self._left <= 0:
            return {}
        given = _resolved(node, self._schema)
        made: dict[str, Json] = {key: given[key] for key in _KEPT if key in given}
        parts = given.get("allOf")
        if isinstance(parts, list) and len(parts) > 1:
            made["allOf"] = [self.plain(part, depth - 1) for part in parts[: self._left + 1]]
        for key in ("anyOf", "oneOf"):
            choices = given.get(key)
            # Leaving out a choice would refuse what the model takes, so it is all or nothing.
            if isinstance(choices, list) and 0 < len(choices) <= self._left:
                made["anyOf"] = [self.plain(part, depth - 1) for part in choices]
        if isinstance(given.get("items"), Mapping):
            made["items"] = self.plain(given["items"], depth - 1)
        properties = given.get("properties")
        if isinstance(properties, Mapping) and len(properties) <= self._left:
            made["properties"] = {str(name): self.plain(part, depth - 1) for name, part in properties.items()}
        if given.get("nullable") is True:
            made = {"anyOf": [made, {"type": "null"}]}
        return made


def _without_files(value: Json) -> Json:
    """File references stand for the address that is sent in their place."""
    if is_file(value):
        return _A_FILE
    if isinstance(value, Mapping):
        return {key: _without_files(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_files(item) for item in value]
    return value


def _not_addresses(
    value: Json, node: Mapping[str, Json], schema: ModelSchema, where: str, depth: int = _DEPTH
) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, list) and isinstance(node.get("items"), Mapping):
        for place, item in enumerate(value):
            yield from _not_addresses(
                item, _resolved(node["items"], schema), schema, f"{where}/{place}", depth - 1
            )
    elif (
        isinstance(value, str)
        and node.get("format") == "uri"
        and not is_web_url(value)
        and not is_data_url(value)
    ):
        yield f"{where}: it is a file: give a file of an earlier step, an http(s) address or a data: URL"


def _words(error: jsonschema.ValidationError) -> str:
    """What is expected. The value is not repeated: it may be long, or a secret."""
    wanted = error.validator_value
    match error.validator:
        case "enum":
            return f"it must be one of {', '.join(map(repr, wanted))[:500]}"
        case "type":
            kind = " or ".join(wanted) if isinstance(wanted, list) else wanted
            return f"it must be of type {kind}" + (", or be left out" if error.instance is None else "")
        case "minimum":
            return f"it must be at least {wanted}"
        case "maximum":
            return f"it must be at most {wanted}"
        case "minLength" | "minItems":
            return f"it must have at least {wanted} {_units(error)}"
        case "maxLength" | "maxItems":
            return f"it may have at most {wanted} {_units(error)}"
        case "required":
            return f"it lacks {', '.join(name for name in wanted if name not in error.instance)}"
        case "anyOf":
            kinds = sorted(
                {str(part.get("type", "another form")) for part in wanted if isinstance(part, Mapping)}
            )
            return f"it must be of type {' or '.join(kinds)}"
        case _:
            return f"it breaks the model's rule {error.validator!r}"


def _units(error: jsonschema.ValidationError) -> str:
    return "characters" if "Length" in str(error.validator) else "members"
