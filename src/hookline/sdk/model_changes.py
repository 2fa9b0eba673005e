"""What differs between two versions of a model, by their own OpenAPI documents (as Cog writes them)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .model_files import ModelSchema

__all__ = ["Change", "schema_changes"]

Json = Any

_SHOWN = 80
"""Characters of a value in a message."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: ``breaking``: a value that was taken may be refused, or the output reads otherwise;
            ``behaviour``: the same input may give something else; ``harmless``.
        input: Name of the input it is about, empty for the output.
        text: For people.
    """

    kind: Literal["breaking", "behaviour", "harmless"]
    input: str
    text: str


def schema_changes(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[Change]:
    """Every difference that matters to a caller, what breaks first."""
    old, new = ModelSchema(before), ModelSchema(after)
    found = [*_inputs(old, new), *_output(old, new)]
    order = ("breaking", "behaviour", "harmless")
    return sorted(found, key=lambda change: order.index(change.kind))


def _inputs(old: ModelSchema, new: ModelSchema) -> Iterator[Change]:
    was, now = _properties(old), _properties(new)
    was_required, now_required = _required(old), _required(new)
    for name in was:
        if name not in now:
            yield Change("breaking", name, f"the input {name!r} is gone")
    for name, node in now.items():
        if name not in was:
            if name in now_required:
                yield Change("breaking", name, f"there is a new input {name!r}, which is required")
            else:
                default = f", {_text(node['default'])} if left out" if "default" in node else ""
                yield Change("harmless", name, f"there is a new input {name!r}{default}")
            continue
        if name in now_required and name not in was_required:
            yield Change("breaking", name, f"the input {name!r} is required now")
        elif name in was_required and name not in now_required:
            yield Change("harmless", name, f"the input {name!r} may be left out now")
        yield from _input(name, was[name], node)


def _input(name: str, was: Mapping[str, Json], now: Mapping[str, Json]) -> Iterator[Change]:
    if _kind(was) != _kind(now):
        yield Change("breaking", name, f"the input {name!r} was {_kind(was)} and is {_kind(now)}")
        return
    if was.get("default") != now.get("default"):
        text = (
            f"left out, the input {name!r} was {_text(was.get('default'))} and is {_text(now.get('default'))}"
        )
        yield Change("behaviour", name, text)
    was_one_of, now_one_of = _choices(was), _choices(now)
    if was_one_of is not None or now_one_of is not None:
        for choice in was_one_of or ():
            if now_one_of is not None and choice not in now_one_of:
                yield Change("breaking", name, f"the input {name!r} does not take {choice} any more")
        if was_one_of is None:
            yield Change("breaking", name, f"the input {name!r} takes only {', '.join(now_one_of or ())} now")
        for choice in now_one_of or ():
            if was_one_of is not None and choice not in was_one_of:
                yield Change("harmless", name, f"the input {name!r} also takes {choice}")
        if now_one_of is None:
            yield Change("harmless", name, f"the input {name!r} takes any value now")
    for bound, sign, word in _BOUNDS:
        low, high = was.get(bound), now.get(bound)
        if low == high:
            continue
        if high is None:
            yield Change("harmless", name, f"the input {name!r} has no {word} any more (it was {low})")
        elif low is None or (high - low) * sign < 0:
            told = "none" if low is None else low
            yield Change("breaking", name, f"the {word} of the input {name!r} was {told} and is {high}")
        else:
            yield Change("harmless", name, f"the {word} of the input {name!r} was {low} and is {high}")


_BOUNDS = (
    ("minimum", -1, "least value"),
    ("maximum", 1, "greatest value"),
    ("minLength", -1, "least length"),
    ("maxLength", 1, "greatest length"),
)


def _output(old: ModelSchema, new: ModelSchema) -> Iterator[Change]:
    was, now = _shape(old, old.output), _shape(new, new.output)
    if was != now:
        yield Change("breaking", "", f"the output was {was} and is {now}")


def _shape(schema: ModelSchema, node: Mapping[str, Json], depth: int = 4) -> str:
    if schema.concatenates and node is schema.output:
        return "a text that comes in pieces"
    if node.get("type") == "array" and depth:
        stream = "a stream" if node.get("x-cog-array-type") == "iterator" else "a list"
        return f"{stream} of {_shape(schema, schema.resolve(node.get('items')), depth - 1)}"
    properties = node.get("properties")
    if isinstance(properties, Mapping) and depth:
        parts = [
            f"{name} ({_shape(schema, schema.resolve(part), depth - 1)})" for name, part in properties.items()
        ]
        return f"an object of {', '.join(sorted(parts))}"
    return _kind(node)


def _kind(node: Mapping[str, Json]) -> str:
    if node.get("format") == "uri":
        return "a file"
    if node.get("format") == "password":
        return "a secret"
    kind = node.get("type")
    if kind == "array" and isinstance(node.get("items"), Mapping):
        return f"a list of {_kind(node['items'])}"
    return str(kind) if isinstance(kind, str) else "of any type"


def _properties(schema: ModelSchema) -> dict[str, dict[str, Json]]:
    """The inputs with their references followed; keys beside a reference, such as ``default``, are kept."""
    properties = schema.input.get("properties")
    found = {}
    for name, node in properties.items() if isinstance(properties, Mapping) else ():
        beside = node if isinstance(node, Mapping) else {}
        found[str(name)] = {**schema.resolve(node), **{k: v for k, v in beside.items() if k != "allOf"}}
    return found


def _required(schema: ModelSchema) -> frozenset[str]:
    required = schema.input.get("required")
    return frozenset(map(str, required)) if isinstance(required, list) else frozenset()


def _choices(node: Mapping[str, Json]) -> tuple[str, ...] | None:
    choices = node.get("enum")
    return tuple(map(_text, choices)) if isinstance(choices, list) else None


def _text(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return "nothing" if value is None else text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
