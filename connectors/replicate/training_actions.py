"""Trainings: start one and wait, start one and go on, look at them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, TypedDict
from urllib.parse import quote

from hookline.sdk import (
    Context,
    Example,
    Field,
    Leftover,
    MalformedOutput,
    NotFound,
    Park,
    Recorded,
    Wake,
    parse_duration,
)
from hookline.sdk.model_checks import check_input
from hookline.sdk.predictions import iso

from .client import ReplicateClient
from .finish import not_succeeded
from .input_files import sent_input
from .lifecycle import Order, Task, begin, go_on_after, look_up, stop
from .paging import Cursor, Limit, listed
from .prices import HARDWARE, charge, check_hardware, estimate, prices_of
from .reconcile import Intent, find
from .recorded import HELLO_VERSION, TRAINER_VERSION, TRAINING, page_of
from .records import Remote, Target
from .service import replicate
from .settling import settle
from .shapes import MODEL_NAME, TrainingShape, path_of, read_training

__all__ = ["cancel_training", "create_training", "get_training", "list_trainings", "train"]

Json = Any
_DOCS = "https://replicate.com/docs/reference/http"
_TRAINER = f"/v1/models/acme/trainer/versions/{HELLO_VERSION}"
_CREATE = f"POST {_TRAINER}/trainings"
_ID = TRAINING["id"]

LONGEST = timedelta(days=8)

Trainer = Annotated[
    str,
    Field(
        "owner/name:version of the trainer, version being 64 hexadecimal digits.",
        examples=[f"acme/trainer:{HELLO_VERSION}"],
    ),
    {"pattern": MODEL_NAME.removesuffix("$") + ":[0-9a-f]{64}$", "x-model": "replicate"},
]
Destination = Annotated[
    str,
    Field(
        "owner/name of the model that gets the new version; it must exist and be yours, see "
        "replicate.create_model.",
        examples=["acme/tuned"],
    ),
    {"pattern": MODEL_NAME},
]
TrainingInput = Annotated[
    dict[str, Any],
    Field(
        "The trainer's inputs, by name. A file reference is uploaded; an http(s) address goes as it is.",
        examples=[{"input_images": "https://example.com/images.zip", "trigger_word": "TOK"}],
    ),
]
TrainingId = Annotated[str, Field("Identifier of the training.", examples=[_ID], min_length=1)]


class Trained(TypedDict):
    """A training that succeeded."""

    id: Annotated[str, Field("Identifier.")]
    version: Annotated[
        str, Field("owner/name:version of the trained model: what model of replicate.run takes.")
    ]
    weights: Annotated[str | None, Field("Address of the weights.")]
    destination: Annotated[str, Field("owner/name of the trained model.")]
    trainer: Annotated[str, Field("owner/name:version of the trainer.")]
    cost_usd: Annotated[float | None, Field("Estimated cost in US dollars; null when no price is known.")]
    seconds: Annotated[float | None, Field("Seconds it ran.")]
    created_at: Annotated[str, Field("When it was created, UTC.", format="date-time")]
    completed_at: Annotated[str, Field("When it was finished, UTC.", format="date-time")]


class Trainings(TypedDict):
    """Trainings, newest first."""

    results: Annotated[list[TrainingShape], Field("The trainings.")]
    next: Annotated[str | None, Field("cursor for more; null at the end.")]


class TrainTask(Task[Trained]):
    """One training."""

    noun = "training"
    kind = "trainings"
    longest = LONGEST

    def __init__(
        self,
        model: str,
        destination: str,
        input: Mapping[str, Json],
        run_timeout: str | float | None = None,
        hardware: str | None = None,
        webhook: Literal["auto", "always", "never"] = "auto",
        poll_interval: float | None = 60.0,
    ) -> None:
        self.trainer = model
        self.destination = destination
        self.input = input
        self.hardware = hardware
        self.webhook = webhook
        self.poll_interval = poll_interval
        if run_timeout is not None:
            self.run_timeout = parse_duration(run_timeout, name="run_timeout")

    def target(self, ctx: Context, place: int) -> Target:
        return _target(self.trainer)

    async def prepare(self, ctx: Context, client: ReplicateClient, place: int) -> Order:
        return await _order(ctx, client, self.trainer, self.destination, self.input)

    async def reserve(self, ctx: Context, place: int, order: Order) -> None:
        # Nobody knows before how long a training takes: what one has cost lately is the measure.
        per_second = (await prices_of(ctx)).hardware.get(self.hardware or "", 0.0)
        is_bounded = self.run_timeout is not None and per_second > 0
        usd = (self.run_timeout or 0.0) * per_second
        await ctx.reserve(usd, of=self.target(ctx, place).short, firm=is_bounded)

    async def finish(self, ctx: Context, client: ReplicateClient, remote: Remote) -> Trained:
        cost = await estimate(ctx, remote, self.hardware)
        charge(ctx, remote, cost)
        if remote.status != "succeeded":
            raise not_succeeded(remote, ctx.now(), noun="training", run_timeout=self.run_timeout)
        output = remote.output if isinstance(remote.output, Mapping) else {}
        version, weights = output.get("version"), output.get("weights")
        if not isinstance(version, str):
            raise MalformedOutput(
                f"Replicate training {remote.id} succeeded and names no version",
                hint=f"look at the versions of {self.destination}",
            )
        completed_at = remote.completed_at or ctx.now()
        return {
            "id": remote.id,
            "version": version if "/" in version else f"{self.destination}:{version}",
            "weights": weights if isinstance(weights, str) else None,
            "destination": self.destination,
            "trainer": self.trainer,
            "cost_usd": cost,
            "seconds": remote.predict_seconds,
            "created_at": iso(remote.created_at or completed_at),
            "completed_at": iso(completed_at),
        }


def _target(trainer: str) -> Target:
    name, _, version = trainer.partition(":")
    path = f"{path_of(name)}/versions/{quote(version, safe='')}/trainings"
    return Target(path, None, model=name, pinned=version, kind="trainings")


async def _order(
    ctx: Context, client: ReplicateClient, trainer: str, destination: str, values: Mapping[str, Json]
) -> Order:
    """Check the input against the trainer's own schema, and send its files ahead."""
    target = _target(trainer)
    secrets = client.secret_inputs.get(target.name, {})
    values = {**values, **secrets}
    why = "it publishes none"
    try:
        known = await client.catalogue.describe(target, ctx.now())
    except (NotFound, MalformedOutput) as error:
        known, why = None, error.message
    schema = None if known is None else known.training
    if schema is None or not check_input(values, schema, model=target.short):
        ctx.log(f"the input of {target.short} was not checked against its schema: {why}")
    sent = await sent_input(ctx, client, values)
    hidden = frozenset(secrets) | (schema.secrets if schema else frozenset())
    return Order(target, {"destination": destination, "input": sent}, hidden)


