"""What the API's objects look like in a step's output, and reading them.

The fields are those of the published OpenAPI document; what it calls optional, and what is known to
be missing in older answers, is null when it is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypedDict, TypeVar, cast
from urllib.parse import quote

import jsonschema
import referencing

from hookline.sdk import BadInput, Field, MalformedOutput, schema_of

__all__ = [
    "MODEL_NAME",
    "Deleted",
    "DeploymentShape",
    "FileShape",
    "ModelName",
    "ModelShape",
    "PredictionShape",
    "TrainingShape",
    "VersionShape",
    "WholeModelShape",
    "path_of",
    "read_deployment",
    "read_file",
    "read_model",
    "read_prediction",
    "read_training",
    "read_version",
    "read_whole_model",
    "shaped",
]

Json = Any
T = TypeVar("T")

MODEL_NAME = "^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$"
"""``owner/name``."""

ModelName = Annotated[
    str, Field("owner/name of the model.", examples=["replicate/hello-world"]), {"pattern": MODEL_NAME}
]
Time = Annotated[str | None, Field("When, UTC; null when it has not happened.")]


class PredictionShape(TypedDict):
    """A prediction as it is now."""

    id: Annotated[str, Field("Identifier.")]
    status: Annotated[
        str, Field("starting, processing, succeeded, failed, canceled or aborted.", examples=["succeeded"])
    ]
    model: Annotated[str | None, Field("owner/name.")]
    version: Annotated[str | None, Field("Version that ran; hidden for official models.")]
    deployment: Annotated[str | None, Field("owner/name of the deployment that ran it.")]
    input: Annotated[Any, Field("Its input; emptied an hour after the end.")]
    output: Annotated[Any, Field("Its output as the API gives it; the files are deleted after an hour.")]
    error: Annotated[Any, Field("Why it failed.")]
    logs: Annotated[str | None, Field("What the model wrote.")]
    metrics: Annotated[Any, Field("predict_time and total_time in seconds, and what the model counts.")]
    source: Annotated[str | None, Field("api or web.")]
    data_removed: Annotated[bool, Field("Whether input, output and logs are gone.")]
    created_at: Time
    started_at: Time
    completed_at: Time
    deadline: Time
    web: Annotated[str | None, Field("Its page on replicate.com.")]


class TrainingShape(TypedDict):
    """A training as it is now."""

    id: Annotated[str, Field("Identifier.")]
    status: Annotated[str, Field("starting, processing, succeeded, failed, canceled or aborted.")]
    model: Annotated[str | None, Field("owner/name of the trainer.")]
    version: Annotated[str | None, Field("Version of the trainer.")]
    input: Annotated[Any, Field("Its input.")]
    output: Annotated[Any, Field("version and weights of the trained model, null until then.")]
    error: Annotated[Any, Field("Why it failed.")]
    logs: Annotated[str | None, Field("What the trainer wrote.")]
    metrics: Annotated[Any, Field("predict_time and total_time in seconds.")]
    created_at: Time
    started_at: Time
    completed_at: Time


class ModelShape(TypedDict):
    """A model."""

    owner: Annotated[str, Field("Account that owns it.")]
    name: Annotated[str, Field("Its name.")]
    description: Annotated[str | None, Field("What it does.")]
    visibility: Annotated[str | None, Field("public or private.")]
    is_official: Annotated[bool | None, Field("Whether it runs without a version and is billed per output.")]
    run_count: Annotated[int | None, Field("How often it was run.")]
    url: Annotated[str | None, Field("Its page.")]
    github_url: Annotated[str | None, Field("Its source.")]
    paper_url: Annotated[str | None, Field("Its paper.")]
    license_url: Annotated[str | None, Field("Its license.")]
    cover_image_url: Annotated[str | None, Field("Its picture.")]
    created_at: Time
    latest_version: Annotated[str | None, Field("Its newest version, to pin: owner/name:version.")]


class WholeModelShape(ModelShape):
    """A model with what its newest version takes."""

    openapi_schema: Annotated[
        Any, Field("What its newest version takes and gives; null when it is not published.")
    ]


class VersionShape(TypedDict):
    """A version of a model."""

    id: Annotated[str, Field("64 hexadecimal digits.")]
    created_at: Time
    cog_version: Annotated[str | None, Field("Cog that built it.")]
    openapi_schema: Annotated[Any, Field("What it takes and gives; null when it is not published.")]


class DeploymentShape(TypedDict):
    """A deployment and its current release."""

    owner: Annotated[str, Field("Account that owns it.")]
    name: Annotated[str, Field("Its name.")]
    number: Annotated[int | None, Field("Number of the release; each change makes the next.")]
    model: Annotated[str | None, Field("owner/name of the model it runs.")]
    version: Annotated[str | None, Field("Version it runs.")]
    hardware: Annotated[str | None, Field("Hardware it runs on.")]
    min_instances: Annotated[int | None, Field("Instances that are always up, and billed.")]
    max_instances: Annotated[int | None, Field("Most instances.")]
    created_at: Time


class FileShape(TypedDict):
    """A file of the Files API."""

    id: Annotated[str, Field("Identifier.")]
    name: Annotated[str | None, Field("File name.")]
    content_type: Annotated[str | None, Field("Media type.")]
    size: Annotated[int | None, Field("Bytes.")]
    sha256: Annotated[str | None, Field("SHA-256, hexadecimal.")]
    metadata: Annotated[Any, Field("What was given with it.")]
    url: Annotated[
        str, Field("Address to give to a model; only predictions of the same account can read it.")
    ]
    created_at: Time
    expires_at: Time


class Deleted(TypedDict):
    """What became of it."""

    deleted: Annotated[bool, Field("False when it was not there (any more).")]


def shaped(shape: type[T], value: Json, what: str) -> T:
    """The declared fields of an answer, checked.

    Raises:
        MalformedOutput: It is no object, or a field is not of its type.
    """
    if not isinstance(value, Mapping):
        raise MalformedOutput(f"Replicate answered something that is no {what}")
    validator = _validator(cast(Any, shape))
    schema = cast(Mapping[str, Json], validator.schema)
    picked = {name: value.get(name) for name in schema["properties"]}
    error = next(validator.iter_errors(picked), None)
    if error is not None:
        where = "/".join(map(str, error.absolute_path)) or "form"
        raise MalformedOutput(f"Replicate answered a {what} whose {where} is not as documented")
    return cast(T, picked)


@cache
def _validator(shape: type[Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema_of(shape), registry=referencing.Registry())


def read_prediction(value: Json) -> PredictionShape:
    """A prediction's body."""
    return shaped(
        PredictionShape,
        _with(value, data_removed=_get(value, "data_removed") is True, web=_get(value, "urls", "web")),
        "prediction",
    )


