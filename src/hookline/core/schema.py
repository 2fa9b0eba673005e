"""The JSON Schema of workflows, for editors, forms and other tools.

Generated from the grammar and from what is installed. It keeps to keywords that editors honour and
that mean the same in draft-07 and 2020-12: no ``$dynamicRef``, no ``unevaluated…``, no lists of types,
nothing beside a ``$ref``; enumerations with texts are ``oneOf`` of ``const`` and ``description``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from hookline.core.catalogue import Catalogue, ComponentInfo
from hookline.core.grammar import (
    BUDGET,
    IDENTIFIER,
    SLUG,
    STEP_KINDS,
    TRIGGER,
    WORKFLOW,
    Choice,
    Key,
    Shape,
)
from hookline.core.lint.parameters import closed

__all__ = ["EXPRESSION", "PORTABLE_KEYWORDS", "widen", "workflow_schema"]

Schema = dict[str, Any]

EXPRESSION: Mapping[str, Any] = {
    "type": "string",
    "pattern": r"\{\{",
    "description": "An expression: {{ … }}.",
}
"""The schema of a text that holds an expression."""

_SCHEMAS = ("additionalProperties", "items", "not", "if", "then", "else", "propertyNames", "contains")
_LISTS = ("allOf", "anyOf", "oneOf")
_NAMED = ("properties", "$defs")
_PLAIN = (
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "title",
    "type",
    "uniqueItems",
)
PORTABLE_KEYWORDS = frozenset({*_SCHEMAS, *_LISTS, *_NAMED, *_PLAIN, "$ref", "$schema", "$id"})
"""The only keywords a generated schema uses."""

# What can stand beside a form of a value without saying anything about it.
_ANNOTATIONS = ("title", "description", "default", "examples")
# Keywords that make a text something else than any text, so that an expression needs a form of its own.
_TEXT_RULES = ("enum", "const", "pattern", "minLength", "maxLength", "format")


def workflow_schema(catalogue: Catalogue) -> Schema:
    """The JSON Schema (2020-12, portable subset) of a workflow file with these components.

    Everything the schema refuses, the lint refuses too; the lint finds more.
    """
    definitions = _Definitions(catalogue)
    top = definitions.shape(WORKFLOW)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hookline workflow",
        **top,
        "$defs": definitions.all(),
    }


def widen(schema: Any, *, prefix: str = "") -> Any:
    """The schema of a value before its expressions are rendered: each leaf is a typed value or an expression.

    Keywords outside of the portable subset, and those that say nothing while a part is still an
    expression (``not``, ``contains``, ``uniqueItems``), are left out: that only ever allows more.

    Args:
        schema: The schema of the rendered value.
        prefix: Put before the names under ``$defs`` and in references to them.
    """
    if not isinstance(schema, Mapping):
        return schema is not False
    inner = _inside(schema, prefix)
    if not _narrows_text(schema):
        return inner
    annotations = {key: inner.pop(key) for key in _ANNOTATIONS if key in inner}
    named = {key: inner.pop(key) for key in ("$defs",) if key in inner}
    forms = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
    return {**annotations, "anyOf": [*forms, dict(EXPRESSION)], **named}


def _narrows_text(schema: Mapping[str, Any]) -> bool:
    """Whether there are texts, and so expressions, that a schema does not take."""
    kind = schema.get("type")
    if kind == "string" or (
        kind is None and not any(key in schema for key in (*_LISTS, "$ref", "enum", "const"))
    ):
        return any(key in schema for key in _TEXT_RULES)
    return True


def _inside(schema: Mapping[str, Any], prefix: str) -> Schema:
    """A schema with everything inside it widened, in portable keywords."""
    made: Schema = {}
    for key, value in schema.items():
        if key == "$ref":
            made["$ref"] = str(value).replace("#/$defs/", f"#/$defs/{prefix}")
        elif key in ("properties", "$defs") and isinstance(value, Mapping):
            names = prefix if key == "$defs" else ""
            made[key] = {f"{names}{name}": widen(member, prefix=prefix) for name, member in value.items()}
        elif key in ("items", "additionalProperties", "then", "else"):
            made[key] = widen(value, prefix=prefix)
        elif key in ("if", "propertyNames") and _is_portable(value):
            made[key] = _portable(value, prefix)
        elif key in _LISTS:
            made[key] = [_inside(form, prefix) if isinstance(form, Mapping) else form for form in value]
        elif key in _PLAIN and key != "uniqueItems":
            made[key] = value
    # What remains must not refuse what a keyword that is left out would have allowed.
    if "patternProperties" in schema:
        made.pop("additionalProperties", None)
    if "prefixItems" in schema:
        made.pop("items", None)
    if "if" not in made:
        made.pop("then", None)
        made.pop("else", None)
    return _tidy(made)


def _is_portable(schema: Any) -> bool:
    """Whether a schema keeps its meaning when only portable keywords are taken over."""
    if not isinstance(schema, Mapping):
        return True
    for key, value in schema.items():
        if key in _SCHEMAS:
            inner: list[Any] = [value]
        elif key in _LISTS:
            inner = list(value)
        elif key in _NAMED:
            inner = list(value.values())
        elif key in PORTABLE_KEYWORDS or key.startswith("x-"):
            continue
        else:
            return False
        if not all(_is_portable(member) for member in inner):
            return False
    return True


def _portable(schema: Any, prefix: str) -> Any:
    """A schema in portable keywords, as it is otherwise."""
    if not isinstance(schema, Mapping):
        return schema
    made: Schema = {}
    for key, value in schema.items():
        if key == "$ref":
            made["$ref"] = str(value).replace("#/$defs/", f"#/$defs/{prefix}")
        elif key in _SCHEMAS:
            made[key] = _portable(value, prefix)
        elif key in _LISTS:
            made[key] = [_portable(form, prefix) for form in value]
        elif key in _NAMED:
            made[key] = {name: _portable(member, prefix) for name, member in value.items()}
        elif key in _PLAIN:
            made[key] = value
    return _tidy(made)


def _tidy(schema: Schema) -> Schema:
    """Lists of types become forms, a reference stands alone, and forms that can overlap are not exclusive."""
    kinds = schema.get("type")
    if isinstance(kinds, Sequence) and not isinstance(kinds, str):
        del schema["type"]
        rules = {key: schema.pop(key) for key in list(schema) if key not in (*_ANNOTATIONS, "$defs", *_LISTS)}
        schema = {
            **schema,
            "allOf": [*schema.get("allOf", []), {"anyOf": [{"type": kind, **rules} for kind in kinds]}],
        }
    if "$ref" in schema and len(schema) > 1:
        reference = schema.pop("$ref")
        schema["allOf"] = [*schema.get("allOf", []), {"$ref": reference}]
    if "oneOf" in schema and not all(
        isinstance(form, Mapping) and "const" in form for form in schema["oneOf"]
    ):
        forms = schema.pop("oneOf")
        if "anyOf" in schema:
            schema["allOf"] = [*schema.get("allOf", []), {"anyOf": forms}]
        else:
            schema["anyOf"] = forms
    return schema


class _Definitions:
    """The parts of the schema that are referred to by name."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._shapes: dict[str, Schema] = {}
        self._components: dict[str, Schema] = {}

    def all(self) -> Schema:
        """Every definition; to be asked for last."""
        made: Schema = {
            "steps": {
                "type": "array",
                "description": "Steps, from top to bottom.",
                "items": {"$ref": "#/$defs/step"},
            },
            "step": self._step(),
        }
        for kind, shape in STEP_KINDS.items():
            made[f"step_{kind}"] = self._kind(shape)
        return {**made, **self._shapes, **self._components}

    def shape(self, shape: Shape) -> Schema:
        """An object with a closed set of keys."""
        made: Schema = {
            "type": "object",
            "description": shape.description,
            "properties": {key.name: self.key(key) for key in shape.keys.values()},
            "additionalProperties": False,
        }
        required = [key.name for key in shape.keys.values() if key.required]
        if required:
            made["required"] = required
        if shape.exactly_one:
            made["oneOf"] = [{"required": [name]} for name in shape.exactly_one]
        if shape.at_most_one:
            pairs = [{"required": list(pair)} for pair in combinations(shape.at_most_one, 2)]
            made["not"] = pairs[0] if len(pairs) == 1 else {"anyOf": pairs}
        if shape is BUDGET:
            asks: Schema = {"properties": {"on_over": {"const": "approve"}}, "required": ["on_over"]}
            names = {"required": ["approve"]}
            made["allOf"] = [{"if": asks, "then": names, "else": {"not": names}}]
        if shape is TRIGGER:
            made.update(self._parameters(self._catalogue.triggers.values(), "trigger"))
        return made

    def _named(self, shape: Shape) -> Schema:
        name = f"shape_{shape.name}"
        if name not in self._shapes:
            self._shapes[name] = {}
            self._shapes[name] = self.shape(shape)
        return {"$ref": f"#/$defs/{name}"}

    def _step(self) -> Schema:
        """Any step: one kind key, and the keys of that kind."""
        keys: dict[str, Key] = {}
        for shape in STEP_KINDS.values():
            for key in shape.keys.values():
                keys.setdefault(key.name, key)
        return {
            "type": "object",
            "description": "A step.",
            "properties": {name: {"description": key.description} for name, key in keys.items()},
            "additionalProperties": False,
            "oneOf": [{"required": [kind]} for kind in STEP_KINDS],
            "allOf": [
                {"if": {"required": [kind]}, "then": {"$ref": f"#/$defs/step_{kind}"}} for kind in STEP_KINDS
            ],
        }

    def _kind(self, shape: Shape) -> Schema:
        made = self.shape(shape)
        if shape.name == "uses":
            made.update(self._parameters(self._catalogue.actions.values(), "action"))
        if shape.name == "wait":
            is_callback = {"properties": {"wait": {"required": ["callback"]}}}
            made["allOf"] = [
                {
                    "if": is_callback,
                    "then": {"required": ["timeout", "on_timeout"]},
                    "else": {"not": {"required": ["on_timeout"]}},
                }
            ]
        return made

    def _parameters(self, components: Iterable[ComponentInfo], room: str) -> Schema:
        """For each component: when `uses` names it, these are the parameters."""
        made: list[Schema] = []
        for component in components:
            name = f"{room}_{component.name}"
            schema = widen(closed(component.input_schema), prefix=f"{name}.")
            if "anyOf" in schema and schema["anyOf"][-1] == EXPRESSION:
                # The parameters themselves are always written as an object.
                schema = {**{key: schema[key] for key in schema if key != "anyOf"}, **schema["anyOf"][0]}
            self._components.update(schema.pop("$defs", {}))
            _allow_null(schema)
            self._components[name] = {
                **schema,
                "title": component.title,
                "description": component.description,
            }
            then: Schema = {"properties": {"with": {"$ref": f"#/$defs/{name}"}}}
            if component.input_schema.get("required"):
                then["required"] = ["with"]
            if component.connection is None:
                then["not"] = {"required": ["connection"]}
            is_named: Schema = {"properties": {"uses": {"const": component.name}}, "required": ["uses"]}
            elsewhere = list(self._elsewhere(component))
            made += [
                {"if": {"allOf": [is_named, there]}, "then": {"properties": {"with": {"$ref": parameters}}}}
                for there, parameters in elsewhere
            ]
            is_here: Schema = {"not": {"anyOf": [there for there, _ in elsewhere]}} if elsewhere else {}
            made.append({"if": {**is_named, **is_here}, "then": then})
        return {"allOf": made} if made else {}

    def _elsewhere(self, component: ComponentInfo) -> Iterator[tuple[Schema, str]]:
        """The connections with which another action runs a step, and where its parameters are described."""
        for kind, other in getattr(component, "elsewhere", {}).items():
            names = sorted(name for name, type_ in self._catalogue.connections.items() if type_ == kind)
            if names and other.action in self._catalogue.actions:
                there: Schema = {"properties": {"connection": {"enum": names}}}
                if component.connection not in names:
                    there["required"] = ["connection"]
                yield there, f"#/$defs/action_{other.action}"

    def key(self, key: Key) -> Schema:
        """The schema of a key's value."""
        made = self._value(key)
        if "$ref" in made:
            made = {"allOf": [made]}
        described: Schema = {"description": key.description, **made}
        described["description"] = key.description
        if key.default is not None:
            described["default"] = key.default
        return described

    def _value(self, key: Key) -> Schema:
        match key.type:
            case "text" | "template":
                return {"type": "string"}
            case "slug" | "identifier":
                pattern = (SLUG if key.type == "slug" else IDENTIFIER).pattern
                return {"type": "string", "pattern": f"^{pattern}$"}
            case "reference":
                return self._reference(key)
            case "condition":
                return {"anyOf": [{"type": "boolean"}, dict(EXPRESSION)]}
            case "list":
                return {"anyOf": [{"type": "array"}, dict(EXPRESSION)]}
            case "parameters":
                return {"type": "object"}
            case "values":
                return {"type": "object", **_naming(key)}
            case "texts":
                return {"type": "array", "items": {"type": "string"}, "minItems": 1}
            case "duration":
                return {"type": "string", "examples": ["90s", "10m", "2h", "7d"]}
            case "durations":
                one: Schema = {"type": "string", "examples": ["4h"]}
                return {"anyOf": [one, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
            case "money":
                return {"type": "string", "examples": ["0.50 usd"]}
            case "integer" | "number":
                number: Schema = {"type": key.type, "minimum": key.minimum, "maximum": key.maximum}
                return {"anyOf": [number, dict(EXPRESSION)]} if key.template else number
            case "choice":
                return {"oneOf": _choices(key.choices)}
            case "choices":
                return {"type": "array", "items": {"oneOf": _choices(key.choices)}}
            case "schema":
                return {"type": "object"}
            case "steps":
                made: Schema = {"$ref": "#/$defs/steps"}
                is_filled = key.required and key.name != "then"
                return {"allOf": [made], "minItems": 1} if is_filled else made
            case "branches":
                branches: Schema = {"type": "object", "additionalProperties": {"$ref": "#/$defs/steps"}}
                return {**branches, "minProperties": 1, **_naming(key)}
            case "object" if key.shape is not None:
                named = self._named(key.shape)
                return {"anyOf": [{"type": "string"}, named]} if key.template else named
            case "objects" if key.shape is not None:
                return {"type": "array", "items": self._named(key.shape), "minItems": 1}
            case _:
                return {}

    def _reference(self, key: Key) -> Schema:
        if key.name == "uses":
            is_trigger = key is TRIGGER.keys["uses"]
            found = self._catalogue.triggers if is_trigger else self._catalogue.actions
            components: Iterable[ComponentInfo] = found.values()
            choices = tuple(Choice(info.name, info.title) for info in components)
            return {"oneOf": _choices(choices)} if choices else {"type": "string"}
        return {"type": "string", "minLength": 1}


def _naming(key: Key) -> Schema:
    return {"propertyNames": {"pattern": f"^{IDENTIFIER.pattern}$"}} if key.identifiers else {}


def _choices(choices: Sequence[Choice]) -> list[Schema]:
    return [{"const": choice.value, "description": choice.description} for choice in choices]


def _allow_null(schema: Schema) -> None:
    """Null for an optional parameter means that it is left out."""
    required = schema.get("required", ())
    properties = schema.get("properties", {})
    for name, member in properties.items():
        if name not in required and isinstance(member, Mapping) and not _takes_null(member):
            annotations = {key: member[key] for key in _ANNOTATIONS if key in member}
            rest = {key: value for key, value in member.items() if key not in annotations}
            forms = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
            properties[name] = {**annotations, "anyOf": [*forms, {"type": "null"}]}


def _takes_null(schema: Mapping[str, Any]) -> bool:
    return not any(key not in _ANNOTATIONS for key in schema)
