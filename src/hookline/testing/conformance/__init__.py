"""What every component must satisfy, whoever wrote it.

::

    registry = load_registry(Path("."))
    for problem in check(registry, files=room_files(Path("."))):
        print(problem)

A test suite gives each rule its own test::

    @pytest.mark.parametrize(("rule", "name"), cases(registry))
    def test_conformance(rule, name):
        assert not problems(registry, rule, name)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookline.engine.registry import Registry

from . import declarations, execution
from .imports import import_problems, room_files

__all__ = ["RULES", "Problem", "Waiver", "cases", "check", "import_problems", "problems", "room_files"]

RULES = {**declarations.RULES, **execution.RULES}
"""Every rule by name: a function that yields what is wrong with one component."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A component breaks a rule."""

    name: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class Waiver:
    """A component that may break a rule.

    Attributes:
        name: As in `cases`: ``action slack.post_message``.
        reason: Why, for whoever reads the table.
    """

    name: str
    rule: str
    reason: str


def cases(registry: Registry) -> list[tuple[str, str]]:
    """Every rule with every component it applies to: (rule, ``"action slack.post_message"``)."""
    kinds = {
        "action": registry.actions,
        "trigger": registry.triggers,
        "connection": registry.connection_types,
    }
    return [
        (rule, f"{kind} {name}")
        for kind, components in kinds.items()
        for name in components
        for rule in RULES
        if kind in RULES[rule].kinds
    ]


def problems(registry: Registry, rule: str, name: str) -> list[str]:
    """What is wrong with one component by one rule."""
    kind, _, short = name.partition(" ")
    components = {
        "action": registry.actions,
        "trigger": registry.triggers,
        "connection": registry.connection_types,
    }
    return list(RULES[rule].check(registry, components[kind][short]))


def check(
    registry: Registry, *, waivers: Sequence[Waiver] = (), files: Sequence[Path] = ()
) -> Iterator[Problem]:
    """Everything that is wrong; a waiver that is not needed is wrong too.

    Args:
        files: Source files of components, see `room_files`.
    """
    waived = {(waiver.rule, waiver.name): waiver for waiver in waivers}
    known = cases(registry)
    for rule, name in known:
        found = problems(registry, rule, name)
        waiver = waived.pop((rule, name), None)
        if waiver is None:
            yield from (Problem(name, rule, message) for message in found)
        elif not found:
            yield Problem(name, rule, "is waived and does not need to be; remove the waiver")
        elif not waiver.reason.strip():
            yield Problem(name, rule, "is waived without a reason")
    for rule, name in waived:
        yield Problem(name, rule, "is waived, and there is no such component or rule")
    for file in files:
        yield from (Problem(str(file), "imports", message) for message in import_problems(file))
