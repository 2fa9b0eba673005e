"""Does every expression compile, and does everything it refers to exist where it is evaluated?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookline.core.catalogue import Catalogue
from hookline.core.expressions import ExpressionError, Reference, Template, compile_template
from hookline.core.grammar import ERROR_FIELDS, ROOTS, RUN_FIELDS, Key, Shape
from hookline.core.lint.outputs import Impossible, Outputs, event_schema, impossible
from hookline.core.lint.report import Path, Report, show
from hookline.core.lint.tree import StepNode, Tree
from hookline.core.lint.types import check_types
from hookline.core.lint.visibility import Visibility, Visible

__all__ = ["check_references"]

_EVALUATED = frozenset({"template", "condition", "list", "value", "values", "parameters", "texts"})

# What can be read before a run has started.
_EARLY = frozenset({"trigger", "inputs"})
_EVENT = frozenset({"trigger"})
_FIRST = frozenset({"trigger", "inputs", "run"})
_STEPS = frozenset({"trigger", "inputs", "run", "vars", "steps"})

_HYPHENATED = re.compile(r"(?:-[A-Za-z_][A-Za-z0-9_]*)+", re.ASCII)


def check_references(tree: Tree, catalogue: Catalogue, report: Report) -> None:
    """Check every expression of a definition."""
    _References(tree, catalogue, report).check()


def texts_of(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text inside a value that holds an expression."""
    waiting: list[tuple[Path, Any]] = [(path, value)]
    while waiting:
        place, current = waiting.pop()
        if isinstance(current, str):
            if "{{" in current:
                yield place, current
        elif isinstance(current, dict):
            waiting.extend(((*place, key), member) for key, member in current.items())
        elif isinstance(current, list):
            waiting.extend(((*place, index), item) for index, item in enumerate(current))


