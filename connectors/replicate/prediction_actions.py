"""Looking at predictions, however they were made."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict
from urllib.parse import quote

from hookline.sdk import Context, Example, Field, MalformedOutput, Recorded

from .client import ReplicateClient
from .paging import Cursor, Limit, listed
from .recorded import FINISHED, page_of
from .service import replicate
from .shapes import PredictionShape, read_prediction

__all__ = ["cancel_prediction", "get_prediction", "list_predictions"]

Json = Any
PredictionId = Annotated[
    str, Field("Identifier of the prediction.", examples=["gm3qorzdhgbfurvjtvhg6dckhu"], min_length=1)
]
_ID = FINISHED["id"]


class Predictions(TypedDict):
    """Predictions, newest first."""

    results: Annotated[list[PredictionShape], Field("The predictions.")]
    next: Annotated[str | None, Field("cursor for more; null at the end.")]


@replicate.action(
    "get_prediction",
    effect="read",
    summary="Prediction {id} is {status}",
    docs="https://replicate.com/docs/reference/http#predictions.get",
    examples=[
        Example(input={"id": _ID}, responses=[Recorded(json=FINISHED, expect=f"GET /v1/predictions/{_ID}")])
    ],
)
async def get_prediction(ctx: Context, id: PredictionId) -> PredictionShape:
    """Get a prediction

    Its output files are addresses that end an hour after the prediction does; keep them with http.request
    or by running the model with replicate.run.
    """
    client: ReplicateClient = ctx.connection
    return read_prediction(await client.get(_path(id)))


@replicate.action(
    "list_predictions",
    effect="read",
    summary="Listed {results} predictions",
    docs="https://replicate.com/docs/reference/http#predictions.list",
    examples=[
        Example(
            input={"created_after": "2026-11-18T00:00:00Z", "limit": 10},
            responses=[
                Recorded(
                    json=page_of(FINISHED),
                    expect="GET /v1/predictions?created_after=2026-11-18T00%3A00%3A00Z",
                )
            ],
        )
    ],
)
async def list_predictions(
    ctx: Context,
    created_after: Annotated[
        str | None, Field("Only those made at this time or later.", format="date-time")
    ] = None,
    created_before: Annotated[
        str | None, Field("Only those made before this time.", format="date-time")
    ] = None,
    source: Annotated[
        Literal["web"] | None,
        Field(
            "Only those made on the website, of the last 14 days. All when left out.",
            advanced=True,
        ),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Predictions:
    """List predictions

    Of the account, made by API and on the web, newest first.
    """
    found = await listed(
        ctx.connection,
        "predictions",
        limit=limit,
        cursor=cursor,
        params={"created_after": created_after, "created_before": created_before, "source": source},
    )
    return {"results": [read_prediction(item) for item in found.results], "next": found.next}


@replicate.action(
    "cancel_prediction",
    effect="idempotent",
    summary="Prediction {id} is {status}",
    docs="https://replicate.com/docs/reference/http#predictions.cancel",
    examples=[
        Example(
            input={"id": _ID},
            responses=[
                Recorded(
                    json={**FINISHED, "status": "canceled", "output": None, "logs": None},
                    expect=f"POST /v1/predictions/{_ID}/cancel",
                )
            ],
        )
    ],
)
async def cancel_prediction(ctx: Context, id: PredictionId) -> PredictionShape:
    """Cancel a prediction

    One that is over already stays as it is, and is returned. The time it ran is billed.
    """
    client: ReplicateClient = ctx.connection
    response = await client.send("POST", f"{_path(id)}/cancel", effect="read", accept=(404, 409, 422))
    if response.status < 300:
        try:
            return read_prediction(response.json())
        except MalformedOutput:
            ctx.log("the answer to the cancel request cannot be read; the prediction is asked for")
    # What canceling a finished one answers is not documented; the prediction itself is.
    return read_prediction(await client.get(_path(id)))


def _path(id: str) -> str:
    return f"predictions/{quote(id, safe='')}"
