"""Macros: loops over the elements of a list or the keys of a map.

Every iteration is charged the number of nodes in its body, so work is counted exactly without
counting in the body itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from hookline.core.expressions.errors import Fault
from hookline.core.expressions.values import NONE, Frame, Maybe, Run, mapping_keys, no_overload

__all__ = ["all_of", "exists_one", "filter_list", "map_list", "opt_map", "some_of"]

# Making and absorbing a fault costs about as much as this many nodes.
_FAULT_STEPS: Final = 20


def _elements(value: object, name: str) -> Iterable[object]:
    if type(value) is list:
        return cast("list[object]", value)
    keys = mapping_keys(value)
    if keys is None:
        raise no_overload(f"{name}()", value)
    return keys


def _not_bool(name: str, value: object) -> Fault:
    return no_overload(f"the condition of {name}()", value, hint="a condition is true or false")


def _quantifier(name: str, target: Run, slot: int, body: Run, weight: int, decisive: bool) -> Run:
    """``all`` (false decides) and ``exists`` (true decides); a decisive answer outweighs faults."""

    def run(frame: Frame) -> object:
        elements = _elements(target(frame), name)
        variables = frame.variables
        first_fault: Fault | None = None
        for element in elements:
            frame.charge(weight)
            variables[slot] = element
            try:
                answer = body(frame)
                if answer is decisive:
                    return decisive
                if type(answer) is not bool:
                    raise _not_bool(name, answer)
            except Fault as fault:
                if fault.fatal:
                    raise
                frame.charge(_FAULT_STEPS)
                first_fault = first_fault or fault
        if first_fault is not None:
            raise first_fault
        return not decisive

    return run


def all_of(target: Run, slot: int, body: Run, weight: int) -> Run:
    """``target.all(x, body)``."""
    return _quantifier("all", target, slot, body, weight, False)


def some_of(target: Run, slot: int, body: Run, weight: int) -> Run:
    """``target.exists(x, body)``."""
    return _quantifier("exists", target, slot, body, weight, True)


def exists_one(target: Run, slot: int, body: Run, weight: int) -> Run:
    """``target.exists_one(x, body)``; a fault in any element is the result."""

    def run(frame: Frame) -> object:
        elements = _elements(target(frame), "exists_one")
        variables = frame.variables
        count = 0
        for element in elements:
            frame.charge(weight)
            variables[slot] = element
            answer = body(frame)
            if answer is True:
                count += 1
            elif answer is not False:
                raise _not_bool("exists_one", answer)
        return count == 1

    return run


def filter_list(target: Run, slot: int, body: Run, weight: int) -> Run:
    """``target.filter(x, body)``."""

    def run(frame: Frame) -> object:
        elements = _elements(target(frame), "filter")
        variables = frame.variables
        kept: list[object] = []
        for element in elements:
            frame.charge(weight)
            variables[slot] = element
            answer = body(frame)
            if answer is True:
                kept.append(element)
            elif answer is not False:
                raise _not_bool("filter", answer)
        return kept

    return run


def map_list(target: Run, slot: int, condition: Run | None, body: Run, weight: int) -> Run:
    """``target.map(x, body)`` and ``target.map(x, condition, body)``."""

    def run(frame: Frame) -> object:
        elements = _elements(target(frame), "map")
        variables = frame.variables
        made: list[object] = []
        for element in elements:
            frame.charge(weight)
            variables[slot] = element
            if condition is not None:
                answer = condition(frame)
                if answer is False:
                    continue
                if answer is not True:
                    raise _not_bool("map", answer)
            made.append(body(frame))
        return made

    return run


def opt_map(target: Run, slot: int, body: Run, flat: bool) -> Run:
    """``target.optMap(x, body)`` and ``target.optFlatMap(x, body)``, whose body is itself optional."""
    name = "optFlatMap" if flat else "optMap"

    def run(frame: Frame) -> object:
        value = target(frame)
        if not isinstance(value, Maybe):
            raise no_overload(f"{name}()", value, hint="optional values come from a.?b or optional.of(x)")
        if value is NONE:
            return NONE
        frame.variables[slot] = value.value
        result = body(frame)
        if not flat:
            return Maybe(result)
        if not isinstance(result, Maybe):
            raise no_overload("optFlatMap()", result, hint="its body must be optional; use optMap()")
        return result

    return run
