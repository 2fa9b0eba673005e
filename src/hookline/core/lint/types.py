"""Does what an expression certainly gives fit the parameter it is written for?

Only a text that is nothing but a path into a described output is looked at, and only one definite
type that the parameter's schema leaves no room for is reported: everything else is left to the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hookline.core.catalogue import Catalogue, runner_of
from hookline.core.expressions import ExpressionError, compile_template
from hookline.core.lint.outputs import Outputs, event_schema, type_at
from hookline.core.lint.parameters import wanted_type
from hookline.core.lint.report import Path, Report
from hookline.core.lint.tree import StepNode, Tree

__all__ = ["check_types"]

_MAX_DEPTH = 8
_FITS = {
    # A number may be whole, and then JSON Schema counts it as an integer.
    "number": frozenset({"number", "integer"}),
    "integer": frozenset({"number", "integer"}),
    "string": frozenset({"string"}),
    "boolean": frozenset({"boolean"}),
    "array": frozenset({"array"}),
    "object": frozenset({"object"}),
}
_CONVERSIONS = {"string": "string", "integer": "int", "number": "double", "boolean": "bool"}


def check_types(
    step: StepNode,
    tree: Tree,
    catalogue: Catalogue,
    outputs: Outputs,
    has_run: Callable[[str], bool],
    report: Report,
) -> None:
    """Check the parameters of a step that runs an action.

    Args:
        has_run: Whether a step of this id has certainly run before.
    """
    given, runner = step.value.get("with"), runner_of(step.value, catalogue)
    if runner is None or not isinstance(given, dict):
        return
    action = runner.action
    for place, text, schema in _texts(given, action.input_schema, (*step.path, "with")):
        accepted = _accepted(schema, action.input_schema, 0)
        kind = _type_of(text, tree, catalogue, outputs, has_run) if accepted else None
        if accepted and kind in _FITS and not accepted & _FITS[kind]:
            message = f"`{place[-1]}` must be {wanted_type(sorted(accepted))}, the expression gives"
            hint = _conversion(text, kind, accepted)
            report.add("D417", f"{message} {wanted_type([kind])}", place, hint=hint)


def _texts(
    values: Mapping[str, Any], schema: Mapping[str, Any], path: Path, depth: int = 0
) -> Iterator[tuple[Path, str, Mapping[str, Any]]]:
    """Texts with an expression that a schema describes, followed through plain objects only."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or depth > _MAX_DEPTH:
        return
    for name, value in values.items():
        field = properties.get(name)
        if not isinstance(field, Mapping):
            continue
        if isinstance(value, str) and value.startswith("{{"):
            yield (*path, name), value, field
        elif isinstance(value, dict):
            yield from _texts(value, field, (*path, name), depth + 1)


def _accepted(schema: Any, root: Mapping[str, Any], depth: int) -> frozenset[str]:
    """The types that a schema accepts; empty when it cannot be told."""
    nothing: frozenset[str] = frozenset()
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH or "allOf" in schema or "if" in schema:
        return nothing
    reference = schema.get("$ref")
    if isinstance(reference, str):
        definition = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
        return _accepted(definition, root, depth + 1)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        found = [_accepted(option, root, depth + 1) for option in options]
        return nothing.union(*found) if all(found) else nothing
    kind = schema.get("type", ())
    return frozenset([kind] if isinstance(kind, str) else kind)


def _type_of(
    text: str, tree: Tree, catalogue: Catalogue, outputs: Outputs, has_run: Callable[[str], bool]
) -> str | None:
    """The one type of what a text gives, None when it cannot be told."""
    try:
        path = compile_template(text).path
    except ExpressionError:
        return None  # The check of references reports it.
    if path is None:
        return None
    if path.root == "trigger":
        kinds = {_event_type(trigger, path.keys, catalogue) for _, trigger in tree.triggers}
        return kinds.pop() if len(kinds) == 1 else None
    name = path.keys[0] if path.root == "steps" and path.keys else None
    step = tree.ids.get(name) if isinstance(name, str) else None
    if step is None or not has_run(str(name)):
        return None
    return type_at(outputs.of(step), path.keys[1:])


def _event_type(trigger: Mapping[str, Any], keys: tuple[str | int, ...], catalogue: Catalogue) -> str | None:
    schema = event_schema(trigger, catalogue)
    return type_at(schema, keys) if schema else None


def _conversion(text: str, kind: str, accepted: frozenset[str]) -> str:
    inner = text.removeprefix("{{").removesuffix("}}").strip()
    if "string" in accepted and kind in ("array", "object"):
        return f"write {{{{ json({inner}) }}}} for its JSON text, or read one of its parts"
    for wanted, function in _CONVERSIONS.items():
        if wanted in accepted and kind not in ("array", "object"):
            return f"write {{{{ {function}({inner}) }}}}"
    return "read a part of it that fits"
