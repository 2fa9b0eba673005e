"""Typed fields, and the JSON Schema derived from a function's signature.

A component's parameters are ordinary annotated Python parameters::

    async def post_message(
        ctx: Context,
        channel: Annotated[str, Field("Channel ID or #name.")],
        thread_ts: Annotated[str | None, Field("Reply in this thread.", advanced=True)] = None,
    ) -> Posted: ...

From that one place come the form, the schema, the reference page and the checks.

Supported annotations: ``str int float bool``, ``Any``, ``None``, ``list[T]``, ``dict[str, T]``,
``Literal[...]``, ``T | None`` and other unions, ``TypedDict`` (nested), `File`, and
``Annotated[T, Field(...)]`` around any of them.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict

from .files import File

__all__ = ["Field", "input_schema", "schema_of"]

Schema = dict[str, Any]

_SCALARS: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True, slots=True)
class Field:
    """What a person needs to know about one value.

    Attributes:
        description: One or two sentences, in the service's own words where it has them.
        secret: The value is a credential: masked everywhere, never written in a definition.
        advanced: Shown only when asked for.
        multiline: The form offers several lines.
        env: Environment variable that supplies the value when none is configured
            (connections only).
        format: JSON Schema ``format`` for strings: ``uri``, ``duration``, ``date-time``,
            ``size``, ``time-zone``, ``cron``.
        examples: Realistic values.
        minimum, maximum: Inclusive bounds of a number.
        min_length, max_length: Bounds of a string's or list's length.
        options: Meaning of each allowed value; the keys must equal the ``Literal`` values.
    """

    description: str
    secret: bool = False
    advanced: bool = False
    multiline: bool = False
    env: str = ""
    format: str = ""
    examples: Sequence[Any] = ()
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    options: Mapping[Any, str] = field(default_factory=dict)

    def keywords(self, schema: Schema) -> Schema:
        """The JSON Schema keywords this field adds to the schema of its type."""
        is_list = schema.get("type") == "array"
        found: Schema = {"description": self.description}
        for key, value in (
            ("format", self.format),
            ("examples", list(self.examples)),
            ("x-secret", self.secret),
            ("x-advanced", self.advanced),
            ("x-multiline", self.multiline),
            ("x-env", self.env),
        ):
            if value:
                found[key] = value
        for key, bound in (
            ("minimum", self.minimum),
            ("maximum", self.maximum),
            ("minItems" if is_list else "minLength", self.min_length),
            ("maxItems" if is_list else "maxLength", self.max_length),
        ):
            if bound is not None:
                found[key] = bound
        return found


def schema_of(annotation: Any, *, parameter: bool = False) -> Schema:
    """The JSON Schema of one annotation.

    Args:
        parameter: The annotation is a parameter's: ``T | None`` then means that it may be left
            out, and null counts as left out. Anywhere else null is a value.

    Raises:
        TypeError: The annotation is outside the supported set, or ``options`` do not match.
    """
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        schema = schema_of(inner, parameter=parameter)
        for extra in extras:
            if isinstance(extra, Field):
                schema = _with_options(schema, extra) | extra.keywords(schema)
            elif isinstance(extra, Mapping):
                schema = schema | dict(extra)
        return schema
    if annotation in _SCALARS:
        return {"type": _SCALARS[annotation]}
    if annotation is Any or annotation is inspect.Parameter.empty:
        return {}
    if annotation is None or annotation is type(None):
        return {"type": "null"}
    if annotation is File:
        return File.schema()
    if is_typeddict(annotation):
        return _typed_dict(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, Sequence) or annotation in (list, Sequence):
        items = schema_of(arguments[0]) if arguments else {}
        return {"type": "array", "items": items} if items else {"type": "array"}
    if origin in (dict, Mapping) or annotation in (dict, Mapping):
        values = schema_of(arguments[1]) if arguments else {}
        return {"type": "object", "additionalProperties": values or True}
    if origin in (Union, types.UnionType):
        return _union([schema_of(argument) for argument in arguments], drop_null=parameter)
    raise TypeError(f"no JSON Schema for the annotation {annotation!r}")


def input_schema(function: Callable[..., Any], *, skip: int = 1) -> Schema:
    """The object schema of a function's parameters after the first `skip` (the context).

    Every parameter must be described. A ``**values`` parameter accepts any further property.

    Raises:
        TypeError: A parameter has no description or an unsupported annotation.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    properties: Schema = {}
    required: list[str] = []
    additional: bool | Schema = False
    for parameter in list(inspect.signature(function).parameters.values())[skip:]:
        schema = schema_of(hints.get(parameter.name, inspect.Parameter.empty), parameter=True)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            additional = schema or True
            continue
        if not schema.get("description"):
            raise TypeError(
                f"{function.__qualname__}: parameter {parameter.name!r} needs a Field description"
            )
        # A trailing underscore lets a parameter be called `as_` or `from_` where JSON says `as`.
        name = parameter.name.rstrip("_")
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
        elif parameter.default is not None:
            schema["default"] = parameter.default
        properties[name] = schema
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": additional,
    }


def _with_options(schema: Schema, extra: Field) -> Schema:
    if not extra.options:
        return schema
    if set(extra.options) != set(schema.get("enum", ())):
        raise TypeError(f"options {sorted(map(str, extra.options))} do not match the allowed values")
    described = [{"const": value, "description": text} for value, text in extra.options.items()]
    return {key: value for key, value in schema.items() if key != "enum"} | {"oneOf": described}


def _typed_dict(annotation: Any) -> Schema:
    properties = {}
    required = []
    for name, hint in typing.get_type_hints(annotation, include_extras=True).items():
        marker = get_origin(hint)
        is_marked = marker in (typing.Required, typing.NotRequired)
        properties[name] = schema_of(get_args(hint)[0] if is_marked else hint)
        # Python overlooks the markers when annotations are texts (PEP 563), so they are read here.
        if marker is typing.Required or (not is_marked and name in annotation.__required_keys__):
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _union(members: list[Schema], *, drop_null: bool) -> Schema:
    if drop_null:
        members = [member for member in members if member != {"type": "null"}]
    return members[0] if len(members) == 1 else {"anyOf": members}
