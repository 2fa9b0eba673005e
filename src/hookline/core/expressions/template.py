"""Expressions and text that holds them: ``{{ … }}``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hookline.core.expressions.access import fast_path
from hookline.core.expressions.compiler import Compiler, PurePath, Reference
from hookline.core.expressions.errors import DEFAULT_LIMITS, ExpressionError, Fault, Limits
from hookline.core.expressions.lexer import is_raw, string_end
from hookline.core.expressions.parser import parse
from hookline.core.expressions.rendering import Room, as_text, plain, too_deep
from hookline.core.expressions.values import MISSING, Frame, Run

__all__ = ["Expression", "Scope", "Template", "compile_expression", "compile_template"]

JsonValue = Any
Scope = Mapping[str, object]

_OPEN: Final = "{{"
_CLOSE: Final = "}}"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_INSIDE: Final = re.compile("[{}'\"`]")


class Expression:
    """A compiled expression. Immutable, and safe to share between threads."""

    __slots__ = ("_fast", "_limits", "_run", "_variables", "pure", "references", "source", "span")

    source: str
    references: tuple[Reference, ...]

    def __init__(
        self, source: str, span: tuple[int, int], compiler: Compiler, run: Run, limits: Limits
    ) -> None:
        self.source = source
        self.span = span
        self.references = tuple(compiler.references)
        self.pure: PurePath | None = compiler.pure
        self._fast = fast_path(compiler.pure.root, compiler.pure.keys) if compiler.pure else None
        self._run = run
        self._variables = compiler.variables
        self._limits = limits

    def evaluate(self, scope: Scope) -> object:
        """The value over ``scope``: JSON data, or a value of the language's own types.

        The value may share parts with the scope and must not be changed.

        Raises:
            ExpressionError: X2xx.
        """
        if self._fast is not None:
            value = self._fast(scope)
            if value is not MISSING:
                return value
        try:
            return self.run(Frame(scope, self._limits, self._variables))
        except Fault as fault:
            raise fault.public() from None

    def run(self, frame: Frame) -> object:
        """The value within the budget of ``frame``. Raises faults; for templates."""
        if len(frame.variables) < self._variables:
            frame.variables = [None] * self._variables
        try:
            return self._run(frame)
        except RecursionError:
            raise too_deep(frame.limits) from None

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


def compile_expression(source: str, *, limits: Limits = DEFAULT_LIMITS) -> Expression:
    """Compile an expression, written without braces.

    Raises:
        ExpressionError: X1xx, with offsets in ``source``.
    """
    return _compile(source, 0, len(source), limits)


def _compile(text: str, start: int, end: int, limits: Limits) -> Expression:
    try:
        tree = parse(text, start, end, limits)
        compiler = Compiler(text, limits)
        run = compiler.compile(tree)
    except RecursionError:
        raise ExpressionError("X108", "the expression is nested too deeply", start=start, end=end) from None
    return Expression(text[start:end].strip(), (start, end), compiler, run, limits)


class Template:
    """A compiled text with zero or more expressions. Immutable, and safe to share between threads."""

    __slots__ = ("_limits", "_parts", "_render", "is_constant", "is_single", "references", "text")

    is_constant: bool
    is_single: bool
    references: tuple[Reference, ...]

    def __init__(self, text: str, parts: tuple[str | Expression, ...], limits: Limits) -> None:
        self.text = text
        self._parts = parts
        self._limits = limits
        self.is_constant = all(isinstance(part, str) for part in parts)
        self.is_single = len(parts) == 1 and isinstance(parts[0], Expression)
        self.references = tuple(
            reference for part in parts if isinstance(part, Expression) for reference in part.references
        )
        self._render = self._renderer()

    @property
    def path(self) -> PurePath | None:
        """The path, when the text is one expression and that is nothing but a path."""
        only = self._parts[0] if self.is_single else None
        return only.pure if isinstance(only, Expression) else None

    def _renderer(self) -> Callable[[Scope], JsonValue]:
        if self.is_constant:
            constant = "".join(part for part in self._parts if isinstance(part, str))
            return lambda scope: constant
        only = self._parts[0]
        if self.is_single and isinstance(only, Expression) and only.pure is not None:
            return _path_renderer(only.pure, self._slow)
        return self._slow

    def render(self, scope: Scope) -> JsonValue:
        """The text, or the value of the one expression the text consists of, as fresh JSON data.

        Raises:
            ExpressionError: X2xx.
        """
        return self._render(scope)

    def _slow(self, scope: Scope) -> JsonValue:
        try:
            return self.render_within(Frame(scope, self._limits, 0), Room(self._limits))
        except Fault as fault:
            raise fault.public() from None

    def render_within(self, frame: Frame, room: Room) -> JsonValue:
        """The same within a shared budget. Raises faults; for ``ValueTemplate``."""
        parts = self._parts
        only = parts[0] if parts else ""
        if self.is_single and isinstance(only, Expression):
            return _converted(plain, only, frame, room)
        made: list[str] = []
        for part in parts:
            if isinstance(part, str):
                room.take(len(part))
                made.append(part)
            else:
                made.append(_converted(as_text, part, frame, room))
        return "".join(made)

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


def _converted(
    convert: Callable[[object, Room], Any], expression: Expression, frame: Frame, room: Room
) -> Any:
    value = expression.run(frame)
    try:
        return convert(value, room)
    except Fault as fault:
        if not fault.message.startswith(expression.source) and len(expression.source) <= 60:
            fault.message = f"{expression.source}: {fault.message}"
        raise fault.at(*expression.span) from None
    except RecursionError:
        raise too_deep(frame.limits) from None


def _path_renderer(pure: PurePath, slow: Callable[[Scope], JsonValue]) -> Callable[[Scope], JsonValue]:
    """The common case: a path to a scalar. Anything else takes the general way."""
    name, keys = pure.root, pure.keys
    small = 2**63
    short = 16 * 1024

    def render(scope: Scope) -> JsonValue:
        try:
            value = scope[name]
            for key in keys:
                kind = type(value)
                if kind is dict or kind is list:
                    value = value[key]  # type: ignore[index]
                else:
                    return slow(scope)
        except (KeyError, IndexError, TypeError):
            return slow(scope)
        if type(value) is str:
            if len(value) <= short and value.isascii() and "\0" not in value:
                return value
        elif value is None or value is True or value is False:
            return value
        elif type(value) is int:
            if -small <= value < small:
                return value
        elif type(value) is float and math.isfinite(value):
            return value
        return slow(scope)

    return render


def compile_template(text: str, *, limits: Limits = DEFAULT_LIMITS) -> Template:
    """Compile a text. ``{{ … }}`` holds an expression, ``{{{{`` is a literal ``{{``.

    Raises:
        ExpressionError: X1xx, with offsets in ``text``.
    """
    if "\0" in text or not (text.isascii() or _SURROGATE.search(text) is None):
        raise ExpressionError(
            "X114", "the text holds a NUL character or half of a surrogate pair", end=len(text)
        )
    position = text.find(_OPEN)
    if position < 0:
        return Template(text, (text,), limits)
    if len(text) > limits.max_template:
        raise ExpressionError(
            "X107",
            f"the text has {len(text)} characters; with expressions in it the limit is {limits.max_template}",
            end=len(text),
        )
    parts: list[str | Expression] = []
    literal: list[str] = []
    done = 0
    count = 0
    while position >= 0:
        literal.append(text[done:position])
        if text.startswith(_OPEN, position + 2):
            literal.append(_OPEN)
            done = position + 4
        else:
            count += 1
            if count > limits.max_expressions:
                raise ExpressionError(
                    "X113",
                    f"the text holds more than {limits.max_expressions} expressions",
                    start=position,
                    end=position + 2,
                )
            if joined := "".join(literal):
                parts.append(joined)
            literal = []
            end = _expression_end(text, position, limits)
            parts.append(_compile(text, position + 2, end, limits))
            done = end + 2
        position = text.find(_OPEN, done)
    literal.append(text[done:])
    if joined := "".join(literal):
        parts.append(joined)
    return Template(text, tuple(parts), limits)


def _expression_end(text: str, opening: int, limits: Limits) -> int:
    """The offset of the ``}}`` that closes the expression; braces of maps and quoted text do not count."""
    depth = 0
    position = opening + 2
    while (match := _INSIDE.search(text, position)) is not None:
        at = match.start()
        if at - opening > limits.max_source + 2:
            raise ExpressionError(
                "X107",
                f"the expression has more than {limits.max_source} characters",
                hint="is a }} missing?",
                start=opening,
                end=at,
            )
        char = match.group()
        position = at + 1
        if char == "{":
            depth += 1
        elif char == "}":
            if depth:
                depth -= 1
            elif text.startswith(_CLOSE, at):
                return at
        elif char == "`":
            closing = text.find("`", position)
            position = closing + 1 if closing >= 0 else position
        else:
            position = string_end(text, at, len(text), is_raw(text, at))
    raise ExpressionError(
        "X103",
        "the braces {{ are not closed",
        hint="add }}, or write {{{{ for two literal braces",
        start=opening,
        end=opening + 2,
    )
