"""Deployments: a model on hardware of its own, always warm if wanted, billed while it is up."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from hookline.sdk import (
    BadInput,
    Context,
    Example,
    Field,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    Recorded,
)

from .client import ReplicateClient
from .paging import Cursor, Limit, listed
from .recorded import DEPLOYMENT, HELLO_VERSION, page_of
from .service import replicate
from .shapes import MODEL_NAME, Deleted, DeploymentShape, ModelName, path_of, read_deployment

__all__ = [
    "create_deployment",
    "delete_deployment",
    "get_deployment",
    "list_deployments",
    "update_deployment",
]

Json = Any
_DOCS = "https://replicate.com/docs/reference/http"
_ONE = "/v1/deployments/acme/hello"
DeploymentName = Annotated[
    str, Field("owner/name of the deployment.", examples=["acme/hello"]), {"pattern": MODEL_NAME}
]
Sku = Field("SKU of the hardware, see replicate.list_hardware.", examples=["gpu-l40s"])
MinInstances = Field("Instances that are always up, and billed.", minimum=0, maximum=5)
MaxInstances = Field("Most instances.", minimum=0, maximum=20)
PinnedVersion = Field("Version of the model: 64 hexadecimal digits.", examples=[HELLO_VERSION])


class Deployments(TypedDict):
    """Deployments."""

    results: Annotated[list[DeploymentShape], Field("The deployments.")]
    next: Annotated[str | None, Field("cursor for more; null at the end.")]


@replicate.action(
    "list_deployments",
    effect="read",
    summary="Listed {results} deployments",
    docs=f"{_DOCS}#deployments.list",
    examples=[
        Example(input={}, responses=[Recorded(json=page_of(DEPLOYMENT), expect="GET /v1/deployments")])
    ],
)
async def list_deployments(ctx: Context, limit: Limit = 100, cursor: Cursor = None) -> Deployments:
    """List the account's deployments"""
    found = await listed(ctx.connection, "deployments", limit=limit, cursor=cursor)
    return {"results": [read_deployment(item) for item in found.results], "next": found.next}


@replicate.action(
    "get_deployment",
    effect="read",
    summary="Deployment {deployment}",
    docs=f"{_DOCS}#deployments.get",
    examples=[
        Example(
            input={"deployment": "acme/hello"}, responses=[Recorded(json=DEPLOYMENT, expect=f"GET {_ONE}")]
        )
    ],
)
async def get_deployment(ctx: Context, deployment: DeploymentName) -> DeploymentShape:
    """Get a deployment"""
    client: ReplicateClient = ctx.connection
    return read_deployment(await client.get(path_of(deployment, "deployments")))


@replicate.action(
    "create_deployment",
    effect="check",
    summary="Deployed {model} as {name}",
    docs=f"{_DOCS}#deployments.create",
    examples=[
        Example(
            input={
                "name": "hello",
                "model": "replicate/hello-world",
                "version": HELLO_VERSION,
                "hardware": "cpu",
                "min_instances": 0,
                "max_instances": 1,
            },
            responses=[Recorded(json=DEPLOYMENT, expect="POST /v1/deployments")],
        )
    ],
)
async def create_deployment(
    ctx: Context,
    name: Annotated[str, Field("Its name; unique within the account.", examples=["hello"], min_length=1)],
    model: ModelName,
    version: Annotated[str, PinnedVersion],
    hardware: Annotated[str, Sku],
    min_instances: Annotated[int, MinInstances],
    max_instances: Annotated[int, MaxInstances],
) -> DeploymentShape:
    """Create a deployment

    Its instances are billed while they are up, also when they are idle. After a lost answer the
    deployment is looked for by its name.
    """
    client: ReplicateClient = ctx.connection
    body = {
        "name": name,
        "model": model,
        "version": version,
        "hardware": hardware,
        "min_instances": min_instances,
        "max_instances": max_instances,
    }
    response = await client.send("POST", "deployments", effect="check", json=body)
    try:
        return read_deployment(response.json())
    except MalformedOutput as error:
        raise _unknown(name, error.message) from error


@create_deployment.on_lookup
async def find_deployment(
    ctx: Context, name: str, model: str, version: str, **values: Json
) -> DeploymentShape | None:
    """Whether the deployment is there."""
    client: ReplicateClient = ctx.connection
    owner = await client.account()
    try:
        found = read_deployment(await client.get(path_of(f"{owner}/{name}", "deployments")))
    except NotFound:
        return None
    if (found["model"], found["version"]) != (model, version):
        raise _unknown(name, "there is one, of another model or version")
    return found


@replicate.action(
    "update_deployment",
    effect="idempotent",
    summary="Changed {deployment}",
    docs=f"{_DOCS}#deployments.update",
    examples=[
        Example(
            input={"deployment": "acme/hello", "min_instances": 1},
            responses=[Recorded(json=DEPLOYMENT, expect=f"PATCH {_ONE}")],
        )
    ],
)
async def update_deployment(
    ctx: Context,
    deployment: DeploymentName,
    version: Annotated[str | None, PinnedVersion] = None,
    hardware: Annotated[str | None, Sku] = None,
    min_instances: Annotated[int | None, MinInstances] = None,
    max_instances: Annotated[int | None, MaxInstances] = None,
) -> DeploymentShape:
    """Change a deployment

    What is left out stays as it is. Each change is a release with the next number; repeated after a crash
    it makes one more release of the same.
    """
    client: ReplicateClient = ctx.connection
    given = {
        "version": version,
        "hardware": hardware,
        "min_instances": min_instances,
        "max_instances": max_instances,
    }
    body = {key: value for key, value in given.items() if value is not None}
    if not body:
        raise BadInput("nothing is to be changed", hint="give version, hardware or a number of instances")
    response = await client.send("PATCH", path_of(deployment, "deployments"), effect="read", json=body)
    return read_deployment(response.json())


@replicate.action(
    "delete_deployment",
    effect="idempotent",
    summary="Deleted {deployment}",
    docs=f"{_DOCS}#deployments.delete",
    examples=[
        Example(input={"deployment": "acme/hello"}, responses=[Recorded(204, expect=f"DELETE {_ONE}")])
    ],
)
async def delete_deployment(ctx: Context, deployment: DeploymentName) -> Deleted:
    """Delete a deployment

    Only one that was offline and unused for 15 minutes: set min_instances to 0 first.
    """
    client: ReplicateClient = ctx.connection
    return {"deleted": await client.delete(path_of(deployment, "deployments"))}


def _unknown(name: str, reason: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"whether the deployment {name} was created is not known: {reason}",
        hint="look at https://replicate.com/deployments",
    )
