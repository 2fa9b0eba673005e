"""Whatever the text and whatever the data: a result, or an ExpressionError, and always the same one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.core.expressions import (
    EXPRESSION_CODES,
    ExpressionError,
    Limits,
    compile_expression,
    compile_template,
    compile_value,
    to_json,
)
from hookline.core.expressions.functions import FUNCTIONS, METHODS
from hookline.core.expressions.parser import MACROS

from .generator import CONTEXTS, expressions

CODES = {code.code for code in EXPRESSION_CODES}
SMALL = Limits(max_steps=20_000, max_output_bytes=20_000)
FIXED = settings(deadline=None, derandomize=True, database=None)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
# What json.loads accepts beside JSON itself: half surrogates, NUL, infinite numbers, huge ints.
DIRTY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**63, -(2**63) - 1])
    | st.floats()
    | st.text(st.characters(), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=10,
)
PIECES = st.sampled_from(
    [
        *"()[]{}?:.,+-*/%!<>=&|'\"`\\ \n",
        *(
            "&&",
            "||",
            "==",
            "!=",
            "<=",
            ">=",
            " in ",
            "{{",
            "}}",
            "{{{{",
            "'''",
            '"""',
            "r'",
            "b'",
            'br"',
            "\\u",
        ),
        *("a", "b", "c", "x", "true", "false", "null", "if", "int", "list", "optional", "math", "google"),
        *(
            "0",
            "1",
            "2u",
            "0x",
            "1.5",
            "1e",
            ".5",
            "9223372036854775808",
            "1e308",
            "a.b",
            "a.?b",
            "a[?0]",
            "has(a.b)",
        ),
        *(f"{name}(" for name in FUNCTIONS),
        *(f".{name}(" for name in METHODS),
        *(f".{name}(x, " for name in MACROS),
        *(
            "'a'",
            "'%s %d %.3f'",
            "'2026-01-01T00:00:00Z'",
            "'1h'",
            "'Europe/Berlin'",
            "'Europe'",
            "'../etc/passwd'",
        ),
        *("é", "\x00", "\ud800", "☃"),
    ]
)
SOURCES = st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(st.characters(), max_size=40))
SCOPES = st.fixed_dictionaries({"a": DIRTY, "b": DIRTY, "c": DIRTY})


def outcome(action: Callable[[], object]) -> tuple[str, object]:
    """The result, or the error with its place; any other exception fails the test."""
    try:
        return "value", repr(action())
    except ExpressionError as caught:
        error = caught
    assert error.code in CODES
    assert 0 <= error.start <= error.end
    return "error", (str(error), error.hint, error.start, error.end, error.pointer)


def failure(action: Callable[[], object]) -> str:
    """The code of the error, or an empty text."""
    try:
        action()
    except ExpressionError as error:
        return error.code
    return ""


@settings(FIXED, max_examples=1500)
@given(SOURCES, SCOPES)
def test_any_text_over_any_data(source: str, scope: dict[str, Any]) -> None:
    def evaluate() -> object:
        return to_json(compile_expression(source, limits=SMALL).evaluate(scope))

    assert outcome(evaluate) == outcome(evaluate)


@settings(FIXED, max_examples=700)
@given(SOURCES, SCOPES)
def test_any_template_over_any_data(text: str, scope: dict[str, Any]) -> None:
    def render() -> object:
        result = compile_template(text, limits=SMALL).render(scope)
        json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
        return result

    assert outcome(render) == outcome(render)


@settings(FIXED, max_examples=150)
@given(
    st.sampled_from(["int", "uint", "double", "string", "bool", "list", "dyn", "time"]).flatmap(expressions),
    DIRTY,
)
def test_well_formed_expressions_over_any_data(source: str, data: Any) -> None:
    expression = compile_expression(source, limits=SMALL)
    assert failure(lambda: expression.evaluate({"c": data})) in {"", *CODES}


@settings(FIXED, max_examples=100)
@given(st.sampled_from(["int", "string", "bool", "list", "dyn"]).flatmap(expressions), CONTEXTS)
def test_evaluation_does_not_change_the_scope(source: str, context: dict[str, Any]) -> None:
    before = json.dumps(context)
    outcome(lambda: compile_template("{{ " + source + " }}", limits=SMALL).render({"c": context}))
    assert json.dumps(context) == before


def escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("{{", "{{{{")
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return {key: escaped(item) for key, item in value.items()} if isinstance(value, dict) else value


@settings(FIXED, max_examples=300)
@given(JSON)
def test_rendering_a_constant_is_identity(value: Any) -> None:
    compiled = compile_value(escaped(value))
    assert compiled.is_constant
    assert compiled.render({}) == value


@settings(FIXED, max_examples=300)
@given(JSON)
def test_a_path_gives_the_data_as_it_is(value: Any) -> None:
    assert to_json(value) == value
    assert compile_template("{{ a.b[0] }}").render({"a": {"b": [value]}}) == value
    assert compile_expression("a.b[0]").evaluate({"a": {"b": [value]}}) is value
    assert json.loads(compile_template("{{ json(a) }}").render({"a": value})) == value


@settings(FIXED, max_examples=300)
@given(JSON)
def test_json_literals_are_expressions(value: Any) -> None:
    source = json.dumps(value, ensure_ascii=False)
    assert compile_template("{{ " + source + " }}").render({}) == value
