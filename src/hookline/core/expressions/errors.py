"""Limits, the public error, and the fault that carries an error through an evaluation."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

__all__ = ["DEFAULT_LIMITS", "ExpressionError", "Fault", "Limits", "did_you_mean", "shorten"]

_CANDIDATES: Final = 200
_CANDIDATE_CHARS: Final = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """What one expression, template or value may cost. All counts are deterministic.

    Attributes:
        max_source: Characters in one expression.
        max_depth: Nesting of brackets, calls and literals, and height of the compiled tree.
        max_steps: Work of one evaluation (of one whole template or value when rendering): nodes
            in every loop iteration, elements visited or made, characters of text made.
        max_output_bytes: UTF-8 bytes of text, plus about one to eight bytes for every other
            value, in one rendered template or value.
        max_data_depth: Nesting of a value that is compared, converted or rendered.
        max_template: Characters in a text that holds expressions.
        max_expressions: Expressions in one text.
    """

    max_source: int = 4096
    max_depth: int = 64
    max_steps: int = 1_000_000
    max_output_bytes: int = 256 * 1024
    max_data_depth: int = 100
    max_template: int = 256 * 1024
    max_expressions: int = 256


DEFAULT_LIMITS: Final = Limits()


class ExpressionError(Exception):
    """An expression could not be compiled or evaluated. The only exception the language raises.

    Attributes:
        code: Stable code, one of ``EXPRESSION_CODES``.
        message: What is wrong, in one line, naming the path concerned.
        hint: What to do, or ``""``.
        start: First character concerned, counted in the source (for templates: in the whole text).
        end: The character after the last one concerned.
        pointer: JSON Pointer of the string concerned, relative to the value given to
            ``compile_value``; ``""`` elsewhere.
    """

    def __init__(
        self, code: str, message: str, *, hint: str = "", start: int = 0, end: int = 0, pointer: str = ""
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.hint = hint
        self.start = start
        self.end = end
        self.pointer = pointer

    def __str__(self) -> str:
        return f"{self.code} {self.message}"

    def at_pointer(self, pointer: str) -> ExpressionError:
        """The same error, placed at a string inside a JSON value."""
        return ExpressionError(
            self.code, self.message, hint=self.hint, start=self.start, end=self.end, pointer=pointer
        )


class Fault(Exception):
    """An error on its way out of an evaluation.

    ``||``, ``&&``, ``all`` and ``exists`` may absorb thousands of faults, so making one is cheap:
    the search for a similar name happens once, in ``public``.
    """

    __slots__ = ("code", "end", "fatal", "hint", "message", "name", "names", "start")

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        start: int = -1,
        end: int = -1,
        name: str = "",
        names: Iterable[object] = (),
        fatal: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.hint = hint
        self.start = start
        self.end = end
        self.name = name
        self.names = names
        self.fatal = fatal

    def at(self, start: int, end: int) -> Fault:
        """This fault, placed unless an inner node has placed it already."""
        if self.start < 0:
            self.start = start
            self.end = end
        return self

    def public(self) -> ExpressionError:
        """The error to show."""
        hint = did_you_mean(self.name, self.names) or self.hint
        return ExpressionError(
            self.code, self.message, hint=hint, start=max(self.start, 0), end=max(self.end, 0)
        )


def did_you_mean(name: str, names: Iterable[object]) -> str:
    """A hint that names the most similar of ``names``, or ``""``."""
    close = most_similar(name, names)
    return f'did you mean "{close}"?' if close else ""


def most_similar(name: str, names: Iterable[object]) -> str:
    """The most similar of ``names``, or ``""``."""
    if not name or len(name) > _CANDIDATE_CHARS:
        return ""
    candidates = [
        other for other in islice(names, _CANDIDATES) if type(other) is str and len(other) <= _CANDIDATE_CHARS
    ]
    close = difflib.get_close_matches(name, candidates, n=1)
    return close[0] if close else ""


def shorten(text: str, limit: int = 60) -> str:
    """Text for a message: one line, at most ``limit`` characters."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
