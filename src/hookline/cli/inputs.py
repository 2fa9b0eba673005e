"""Values given on the command line: JSON, @FILE, or - for standard input."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hookline.core.batches import batch_event

from .errors import CliError
from .invented import instance_of

if TYPE_CHECKING:
    from hookline.core.plan import Plan, TriggerPlan
    from hookline.engine.registry import Registry
    from hookline.sdk import Trigger

__all__ = ["DURATION", "JSON", "start_values", "trigger_sample"]

Json = Any


class _JsonType(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "JSON|@FILE|-"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Json:
        from hookline.core.document import strict_json

        if not isinstance(value, str):
            return value
        if value == "-":
            text, where = sys.stdin.read(), "standard input"
        elif value.startswith("@"):
            try:
                text, where = Path(value[1:]).read_text("utf-8"), value[1:]
            except (OSError, UnicodeDecodeError) as error:
                self.fail(f"{value[1:]} cannot be read: {error}", param, ctx)
        else:
            text, where = value, "it"
        try:
            return strict_json(text.encode())
        except ValueError as error:
            self.fail(f"{where} is not JSON: {error}", param, ctx)


class _DurationType(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from hookline.core.units import parse_duration

        if isinstance(value, float):
            return value
        try:
            return float(parse_duration(value))
        except ValueError as error:
            self.fail(f'{error}; write "90s", "10m" or "2h"', param, ctx)


JSON = _JsonType()
"""A JSON value."""

DURATION = _DurationType()
"""A duration in seconds, written ``90s``."""


def start_values(
    plan: Plan, registry: Registry, given: Json, *, has_input: bool, sample: bool
) -> tuple[Json, Mapping[str, Json]]:
    """The event and the inputs of a run started by hand.

    What is given is the workflow's inputs when it declares some or is started by hand; else it is
    the event of its trigger. The event of another trigger is never made up: `sample` asks for the
    trigger's own example.

    Raises:
        CliError: Something is missing, or is no object.
    """
    declared = [registry.triggers.get(trigger.uses) for trigger in plan.triggers]
    by_hand = next((trigger for trigger in declared if trigger and trigger.kind == "manual"), None)
    sampled = trigger_sample(plan.triggers[0], declared[0]) if sample and declared and declared[0] else None
    if by_hand is not None or plan.inputs is not None or not declared:
        inputs = given if has_input else (sampled if sampled is not None and by_hand is not None else {})
        if not isinstance(inputs, dict):
            raise CliError("the input must be a JSON object", hint=_FORM)
        return (inputs if by_hand is not None else sampled), inputs
    if has_input:
        return given, {}
    if sampled is None:
        trigger = plan.triggers[0].uses
        raise CliError(
            f"{plan.name} is started by {trigger}, and there is no event",
            hint="give one with --input, or take the trigger's example with --sample",
        )
    return sampled, {}


def trigger_sample(trigger: TriggerPlan, declared: Trigger) -> Json:
    """The trigger's example, as a run sees it that is about several events."""
    sample = dict(declared.sample)
    wanted = trigger.parameters.get("schema")
    if "body" in sample and isinstance(wanted, Mapping):
        # What a body must be is said by the author; the trigger's own example would be refused.
        sample["body"] = instance_of(wanted)
    if trigger.gather is None or not trigger.gather.is_batch:
        return sample
    moment = "2026-03-02T09:00:00.000Z"
    key = None if trigger.gather.key is None else "sample"
    return batch_event([sample], ["evt_sample"], key, moment, moment)


_FORM = 'for example --input \'{"name": "Ada"}\', --input @file.json, or --input - to read standard input'
