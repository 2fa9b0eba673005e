"""Models: find, make, change and delete them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from hookline.sdk import Context, Example, Field, MalformedOutput, NotFound, OutcomeUnknown, Recorded

from .client import READ_TIMEOUT, ReplicateClient
from .paging import Cursor, Limit, listed
from .problems import raise_problem
from .recorded import FINISHED, MODEL, page_of
from .service import replicate
from .shapes import (
    Deleted,
    ModelName,
    ModelShape,
    PredictionShape,
    WholeModelShape,
    path_of,
    read_model,
    read_prediction,
    read_whole_model,
)

__all__ = [
    "create_model",
    "delete_model",
    "get_model",
    "get_readme",
    "list_examples",
    "list_models",
    "search_models",
    "update_model",
]

Json = Any
_DOCS = "https://replicate.com/docs/reference/http"
_ONE = "/v1/models/replicate/hello-world"
Description = Annotated[str | None, Field("What it does.", max_length=2000)]
GithubUrl = Annotated[str | None, Field("Its source.", format="uri", advanced=True)]
PaperUrl = Annotated[str | None, Field("Its paper.", format="uri", advanced=True)]
LicenseUrl = Annotated[str | None, Field("Its license.", format="uri", advanced=True)]


class Models(TypedDict):
    """Models."""

    results: Annotated[list[ModelShape], Field("The models.")]
    next: Annotated[str | None, Field("cursor for more; null at the end.")]


class Examples(TypedDict):
    """Example predictions."""

    results: Annotated[list[PredictionShape], Field("The predictions.")]
    next: Annotated[str | None, Field("cursor for more; null at the end.")]


class Readme(TypedDict):
    """A README."""

    text: Annotated[str, Field("Markdown.")]


@replicate.action(
    "get_model",
    effect="read",
    summary="Model {model}",
    docs=f"{_DOCS}#models.get",
    examples=[
        Example(
            input={"model": "replicate/hello-world"}, responses=[Recorded(json=MODEL, expect=f"GET {_ONE}")]
        )
    ],
)
async def get_model(ctx: Context, model: ModelName) -> WholeModelShape:
    """Get a model

    With what its newest version takes and gives: official models show it nowhere else.
    """
    client: ReplicateClient = ctx.connection
    return read_whole_model(await client.get(path_of(model)))


@replicate.action(
    "list_models",
    effect="read",
    summary="Listed {results} models",
    docs=f"{_DOCS}#models.list",
    examples=[
        Example(
            input={"sort_by": "model_created_at", "limit": 5},
            responses=[
                Recorded(
                    json=page_of(MODEL),
                    expect="GET /v1/models?sort_by=model_created_at&sort_direction=desc",
                )
            ],
        )
    ],
)
async def list_models(
    ctx: Context,
    sort_by: Annotated[
        Literal["model_created_at", "latest_version_created_at"], Field("Which time they are sorted by.")
    ] = "latest_version_created_at",
    sort_direction: Annotated[Literal["asc", "desc"], Field("Oldest or newest first.")] = "desc",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Models:
    """List public models

    All of everybody's. Replicate offers no list of your own models.
    """
    params = {"sort_by": sort_by, "sort_direction": sort_direction}
    found = await listed(ctx.connection, "models", limit=limit, cursor=cursor, params=params)
    return {"results": [read_model(item) for item in found.results], "next": found.next}


@replicate.action(
    "search_models",
    effect="read",
    summary='Found {results} models for "{query}"',
    docs=f"{_DOCS}#models.search",
    examples=[
        Example(
            input={"query": "hello"},
            responses=[Recorded(json=page_of(MODEL), expect="QUERY /v1/models")],
        )
    ],
)
async def search_models(
    ctx: Context,
    query: Annotated[str, Field("Words to look for.", min_length=1, max_length=500, examples=["upscale"])],
    limit: Annotated[int, Field("Most models.", minimum=1, maximum=100)] = 20,
) -> Models:
    """Search public models

    The first page. replicate.search finds collections and pages of the documentation too.
    """
    client: ReplicateClient = ctx.connection
    response = await client.http.request(
        "QUERY",
        "models",
        content=query.encode("utf-8", "replace"),
        headers={"Content-Type": "text/plain"},
        timeout=READ_TIMEOUT,
    )
    raise_problem(response, effect="read")
    page = response.json()
    results = page.get("results") if isinstance(page, dict) else None
    if not isinstance(results, list):
        raise MalformedOutput("Replicate answered a list of models that is none")
    return {"results": [read_model(item) for item in results[:limit]], "next": None}


@replicate.action(
    "create_model",
    effect="check",
    summary="Created {owner}/{name}",
    docs=f"{_DOCS}#models.create",
    examples=[
        Example(
            input={"owner": "acme", "name": "tuned", "visibility": "private", "hardware": "gpu-l40s"},
            responses=[
                Recorded(
                    201,
                    json={**MODEL, "owner": "acme", "name": "tuned", "visibility": "private"},
                    expect="POST /v1/models",
                )
            ],
        )
    ],
)
async def create_model(
    ctx: Context,
    owner: Annotated[str, Field("Account that will own it: yours.", examples=["acme"], min_length=1)],
    name: Annotated[str, Field("Its name; unique within the account.", examples=["tuned"], min_length=1)],
    visibility: Annotated[Literal["private", "public"], Field("Who can see and run it.")],
    hardware: Annotated[
        str, Field("SKU of the hardware it runs on, see replicate.list_hardware.", examples=["gpu-l40s"])
    ],
    description: Description = None,
    github_url: GithubUrl = None,
    paper_url: PaperUrl = None,
    license_url: LicenseUrl = None,
    cover_image_url: Annotated[str | None, Field("Its picture.", format="uri", advanced=True)] = None,
) -> ModelShape:
    """Create a model

    An empty one, for example as the destination of a training. An account can have 1,000. After a lost
    answer the model is looked for by its name.
    """
    client: ReplicateClient = ctx.connection
    body = _given(
        owner=owner,
        name=name,
        visibility=visibility,
        hardware=hardware,
        description=description,
        github_url=github_url,
        paper_url=paper_url,
        license_url=license_url,
        cover_image_url=cover_image_url,
    )
    response = await client.send("POST", "models", effect="check", json=body)
    try:
        return read_model(response.json())
    except MalformedOutput as error:
        raise _unknown(owner, name, error.message) from error


@create_model.on_lookup
async def find_model(
    ctx: Context, owner: str, name: str, visibility: str, **values: Json
) -> ModelShape | None:
    """Whether the model is there."""
    client: ReplicateClient = ctx.connection
    try:
        found = read_model(await client.get(path_of(f"{owner}/{name}")))
    except NotFound:
        return None
    if found["visibility"] != visibility:
        raise _unknown(owner, name, "there is one, with another visibility")
    return found


@replicate.action(
    "update_model",
    effect="idempotent",
    summary="Changed {model}",
    docs=f"{_DOCS}#models.update",
    examples=[
        Example(
            input={"model": "replicate/hello-world", "description": "A tiny model"},
            responses=[Recorded(json={**MODEL, "description": "A tiny model"}, expect=f"PATCH {_ONE}")],
        )
    ],
)
async def update_model(
    ctx: Context,
    model: ModelName,
    description: Description = None,
    readme: Annotated[str | None, Field("Its README, Markdown.", multiline=True)] = None,
    github_url: GithubUrl = None,
    paper_url: PaperUrl = None,
    weights_url: Annotated[str | None, Field("Its weights.", format="uri", advanced=True)] = None,
    license_url: LicenseUrl = None,
) -> ModelShape:
    """Change a model

    Of your account. What is left out stays as it is.
    """
    client: ReplicateClient = ctx.connection
    body = _given(
        description=description,
        readme=readme,
        github_url=github_url,
        paper_url=paper_url,
        weights_url=weights_url,
        license_url=license_url,
    )
    response = await client.send("PATCH", path_of(model), effect="read", json=body)
    return read_model(response.json())


@replicate.action(
    "delete_model",
    effect="idempotent",
    summary="Deleted {model}",
    docs=f"{_DOCS}#models.delete",
    examples=[
        Example(
            input={"model": "acme/tuned"}, responses=[Recorded(204, expect="DELETE /v1/models/acme/tuned")]
        )
    ],
)
async def delete_model(ctx: Context, model: ModelName) -> Deleted:
    """Delete a model

    Only a private one of your account that has no versions left.
    """
    client: ReplicateClient = ctx.connection
    return {"deleted": await client.delete(path_of(model))}


@replicate.action(
    "get_readme",
    effect="read",
    summary="README of {model}",
    docs=f"{_DOCS}#models.readme.get",
    examples=[
        Example(
            input={"model": "replicate/hello-world"},
            responses=[Recorded(text="# hello-world\n\nA tiny model", expect=f"GET {_ONE}/readme")],
            output={"text": "# hello-world\n\nA tiny model"},
        )
    ],
)
async def get_readme(ctx: Context, model: ModelName) -> Readme:
    """Get the README of a model"""
    client: ReplicateClient = ctx.connection
    response = await client.send("GET", f"{path_of(model)}/readme", effect="read")
    return {"text": response.text}


@replicate.action(
    "list_examples",
    effect="read",
    summary="Listed {results} examples of {model}",
    docs=f"{_DOCS}#models.examples.list",
    examples=[
        Example(
            input={"model": "replicate/hello-world"},
            responses=[Recorded(json=page_of(FINISHED), expect=f"GET {_ONE}/examples")],
        )
    ],
)
async def list_examples(
    ctx: Context, model: ModelName, limit: Limit = 100, cursor: Cursor = None
) -> Examples:
    """List the examples of a model

    Predictions that its author chose to show: a way to see realistic inputs.
    """
    found = await listed(ctx.connection, f"{path_of(model)}/examples", limit=limit, cursor=cursor)
    return {"results": [read_prediction(item) for item in found.results], "next": found.next}


def _given(**values: Json) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value is not None}


def _unknown(owner: str, name: str, reason: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"whether the model {owner}/{name} was created is not known: {reason}",
        hint=f"look at https://replicate.com/{owner}/{name}",
    )
