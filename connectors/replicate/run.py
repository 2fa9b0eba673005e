"""The action `replicate.run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from hookline.sdk import (
    ActionError,
    BadInput,
    Context,
    Elsewhere,
    Example,
    Field,
    Leftover,
    Park,
    Recorded,
    Wake,
    WatchContext,
    parse_duration,
    parse_usd,
)
from hookline.sdk.expectations import Expect, check_expect
from hookline.sdk.model_checks import check_input
from hookline.sdk.model_files import ModelSchema
from hookline.sdk.predictions import Prediction

from .client import ReplicateClient
from .finish import finish
from .input_files import sent_input
from .lifecycle import FALLBACK_ERRORS, Order, Task, begin, go_on_after, look_up, stop
from .prices import HARDWARE, at_most, check_hardware, priced, prices_of
from .recorded import FINISHED, FINISHED_RESULT, HELLO_VERSION, VERSION
from .records import Remote, Target, Wanted, read_targets
from .service import replicate
from .settling import settle
from .streaming import show_stream

__all__ = ["run"]

Json = Any


ON_COG = Elsewhere(
    "cog.run",
    hints={
        "models": "the server has one model: write its name as `model`, or remove the key",
        "fallback_on": "the server has one model: remove the key",
        "deployment": "the server has one model: write its name as `model`, or remove the key",
        "hardware": "remove the key; `usd_per_second` says what a second of the server costs",
        "max_cost": "remove the key; `usd_per_second` says what a second of the server costs",
        "webhook": 'remove the key; in the place of "never" write "delivery": "connection"',
    },
)


class RunTask(Task[Prediction]):
    """One prediction, by the first candidate that gives one."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.targets = read_targets(wanted)
        self.candidates = len(self.targets)
        self.webhook = wanted.webhook
        self.poll_interval = wanted.poll_interval
        self.hardware = wanted.hardware
        if wanted.run_timeout is not None:
            self.run_timeout = parse_duration(wanted.run_timeout, name="run_timeout")
        given = FALLBACK_ERRORS if wanted.fallback_on is None else wanted.fallback_on
        self.fallback_on = frozenset(given)

    def check(self) -> None:
        """What can be known to be wrong before anything is asked.

        Raises:
            BadInput: A parameter cannot be used.
        """
        if self.wanted.max_cost is not None:
            parse_usd(self.wanted.max_cost, name="max_cost")
        check_expect(self.wanted.expect or {})

    def target(self, ctx: Context, place: int) -> Target:
        target = self.targets[place]
        version = (ctx.notes.get("versions") or {}).get(target.reference)
        return target.frozen(version) if target.latest and version else target

    async def _frozen(self, ctx: Context, client: ReplicateClient, place: int) -> Target:
        """A candidate, the newest version found and noted where that is meant."""
        target = self.target(ctx, place)
        if target.latest and target.model is not None:
            newest = await client.catalogue.newest(
                target.model, ctx.run_id, lambda: _noted(ctx, target.reference)
            )
            await ctx.note(versions={**(ctx.notes.get("versions") or {}), target.reference: newest})
            ctx.log(f"the newest version of {target.model} is {newest}")
            target = target.frozen(newest)
        return target

    async def versions(self, ctx: Context, client: ReplicateClient) -> list[str]:
        """The version that would run now, of each candidate."""
        found = []
        for place in range(self.candidates):
            target = await self._frozen(ctx, client, place)
            found.append(await client.catalogue.version(target, ctx.now()))
        return found

    async def prepare(self, ctx: Context, client: ReplicateClient, place: int) -> Order:
        target = await self._frozen(ctx, client, place)
        secrets = client.secret_inputs.get(target.name, {})
        values = {**self.wanted.input, **secrets}
        schema = await _check(ctx, client, target, values)
        body: dict[str, Json] = {"input": await sent_input(ctx, client, values)}
        if target.version is not None:
            body["version"] = target.version
        return Order(target, body, frozenset(secrets) | (schema.secrets if schema else frozenset()))

    async def reserve(self, ctx: Context, place: int, order: Order) -> None:
        wanted, target = self.wanted, self.target(ctx, place)
        most = at_most(
            target,
            wanted.input,
            await prices_of(ctx),
            hardware=wanted.hardware,
            run_timeout=self.run_timeout,
            left=None if ctx.deadline is None else (ctx.deadline - ctx.now()).total_seconds(),
            max_cost=None if wanted.max_cost is None else parse_usd(wanted.max_cost, name="max_cost"),
        )
        await ctx.reserve(most.usd, of=priced(target), firm=most.firm)

    async def finish(self, ctx: Context, client: ReplicateClient, remote: Remote) -> Prediction:
        return await finish(ctx, client, self.wanted, remote)