@replicate.action(
    "train",
    effect="check",
    summary="Trained {version}",
    docs=f"{_DOCS}#trainings.create",
    examples=[
        Example(
            title="Fine-tune from a ZIP of images",
            input={
                "model": f"acme/trainer:{HELLO_VERSION}",
                "destination": "acme/tuned",
                "input": {"input_images": "https://example.com/images.zip", "trigger_word": "TOK"},
                "hardware": "gpu-h100",
            },
            responses=[
                Recorded(json=TRAINER_VERSION, expect=f"GET {_TRAINER}"),
                Recorded(201, json=TRAINING, expect=_CREATE),
            ],
        )
    ],
)
async def train(
    ctx: Context,
    model: Trainer,
    destination: Destination,
    input: TrainingInput,
    run_timeout: Annotated[
        str | float | None,
        Field("Longest time it may run; the start does not count.", advanced=True, examples=["2h"]),
    ] = None,
    hardware: Annotated[
        str | None,
        Field(
            f"Hardware it runs on, to estimate the cost: one of {', '.join(sorted(HARDWARE))}, or one that "
            "prices.json adds.",
            advanced=True,
            examples=["gpu-h100"],
        ),
    ] = None,
    webhook: Annotated[
        Literal["auto", "always", "never"],
        Field(
            "Whether Replicate tells us when it is done.",
            advanced=True,
            options={
                "auto": "If HOOKLINE_BASE_URL is a public https address.",
                "always": "Always; Replicate refuses addresses it cannot use.",
                "never": "Never: only look.",
            },
        ),
    ] = "auto",
    poll_interval: Annotated[
        float, Field("Seconds between looks.", advanced=True, minimum=0.5, maximum=3600)
    ] = 60.0,
) -> Trained | Park:
    """Train a model

    Starts a training, waits for it without holding anything, and returns the trained version, ready for
    replicate.run. A crash at any moment starts no second training: the one that was started is looked up.
    """
    task = TrainTask(model, destination, input, run_timeout, hardware, webhook, poll_interval)
    await check_hardware(ctx, hardware)
    return await begin(ctx, task)


@train.on_resume
async def resume(ctx: Context, wake: Wake, **values: Json) -> Trained | Park:
    """A webhook, or the time for a look."""
    return await go_on_after(ctx, TrainTask(**values), wake)


@train.on_lookup
async def lookup(ctx: Context, **values: Json) -> Trained | Park | None:
    """What became of an attempt that was cut off."""
    return await look_up(ctx, TrainTask(**values))


