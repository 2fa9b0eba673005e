"""What a prediction probably cost, and what it may cost. Replicate's API names no price: these are estimates.

Time-billed models cost ``metrics.predict_time`` times the price of their hardware, which the API
does not tell for a public model: the step or the project's price table names it. Official models
are billed per unit of input or output, which ``metrics`` counts; what a unit costs is in the table.
Private models and deployments are billed for the whole time their instances are up, so for them it
is a lower bound.

The table that comes with the connector is dated. A project's own ``prices.json`` goes before it,
entry by entry::

    { "replicate": { "captured": "2027-01-15", "models": { "owner/name": { "hardware": "gpu-l40s" } } } }
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hookline.sdk import ActionError, BadInput, Context, NotFound
from hookline.sdk.model_files import web_urls
from hookline.sdk.predictions import amount

from .records import Remote, Target

__all__ = [
    "BUILT_IN",
    "HARDWARE",
    "AtMost",
    "ModelPrice",
    "Prices",
    "at_most",
    "charge",
    "check_hardware",
    "estimate",
    "priced",
    "prices_of",
]

Json = Any

LARGEST_TABLE = 1_000_000

_ASKED_FOR: Mapping[str, tuple[str, ...]] = {
    "image_output_count": ("num_outputs", "number_of_images", "num_images", "max_images"),
    "video_output_duration_seconds": ("duration", "seconds", "num_seconds"),
    "audio_output_duration_seconds": ("duration", "seconds"),
    "token_output_count": ("max_tokens", "max_new_tokens", "max_completion_tokens"),
}
"""Inputs by which models are usually told how much to make, for each unit that is billed."""

_TEXTS = ("prompt", "system_prompt", "text", "input")
_CHARACTERS_PER_TOKEN = 2
"""Few, so that the tokens of a text are not underestimated."""


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What one model costs.

    Attributes:
        hardware: What it runs on, where it is billed by time.
        per: US dollars for a unit of each billing metric.
        run: US dollars for each run that succeeds.
    """

    hardware: str | None = None
    per: Mapping[str, float] | None = None
    run: float = 0.0

    @property
    def is_by_unit(self) -> bool:
        """Whether time costs nothing."""
        return bool(self.per) or self.run > 0


@dataclass(frozen=True, slots=True)
class Prices:
    """A price table.

    Attributes:
        captured: The day it is from.
        hardware: US dollars per second.
        models: By ``owner/name``, or ``deployments/owner/name``.
        seconds: How long a run is taken to be before anything is known of it.
        units: The same for what is billed by the unit.
    """

    captured: str
    hardware: Mapping[str, float]
    models: Mapping[str, ModelPrice]
    seconds: float
    units: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AtMost:
    """What a prediction may cost; `firm` when it cannot be more."""

    usd: float
    firm: bool = False


def _read(value: Json, base: Prices | None) -> Prices:
    """A table, its entries before those of `base`.

    Raises:
        ValueError: It is no price table; the text says where.
    """
    table = _object(value, "replicate")
    assumed = _object(table.get("assumed", {}), "assumed")
    hardware = _amounts(table.get("hardware_per_second", {}), "hardware_per_second")
    models = {
        name: _model(entry, f"models.{name}")
        for name, entry in _object(table.get("models", {}), "models").items()
    }
    units = _amounts(assumed.get("units", {}), "assumed.units")
    seconds = assumed.get("seconds", base.seconds if base else 60.0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise ValueError("assumed.seconds is not a number of seconds")
    hardware = {**(base.hardware if base else {}), **hardware}
    for name, model in models.items():
        if model.hardware is not None and model.hardware not in hardware:
            raise ValueError(f"models.{name}.hardware is {model.hardware!r}, which hardware_per_second lacks")
    return Prices(
        captured=str(table.get("captured", base.captured if base else "")),
        hardware=hardware,
        models={**(base.models if base else {}), **models},
        seconds=float(seconds),
        units={**(base.units if base else {}), **units},
    )


def _object(value: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} is not an object")
    return value


def _amounts(value: Json, where: str) -> dict[str, float]:
    found = {}
    for name, given in _object(value, where).items():
        usd = amount(given)
        if usd is None or usd >= 1e6:
            raise ValueError(f"{where}.{name} is not an amount")
        found[name] = usd
    return found


def _model(value: Json, where: str) -> ModelPrice:
    entry = _object(value, where)
    unknown = entry.keys() - {"hardware", "per", "run"}
    if unknown:
        raise ValueError(f"{where} has hardware, per and run, and no {min(unknown)}")
    hardware = entry.get("hardware")
    if hardware is not None and not isinstance(hardware, str):
        raise ValueError(f"{where}.hardware is not a text")
    run = _amounts({"run": entry.get("run", 0.0)}, where)["run"]
    return ModelPrice(hardware, _amounts(entry.get("per", {}), f"{where}.per") or None, run)


BUILT_IN = _read(json.loads(Path(__file__).with_name("prices.json").read_text("utf-8")), None)
"""As published on the day that `Prices.captured` names."""

HARDWARE = BUILT_IN.hardware


async def prices_of(ctx: Context) -> Prices:
    """The prices that hold in this project, with the hardware of deployments as noted by the attempt.

    Raises:
        BadInput: The project's ``prices.json`` is no price table.
    """
    try:
        content = await ctx.project_file("prices.json", max_bytes=LARGEST_TABLE)
    except NotFound:
        return _with_noted(BUILT_IN, ctx)
    try:
        own = _object(json.loads(content), "prices.json").get("replicate", {})
        return _with_noted(_read(own, BUILT_IN), ctx)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"prices.json cannot be used: {error}", hint="correct the file") from error


