"""Generated expressions have the same result here as in Google's own implementation of CEL.

Known differences of the oracle are kept out of the generator: text is cut at NUL, long chains are
refused, doubles and fractions of seconds are written with other digits.
"""

from __future__ import annotations

import math
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hookline.core.expressions import ExpressionError, compile_expression
from hookline.core.expressions.values import UInt, type_name

from .generator import CONTEXTS, expressions

cel = pytest.importorskip("cel_expr_python.cel", reason="cel-expr-python has no wheel for this platform")
ext_optional = pytest.importorskip("cel_expr_python.ext.ext_optional")
ext_strings = pytest.importorskip("cel_expr_python.ext.ext_strings")
ext_math = pytest.importorskip("cel_expr_python.ext.ext_math")

EXAMPLES = int(os.environ.get("HOOKLINE_ORACLE_EXAMPLES", "200"))
# A fixed sequence: a difference found by chance belongs into a run that looks for it.
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="HOOKLINE_ORACLE_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
ENV = cel.NewEnv(
    variables={"c": cel.Type.DYN},
    extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings(), ext_math.ExtMath()],
)
NAMES = {
    "INT": "int",
    "UINT": "uint",
    "DOUBLE": "double",
    "STRING": "string",
    "BOOL": "bool",
    "NULL": "null_type",
}
ERROR = "an error"


def theirs(source: str, context: dict[str, Any]) -> object:
    try:
        compiled = ENV.compile(source)
    except RuntimeError:
        # Refused by its type checker or its limits: nothing to compare.
        assume(False)
    value = compiled.eval(data={"c": context})
    name = value.type().name()
    if name == "ERROR":
        return ERROR
    return NAMES.get(name, "list"), value.plain_value()


def ours(source: str, context: dict[str, Any]) -> object:
    compiled = compile_expression(source)
    try:
        value = compiled.evaluate({"c": context})
    except ExpressionError:
        return ERROR
    return type_name(value), plain(value)


def plain(value: object) -> object:
    if isinstance(value, UInt):
        return int(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def same(left: object, right: object) -> bool:
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return type(left) is type(right) and left == right


@SETTINGS
@given(
    source=st.sampled_from(["int", "uint", "double", "string", "bool", "list", "dyn"]).flatmap(expressions),
    context=CONTEXTS,
)
def test_same_result_or_both_an_error(source: str, context: dict[str, Any]) -> None:
    expected = theirs(source, context)
    found = ours(source, context)
    assert same(found, expected), f"{source}\n  here:   {found!r}\n  oracle: {expected!r}"
