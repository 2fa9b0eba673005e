"""The small ones that only read: collections, hardware, the account, search."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict
from urllib.parse import quote

from hookline.sdk import Context, Example, Field, MalformedOutput, Recorded

from .client import ReplicateClient
from .paging import Cursor, Limit, listed
from .recorded import MODEL, page_of
from .service import replicate
from .shapes import ModelShape, read_model, shaped

__all__ = ["get_account", "get_collection", "list_collections", "list_hardware", "search"]

Json = Any
_DOCS = "https://replicate.com/docs/reference/http"
_COLLECTION = {"name": "Upscale images", "slug": "super-resolution", "description": "Models that upscale"}


class Collection(TypedDict):
    """A collection."""

    name: Annotated[str, Field("Its name.")]
    slug: Annotated[str, Field("Its name in addresses.")]
    description: Annotated[str | None, Field("What is in it.")]


class Collections(TypedDict):
    """Collections."""

    results: Annotated[list[Collection], Field("The collections.")]
    next: Annotated[str | None, Field("cursor for more; null at the end.")]


class WholeCollection(Collection):
    """A collection with its models."""

    full_description: Annotated[str | None, Field("Markdown.")]
    models: Annotated[list[ModelShape], Field("Its models.")]


class Hardware(TypedDict):
    """A kind of hardware."""

    name: Annotated[str, Field("For people.")]
    sku: Annotated[str, Field("What models and deployments are given.")]


class Hardwares(TypedDict):
    """Kinds of hardware."""

    results: Annotated[list[Hardware], Field("What there is. The API tells no prices.")]


class Account(TypedDict):
    """An account."""

    type: Annotated[str, Field("user or organization.")]
    username: Annotated[str, Field("Its name in addresses.")]
    name: Annotated[str | None, Field("Its name.")]
    github_url: Annotated[str | None, Field("Its page on GitHub.")]
    avatar_url: Annotated[str | None, Field("Its picture.")]


class FoundModel(ModelShape):
    """A model, and why it was found."""

    generated_description: Annotated[str | None, Field("What it does, in Replicate's words.")]
    tags: Annotated[list[Any], Field("What it is for.")]
    score: Annotated[float | None, Field("How well it fits.")]


class Found(TypedDict):
    """What a search found."""

    models: Annotated[list[FoundModel], Field("Models, best first.")]
    collections: Annotated[list[Collection], Field("Collections.")]
    pages: Annotated[list[Any], Field("Pages of the documentation, with name and href.")]


@replicate.action(
    "list_collections",
    effect="read",
    summary="Listed {results} collections",
    docs=f"{_DOCS}#collections.list",
    examples=[
        # The reference shows the text "null" where the list ends.
        Example(
            input={},
            responses=[Recorded(json={**page_of(_COLLECTION), "next": "null"}, expect="GET /v1/collections")],
            output={"results": [_COLLECTION], "next": None},
        )
    ],
)
async def list_collections(ctx: Context, limit: Limit = 100, cursor: Cursor = None) -> Collections:
    """List collections of models"""
    found = await listed(ctx.connection, "collections", limit=limit, cursor=cursor)
    return {
        "results": [shaped(Collection, item, "collection") for item in found.results],
        "next": found.next,
    }


@replicate.action(
    "get_collection",
    effect="read",
    summary="Collection {slug} with {models} models",
    docs=f"{_DOCS}#collections.get",
    examples=[
        Example(
            input={"slug": "super-resolution"},
            responses=[
                Recorded(
                    json={**_COLLECTION, "full_description": None, "models": [MODEL]},
                    expect="GET /v1/collections/super-resolution",
                )
            ],
        )
    ],
)
async def get_collection(
    ctx: Context,
    slug: Annotated[
        str, Field("Its name in addresses.", examples=["super-resolution"], min_length=1, max_length=200)
    ],
) -> WholeCollection:
    """Get a collection and its models"""
    client: ReplicateClient = ctx.connection
    answer = await client.get(f"collections/{quote(slug, safe='')}")
    if isinstance(answer, dict):
        answer = {**answer, "models": _models(answer.get("models"))}
    return shaped(WholeCollection, answer, "collection")


@replicate.action(
    "list_hardware",
    effect="read",
    summary="Listed {results} kinds of hardware",
    docs=f"{_DOCS}#hardware.list",
    examples=[
        Example(
            input={},
            responses=[
                Recorded(
                    json=[{"name": "CPU", "sku": "cpu"}, {"name": "Nvidia T4 GPU", "sku": "gpu-t4"}],
                    expect="GET /v1/hardware",
                )
            ],
        )
    ],
)
async def list_hardware(ctx: Context) -> Hardwares:
    """List hardware"""
    client: ReplicateClient = ctx.connection
    answer = await client.get("hardware")
    if not isinstance(answer, list):
        raise MalformedOutput("Replicate answered a list of hardware that is none")
    return {"results": [shaped(Hardware, item, "kind of hardware") for item in answer]}


@replicate.action(
    "get_account",
    effect="read",
    summary="Account {username}",
    docs=f"{_DOCS}#account.get",
    examples=[
        Example(
            input={},
            responses=[
                Recorded(
                    json={
                        "type": "organization",
                        "username": "acme",
                        "name": "Acme Corp, Inc.",
                        "github_url": "https://github.com/acme",
                    },
                    expect="GET /v1/account",
                )
            ],
        )
    ],
)
async def get_account(ctx: Context) -> Account:
    """Get the account of the token"""
    client: ReplicateClient = ctx.connection
    return shaped(Account, await client.get("account"), "account")


@replicate.action(
    "search",
    effect="read",
    summary='Found {models} models for "{query}"',
    docs=f"{_DOCS}#search",
    examples=[
        Example(
            input={"query": "hello", "limit": 5},
            responses=[
                Recorded(
                    json={
                        "query": "hello",
                        "models": [{"model": MODEL, "metadata": {"tags": ["text"], "score": 0.8}}],
                        "collections": [_COLLECTION],
                        "pages": [{"name": "Hello", "href": "/docs/hello"}],
                    },
                    expect="GET /v1/search?query=hello&limit=5",
                )
            ],
        )
    ],
)
async def search(
    ctx: Context,
    query: Annotated[str, Field("Words to look for.", min_length=1, max_length=500, examples=["upscale"])],
    limit: Annotated[int, Field("Most models.", minimum=1, maximum=50)] = 20,
) -> Found:
    """Search models, collections and documentation

    A beta of Replicate's.
    """
    client: ReplicateClient = ctx.connection
    answer = await client.get("search", params={"query": query, "limit": str(limit)})
    if not isinstance(answer, dict):
        raise MalformedOutput("Replicate answered a search result that is none")
    return {
        "models": [_found_model(item) for item in _list(answer.get("models"))],
        "collections": [shaped(Collection, item, "collection") for item in _list(answer.get("collections"))],
        "pages": _list(answer.get("pages")),
    }


def _found_model(value: Json) -> FoundModel:
    model, metadata = (value.get(key) if isinstance(value, dict) else None for key in ("model", "metadata"))
    told = metadata if isinstance(metadata, dict) else {}
    more = {"tags": _list(told.get("tags")), "score": told.get("score")}
    more["generated_description"] = told.get("generated_description")
    return shaped(FoundModel, {**read_model(model), **more}, "model")


def _models(value: Json) -> list[ModelShape]:
    return [read_model(item) for item in _list(value)]


def _list(value: Json) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedOutput("Replicate answered a list that is none")
    return value
