"""Which steps have certainly run, which perhaps, and which cannot have, at one place of a definition.

The check walks the steps in the order in which they run and tells this table what it enters and leaves.
Everything is undone by marks into one list, so that the cost is linear in the steps.
"""

from __future__ import annotations

from enum import Enum

from hookline.core.lint.tree import StepNode

__all__ = ["Visibility", "Visible"]


class Visible(Enum):
    """What is known of a step, seen from the current place."""

    CERTAIN = "has run"
    MAYBE = "may have run"
    IN_LOOP = "is inside a loop that has ended"
    ELSEWHERE = "is in another branch of the same choice"
    CONCURRENT = "is in another branch that runs at the same time"


class Visibility:
    """The table; ids and variables are kept apart."""

    def __init__(self) -> None:
        self._steps: dict[str, Visible] = {}
        self._loops: dict[str, StepNode] = {}
        self._variables: dict[str, Visible] = {}
        self._declared: set[str] = set()
        self._open: list[str | None] = []
        # Ids (True) and variables (False) in the order in which they were defined.
        self._log: list[tuple[bool, str]] = []
        # What the names set aside by `set_aside` were before, until `join`.
        self._aside: list[tuple[bool, str, Visible]] = []

    def mark(self) -> int:
        """A point in time: what is defined later comes after it."""
        return len(self._log)

    def enter(self, identifier: str | None) -> None:
        """A step begins."""
        self._open.append(identifier)

    def leave(self, step: StepNode) -> None:
        """A step has ended."""
        self._open.pop()
        if step.id is not None and step.id not in self._steps:
            self._steps[step.id] = Visible.CERTAIN
            self._log.append((True, step.id))

    def declare_variable(self, name: str) -> None:
        """A variable has a value from the start, whatever fails later."""
        self._variables[name] = Visible.CERTAIN
        self._declared.add(name)

    def define_variable(self, name: str) -> None:
        """A variable certainly has a value from here on."""
        if self._variables.get(name) is not Visible.CERTAIN:
            self._variables[name] = Visible.CERTAIN
            self._log.append((False, name))

    def of(self, identifier: str) -> Visible | None:
        """What is known of a step; None when it has not ended."""
        return self._steps.get(identifier)

    def of_variable(self, name: str) -> Visible | None:
        """What is known of a variable; None when nothing has set it."""
        return self._variables.get(name)

    def weaken(self, mark: int) -> list[tuple[bool, str, Visible]]:
        """What has certainly run since a mark now only may have; returns what it was."""
        before: list[tuple[bool, str, Visible]] = []
        for is_step, name in self._log[mark:]:
            table = self._steps if is_step else self._variables
            if table[name] is Visible.CERTAIN:
                before.append((is_step, name, table[name]))
                table[name] = Visible.MAYBE
        return before

    def weaken_all(self) -> None:
        """The run has failed somewhere: every step only may have run. Declared variables stay."""
        for table in (self._steps, self._variables):
            for name, state in table.items():
                if state is Visible.CERTAIN and not (table is self._variables and name in self._declared):
                    table[name] = Visible.MAYBE

    def restore(self, before: list[tuple[bool, str, Visible]]) -> None:
        """Take back a `weaken`."""
        for is_step, name, state in before:
            (self._steps if is_step else self._variables)[name] = state

    def hide_loop(self, mark: int, loop: StepNode) -> None:
        """A loop has ended: its steps are out of sight, its variables may have been set."""
        for is_step, name in self._log[mark:]:
            if not is_step:
                self._variables[name] = Visible.MAYBE
            elif self._steps[name] is not Visible.IN_LOOP:
                self._steps[name] = Visible.IN_LOOP
                self._loops[name] = loop

    def set_aside(self, mark: int, *, is_parallel: bool) -> None:
        """A branch has ended: the other branches of the same step cannot see it."""
        hidden = Visible.CONCURRENT if is_parallel else Visible.ELSEWHERE
        for is_step, name in self._log[mark:]:
            table = self._steps if is_step else self._variables
            if table[name] in (Visible.CERTAIN, Visible.MAYBE):
                self._aside.append((is_step, name, table[name]))
                table[name] = hidden

    def join(self, mark: int, *, may_not_have_run: bool) -> None:
        """All branches since a mark have ended: they are visible again."""
        since = set(self._log[mark:])
        while self._aside and self._aside[-1][:2] in since:
            is_step, name, state = self._aside.pop()
            (self._steps if is_step else self._variables)[name] = state
        if may_not_have_run:
            self.weaken(mark)

    def why_not(self, identifier: str) -> tuple[str, str, str]:
        """Code, message and hint for a reference to a step that cannot be seen as written."""
        shown = f'"{identifier}"'
        match self._steps.get(identifier):
            case Visible.MAYBE:
                hint = f"write steps.?{identifier}.orValue(…), or read it where it has certainly run"
                return "D303", f"the step {shown} may not have run", hint
            case Visible.IN_LOOP:
                loop = self._loops[identifier]
                kind = (
                    "the list of its item results"
                    if loop.kind == "for_each"
                    else "its last iteration's result"
                )
                name = f"steps.{loop.id}" if loop.id else "the loop's own id (give it one)"
                return "D305", f"the step {shown} is inside a loop", f"read {name}: {kind}"
            case Visible.ELSEWHERE:
                hint = "only one of the branches runs"
                return "D306", f"the step {shown} is in another branch", hint
            case Visible.CONCURRENT:
                hint = "read it behind the `parallel` step, when all branches have ended"
                return "D306", f"the step {shown} runs at the same time", hint
        if identifier in self._open:
            return "D304", f"the step {shown} has not ended here", "a step cannot read its own output"
        return "D304", f"the step {shown} runs later", "move it up, or read an earlier step"
