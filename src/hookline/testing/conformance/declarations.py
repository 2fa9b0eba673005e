"""Rules about what a component declares; nothing is executed."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema
import referencing

from hookline.engine.registry import Registry
from hookline.sdk import Action, ConnectionType, Park, Trigger
from hookline.sdk.summary import summary_fields

from .rule import Rule

__all__ = ["RULES", "invalid"]

Component = Action | Trigger
Json = Any

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?")
_SECRET_NAME = re.compile(r"(^|_)(token|secret|password|api_key|access_key|private_key|credentials)$")
_ENV = re.compile(r"[A-Z][A-Z0-9_]*")
_MAX_DEPTH = 16
_MAX_NODES = 2000

_KEYWORDS: Final = frozenset(
    {
        "type",
        "description",
        "title",
        "default",
        "examples",
        "enum",
        "const",
        "format",
        "oneOf",
        "anyOf",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "pattern",
        "x-file",
        "x-secret",
        "x-advanced",
        "x-multiline",
        "x-env",
        "x-model",
        "x-model-schema",
    }
)
"""Keywords that editors honour and that mean the same in draft-07 and 2020-12, and our own."""


def invalid(schema: Mapping[str, Json] | None, value: Json) -> Iterator[str]:
    """Why a value does not fit a schema. No remote reference is ever followed."""
    if schema is None:
        return
    validator = jsonschema.Draft202012Validator(schema, registry=referencing.Registry())
    for error in validator.iter_errors(value):
        yield f"{error.json_path}: {error.message}"


def _name(registry: Registry, component: Component | ConnectionType) -> Iterator[str]:
    if not _NAME.fullmatch(component.name):
        yield f"{component.name!r} is not of the form lower_case or vendor.lower_case"
    if isinstance(component, ConnectionType):
        return
    owners = [
        connector.id
        for connector in registry.connectors.values()
        if any(component is each for each in (*connector.actions, *connector.triggers))
    ]
    if owners and not component.name.startswith(f"{owners[0]}."):
        yield f"it belongs to {owners[0]} and is not called {owners[0]}.…"


def _title(registry: Registry, component: Component | ConnectionType) -> Iterator[str]:
    title = component.title
    if not 2 <= len(title) <= 60:
        yield f"the title {title!r} is not 2 to 60 characters long"
    if title != title.strip() or title.endswith((".", ":")) or "\n" in title:
        yield f"the title {title!r} has space around it or ends with a mark"
    if not isinstance(component, ConnectionType) and not title[:1].isupper():
        yield f"the title {title!r} does not start with a capital letter"


def _docs(registry: Registry, component: Component | ConnectionType) -> Iterator[str]:
    if component.docs and not component.docs.startswith("https://"):
        yield f"the link {component.docs!r} does not start with https://"
    if (
        not component.docs
        and "." in component.name
        and component.name.partition(".")[0] in registry.connectors
    ):
        yield "a vendor's component links to the vendor's documentation"


def _described(registry: Registry, component: Component | ConnectionType) -> Iterator[str]:
    schema = component.fields if isinstance(component, ConnectionType) else component.input_schema
    yield from _undescribed(schema, "")
    if isinstance(component, Trigger) and component.kind != "manual" and component.output_schema is None:
        yield "a trigger declares the schema of its event"


def _undescribed(schema: Mapping[str, Json], path: str) -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        if not part.get("description", "").strip():
            yield f"{path}/{name} has no description"
        yield from _undescribed(part, f"{path}/{name}")
    if isinstance(schema.get("items"), Mapping):
        yield from _undescribed(schema["items"], f"{path}[]")
    for part in schema.get("anyOf", ()):
        yield from _undescribed(part, path)


def _portable(registry: Registry, component: Component | ConnectionType) -> Iterator[str]:
    schemas = (
        {"fields": component.fields}
        if isinstance(component, ConnectionType)
        else {"input": component.input_schema, "output": component.output_schema}
    )
    for which, schema in schemas.items():
        if schema is None:
            continue
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            yield f"{which}: {error.message}"
            continue
        yield from _unportable(schema, which, 0)
        nodes = str(schema).count("{")
        if nodes > _MAX_NODES:
            yield f"{which}: {nodes} parts are more than {_MAX_NODES}"
    if not isinstance(component, ConnectionType) and component.input_schema.get("type") != "object":
        yield "input: it is not an object"


def _unportable(schema: Json, path: str, depth: int) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    if depth > _MAX_DEPTH:
        yield f"{path}: nested more than {_MAX_DEPTH} deep"
        return
    for keyword in sorted(set(schema) - _KEYWORDS):
        yield f"{path}: the keyword {keyword!r} is outside the portable subset"
    if isinstance(schema.get("type"), list) and not path.startswith("output"):  # a form needs one type
        yield f"{path}: several types at once; use anyOf"
    for option in schema.get("oneOf", ()):
        if set(option) != {"const", "description"}:
            yield f"{path}: oneOf is only for values with a description, const and description"
    for key, part in schema.get("properties", {}).items():
        yield from _unportable(part, f"{path}/{key}", depth + 1)
    for keyword in ("items", "additionalProperties"):
        yield from _unportable(schema.get(keyword), f"{path}/{keyword}", depth + 1)
    for part in schema.get("anyOf", ()):
        yield from _unportable(part, path, depth + 1)


def _defaults(registry: Registry, component: Component | ConnectionType) -> Iterator[str]:
    schema = component.fields if isinstance(component, ConnectionType) else component.input_schema
    for name, part in schema.get("properties", {}).items():
        if "default" in part:
            yield from (f"the default of {name}: {why}" for why in invalid(part, part["default"]))
        for example in part.get("examples", ()):
            yield from (f"an example of {name}: {why}" for why in invalid(part, example))
        if name in schema.get("required", ()) and "default" in part:
            yield f"{name} is required and has a default"


def _secrets(registry: Registry, component: Component | ConnectionType) -> Iterator[str]:
    if isinstance(component, ConnectionType):
        for name, part in component.fields.get("properties", {}).items():
            if _SECRET_NAME.search(name) and not part.get("x-secret"):
                yield f"the field {name} looks like a credential and is not declared secret"
            if part.get("x-secret") and part.get("default"):
                yield f"the secret {name} has a default"
            if not _ENV.fullmatch(part.get("x-env", "X")):
                yield f"the variable of {name} is not written in capital letters: {part['x-env']!r}"
    elif "'x-secret'" in str(component.input_schema):
        yield "a credential stands in a connection, never in the parameters of a step"


def _connection(registry: Registry, component: Component) -> Iterator[str]:
    if component.connection is not None and component.connection not in registry.connection_types:
        yield f"there is no connection type {component.connection!r}"


def _effect(registry: Registry, action: Action) -> Iterator[str]:
    if action.effect not in ("read", "idempotent", "check", "at_least_once"):
        yield f"{action.effect!r} is no effect"
    if action.effect == "check" and action.lookup is None:
        yield "its effect is check and it declares no on_lookup"
    if action.pure and action.effect != "read":
        yield "a pure action has no effect; declare read"
    if action.pure and action.connection is not None:
        yield "a pure action has no connection"
    if _parks(action):
        if action.resume is None:
            yield "it returns Park and declares no on_resume"
        if action.cancel is None:
            yield "it returns Park and declares no on_cancel"
    elif action.resume is not None:
        yield "it declares on_resume and its return annotation does not name Park"


def _parks(action: Action) -> bool:
    try:
        returned = typing.get_type_hints(action.run).get("return")
    except NameError:
        return False
    return returned is Park or Park in typing.get_args(returned)


def _summary(registry: Registry, action: Action) -> Iterator[str]:
    try:
        names = summary_fields(action.summary)
    except ValueError as error:
        yield str(error)
        return
    known = {*action.input_schema.get("properties", {}), "output"}
    output = action.output_schema
    if output is None or output.get("additionalProperties", True) is not False:
        return
    for name in names:
        if name not in known | set(output.get("properties", {})):
            yield f"{name!r} is in neither the input nor the output"


def _addresses(registry: Registry, component: Component) -> Iterator[str]:
    templates = component.writes if isinstance(component, Action) else component.watches
    for template in templates:
        for name in re.findall(r"\{([^{}]*)\}", template):
            if name not in component.input_schema.get("properties", {}):
                yield f"the address {template!r} names {name!r}, which is no parameter"


def _sample(registry: Registry, trigger: Trigger) -> Iterator[str]:
    yield from invalid(trigger.output_schema, trigger.sample)
    if trigger.output_schema and trigger.output_schema.get("properties") and not trigger.sample:
        yield "there is no sample event"
    if trigger.kind == "poll" and trigger.interval < 1:
        yield f"an interval of {trigger.interval} s is too short"
    if trigger.kind == "poll" and bool(trigger.hook) != (trigger.request is not None):
        yield "hook and on_request belong together: the place of the path, and what a request tells"


def _elsewhere(registry: Registry, action: Action) -> Iterator[str]:
    for kind, elsewhere in action.elsewhere.items():
        other = registry.actions.get(elsewhere.action)
        if other is None:
            continue  # The room that declares it need not be there; then the connection is refused.
        if kind == action.connection or other.connection != kind:
            yield f"{other.name} does not run with a connection of type {kind!r}"
        if other.output_schema != action.output_schema:
            yield f"{other.name} gives another output"
        lost = set(action.input_schema["properties"]) - set(other.input_schema["properties"])
        for name in sorted(lost ^ set(elsewhere.hints)):
            yield f"{name}: a hint is for what {other.name} does not take, and for each of these"


def _rule(kinds: str, check: Any) -> Rule:
    return Rule(frozenset(kinds.split()), check)


RULES: Final[Mapping[str, Rule]] = {
    "name": _rule("action trigger connection", _name),
    "title": _rule("action trigger connection", _title),
    "docs": _rule("action trigger connection", _docs),
    "described": _rule("action trigger connection", _described),
    "portable": _rule("action trigger connection", _portable),
    "defaults": _rule("action trigger connection", _defaults),
    "secrets": _rule("action trigger connection", _secrets),
    "connection": _rule("action trigger", _connection),
    "addresses": _rule("action trigger", _addresses),
    "effect": _rule("action", _effect),
    "elsewhere": _rule("action", _elsewhere),
    "summary": _rule("action", _summary),
    "sample": _rule("trigger", _sample),
}
