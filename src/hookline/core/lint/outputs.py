"""What can be read from a result: JSON Schemas of outputs, and paths into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hookline.core.batches import batch_schema, is_batched
from hookline.core.catalogue import Catalogue, runner_of
from hookline.core.lint.tree import BlockNode, StepNode

__all__ = ["Impossible", "Outputs", "event_schema", "impossible", "type_at"]

_MAX_HOPS = 64

_APPROVAL = {
    "decision": {"type": "string"},
    "by": {},
    "name": {},
    "at": {"type": "string"},
    "comment": {},
    "form": {},
    "decisions": {"type": "array"},
}


@dataclass(frozen=True, slots=True)
class Impossible:
    """A path that cannot lead anywhere.

    Attributes:
        at: Index of the first part that cannot exist.
        names: What exists there instead.
        kind: The type of what is there: ``object``, ``array``, ``string``, …
    """

    at: int
    names: tuple[str, ...]
    kind: str


def impossible(schema: Any, path: Sequence[str | int]) -> Impossible | None:
    """Why a path cannot exist in what a schema describes, or None when it may.

    A schema with ``properties`` and without ``additionalProperties`` counts as complete, because
    outputs are described to be read, not to be checked.
    """
    return _impossible(schema, schema, path, 0, 0)


def _impossible(schema: Any, root: Any, path: Sequence[str | int], at: int, hops: int) -> Impossible | None:
    while at < len(path):
        hops += 1
        if hops > _MAX_HOPS or not isinstance(schema, Mapping) or "allOf" in schema or "if" in schema:
            return None
        if "$ref" in schema:
            schema = _resolve(schema["$ref"], root)
            continue
        options = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(options, Sequence) and options:
            found = [_impossible(option, root, path, at, hops) for option in options]
            reasons = [reason for reason in found if reason is not None]
            return max(reasons, key=lambda reason: reason.at) if len(reasons) == len(found) else None
        part = path[at]
        step = _member(schema, part) if isinstance(part, str) else _item(schema)
        if isinstance(step, Impossible):
            return Impossible(at, step.names, step.kind)
        schema = step
        at += 1
    return None


def type_at(schema: Any, path: Sequence[str | int]) -> str | None:
    """The one type that a schema gives the value at a path; None when it may be another one."""
    root = schema
    hops = 0
    keys = list(path)
    while isinstance(schema, Mapping) and hops <= _MAX_HOPS:
        hops += 1
        if any(key in schema for key in ("allOf", "anyOf", "oneOf", "if")):
            return None
        if "$ref" in schema:
            schema = _resolve(schema["$ref"], root)
            continue
        if not keys:
            kind = schema.get("type")
            return kind if isinstance(kind, str) else None
        part = keys.pop(0)
        schema = _member(schema, part) if isinstance(part, str) else _item(schema)
    return None


def event_schema(trigger: Mapping[str, Any], catalogue: Catalogue, *, alone: bool = False) -> Any:
    """The schema of what ``trigger`` is, None when anything may come.

    Args:
        alone: Of the single event, before it goes into a run with others.
    """
    uses = trigger.get("uses")
    known = catalogue.triggers.get(uses) if isinstance(uses, str) else None
    schema = known.output_schema if known else None
    return batch_schema(schema) if is_batched(trigger) and not alone else schema


def _types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return (kind,)
    return tuple(kind) if isinstance(kind, Sequence) else ()


def _member(schema: Mapping[str, Any], name: str) -> Any:
    types = _types(schema)
    properties = schema.get("properties")
    names = tuple(properties) if isinstance(properties, Mapping) else ()
    if types and "object" not in types:
        return Impossible(0, (), types[0])
    if isinstance(properties, Mapping) and name in properties:
        return properties[name]
    others = schema.get("additionalProperties", None if names else True)
    if "patternProperties" in schema or others is True:
        return True
    if isinstance(others, Mapping):
        return others
    return Impossible(0, names, "object")


def _item(schema: Mapping[str, Any]) -> Any:
    types = _types(schema)
    if types and "array" not in types:
        return Impossible(0, (), types[0])
    if "prefixItems" in schema:
        return True
    return schema.get("items", True)


def _resolve(reference: Any, root: Any) -> Any:
    found = root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return True
    for part in reference[2:].split("/"):
        if not isinstance(found, Mapping) or part not in found:
            return True
        found = found[part]
    return found


class Outputs:
    """The schemas of the results of steps; a schema of True means anything may come."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[int, Any] = {}

    def missing(self, step: StepNode, path: Sequence[str | int]) -> Impossible | None:
        """Why a path into a step's output cannot exist, or None when it may."""
        return impossible(self.of(step), path)

    def of(self, step: StepNode) -> Any:
        """The schema of a step's result."""
        key = id(step)
        if key not in self._known:
            # A schema with $ref can stand only at the top, where its references lead somewhere.
            self._known[key] = True if "catch" in step.value else self._of(step)
        return self._known[key]

    def _of(self, step: StepNode) -> Any:
        value = step.value
        match step.kind:
            case "uses":
                runner = runner_of(value, self._catalogue)
                schema = None if runner is None else runner.action.output_schema
                return True if schema is None else schema
            case "wait":
                wait = value["wait"]
                if isinstance(wait, dict) and ("for" in wait or "until" in wait):
                    return {"type": "null"}
                return True
            case "approve":
                return {"type": "object", "properties": _APPROVAL}
            case "set":
                values = value["set"]
                if isinstance(values, dict):
                    return {"type": "object", "properties": dict.fromkeys(values, True)}
                return True
            case "for_each":
                return {"type": "array"}
            case "parallel":
                branches = {
                    block.branch: self._inner(block) for block in step.blocks if block.key == "parallel"
                }
                return {"type": "object", "properties": branches}
            case _:
                return True

    def _inner(self, block: BlockNode) -> Any:
        """The schema of a block's result, which is that of its last step."""
        schema = self.of(block.steps[-1]) if block.steps and "when" not in block.steps[-1].value else True
        return True if "$defs" in str(schema) else schema