def _with_noted(prices: Prices, ctx: Context) -> Prices:
    noted = ctx.notes.get("hardware") or {}
    return replace(prices, models={**{name: ModelPrice(sku) for name, sku in noted.items()}, **prices.models})


async def check_hardware(ctx: Context, hardware: str | None) -> None:
    """Check the hardware that a step names, before anything is paid for.

    Raises:
        BadInput: It has no price; or the project's ``prices.json`` is no price table.
    """
    if hardware is None:
        return
    known = (await prices_of(ctx)).hardware
    if hardware not in known:
        raise BadInput(
            f"no price is known for the hardware {hardware!r}",
            hint=f"one of {', '.join(sorted(known))}; hardware_per_second of prices.json adds others",
        )


def priced(target: Target) -> str:
    """The name under which a target's price and costs are kept."""
    return target.name


def _priced(remote: Remote) -> str:
    return f"deployments/{remote.deployment}" if remote.deployment else remote.model or remote.version


def at_most(
    target: Target,
    input: Mapping[str, Json],
    prices: Prices,
    *,
    hardware: str | None,
    run_timeout: float | None,
    left: float | None,
    max_cost: float | None,
) -> AtMost:
    """What a prediction that is about to be created may cost; 0 when nothing is known.

    Args:
        hardware: As the step says.
        run_timeout: Seconds after which it is stopped, the start not counted.
        left: Seconds until the step's time is over.
        max_cost: As the step says.
    """
    if max_cost is not None:
        return AtMost(max_cost, firm=True)
    model = prices.models.get(priced(target), ModelPrice())
    if hardware is None and model.is_by_unit:
        units = {name: _units(name, input, prices) for name in model.per or {}}
        return AtMost(model.run + sum(price * units[name] for name, price in (model.per or {}).items()))
    per_second = prices.hardware.get(hardware or model.hardware or "")
    if per_second is None:
        return AtMost(0.0)
    if run_timeout is not None:
        return AtMost(run_timeout * per_second, firm=True)
    return AtMost(min(prices.seconds, max(left, 0.0) if left is not None else prices.seconds) * per_second)


def _units(name: str, input: Mapping[str, Json], prices: Prices) -> float:
    if name in ("token_input_count", "character_input_count"):
        length = sum(len(input[key]) for key in _TEXTS if isinstance(input.get(key), str))
        return length / _CHARACTERS_PER_TOKEN if name.startswith("token") else float(length)
    for key in _ASKED_FOR.get(name, ()):
        given = input.get(key)
        if isinstance(given, int | float) and not isinstance(given, bool) and given > 0:
            return float(given)
    return prices.units.get(name, 0.0)


def charge(ctx: Context, remote: Remote, usd: float | None) -> None:
    """Add what a prediction that is over cost to the step, by its model: nothing when nobody knows."""
    ctx.cost(usd or 0.0, of=_priced(remote))


async def estimate(ctx: Context, remote: Remote, hardware: str | None) -> float | None:
    """What a prediction that is over cost, in US dollars; None when no price is known.

    A prediction that was aborted before it started is free; one that failed or was stopped while it
    ran is billed for the time it ran.
    """
    try:
        prices = await prices_of(ctx)
    except ActionError as error:
        # It is paid for: a mistake in a table must not lose what it made.
        ctx.log(f"the prices that come with Hookline are used: {error.message}")
        prices = BUILT_IN
    return _estimate(remote, hardware, prices)


def _estimate(remote: Remote, hardware: str | None, prices: Prices) -> float | None:
    if remote.status == "aborted":
        return 0.0
    model = prices.models.get(_priced(remote), ModelPrice())
    if hardware is None and model.is_by_unit:
        counted = {name: _counted(name, remote) for name in model.per or {}}
        if remote.status == "succeeded" and model.per and all(each is None for each in counted.values()):
            return None
        usd = sum(price * (counted[name] or 0.0) for name, price in (model.per or {}).items())
        return round(usd + (model.run if remote.status == "succeeded" else 0.0), 8)
    per_second = prices.hardware.get(hardware or model.hardware or "")
    seconds = remote.ran_seconds
    if per_second is None or seconds is None:
        return None
    return round(seconds * per_second, 8)


def _counted(name: str, remote: Remote) -> float | None:
    """How many units were billed, None when nobody says."""
    metrics = remote.body.get("metrics")
    given = amount(metrics.get(name)) if isinstance(metrics, Mapping) else None
    if given is not None:
        return given
    if name == "image_output_count" and remote.status == "succeeded":
        return float(len(web_urls(remote.output))) or None
    return None
