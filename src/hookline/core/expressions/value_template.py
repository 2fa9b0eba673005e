"""A JSON value whose strings hold expressions, such as the ``with`` of a step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hookline.core.expressions.compiler import Reference
from hookline.core.expressions.errors import DEFAULT_LIMITS, ExpressionError, Fault, Limits
from hookline.core.expressions.rendering import Room
from hookline.core.expressions.template import Scope, Template, compile_template
from hookline.core.expressions.values import Frame

__all__ = ["ValueTemplate", "compile_value"]

JsonValue = Any


@dataclass(frozen=True, slots=True)
class _Text:
    pointer: str
    template: Template

    def render(self, frame: Frame, room: Room) -> JsonValue:
        try:
            return self.template.render_within(frame, room)
        except Fault as fault:
            raise fault.public().at_pointer(self.pointer) from None


@dataclass(frozen=True, slots=True)
class _Constant:
    value: JsonValue

    def render(self, frame: Frame, room: Room) -> JsonValue:
        return self.value


@dataclass(frozen=True, slots=True)
class _Array:
    items: tuple[_Part, ...]

    def render(self, frame: Frame, room: Room) -> JsonValue:
        return [item.render(frame, room) for item in self.items]


@dataclass(frozen=True, slots=True)
class _Object:
    entries: tuple[tuple[str, _Part], ...]

    def render(self, frame: Frame, room: Room) -> JsonValue:
        return {key: part.render(frame, room) for key, part in self.entries}


_Part = _Text | _Constant | _Array | _Object


class ValueTemplate:
    """A compiled JSON value. Immutable, and safe to share between threads."""

    __slots__ = ("_limits", "_part", "is_constant", "parts", "references")

    is_constant: bool
    parts: tuple[tuple[str, Template], ...]
    references: tuple[Reference, ...]

    def __init__(self, part: _Part, limits: Limits) -> None:
        self._part = part
        self._limits = limits
        self.parts = tuple(_templates(part))
        self.is_constant = not self.parts
        self.references = tuple(reference for _, template in self.parts for reference in template.references)

    def render(self, scope: Scope) -> JsonValue:
        """The value with every expression evaluated, as fresh JSON data, within one budget.

        Raises:
            ExpressionError: X2xx, with the pointer of the string concerned.
        """
        part = self._part
        if isinstance(part, _Text):
            return part.template.render(scope)
        return part.render(Frame(scope, self._limits, 0), Room(self._limits))


def _templates(part: _Part) -> Iterator[tuple[str, Template]]:
    if isinstance(part, _Text):
        yield part.pointer, part.template
    elif isinstance(part, _Array):
        for item in part.items:
            yield from _templates(item)
    elif isinstance(part, _Object):
        for _, item in part.entries:
            yield from _templates(item)


def compile_value(value: JsonValue, *, limits: Limits = DEFAULT_LIMITS) -> ValueTemplate:
    """Compile every string inside a JSON value; keys are not templates.

    Raises:
        ExpressionError: X1xx, with the pointer of the string concerned.
    """
    return ValueTemplate(_compile(value, "", 0, limits), limits)


def _compile(value: JsonValue, pointer: str, depth: int, limits: Limits) -> _Part:
    kind = type(value)
    if kind is str:
        try:
            template = compile_template(value, limits=limits)
        except ExpressionError as error:
            raise error.at_pointer(pointer) from None
        # A text without expressions may still hold an escaped {{{{.
        return _Constant(template.render({})) if template.is_constant else _Text(pointer, template)
    if value is None or kind is bool or kind is int or (kind is float and math.isfinite(value)):
        return _Constant(value)
    if depth >= limits.max_data_depth:
        raise ExpressionError(
            "X114", f"the value is nested more than {limits.max_data_depth} levels deep", pointer=pointer
        )
    if kind is list:
        return _Array(
            tuple(_compile(item, f"{pointer}/{i}", depth + 1, limits) for i, item in enumerate(value))
        )
    if kind is dict:
        entries: list[tuple[str, _Part]] = []
        for key, item in value.items():
            if type(key) is not str:
                raise ExpressionError("X114", "an object has a key that is no text", pointer=pointer)
            escaped = key.replace("~", "~0").replace("/", "~1")
            entries.append((key, _compile(item, f"{pointer}/{escaped}", depth + 1, limits)))
        return _Object(tuple(entries))
    raise ExpressionError("X114", "the value is not JSON", pointer=pointer)
