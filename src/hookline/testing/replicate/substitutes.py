"""Models in the place of those that somebody's workflows name."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from hookline.testing.replicate import plans
from hookline.testing.replicate.catalog import Model
from hookline.testing.replicate.records import JsonObject

__all__ = ["BUILT_IN_OUTPUTS", "Output", "substitute"]

Output = Any | Callable[[Mapping[str, Any]], Any]
"""What a substitute gives: a JSON value with `FileValue`s in it, or a function of the input."""


def substitute(
    reference: str,
    output: Output,
    *,
    schema: JsonObject | None = None,
) -> Model:
    """A model that goes by the name, and the version, that a workflow gives.

    Args:
        reference: ``owner/name`` for an official model, ``owner/name:version`` for any other.
        output: What it gives: any JSON value, `FileValue` for a file; a function of the input, whose
            exception fails the prediction with its text as the error; ``echo`` for the prompt, ``picture``
            for pictures, as many as are asked for.
        schema: The model's own ``openapi_schema``, which its input is then held to. Without it every input
            is taken, as from a model that publishes none.

    Raises:
        ValueError: The reference has another form.
    """
    slug, _, version = reference.partition(":")
    owner, slash, name = slug.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise ValueError(f"{reference!r} is not of the form owner/name or owner/name:version")
    return Model(
        owner,
        name,
        "Stands in for a model of this name.",
        schema or {},
        _plan(output),
        official=not version,
        versions_listed=bool(version),
        named_version=version,
    )


def echo(values: Mapping[str, Any]) -> Any:
    """The text that the model is given, or all of its input."""
    return next((values[key] for key in ("prompt", "text", "input") if key in values), dict(values))


def picture(values: Mapping[str, Any]) -> list[plans.FileValue]:
    """As many pictures as the model is asked for."""
    asked = next((values[key] for key in ("num_outputs", "count") if key in values), 1)
    data = plans.png(16, 16, (51, 102, 153))
    return [plans.FileValue(data, "image/png", f"out-{number}.png") for number in range(int(asked))]


BUILT_IN_OUTPUTS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {"echo": echo, "picture": picture}
"""Outputs that have a name."""


def _plan(output: Output) -> plans.Plan:
    made = BUILT_IN_OUTPUTS.get(output, output) if isinstance(output, str) else output

    def run(values: Mapping[str, Any]) -> Generator[plans.Step, None, Any]:
        yield plans.Log("a stand-in\n")
        if not callable(made):
            return made
        try:
            return made(values)
        except Exception as error:
            raise plans.PlanFailed(str(error) or type(error).__name__) from error

    return run
