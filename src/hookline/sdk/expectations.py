"""What the output of a model must be, said by the step; anything else is `malformed_output`.

An action that runs a model takes a parameter `Expect`, gives it to `check_expect` before anything is
started, and gives its result to `check_output`. So ``expect`` means the same for every provider.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import jsonschema
import referencing

from .errors import BadInput, MalformedOutput
from .fields import Field
from .predictions import Prediction
from .units import parse_size

__all__ = ["Expect", "check_expect", "check_output"]

Json = Any

_KEYWORDS = frozenset(
    {
        "type",
        "enum",
        "const",
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
        "title",
        "description",
    }
)
_DEPTH = 16


class Expect(TypedDict):
    """What the output must be."""

    type: NotRequired[
        Annotated[
            Literal["text", "files", "json"],
            Field(
                "Kind of output.",
                options={
                    "text": "A text.",
                    "files": "Files and nothing else.",
                    "json": "A JSON value; a text must be a JSON document, and output becomes its value.",
                },
            ),
        ]
    ]
    not_empty: NotRequired[Annotated[bool, Field("Refuse no output, blank text, and files without bytes.")]]
    min_files: NotRequired[Annotated[int, Field("Fewest files.", minimum=0)]]
    max_files: NotRequired[Annotated[int, Field("Most files.", minimum=0)]]
    mime: NotRequired[
        Annotated[str, Field("Media type of every file.", examples=["image/png", "image/*"], min_length=3)]
    ]
    min_size: NotRequired[Annotated[str | int, Field("Smallest file or text.", examples=["1KB"])]]
    max_size: NotRequired[Annotated[str | int, Field("Largest file or text.", examples=["20MB"])]]
    schema: NotRequired[
        Annotated[
            dict[str, Any],
            Field(
                "JSON Schema of output: type, enum, const, properties, required, additionalProperties, items "
                "and bounds."
            ),
        ]
    ]


def check_expect(expect: Mapping[str, Json]) -> None:
    """Check the expectation itself, before anything is paid for.

    Raises:
        BadInput: A size or the schema cannot be used.
    """
    for key in ("min_size", "max_size"):
        if key in expect:
            parse_size(expect[key], name=f"/expect/{key}")
    if "schema" in expect:
        for problem in _unusable(expect["schema"], "/expect/schema", _DEPTH):
            raise BadInput(problem, hint=f"it may use {', '.join(sorted(_KEYWORDS))}")
        try:
            jsonschema.Draft202012Validator.check_schema(expect["schema"])
        except jsonschema.SchemaError as error:
            raise BadInput(f"/expect/schema is no JSON Schema: {error.message[:200]}") from error


def _unusable(schema: Json, where: str, depth: int) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping) or depth == 0:
        yield f"{where} is no schema, or nested too deeply"
        return
    for keyword in schema:
        if keyword not in _KEYWORDS:
            yield f"{where}/{keyword} is not understood"
    properties = schema.get("properties", {})
    for name, part in properties.items() if isinstance(properties, Mapping) else ():
        yield from _unusable(part, f"{where}/properties/{name}", depth - 1)
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from _unusable(schema[keyword], f"{where}/{keyword}", depth - 1)


def check_output(result: Prediction, expect: Mapping[str, Json], *, hint: str) -> Prediction:
    """The result, if it is what the step expects; a text that is to be JSON is read.

    Args:
        expect: As `check_expect` took it.
        hint: What to do when it is not: where the output can be seen, and whether it was paid for.

    Raises:
        MalformedOutput: It is not.
    """
    try:
        return _checked(result, expect)
    except _UnexpectedError as error:
        raise MalformedOutput(f"{error}, which expect does not allow", hint=hint) from error


class _UnexpectedError(Exception):
    """What the output is, in the place of what was expected. It does not leave this module."""


def _checked(result: Prediction, expect: Mapping[str, Json]) -> Prediction:
    result = _of_type(result, expect.get("type"))
    if expect.get("not_empty") and _is_empty(result):
        raise _UnexpectedError("the output is empty")
    _check_files(result["files"], expect)
    _check_sizes(result, expect)
    if "schema" in expect:
        validator = jsonschema.Draft202012Validator(expect["schema"], registry=referencing.Registry())
        error = next(validator.iter_errors(result["output"]), None)
        if error is not None:
            where = "/".join(["/output", *map(str, error.absolute_path)])
            raise _UnexpectedError(f"{where}: {error.message[:300]}")
    return result


def _of_type(result: Prediction, wanted: Json) -> Prediction:
    kind = result["output_type"]
    if wanted == "json" and kind == "text":
        try:
            value = json.loads(result["output_text"] or "", parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise _UnexpectedError("the output is a text that is no JSON document") from error
        return {**result, "output": value, "output_type": "json"}
    if wanted is not None and kind != wanted and not (kind == "json" and result["output"] == []):
        raise _UnexpectedError(f"the output is of the kind {kind}, not {wanted}")
    return result


def _no_constant(text: str) -> Json:
    raise ValueError(f"{text} is not JSON")


def _is_empty(result: Prediction) -> bool:
    if result["output_type"] == "none" or result["output"] in ("", [], {}):
        return True
    if result["output_type"] == "text":
        return not (result["output_text"] or "").strip()
    return any(file.get("bytes") == 0 for file in result["files"])


def _check_files(files: list[Json], expect: Mapping[str, Json]) -> None:
    count = len(files)
    if count < expect.get("min_files", 0) or count > expect.get("max_files", count):
        raise _UnexpectedError(f"the output has {count} files")
    wanted = expect.get("mime")
    for place, file in enumerate(files if wanted else ()):
        mime = str(file.get("mime", ""))
        if mime != wanted and not (str(wanted).endswith("/*") and mime.startswith(str(wanted)[:-1])):
            raise _UnexpectedError(f"/files/{place} is {mime or 'of no type'}, not {wanted}")


def _check_sizes(result: Prediction, expect: Mapping[str, Json]) -> None:
    sizes = [file.get("bytes") for file in result["files"]]
    if result["output_text"] is not None:
        sizes.append(len(result["output_text"].encode("utf-8", "surrogatepass")))
    for size in sizes:
        if size is None:
            continue
        if "min_size" in expect and size < parse_size(expect["min_size"], name="min_size"):
            raise _UnexpectedError(f"a file or text of the output has only {size:,} bytes")
        if "max_size" in expect and size > parse_size(expect["max_size"], name="max_size"):
            raise _UnexpectedError(f"a file or text of the output has {size:,} bytes")
