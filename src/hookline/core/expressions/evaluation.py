"""What the closures of compiled nodes do: calls, operators, logic, conditions and literals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from hookline.core.expressions.errors import Fault
from hookline.core.expressions.operators import ARITHMETIC, ORDER, contains, equal, negate
from hookline.core.expressions.values import NONE, Frame, Maybe, Run, TypedMap, no_overload

__all__ = [
    "OPERATIONS",
    "binary",
    "call",
    "chain",
    "conditional",
    "logic",
    "map_literal",
    "minus",
    "negation",
    "optional_list",
    "or_else",
    "placed",
]

# Making and absorbing a fault costs about as much as this many nodes.
_FAULT_STEPS: Final = 20


def placed(run: Run, start: int, end: int) -> Run:
    def run_placed(frame: Frame) -> object:
        try:
            return run(frame)
        except Fault as fault:
            raise fault.at(start, end) from None

    return run_placed


def call(function: Callable[..., object], args: tuple[Run, ...], start: int, end: int) -> Run:
    if len(args) == 1:
        only = args[0]

        def run_one(frame: Frame) -> object:
            value = only(frame)
            try:
                return function(frame, value)
            except Fault as fault:
                raise fault.at(start, end) from None

        return run_one

    def run(frame: Frame) -> object:
        values = [arg(frame) for arg in args]
        try:
            return function(frame, *values)
        except Fault as fault:
            raise fault.at(start, end) from None

    return run


def or_else(name: str, target: Run, other: Run, start: int, end: int) -> Run:
    unwrap = name == "orValue"

    def run(frame: Frame) -> object:
        value = target(frame)
        if not isinstance(value, Maybe):
            hint = (
                f"optional values come from a.?b: put the question mark before the last name, then .{name}()"
            )
            raise no_overload(f"{name}()", value, hint=hint).at(start, end)
        if value is not NONE:
            return value.value if unwrap else value
        alternative = other(frame)
        if not unwrap and not isinstance(alternative, Maybe):
            raise no_overload("or()", alternative, hint="its argument must be optional; use orValue()").at(
                start, end
            )
        return alternative

    return run


def _unwrapped(value: object) -> Maybe:
    if isinstance(value, Maybe):
        return value
    raise no_overload("? in a literal", value, hint="the value behind ? must be optional, such as a.?b")


def optional_list(items: tuple[tuple[Run, bool], ...]) -> Run:
    def run(frame: Frame) -> object:
        made: list[object] = []
        for item, optional in items:
            value = item(frame)
            if not optional:
                made.append(value)
            elif (maybe := _unwrapped(value)) is not NONE:
                made.append(maybe.value)
        return made

    return run


def map_literal(entries: tuple[tuple[Run, Run, bool], ...]) -> Run:
    def run(frame: Frame) -> object:
        pairs: list[tuple[object, object]] = []
        for key_run, value_run, optional in entries:
            key, value = key_run(frame), value_run(frame)
            if optional:
                maybe = _unwrapped(value)
                if maybe is NONE:
                    continue
                value = maybe.value
            if type(key) is float:
                raise Fault("X214", "a value of type double cannot be a map key")
            pairs.append((key, value))
        if all(type(key) is str for key, _ in pairs):
            made = dict(cast("list[tuple[str, object]]", pairs))
            if len(made) < len(pairs):
                raise Fault("X214", "the map literal repeats a key")
            return made
        typed = TypedMap(pairs)
        if len(typed.entries) < len(pairs):
            raise Fault("X214", "the map literal repeats a key")
        return typed

    return run


def _not_equal(frame: Frame, left: object, right: object) -> object:
    return not equal(frame, left, right)


OPERATIONS: Final = {**ARITHMETIC, **ORDER, "==": equal, "!=": _not_equal, "in": contains}


def binary(operator: str, left: Run, right: Run, start: int, end: int) -> Run:
    operation = OPERATIONS[operator]

    def run(frame: Frame) -> object:
        first = left(frame)
        second = right(frame)
        try:
            return operation(frame, first, second)
        except Fault as fault:
            raise fault.at(start, end) from None

    return run


def chain(
    first: Run, links: tuple[tuple[Callable[[Frame, object, object], object], Run, int], ...], start: int
) -> Run:
    def run(frame: Frame) -> object:
        value = first(frame)
        for operation, operand, end in links:
            other = operand(frame)
            try:
                value = operation(frame, value, other)
            except Fault as fault:
                raise fault.at(start, end) from None
        return value

    return run


def logic(operator: str, operands: tuple[tuple[Run, int, int], ...], decisive: bool) -> Run:
    """``&&`` and ``||`` commute: the answer that decides outweighs a fault on either side of it."""

    def run(frame: Frame) -> object:
        first_fault: Fault | None = None
        for operand, start, end in operands:
            try:
                answer = operand(frame)
                if answer is decisive:
                    return decisive
                if type(answer) is not bool:
                    hint = "both sides are true or false: compare, e.g. x != ''"
                    raise no_overload(operator, answer, hint=hint).at(start, end)
            except Fault as fault:
                if fault.fatal:
                    raise
                frame.charge(_FAULT_STEPS)
                first_fault = first_fault or fault
        if first_fault is not None:
            raise first_fault
        return not decisive

    return run


def conditional(branches: tuple[tuple[Run, Run, int, int], ...], otherwise: Run) -> Run:
    """``a ? b : c ? d : e``."""

    def run(frame: Frame) -> object:
        for condition, value, start, end in branches:
            answer = condition(frame)
            if answer is True:
                return value(frame)
            if answer is not False:
                hint = "a condition is true or false: compare, e.g. x != ''"
                raise no_overload("the condition of ? :", answer, hint=hint).at(start, end)
        return otherwise(frame)

    return run


def negation(operand: Run, count: int, start: int, end: int) -> Run:
    """``!`` applied ``count`` times."""

    def run(frame: Frame) -> object:
        value = operand(frame)
        if type(value) is not bool:
            raise no_overload("!", value).at(start, end)
        return value if count % 2 == 0 else not value

    return run


def minus(operand: Run, count: int, start: int, end: int) -> Run:
    """``-`` applied ``count`` times."""

    def run(frame: Frame) -> object:
        value = operand(frame)
        try:
            for _ in range(count):
                value = negate(value)
        except Fault as fault:
            raise fault.at(start, end) from None
        return value

    return run
