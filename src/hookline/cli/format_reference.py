"""The reference page of the workflow format, written from `hookline.core.grammar`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import get_args

from hookline.core.grammar import (
    ERROR_FIELDS,
    ERROR_TYPES,
    IDENTIFIER,
    LIMITS,
    RETRY,
    ROOTS,
    RUN_FIELDS,
    SLUG,
    STEP_KINDS,
    TRIGGER,
    WORKFLOW,
    Choice,
    Key,
    KeyType,
    Shape,
)
from hookline.core.units import format_duration

from .format_examples import STEP_EXAMPLES, WORKFLOW_EXAMPLE

__all__ = ["NOT_IN_FORCE", "workflow_format_page"]

_TYPES: Mapping[KeyType, str] = MappingProxyType(
    {
        "text": "Plain text, never evaluated.",
        "template": 'Text that may hold expressions: `"Hello {{ trigger.body.name }}"`.',
        "condition": '`true`, `false`, or an expression that gives one: `"{{ trigger.body.total > 100 }}"`.',
        "list": 'An expression that gives a list, `"{{ trigger.body.items }}"`, or a list written out.',
        "value": "Any JSON; every text in it may hold expressions.",
        "values": "An object of names and values.",
        "parameters": "An object of the component's parameters; every text in it may hold expressions.",
        "texts": "A list of at least one template.",
        "duration": 'A time: `"250ms"`, `"90s"`, `"10m"`, `"1h30m"`, `"7d"`, `"2w"`.',
        "money": 'An amount and a currency: `"0.50 usd"`.',
        "integer": "A whole number.",
        "number": "A number.",
        "slug": f"A name that matches `{SLUG.pattern}`.",
        "identifier": f"A name that matches `{IDENTIFIER.pattern}`: no hyphen, it would mean minus.",
        "reference": "The name of something that exists: a component, a connection or another workflow.",
        "choice": "One of the texts listed.",
        "choices": "A list of the texts listed.",
        "schema": "A JSON Schema without regular expressions and without references to other documents.",
        "steps": "A list of steps.",
        "branches": "An object of names and lists of steps.",
        "object": "An object with the keys listed below.",
        "objects": "A list of such objects.",
        "any": "Any JSON, never evaluated.",
    }
)
"""How each type of value is written."""

_ADDED: Mapping[str, str] = MappingProxyType(
    {
        "wait.on_timeout": "Required with `callback`, and so is `timeout`; not allowed without.",
    }
)
"""What a check demands beyond the grammar: ``shape.key``."""

NOT_IN_FORCE: Mapping[str, str] = MappingProxyType(
    {
        "limits.budget": "It is checked and stored; no step is stopped by it yet.",
        "step.cache": "It is checked; nothing is reused yet.",
        "approve.who": "It is shown to people and kept; that only these people decide is not enforced yet.",
        "approve.form": "It is shown to people; what they fill in is not checked against it yet.",
    }
)
"""Keys that a definition may have and that the engine does not act upon yet: ``shape.key``."""


def workflow_format_page() -> str:
    """``docs/reference/workflow-format.md``."""
    return "\n".join(_lines()).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    yield "# Workflow format"
    yield ""
    yield "<!-- Written by scripts/docs from hookline.core.grammar. Changes made here are lost. -->"
    yield ""
    yield from _INTRODUCTION
    yield ""
    yield "## The workflow"
    yield ""
    yield from _shape_section(WORKFLOW, skip=("trigger", "triggers", "limits"))
    yield from _nested(WORKFLOW.keys["retention"])
    yield "### Triggers"
    yield ""
    yield "`trigger` holds one, `triggers` a list of several. What there is: `hookline connectors list`."
    yield ""
    yield from _shape_section(TRIGGER)
    yield "### Limits"
    yield ""
    yield from _shape_section(LIMITS)
    for key in LIMITS.keys.values():
        yield from _nested(key)
    yield "## Steps"
    yield ""
    yield "A step is one object. One of its keys says what kind of step it is:"
    yield ""
    yield "| key | kind of step |"
    yield "| --- | --- |"
    for kind, shape in STEP_KINDS.items():
        yield f"| [`{kind}`](#{kind}) | {_cell(shape.description)} |"
    yield ""
    yield "### Keys of every step"
    yield ""
    common = _common_keys()
    yield from _table(common.values(), "step")
    yield from _nested_shape(RETRY, "retry")
    for kind, shape in STEP_KINDS.items():
        yield from _kind(kind, shape, common)
    yield from _expressions()
    yield "## How values are written"
    yield ""
    yield "| type | written as |"
    yield "| --- | --- |"
    for name in get_args(KeyType):
        yield f"| {name} | {_cell(_TYPES[name])} |"


def _common_keys() -> Mapping[str, Key]:
    """The keys that mean the same in every kind of step."""
    shapes = list(STEP_KINDS.values())
    first, rest = shapes[0], shapes[1:]
    kinds_with_own = {
        name for name in first.keys for shape in rest if shape.keys.get(name) is not first.keys[name]
    }
    # A deadline means the same everywhere, though some kinds insist on one.
    return {name: key for name, key in first.keys.items() if name not in kinds_with_own or name == "timeout"}


def _kind(kind: str, shape: Shape, common: Mapping[str, Key]) -> Iterator[str]:
    yield f"### {kind}"
    yield ""
    yield shape.description
    yield ""
    own = [key for name, key in shape.keys.items() if name not in common or key is not common[name]]
    yield from _table(own, kind)
    for key in own:
        yield from _nested(key)
    yield "```json"
    yield STEP_EXAMPLES[kind]
    yield "```"
    yield ""


def _expressions() -> Iterator[str]:
    yield "## What expressions see"
    yield ""
    yield "[Expressions](../explanation/expressions.md) describes the language. Its first name is one of:"
    yield ""
    yield "| name | value |"
    yield "| --- | --- |"
    for name, text in ROOTS.items():
        yield f"| `{name}` | {_cell(text)} |"
    yield ""
    yield f"`run` has {_codes(RUN_FIELDS)}. `error` has {_codes(ERROR_FIELDS)}, and in `error.type` one of:"
    yield ""
    yield from _choices(ERROR_TYPES)
    yield ""


def _shape_section(shape: Shape, skip: tuple[str, ...] = ()) -> Iterator[str]:
    yield from _table(shape.keys.values(), shape.name)
    if shape.exactly_one:
        yield f"Exactly one of {_codes(shape.exactly_one)} must be present."
        yield ""
    if shape.at_most_one:
        yield f"At most one of {_codes(shape.at_most_one)} may be present."
        yield ""


def _nested(key: Key) -> Iterator[str]:
    """The keys of a nested object, and of those in it."""
    if key.shape is not None and key.shape is not RETRY:
        yield from _nested_shape(key.shape, key.name)
        for inner in key.shape.keys.values():
            yield from _nested(inner)


def _nested_shape(shape: Shape, name: str) -> Iterator[str]:
    yield f"#### In `{name}`"
    yield ""
    yield from _shape_section(shape)


def _table(keys: Iterable[Key], shape: str) -> Iterator[str]:
    keys = list(keys)
    yield "| key | type | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for key in keys:
        yield f"| `{key.name}` | {_type(key)} | {_default(key)} | {_cell(_meaning(key, shape))} |"
    yield ""
    for key in keys:
        # The types of errors have a table of their own.
        if key.choices and key.choices != ERROR_TYPES:
            yield f"`{key.name}` is one of:"
            yield ""
            yield from _choices(key.choices)
            yield ""


def _choices(choices: Iterable[Choice]) -> Iterator[str]:
    yield "| text | meaning |"
    yield "| --- | --- |"
    for choice in choices:
        yield f"| `{choice.value}` | {_cell(choice.description)} |"


def _type(key: Key) -> str:
    if not key.template:
        return key.type
    return f"{key.type}, or a template" if key.type == "object" else f"{key.type}, or an expression"


def _default(key: Key) -> str:
    if key.required:
        return "required"
    return "" if key.default is None else f"`{json.dumps(key.default)}`"


def _meaning(key: Key, shape: str) -> str:
    parts = [key.description, _bounds(key)]
    if key.choices == ERROR_TYPES:
        parts.append("The types are listed [below](#what-expressions-see).")
    parts += [notes.get(f"{shape}.{key.name}", "") for notes in (_ADDED, NOT_IN_FORCE)]
    return " ".join(part for part in parts if part)


def _bounds(key: Key) -> str:
    shown = [_bound(key, bound) for bound in (key.minimum, key.maximum)]
    match shown:
        case [None, None]:
            return ""
        case [low, None]:
            return f"At least {low}."
        case [None, high]:
            return f"At most {high}."
    return f"From {shown[0]} to {shown[1]}."


def _bound(key: Key, bound: float | None) -> str | None:
    if bound is None:
        return None
    return format_duration(bound) if key.type == "duration" else f"{bound:,}"


def _codes(names: Iterable[str]) -> str:
    *heads, last = [f"`{name}`" for name in names]
    return f"{', '.join(heads)} and {last}" if heads else last


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


_INTRODUCTION = f"""\
A workflow is one file in `workflows/`: JSON, or JSON with `//` comments and trailing commas, or YAML with the
same keys. `hookline validate` checks it, `hookline fmt` writes it in canonical form.

```json
{WORKFLOW_EXAMPLE}
```

Steps run from top to bottom. `{{{{ … }}}}` holds an expression. A text that is exactly one expression
keeps the type of its value; inside a longer text the value is rendered. `{{{{{{{{` writes two braces.

There are no further keys than those on this page. An unknown key is an error, with the place and the closest
name. So is a missing one that is required, a reference to a step that may not have run, a parameter of the
wrong type, and more: `hookline explain CODE` says what each finding means.

A run is pinned to the version of the workflow it started with. The version is the hash of the canonical form:
comments, order of keys and spaces do not change it.
""".splitlines()
