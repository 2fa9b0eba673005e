"""Hookline's expression language: a metered subset of CEL, in pure Python.

``{{ steps.art.files[0].url }}`` is lexed, parsed and compiled once, to closures. There is no eval, no
attribute access, no IO, no clock and no randomness; the work of an evaluation, the size of its
result and every nesting are limited, and the only exception is ``ExpressionError``.
"""

from __future__ import annotations

from hookline.core.expressions.codes import EXPRESSION_CODES
from hookline.core.expressions.compiler import Reference
from hookline.core.expressions.errors import DEFAULT_LIMITS, ExpressionError, Limits
from hookline.core.expressions.functions import TYPES
from hookline.core.expressions.parser import RESERVED_WORDS
from hookline.core.expressions.rendering import to_json
from hookline.core.expressions.template import Expression, Template, compile_expression, compile_template
from hookline.core.expressions.value_template import ValueTemplate, compile_value
from hookline.core.expressions.values import MISSING, Lookup

__all__ = [
    "DEFAULT_LIMITS",
    "EXPRESSION_CODES",
    "MISSING",
    "RESERVED_NAMES",
    "Expression",
    "ExpressionError",
    "Limits",
    "Lookup",
    "Reference",
    "Template",
    "ValueTemplate",
    "compile_expression",
    "compile_template",
    "compile_value",
    "to_json",
]

RESERVED_NAMES = RESERVED_WORDS | TYPES
"""Names that a scope cannot use for a root: reserved words and the names of types."""