def read_training(value: Json) -> TrainingShape:
    """A training's body."""
    return shaped(TrainingShape, value, "training")


def read_model(value: Json) -> ModelShape:
    """A model's body."""
    return shaped(ModelShape, _with(value, latest_version=_get(value, "latest_version", "id")), "model")


def read_whole_model(value: Json) -> WholeModelShape:
    """A model's body, with what its newest version takes."""
    more = {name: _get(value, "latest_version", key) for name, key in _OF_LATEST.items()}
    return shaped(WholeModelShape, _with(value, **more), "model")


def read_version(value: Json) -> VersionShape:
    """A version's body."""
    return shaped(VersionShape, value, "version")


def read_deployment(value: Json) -> DeploymentShape:
    """A deployment's body."""
    release = _get(value, "current_release")
    named = ("number", "model", "version", "created_at")
    sized = ("hardware", "min_instances", "max_instances")
    flat = {name: _get(release, name) for name in named}
    flat |= {name: _get(release, "configuration", name) for name in sized}
    return shaped(DeploymentShape, _with(value, **flat), "deployment")


def read_file(value: Json) -> FileShape:
    """A file's body."""
    return shaped(
        FileShape,
        _with(value, sha256=_get(value, "checksums", "sha256"), url=_get(value, "urls", "get")),
        "file",
    )


_OF_LATEST = {"latest_version": "id", "openapi_schema": "openapi_schema"}


def path_of(name: str, room: Literal["models", "deployments"] = "models") -> str:
    """The path of ``owner/name`` below ``/v1/``.

    Raises:
        BadInput: It has another form.
    """
    owner, slash, rest = name.partition("/")
    if not (owner and slash and rest) or "/" in rest or {owner, rest} & {".", ".."}:
        raise BadInput(f"{name[:200]!r} is not of the form owner/name")
    return f"{room}/{quote(owner, safe='')}/{quote(rest, safe='')}"


def _with(value: Json, **more: Json) -> Json:
    return {**value, **more} if isinstance(value, Mapping) else value


def _get(value: Json, *path: str) -> Json:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