def _noted(ctx: Context, reference: str) -> str | None:
    """The version that another step of the run has found behind a name."""
    found = (each.get(reference) for each in ctx.noted("versions"))
    return next((version for version in found if version), None)


async def _check(
    ctx: Context, client: ReplicateClient, target: Target, values: Mapping[str, Json]
) -> ModelSchema | None:
    """Compare the input with the model's schema, and give that; without one the input goes out as it is."""
    why = "its model is not known by name"
    try:
        known = await client.catalogue.describe(target, ctx.now())
    except ActionError as error:
        known, why = None, error.message
    if known is not None and known.hardware:
        await ctx.note(hardware={**(ctx.notes.get("hardware") or {}), target.name: known.hardware})
    if known is not None and known.official is False and target.pinned is None:
        latest = f"{target.model}:{known.latest}" if known.latest else f"{target.model}:<version>"
        raise BadInput(
            f"{target.model} is no official model, so it runs only with its version",
            hint=f'for example "model": "{latest}"; {target.model}:latest takes the newest of each run',
        )
    if known is not None and known.schema is None:
        why = "the model publishes none"
    elif known is not None and known.schema is not None:
        if check_input(values, known.schema, model=target.short):
            return known.schema
        why = "it does not say what the model takes"
    ctx.log(f"the input of {target.short} was not checked against its schema: {why}")
    return None


