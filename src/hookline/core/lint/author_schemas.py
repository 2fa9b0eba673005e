"""JSON Schemas that authors write: a subset that cannot be turned against the validator.

Remote references would be fetched, patterns and references can take exponential time, and deep
schemas exhaust the stack; so ``inputs``, ``form`` and ``schema`` take only what forms and checks need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry

from hookline.core.lint.report import Path, show

__all__ = ["MAX_DEPTH", "MAX_NODES", "SchemaProblem", "schema_problems"]

MAX_DEPTH = 16
"""Nesting of schemas, references followed."""

MAX_NODES = 2000
"""Schemas in all, references followed."""

_MAX_UNIQUE_ITEMS = 1000

_ONE = frozenset({"additionalProperties", "items", "not", "if", "then", "else", "contains", "propertyNames"})
_LIST = frozenset({"allOf", "anyOf", "oneOf"})
_NAMED = frozenset({"properties", "$defs"})
_PLAIN = frozenset(
    {
        "$comment",
        "$schema",
        "const",
        "default",
        "dependentRequired",
        "deprecated",
        "description",
        "enum",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maximum",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minimum",
        "minItems",
        "minLength",
        "minProperties",
        "multipleOf",
        "readOnly",
        "required",
        "title",
        "type",
        "uniqueItems",
        "writeOnly",
    }
)
_REFERENCE = re.compile(r"#/\$defs/([A-Za-z0-9_.-]{1,64})", re.ASCII)
_WHY = {
    "pattern": "a pattern can take exponential time; use enum, format or a condition in a step",
    "patternProperties": "a pattern can take exponential time; list the properties",
    "$dynamicRef": "use $ref to #/$defs/…",
    "$id": "remove it; references stay inside the schema",
    "$anchor": "use $ref to #/$defs/…",
}
_META: Any = Draft202012Validator(Draft202012Validator.META_SCHEMA, registry=Registry())


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """What is wrong with an author's schema.

    Attributes:
        path: Where, relative to the schema.
        message: What is wrong.
        hint: What to do; may be empty.
    """

    path: Path
    message: str
    hint: str = ""


def schema_problems(schema: Any) -> list[SchemaProblem]:
    """Why a schema is not acceptable; empty when it is safe to validate with it.

    The time is linear in the size of the schema.
    """
    if isinstance(schema, bool):
        return []
    if not isinstance(schema, dict):
        return [SchemaProblem((), "a JSON Schema is an object")]
    walk = _Walk(schema)
    walk.visit_all()
    if not walk.problems:
        walk.expand()
    if not walk.problems:
        error = best_match(_META.iter_errors(schema))
        if error is not None:
            path = tuple(error.absolute_path)
            walk.problems.append(SchemaProblem(path, f"not a JSON Schema: {error.message[:120]}"))
    return walk.problems


def _children(schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The schemas directly inside a schema, where they are well formed."""
    for key, value in schema.items():
        if key in _ONE:
            yield (key,), value
        elif key in _LIST and isinstance(value, list):
            for index, item in enumerate(value):
                yield (key, index), item
        elif key in _NAMED and isinstance(value, dict):
            for name, item in value.items():
                yield (key, name), item


