"""The models a stand-in offers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hookline.testing.replicate import plans
from hookline.testing.replicate.records import JsonObject

__all__ = ["COG_VERSION", "Catalog", "Model", "built_in_models", "cog_model", "openapi_schema"]

COG_VERSION = "0.23.1"
CREATED_AT = 1_760_000_000.0
"""All models were made at the same moment, so that bodies are the same from run to run."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model with its one version.

    Attributes:
        official: Runs without naming a version; its predictions report the version ``hidden``.
        versions_listed: Whether the versions endpoints show the version; for some official models
            Replicate's do not.
        plan: How it runs here; ``None`` when a Cog server runs it.
        train: How it trains; ``None`` when it cannot.
        published: Whether it has a version; a model that was only created has none.
        revision: Counts its trainings, each of which makes another version.
        details: What `models.create` and `models.update` were given, such as ``github_url``.
        example: Input and output of its one example.
        earlier: Older versions of it, newest first; they can be read, listed and run.
        named_version: Its version, for a model that has to have a certain one.
    """

    owner: str
    name: str
    description: str
    schema: JsonObject
    plan: plans.Plan | None
    official: bool = False
    versions_listed: bool = True
    streams: bool = False
    train: plans.Plan | None = None
    published: bool = True
    revision: int = 0
    visibility: str = "public"
    details: Mapping[str, str] = field(default_factory=dict)
    readme: str | None = None
    example: tuple[Mapping[str, Any], Any] | None = None
    earlier: tuple[Model, ...] = ()
    named_version: str = ""

    @property
    def all_versions(self) -> tuple[Model, ...]:
        """The model in each of its versions, newest first; none when it was only created."""
        return (self, *self.earlier) if self.published else ()

    def with_version(self, version: str) -> Model | None:
        """The model as it was in this version."""
        return next((model for model in self.all_versions if model.version == version), None)

    @property
    def slug(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    @property
    def stream_kind(self) -> Literal["text", "files"] | None:
        """What its stream's output events carry; ``None`` when it has no stream."""
        if not self.streams:
            return None
        output = output_schema(self.schema)
        return "files" if "uri" in (output.get("format"), output.get("items", {}).get("format")) else "text"

    @property
    def version(self) -> str:
        """64 hex digits that follow from the name and the schema, so they are the same on every start."""
        if self.named_version and not self.revision:
            return self.named_version
        named = [self.slug, self.schema, *([self.revision] if self.revision else [])]
        text = json.dumps(named, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Catalog:
    """Models by name; later ones replace earlier ones of the same name."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = {model.slug: model for model in models}
        self._guard = threading.Lock()

    @property
    def models(self) -> Mapping[str, Model]:
        """All of them, as they are now."""
        with self._guard:
            return dict(self._models)

    def put(self, model: Model) -> None:
        """Add a model, or change it."""
        with self._guard:
            self._models[model.slug] = model

    def remove(self, slug: str) -> None:
        """Delete a model."""
        with self._guard:
            self._models.pop(slug, None)

    def by_slug(self, slug: str) -> Model | None:
        """The model ``owner/name``."""
        return self.models.get(slug)

    def by_reference(self, reference: str) -> tuple[Model, str] | None:
        """What `version` in a create request means: the model, and the version its predictions report.

        ``owner/name`` is good for official models only, as on Replicate.
        """
        slug, colon, version = reference.rpartition(":")
        if colon:
            named = self.models.get(slug)
            found = named.with_version(version) if named is not None else None
            return (found, version) if found is not None else None
        model = self.models.get(reference)
        if model is not None:
            return (model, "hidden") if model.official else None
        for candidate in self.models.values():
            found = candidate.with_version(reference)
            if found is not None:
                return found, reference
        return None


def openapi_schema(
    properties: Mapping[str, JsonObject],
    required: Sequence[str],
    output: JsonObject,
    enums: Mapping[str, JsonObject] | None = None,
) -> JsonObject:
    """A Cog OpenAPI document with `properties` as its input, numbered in the order given."""
    ordered = {
        name: {"title": name.replace("_", " ").title(), "x-order": place, **schema}
        for place, (name, schema) in enumerate(properties.items())
    }
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {
            "/predictions": {
                "post": {
                    "operationId": "predict_predictions_post",
                    "summary": "Predict",
                    "responses": {"200": {"description": "Successful Response"}},
                }
            }
        },
        "components": {
            "schemas": {
                "Input": {
                    "type": "object",
                    "title": "Input",
                    "required": list(required),
                    "properties": ordered,
                },
                "Output": {"title": "Output", **output},
                **(enums or {}),
            }
        },
    }


def cog_model(slug: str, schema: JsonObject) -> Model:
    """A model that a Cog server runs, with that server's own schema."""
    owner, _, name = slug.partition("/")
    return Model(owner, name, "Runs on a Cog server behind the stand-in.", schema, None, official=True)


def built_in_models() -> tuple[Model, ...]:
    """Models written in Python that need nothing but the standard library."""
    text = {"type": "string"}
    echo = openapi_schema({"text": {**text, "description": "What to return"}}, ["text"], text)
    return (
        Model(
            "hookline",
            "echo",
            "Returns its text.",
            echo,
            plans.echo,
            example=({"text": "hello"}, "hello"),
        ),
        Model(
            "hookline",
            "trainer",
            "Trains a model that returns its text.",
            _trainer_schema(echo),
            plans.echo,
            train=plans.train,
        ),
        Model(
            "hookline",
            "official-echo",
            "Returns its text; official, so it hides its version.",
            echo,
            plans.echo,
            official=True,
            versions_listed=False,
        ),
        Model("hookline", "sleepy", "Takes its time; can fail.", _sleepy_schema(), plans.sleepy),
        Model(
            "hookline",
            "picture",
            "Draws PNG pictures of one colour.",
            _picture_schema(),
            plans.picture,
            streams=True,
        ),
        Model("hookline", "tokens", "Emits words one by one.", _tokens_schema(), plans.tokens, streams=True),
        Model(
            "hookline",
            "manual",
            "Runs until the test ends it.",
            openapi_schema({"note": {**text, "default": "", "description": "For the log"}}, [], {}),
            plans.manual,
        ),
    )


def _sleepy_schema() -> JsonObject:
    return openapi_schema(
        {
            "seconds": {
                "type": "number",
                "minimum": 0,
                "maximum": 3600,
                "default": 1,
                "description": "Duration",
            },
            "steps": {
                "type": "integer",
                "minimum": 1,
                "maximum": 1000,
                "default": 1,
                "description": "Log lines",
            },
            "text": {"type": "string", "default": "rested", "description": "The output"},
            "error": {"type": "string", "default": "", "description": "Fail with this text; empty succeeds"},
        },
        [],
        {"type": "string"},
    )


def _picture_schema() -> JsonObject:
    size: JsonObject = {"type": "integer", "minimum": 1, "maximum": 1024, "default": 16}
    return openapi_schema(
        {
            "prompt": {"type": "string", "default": "", "description": "Ignored"},
            "color": {
                "type": "string",
                "pattern": "^#?[0-9a-fA-F]{6}$",
                "default": "#336699",
                "description": "Six hex digits",
            },
            "width": {**size, "description": "Pixels"},
            "height": {**size, "description": "Pixels"},
            "count": {
                "type": "integer",
                "minimum": 1,
                "maximum": 10,
                "default": 1,
                "description": "Pictures",
            },
            "image": {"type": "string", "format": "uri", "nullable": True, "description": "Ignored"},
            "output_format": {
                "allOf": [{"$ref": "#/components/schemas/output_format"}],
                "default": "png",
                "description": "Format",
            },
        },
        [],
        {"type": "array", "items": {"type": "string", "format": "uri"}},
        {
            "output_format": {
                "title": "output_format",
                "type": "string",
                "enum": ["png"],
                "description": "An enumeration.",
            }
        },
    )


def _tokens_schema() -> JsonObject:
    return openapi_schema(
        {
            "prompt": {"type": "string", "description": "Words"},
            "delay": {
                "type": "number",
                "minimum": 0,
                "maximum": 60,
                "default": 0,
                "description": "Seconds apart",
            },
        },
        ["prompt"],
        {
            "type": "array",
            "items": {"type": "string"},
            "x-cog-array-type": "iterator",
            "x-cog-array-display": "concatenate",
        },
    )


def _trainer_schema(echo: JsonObject) -> JsonObject:
    training = openapi_schema(
        {
            "input_images": {"type": "string", "format": "uri", "description": "A ZIP file"},
            "trigger_word": {"type": "string", "default": "TOK", "description": "Stands for what is trained"},
            "seconds": {
                "type": "number",
                "minimum": 0,
                "maximum": 86_400,
                "default": 0,
                "description": "Duration",
            },
            "error": {"type": "string", "default": "", "description": "Fail with this text; empty succeeds"},
        },
        ["input_images"],
        {},
    )["components"]["schemas"]["Input"]
    output = {
        "type": "object",
        "title": "TrainingOutput",
        "properties": {"weights": {"type": "string", "format": "uri"}, "version": {"type": "string"}},
    }
    schemas = {**echo["components"]["schemas"], "TrainingInput": training, "TrainingOutput": output}
    return {**echo, "components": {"schemas": schemas}}


def secret_inputs(document: Mapping[str, Any], component: str = "Input") -> frozenset[str]:
    """Names of the inputs that Replicate takes and does not show."""
    properties = input_schema(document, component).get("properties", {})
    return frozenset(name for name, schema in properties.items() if schema.get("x-cog-secret"))


def input_schema(schema: Mapping[str, Any], component: str = "Input") -> JsonObject:
    """The ``Input`` or ``TrainingInput`` of a Cog OpenAPI document, empty when it has none."""
    found: Any = schema.get("components", {}).get("schemas", {}).get(component, {})
    return found if isinstance(found, dict) else {}


def output_schema(schema: Mapping[str, Any]) -> JsonObject:
    """The ``Output`` of a Cog OpenAPI document, empty when it has none."""
    found: Any = schema.get("components", {}).get("schemas", {}).get("Output", {})
    return found if isinstance(found, dict) else {}
