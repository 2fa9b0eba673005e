"""The published conformance cases of CEL: every one passes or is listed with its reason."""

from __future__ import annotations

import base64
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from hookline.core.expressions import ExpressionError, compile_expression
from hookline.core.expressions.values import Duration, Maybe, Timestamp, TypedMap, TypeValue, UInt

from .conformance_outside import OUTSIDE

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(os.environ.get("HOOKLINE_SHARED_DATA", ROOT.parent / "shared" / "data"))
FILE = FOLDER / "cel-conformance.jsonl"

pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason="cel-conformance.jsonl is not here; name its folder in HOOKLINE_SHARED_DATA"
)


def cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.is_file() else []


def decode(typed: dict[str, Any]) -> object:
    """A typed value of the file as a value of the language."""
    ((kind, value),) = typed.items()
    match kind:
        case "list":
            return [decode(item) for item in value]
        case "map":
            pairs = [(decode(key), decode(item)) for key, item in value]
            return dict(pairs) if all(type(key) is str for key, _ in pairs) else TypedMap(pairs)
        case "uint":
            return UInt(value)
        case "double":
            return float(value)
        case "bytes":
            return base64.b64decode(value)
        case "timestamp":
            return Timestamp(value[0] * 10**9 + value[1])
        case "duration":
            return Duration(value[0] * 10**9 + value[1])
        case "type":
            return TypeValue(value)
        case _:
            return value


def same(left: object, right: object) -> bool:
    """Identity of type and value, stricter than the language's own equality."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and isinstance(right, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or (left == right and math.copysign(1, left) == math.copysign(1, right))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, TypedMap) and isinstance(right, TypedMap):
        return left.entries.keys() == right.entries.keys() and all(
            same(left.entries[key][1], right.entries[key][1]) for key in left.entries
        )
    if isinstance(left, Maybe) and isinstance(right, Maybe):
        return same(left.value, right.value)
    return left == right


def outcome(case: dict[str, Any]) -> str:
    """``""`` when the case passes, else what came instead."""
    scope = {name: decode(value) for name, value in case.get("bindings", {}).items()}
    try:
        result = compile_expression(case["expr"]).evaluate(scope)
    except ExpressionError as error:
        return "" if "error" in case else f"error: {error}"
    if "error" in case:
        return f"no error: {result!r}"
    return "" if same(result, decode(case["value"])) else f"got {result!r}"


def reason_outside(name: str) -> str | None:
    for listed, reason in OUTSIDE.items():
        if name == listed or (listed.endswith("/") and name.startswith(listed)):
            return reason
    return None


def test_every_case_passes_or_is_listed(record_property: pytest.RecordProperty) -> None:
    wrong: list[str] = []
    passed = outside = 0
    seen: set[str] = set()
    for case in cases():
        name = case["name"]
        problem = outcome(case)
        reason = reason_outside(name)
        seen.add(name)
        if reason is not None:
            outside += 1
            if not problem:
                wrong.append(f"{name}: listed as outside ({reason}), but passes")
        elif problem:
            wrong.append(f"{name}: {case['expr']!r} {problem}")
        else:
            passed += 1
    print(f"CEL conformance: {passed} of {len(cases())} cases pass, {outside} are outside the subset")
    record_property("conformance_passed", passed)
    record_property("conformance_outside", outside)
    assert not wrong, "\n".join(wrong)
    assert passed >= 835


def test_every_line_of_the_table_names_a_case() -> None:
    names = [case["name"] for case in cases()]
    unused = [
        listed
        for listed in OUTSIDE
        if not any(name == listed or (listed.endswith("/") and name.startswith(listed)) for name in names)
    ]
    assert not unused