@dataclass(slots=True)
class _Walk:
    root: dict[str, Any]
    problems: list[SchemaProblem] = field(default_factory=list)
    # Size and depth of each definition, references followed, and those that are being measured.
    measured: dict[str, tuple[int, int]] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def visit_all(self) -> None:
        """Look at every schema once, without following references."""
        waiting: list[tuple[Path, Any, int]] = [((), self.root, 1)]
        nodes = 0
        while waiting and len(self.problems) < 20:
            path, schema, depth = waiting.pop()
            nodes += 1
            if nodes > MAX_NODES:
                self.problems.append(SchemaProblem((), f"the schema holds more than {MAX_NODES} schemas"))
                return
            if depth > MAX_DEPTH:
                self.problems.append(SchemaProblem(path, f"nested more than {MAX_DEPTH} schemas deep"))
                return
            if isinstance(schema, dict):
                self.visit(path, schema)
                waiting.extend((path + below, child, depth + 1) for below, child in _children(schema))
            elif not isinstance(schema, bool):
                self.problems.append(SchemaProblem(path, f"{show(schema)} is not a JSON Schema"))

    def visit(self, path: Path, schema: dict[str, Any]) -> None:
        for key, value in schema.items():
            if key == "$ref":
                self.visit_reference(path, value)
            elif (key in _NAMED and not isinstance(value, dict)) or (
                key in _LIST and not isinstance(value, list)
            ):
                wanted = "an object" if key in _NAMED else "a list"
                self.problems.append(SchemaProblem((*path, key), f"`{key}` is {wanted} of JSON Schemas"))
            elif key == "$defs" and path:
                self.problems.append(SchemaProblem((*path, key), "$defs belongs to the top of the schema"))
            elif not (key in _ONE or key in _LIST or key in _NAMED or key in _PLAIN or key.startswith("x-")):
                hint = _WHY.get(key, "see the list of accepted keywords in the reference")
                self.problems.append(
                    SchemaProblem((*path, key), f"the keyword {show(key)} is not accepted", hint)
                )
        limit = schema.get("maxItems")
        is_bounded = isinstance(limit, int) and limit <= _MAX_UNIQUE_ITEMS
        if schema.get("uniqueItems") is True and not is_bounded:
            self.problems.append(
                SchemaProblem(
                    (*path, "uniqueItems"),
                    "uniqueItems without maxItems can take very long",
                    f"add maxItems of at most {_MAX_UNIQUE_ITEMS}",
                )
            )

    def visit_reference(self, path: Path, target: Any) -> None:
        match = _REFERENCE.fullmatch(target) if isinstance(target, str) else None
        if match is None:
            message = f"the reference {show(target)} leaves the schema"
            self.problems.append(SchemaProblem((*path, "$ref"), message, "use #/$defs/<name>"))
        elif not isinstance(self.root.get("$defs"), dict) or match[1] not in self.root["$defs"]:
            self.problems.append(SchemaProblem((*path, "$ref"), f"there is no {target}"))

    def expand(self) -> None:
        """Refuse references in a circle, and those that multiply."""
        nodes, depth = self.measure({key: value for key, value in self.root.items() if key != "$defs"}, 1)
        for name in self.root.get("$defs", {}):
            count, height = self.measure_definition(name, 1)
            nodes, depth = max(nodes, count), max(depth, height)
        if self.problems:
            return
        if nodes > MAX_NODES:
            message = f"with its references followed the schema holds more than {MAX_NODES} schemas"
            self.problems.append(SchemaProblem((), message))
        elif depth > MAX_DEPTH:
            message = f"with its references followed the schema is nested more than {MAX_DEPTH} schemas deep"
            self.problems.append(SchemaProblem((), message))

    def measure(self, schema: Any, level: int) -> tuple[int, int]:
        """Number and depth of the schemas in a schema, references followed."""
        if not isinstance(schema, dict) or self.problems:
            return 1, 1
        if level > 2 * MAX_DEPTH:
            # Deeper than any depth that is accepted; going on would exhaust the stack.
            return 1, level
        nodes = depth = 0
        reference = schema.get("$ref")
        parts = [self.measure(child, level + 1) for _, child in _children(schema)]
        if isinstance(reference, str):
            parts.append(self.measure_definition(reference.rsplit("/", 1)[1], level + 1))
        for count, height in parts:
            nodes, depth = nodes + count, max(depth, height)
        return nodes + 1, depth + 1

    def measure_definition(self, name: str, level: int) -> tuple[int, int]:
        if name in self.open:
            self.problems.append(SchemaProblem(("$defs", name), f"#/$defs/{name} refers to itself"))
            return 1, 1
        if name not in self.measured:
            self.open.add(name)
            self.measured[name] = self.measure(self.root["$defs"][name], level)
            self.open.discard(name)
        return self.measured[name]