@train.on_cancel
async def cancel(ctx: Context, data: Mapping[str, Json], **values: Json) -> None:
    """Stop the training."""
    await stop(ctx, TrainTask(**values), data)


@train.on_settle
async def settle_training(ctx: Context, left: Leftover, **values: Json) -> Park | None:
    """What a training cost that nobody waited for to its end."""
    return await settle(ctx, TrainTask(**values), left)


@train.on_verify
async def verify(ctx: Context, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a callback is signed by Replicate, and recent."""
    client: ReplicateClient = ctx.connection
    return await client.is_genuine(headers, body, now=ctx.now())


@replicate.action(
    "create_training",
    effect="check",
    summary="Started the training {id}",
    docs=f"{_DOCS}#trainings.create",
    examples=[
        Example(
            input={
                "model": f"acme/trainer:{HELLO_VERSION}",
                "destination": "acme/tuned",
                "input": {"input_images": "https://example.com/images.zip"},
            },
            responses=[
                Recorded(json=TRAINER_VERSION, expect=f"GET {_TRAINER}"),
                Recorded(201, json={**TRAINING, "status": "starting", "output": None}, expect=_CREATE),
            ],
        )
    ],
)
async def create_training(
    ctx: Context,
    model: Trainer,
    destination: Destination,
    input: TrainingInput,
    webhook: Annotated[
        str | None,
        Field(
            "Public https address that is told when it is over, for example of the trigger "
            "replicate.prediction_completed.",
            format="uri",
            advanced=True,
        ),
    ] = None,
) -> TrainingShape:
    """Start a training

    Without waiting for it; replicate.train waits. After a lost answer the training is looked for in the
    account's list, by webhook, trainer and input.
    """
    client: ReplicateClient = ctx.connection
    order = await _order(ctx, client, model, destination, input)
    body = dict(order.body)
    if webhook is not None:
        body |= {"webhook": webhook, "webhook_events_filter": ["completed"]}
    # The address is the same for other attempts, so it cannot tell this one; trainer and input can.
    await ctx.note(intent=Intent.of(ctx.now(), None, body, shared=webhook, secrets=order.secrets).to_json())
    remote = await client.create(order.target, body, cancel_after=None)
    client.owners.set(remote.id, ctx.idempotency_key)
    return read_training(remote.body)


@create_training.on_lookup
async def find_training(ctx: Context, model: str, **values: Json) -> TrainingShape | None:
    """What became of an attempt that was cut off."""
    if ctx.notes.get("intent") is None:
        return None
    intent = Intent.from_json(ctx.notes["intent"])
    client: ReplicateClient = ctx.connection
    remote = await find(ctx, intent, _target(model))
    if remote is None:
        return None
    client.owners.set(remote.id, ctx.idempotency_key)
    return read_training(remote.body)


@replicate.action(
    "get_training",
    effect="read",
    summary="Training {id} is {status}",
    docs=f"{_DOCS}#trainings.get",
    examples=[
        Example(input={"id": _ID}, responses=[Recorded(json=TRAINING, expect=f"GET /v1/trainings/{_ID}")])
    ],
)
async def get_training(ctx: Context, id: TrainingId) -> TrainingShape:
    """Get a training"""
    client: ReplicateClient = ctx.connection
    return read_training(await client.get(_path(id)))


@replicate.action(
    "list_trainings",
    effect="read",
    summary="Listed {results} trainings",
    docs=f"{_DOCS}#trainings.list",
    examples=[Example(input={}, responses=[Recorded(json=page_of(TRAINING), expect="GET /v1/trainings")])],
)
async def list_trainings(ctx: Context, limit: Limit = 100, cursor: Cursor = None) -> Trainings:
    """List the account's trainings"""
    found = await listed(ctx.connection, "trainings", limit=limit, cursor=cursor)
    return {"results": [read_training(item) for item in found.results], "next": found.next}


@replicate.action(
    "cancel_training",
    effect="idempotent",
    summary="Training {id} is {status}",
    docs=f"{_DOCS}#trainings.cancel",
    examples=[
        Example(
            input={"id": _ID},
            responses=[
                Recorded(
                    json={**TRAINING, "status": "canceled", "output": None},
                    expect=f"POST /v1/trainings/{_ID}/cancel",
                )
            ],
        )
    ],
)
async def cancel_training(ctx: Context, id: TrainingId) -> TrainingShape:
    """Cancel a training

    One that is over already stays as it is, and is returned. The time it ran is billed.
    """
    client: ReplicateClient = ctx.connection
    response = await client.send("POST", f"{_path(id)}/cancel", effect="read", accept=(404, 409, 422))
    if response.status < 300:
        return read_training(response.json())
    return read_training(await client.get(_path(id)))


def _path(id: str) -> str:
    return f"trainings/{quote(id, safe='')}"
