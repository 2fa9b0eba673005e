"""Schemas from annotations."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

import pytest

from hookline.sdk import Field, File, input_schema, schema_of


class Marked(TypedDict):
    """Markers are read although annotations are texts in this file."""

    always: str
    sometimes: NotRequired[Annotated[int, Field("A number.", minimum=1)]]


class Loose(TypedDict, total=False):
    """The other way round."""

    always: Required[str]
    sometimes: int | None


def test_markers_of_typed_dicts_are_honoured() -> None:
    schema = schema_of(Marked)
    assert schema["required"] == ["always"]
    assert schema["properties"]["sometimes"] == {"type": "integer", "description": "A number.", "minimum": 1}
    assert schema_of(Loose)["required"] == ["always"]


def test_null_is_a_value_except_in_a_parameter() -> None:
    nullable = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert schema_of(Loose)["properties"]["sometimes"] == nullable
    assert schema_of(int | None) == nullable

    def component(
        ctx: Any,
        count: Annotated[int | None, Field("How many.")] = None,
        inner: Annotated[Loose | None, Field("More.")] = None,
    ) -> None: ...

    properties = input_schema(component)["properties"]
    assert properties["count"] == {"type": "integer", "description": "How many."}
    assert properties["inner"]["type"] == "object"
    assert properties["inner"]["properties"]["sometimes"] == nullable


def test_every_parameter_is_described_and_named_as_in_json() -> None:
    def component(
        ctx: Any,
        from_: Annotated[Literal["a", "b"], Field("Where.", options={"a": "A.", "b": "B."})],
        file: Annotated[list[File], Field("Files.", min_length=1)],
        limit: Annotated[float, Field("Limit.", maximum=2)] = 1.5,
        **rest: Any,
    ) -> None: ...

    schema = input_schema(component)
    assert schema["required"] == ["from", "file"]
    assert schema["properties"]["from"]["oneOf"][0] == {"const": "a", "description": "A."}
    assert schema["properties"]["file"]["items"]["x-file"] is True
    assert schema["properties"]["file"]["minItems"] == 1
    assert schema["properties"]["limit"] == {
        "type": "number",
        "description": "Limit.",
        "maximum": 2,
        "default": 1.5,
    }
    assert schema["additionalProperties"] is True

    def undescribed(ctx: Any, x: int) -> None: ...

    with pytest.raises(TypeError, match="'x'"):
        input_schema(undescribed)


@pytest.mark.parametrize("annotation", [object, complex, set[int], type])
def test_other_annotations_are_refused(annotation: Any) -> None:
    with pytest.raises(TypeError):
        schema_of(annotation)