class _References:
    def __init__(self, tree: Tree, catalogue: Catalogue, report: Report) -> None:
        self._tree = tree
        self._catalogue = catalogue
        self._report = report
        self._outputs = Outputs(catalogue)
        self._templates: dict[str, Template | ExpressionError] = {}
        self._visibility = Visibility()
        self._roots: frozenset[str] = _STEPS
        self._loop_names: list[str | None] = []
        self._read = ""
        self._id_ends = 0
        self._handling_error = 0
        self._variables = _names(tree.value.get("vars"))
        self._set_anywhere = {
            name: None for step in tree.of_kind("set") for name in _names(step.value["set"])
        }
        self._items = {_item_name(step) for step in tree.of_kind("for_each")}

    def check(self) -> None:
        value = self._tree.value
        for path, trigger in self._tree.triggers:
            self._within(_EVENT, trigger.get("when"), (*path, "when"))
            self._within(_EVENT, trigger.get("with"), (*path, "with"))
            for key in ("debounce", "batch", "throttle"):
                self._within(_EVENT, trigger.get(key), (*path, key))
        self._within(_EARLY, value.get("limits"), ("limits",))
        self._within(_FIRST, value.get("vars"), ("vars",))
        for name in self._variables:
            self._visibility.declare_variable(name)
        blocks = self._tree.blocks
        if "steps" in blocks:
            self._block(blocks["steps"].steps)
        self._within(_STEPS, value.get("output"), ("output",))
        self._handling_error += 1
        for name in ("on_error", "finally"):
            self._visibility.weaken_all()
            if name in blocks:
                self._block(blocks[name].steps)

    def _block(self, steps: Sequence[StepNode]) -> None:
        for step in steps:
            if self._report.is_full:
                return
            self._step(step)

    def _step(self, step: StepNode) -> None:
        visibility = self._visibility
        mark = visibility.mark()
        visibility.enter(step.id)
        for key in step.shape.keys.values():
            if key.name in step.value and not key.holds_steps:
                self._key(step.value[key.name], key, (*step.path, key.name))
        if step.kind == "uses":
            check_types(step, self._tree, self._catalogue, self._outputs, self._has_run, self._report)
        bodies = [block for block in step.blocks if block.key not in ("catch", "finally")]
        inner = visibility.mark()
        for block in bodies:
            begin = visibility.mark()
            if step.kind in ("for_each", "while"):
                self._loop_names.append(_item_name(step) if step.kind == "for_each" else None)
                self._block(block.steps)
                self._loop_names.pop()
                visibility.hide_loop(begin, step)
            else:
                self._block(block.steps)
                visibility.set_aside(begin, is_parallel=step.kind == "parallel")
        visibility.join(inner, may_not_have_run=step.kind != "parallel")
        self._handlers(step, inner)
        if step.kind == "set":
            for name in _names(step.value["set"]):
                visibility.define_variable(name)
        visibility.leave(step)
        if "when" in step.value:
            visibility.weaken(mark)

    def _has_run(self, identifier: str) -> bool:
        return self._visibility.of(identifier) is Visible.CERTAIN

    def _handlers(self, step: StepNode, inner: int) -> None:
        """The blocks that run when the step has failed, and in any case."""
        visibility = self._visibility
        for block in step.blocks:
            if block.key == "catch":
                visibility.weaken(inner)
                begin = visibility.mark()
                self._handling_error += 1
                self._block(block.steps)
                self._handling_error -= 1
                visibility.weaken(begin)
            elif block.key == "finally":
                restore = visibility.weaken(inner)
                self._block(block.steps)
                visibility.restore(restore)

    def _within(self, roots: frozenset[str], value: Any, path: Path) -> None:
        """Check texts outside of steps, where only some roots exist."""
        before = self._roots
        self._roots = roots
        for place, text in texts_of(value, path):
            self._text(text, place)
        self._roots = before

    def _key(self, value: Any, key: Key, path: Path) -> None:
        if key.shape is not None and isinstance(value, dict):
            self._members(value, key.shape, path)
        elif key.shape is not None and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    self._members(item, key.shape, (*path, index))
        elif key.type in _EVALUATED or key.template:
            for place, text in texts_of(value, path):
                self._text(text, place)

    def _members(self, value: Mapping[str, Any], shape: Shape, path: Path) -> None:
        for key in shape.keys.values():
            if key.name in value:
                self._key(value[key.name], key, (*path, key.name))

    def _text(self, text: str, path: Path) -> None:
        if self._report.is_full:
            return
        template = self._templates.get(text)
        if template is None:
            try:
                template = compile_template(text)
            except ExpressionError as error:
                template = error
            self._templates[text] = template
        if isinstance(template, ExpressionError):
            self._report.add(template.code, template.message, path, hint=template.hint, offset=template.start)
            return
        self._read, self._id_ends = text, 0
        for reference in template.references:
            if reference.start >= self._id_ends:
                self._reference(reference, path)

    def _reference(self, reference: Reference, path: Path) -> None:
        root = reference.root
        if root in self._loop_names:
            return
        if root == "index" and (self._loop_names or path[-1] == "while"):
            return  # a condition knows the number of the iteration it is asked for
        if root == "error" and self._handling_error:
            self._fields(reference, ERROR_FIELDS, path)
        elif root not in self._roots:
            self._not_here(reference, path)
        elif root == "steps":
            self._steps(reference, path)
        elif root == "vars":
            self._variable(reference, path)
        elif root == "inputs":
            self._input(reference, path)
        elif root == "trigger":
            self._trigger(reference, path)
        else:
            self._run(reference, path)

    def _add(self, code: str, message: str, reference: Reference, path: Path, hint: str) -> None:
        self._report.add(code, message, path, hint=hint, offset=reference.start)

    def _not_here(self, reference: Reference, path: Path) -> None:
        root = reference.root
        if root == "error":
            hint = "`error` exists inside `catch`, `on_error` and the workflow's `finally`"
            self._add("D308", "there is no `error` to read here", reference, path, hint)
        elif root in ("item", "index") or root in self._items:
            hint = "it exists inside the `do` of a loop; in `for_each`, `as` gives its name"
            if names := [name for name in self._loop_names if name]:
                hint = f"the current item is `{names[-1]}` here"
            self._add("D307", f"`{root}` is read outside of its loop", reference, path, hint)
        elif root in ROOTS:
            available = ", ".join(sorted(f"`{name}`" for name in self._roots))
            hint = f"only {available} can be read here, because nothing has run yet"
            self._add("D308", f"`{root}` cannot be read here", reference, path, hint)
        else:
            known = [*ROOTS, *(name for name in self._loop_names if name)]
            hint = self._report.suggest(root, known, f"expressions start with {', '.join(ROOTS)}")
            if root in self._tree.ids:
                hint = f"write steps.{root}"
            elif root in self._variables:
                hint = f"write vars.{root}"
            self._add("D301", f"there is no `{root}`", reference, path, hint)

    def _steps(self, reference: Reference, path: Path) -> None:
        name = reference.path[0] if reference.path else None
        if not isinstance(name, str):
            hint = "write steps.<id>: the id must be written out so that it can be checked"
            self._add("D302", "`steps` is read without the id of a step", reference, path, hint)
            return
        step = self._tree.ids.get(name)
        if step is None:
            hint = self._report.suggest(
                name, self._tree.ids, "give the step this id, or correct the reference"
            )
            if rest := _HYPHENATED.match(self._read, reference.end):
                self._id_ends = rest.end()
                written = f"{name}{rest[0]}".replace("-", "_")
                hint = f"the hyphen is a minus here: call the step {written} and write steps.{written}"
            self._add("D302", f"no step has the id {show(name)}", reference, path, hint)
            return
        state = self._visibility.of(name)
        if state is Visible.CERTAIN or (state is Visible.MAYBE and reference.optional_at == 0):
            self._output(reference, step, path)
            return
        code, message, hint = self._visibility.why_not(name)
        if path[-1] == "while" and step.path[: len(path) - 1] == path[:-1]:
            hint = "the condition comes before the loop's steps: `set` a variable in the loop and read `vars`"
        self._add(code, message, reference, path, hint)

    def _output(self, reference: Reference, step: StepNode, path: Path) -> None:
        missing = self._outputs.missing(step, reference.path[1:])
        if missing is not None:
            whole = f"the output of {show(reference.path[0])}"
            self._impossible("D309", whole, missing, reference, 1, path)

    def _impossible(
        self, code: str, whole: str, missing: Impossible, reference: Reference, skip: int, path: Path
    ) -> None:
        part = reference.path[skip + missing.at]
        before = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in
                         reference.path[skip : skip + missing.at])  # fmt: skip
        where = f"`{before.lstrip('.')}` in {whole}" if before else whole
        if missing.kind == "array":
            hint = "it is a list: take an item with [0], or use map(x, …) or a for_each"
        elif missing.kind != "object":
            hint = f"its type is {missing.kind}"
        else:
            names = ", ".join(missing.names[:12])
            hint = self._report.suggest(
                str(part), missing.names, f"it has {names}" if names else "it is empty"
            )
        self._add(code, f"{where} has no {show(part)}", reference, path, hint)

    def _variable(self, reference: Reference, path: Path) -> None:
        name = reference.path[0] if reference.path else None
        if name is None:
            return
        state = self._visibility.of_variable(str(name))
        if str(name) not in self._set_anywhere and state is None:
            known = [*self._variables, *self._set_anywhere]
            hint = self._report.suggest(str(name), known, "declare it in `vars`")
            self._add("D310", f"there is no variable {show(name)}", reference, path, hint)
        elif state is not Visible.CERTAIN and reference.optional_at != 0:
            hint = f"give `{name}` a first value in the workflow's `vars`"
            self._add("D310", f"the variable {show(name)} may not have been set", reference, path, hint)

    def _input(self, reference: Reference, path: Path) -> None:
        inputs = self._tree.value.get("inputs")
        if inputs is None:
            hint = "declare them in the workflow's `inputs`; an event is read with `trigger`"
            self._add("D311", "the workflow declares no inputs", reference, path, hint)
        elif isinstance(inputs, dict):
            missing = impossible(inputs, reference.path)
            if missing is not None:
                self._impossible("D311", "the input", missing, reference, 0, path)

    def _trigger(self, reference: Reference, path: Path) -> None:
        triggers = self._tree.triggers
        if path[0] in ("trigger", "triggers"):
            triggers = [entry for entry in triggers if path[: len(entry[0])] == entry[0]]
        if not triggers:
            hint = "add a trigger, or declare `inputs` and read those"
            self._add("D314", "the workflow has no trigger", reference, path, hint)
            return
        reasons: list[Impossible] = []
        # These are asked of each event, before it goes into a run with others.
        alone = path[0] in ("trigger", "triggers") or path[:2] == ("limits", "dedupe")
        for _, trigger in triggers:
            schema = event_schema(trigger, self._catalogue, alone=alone)
            reason = impossible(schema, reference.path) if schema else None
            if reason is None:
                return
            reasons.append(reason)
        deepest = max(reasons, key=lambda reason: reason.at)
        self._impossible("D313", "the event", deepest, reference, 0, path)

    def _run(self, reference: Reference, path: Path) -> None:
        if not self._fields(reference, RUN_FIELDS, path) or reference.path[0] != "callbacks":
            return
        name = reference.path[1] if len(reference.path) > 1 else None
        step = self._tree.ids.get(name) if isinstance(name, str) else None
        wait = step.value.get("wait") if step else None
        if not (isinstance(wait, dict) and "callback" in wait):
            ids = [other.id for other in self._tree.of_kind("wait") if other.id]
            hint = self._report.suggest(str(name), ids, "write run.callbacks.<id of a step with `wait`>.url")
            self._add("D312", "no step that waits for a callback is named here", reference, path, hint)
        elif len(reference.path) > 2 and reference.path[2] != "url":
            self._add("D312", f"a callback has no {show(reference.path[2])}", reference, path, "write .url")

    def _fields(self, reference: Reference, fields: Sequence[str], path: Path) -> bool:
        name = reference.path[0] if reference.path else None
        if name in fields or (name is None and reference.root == "error"):
            return True
        hint = f"it has {', '.join(fields)}"
        if name is None:
            self._add("D312", f"`{reference.root}` is read without a field", reference, path, hint)
        else:
            hint = self._report.suggest(str(name), fields, hint)
            self._add("D312", f"`{reference.root}` has no {show(name)}", reference, path, hint)
        return False


def _item_name(loop: StepNode) -> str:
    name = loop.value.get("as", "item")
    return name if isinstance(name, str) else "item"


def _names(values: Any) -> list[str]:
    return list(values) if isinstance(values, dict) else []