@replicate.action(
    "run",
    effect="check",
    elsewhere={"cog": ON_COG},
    summary="Ran {model_reference}",
    docs="https://replicate.com/docs/reference/http#predictions.create",
    examples=[
        Example(
            title="A version of a community model",
            input={"model": HELLO_VERSION, "input": {"text": "Alice"}, "hardware": "cpu"},
            responses=[Recorded(status=201, json=FINISHED, expect="POST /v1/predictions")],
            output=FINISHED_RESULT,
        ),
        Example(
            title="The input is checked first, and the output afterwards",
            input={
                "model": f"replicate/hello-world:{HELLO_VERSION}",
                "input": {"text": "Alice"},
                "hardware": "cpu",
                "expect": {"type": "text", "not_empty": True, "max_size": "1KB"},
            },
            responses=[
                Recorded(
                    json=VERSION,
                    expect=f"GET /v1/models/replicate/hello-world/versions/{HELLO_VERSION}",
                ),
                Recorded(status=201, json=FINISHED, expect="POST /v1/predictions"),
            ],
            output=FINISHED_RESULT,
        ),
    ],
)
async def run(
    ctx: Context,
    input: Annotated[
        dict[str, Any],
        Field(
            "The model's inputs, by name. A file reference is sent as a file; an http(s) address as it is.",
            examples=[{"prompt": "a watercolour of a lighthouse"}],
        ),
    ],
    model: Annotated[
        str | None,
        Field(
            "owner/name of an official model, else owner/name:version, version being 64 hexadecimal digits, "
            "or owner/name:latest for the newest version, found once and kept for the run.",
            examples=["black-forest-labs/flux-schnell"],
        ),
        {"x-model": "replicate"},
    ] = None,
    models: Annotated[
        list[str] | None,
        Field(
            "In the place of model: several, the next one tried when one fails as fallback_on says. Each is "
            "a prediction of its own. deployments/owner/name is one of your deployments.",
            min_length=1,
            max_length=10,
            examples=[["black-forest-labs/flux-1.1-pro", "black-forest-labs/flux-schnell"]],
        ),
        {"x-model": "replicate"},
    ] = None,
    fallback_on: Annotated[
        list[
            Literal[
                "authentication",
                "bad_input",
                "content_rejected",
                "insufficient_credit",
                "malformed_output",
                "not_found",
                "rate_limited",
                "timeout",
                "unavailable",
            ]
        ]
        | None,
        Field(
            f"Errors after which the next of models is tried. Default: {', '.join(FALLBACK_ERRORS)}. After "
            "an unknown outcome never: two could be running.",
            advanced=True,
        ),
    ] = None,
    deployment: Annotated[
        str | None,
        Field("owner/name of one of your deployments, in the place of model.", examples=["acme/upscaler"]),
    ] = None,
    expect: Annotated[
        Expect | None,
        Field("What the output must be; anything else is the error malformed_output."),
    ] = None,
    run_timeout: Annotated[
        str | float | None,
        Field(
            "Longest time the model may run; queue and cold start do not count (the step's timeout counts "
            "everything).",
            advanced=True,
            examples=["5m"],
        ),
    ] = None,
    hardware: Annotated[
        str | None,
        Field(
            "Hardware the model runs on, to estimate the cost (the API does not tell; prices.json of the "
            "project can): one of " + ", ".join(sorted(HARDWARE)) + ", or one that prices.json adds.",
            advanced=True,
            examples=["gpu-l40s"],
        ),
    ] = None,
    max_cost: Annotated[
        str | float | None,
        Field(
            "What one prediction costs at most, to be set aside under budgets. Without it an estimate is: by "
            "the price table and the input, by run_timeout, or by what the model cost lately.",
            advanced=True,
            examples=["0.05 usd"],
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
        float | None,
        Field(
            "Seconds between looks. Default: often at first, then every 10 s; rarely while a webhook is due.",
            advanced=True,
            minimum=0.5,
            maximum=3600,
        ),
    ] = None,
) -> Prediction | Park:
    """Run a model

    Checks the input against the model's schema, starts a prediction, waits for it without holding
    anything, and keeps its files before Replicate deletes them. A crash at any moment starts no second
    prediction: the one that was started is looked up. A retry that the workflow asks for is a new
    prediction, and billed again; so is each of models that is tried.
    """
    task = RunTask(
        Wanted(
            input=input,
            model=model,
            deployment=deployment,
            hardware=hardware,
            webhook=webhook,
            poll_interval=poll_interval,
            models=models,
            fallback_on=fallback_on,
            run_timeout=run_timeout,
            expect=expect,
            max_cost=max_cost,
        )
    )
    task.check()
    await check_hardware(ctx, hardware)
    return await begin(ctx, task)


@run.on_resume
async def resume(ctx: Context, wake: Wake, **values: Json) -> Prediction | Park:
    """A webhook, or the time for a look."""
    return await go_on_after(ctx, RunTask(Wanted(**values)), wake)


@run.on_lookup
async def lookup(ctx: Context, **values: Json) -> Prediction | Park | None:
    """What became of an attempt that was cut off."""
    return await look_up(ctx, RunTask(Wanted(**values)))


@run.on_cancel
async def cancel(ctx: Context, data: Mapping[str, Json], **values: Json) -> None:
    """Stop the prediction."""
    await stop(ctx, RunTask(Wanted(**values)), data)


@run.on_settle
async def settle_run(ctx: Context, left: Leftover, **values: Json) -> Park | None:
    """What a prediction cost that nobody waited for to its end."""
    return await settle(ctx, RunTask(Wanted(**values)), left)


@run.on_key
async def key(ctx: Context, **values: Json) -> list[str]:
    """The versions behind the names, so that a newer one is not answered with an older one's output."""
    return await RunTask(Wanted(**values)).versions(ctx, ctx.connection)


@run.on_watch("prediction")
async def watch(ctx: WatchContext, prediction: str) -> None:
    """Show a text while it is made."""
    await show_stream(ctx, ctx.connection, prediction)


@run.on_verify
async def verify(ctx: Context, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a callback is signed by Replicate, and recent."""
    client: ReplicateClient = ctx.connection
    return await client.is_genuine(headers, body, now=ctx.now())
