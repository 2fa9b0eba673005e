"""A comparison of models: its file, the cells it consists of, and the workflow that runs them.

A cell is one model with one input. Cells run as steps of ordinary runs of the workflow
``compare-<name>``, through the same actions as in production; so they are durable, limited and priced
like any other, and what is known of a cell is read from those runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import referencing
from jsonschema import Draft202012Validator

from .errors import INVALID, CliError
from .model_cases import GIVEN, KINDS, Case, concerns, generated
from .output import shown_path

if TYPE_CHECKING:
    from hookline.core.catalogue import Catalogue
    from hookline.engine.asking import Asker
    from hookline.engine.engine import Engine
    from hookline.engine.registry import Registry
    from hookline.sdk.model_files import ModelSchema

__all__ = ["Candidate", "Cell", "Comparison", "Result", "cells_of", "read_comparison", "results", "workflow"]

Json = Any

MAX_CELLS = 2000
LARGEST_FILE = 100_000_000

_NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,60}$"}
_CANDIDATE = {
    "type": "object",
    "properties": {
        "model": {"type": "string", "minLength": 1},
        "label": {"type": "string", "minLength": 1, "maxLength": 80},
        "uses": {"type": "string"},
        "connection": {"type": "string"},
        "with": {"type": "object"},
        "input": {"type": "object"},
        "rename": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "anyOf": [{"required": ["model"]}, {"required": ["label", "with"]}],
    "additionalProperties": False,
}
_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "$schema": {"type": "string"},
        "name": _NAME,
        "question": {"type": "string"},
        "uses": {"type": "string"},
        "models": {
            "type": "array",
            "minItems": 1,
            "maxItems": 20,
            "items": {"anyOf": [{"type": "string"}, _CANDIDATE]},
        },
        "inputs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string", "minLength": 1}, "input": {"type": "object"}},
                "required": ["name", "input"],
                "additionalProperties": False,
            },
        },
        "generate": {"anyOf": [{"const": "all"}, {"type": "array", "items": {"enum": list(KINDS)}}]},
        "expect": {"type": "object"},
        "budget": {"type": "string"},
        "timeout": {"type": "string"},
        "at_once": {"type": "integer", "minimum": 1, "maximum": 50},
    },
    "required": ["name", "question", "models", "inputs", "budget"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model, and how it is called.

    Attributes:
        parameters: The ``with`` of its step without ``input``.
        fixed: Inputs that are the same in every case, by the model's own names.
        rename: The comparison's names of inputs to the model's.
    """

    label: str
    uses: str
    connection: str
    parameters: Mapping[str, Json]
    fixed: Mapping[str, Json]
    rename: Mapping[str, str]

    def inputs(self, case: Case) -> dict[str, Json]:
        """The case in the model's own names."""
        given = {self.rename.get(name, name): value for name, value in case.inputs.items()}
        return {**self.fixed, **given}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is to be found out."""

    path: Path
    name: str
    question: str
    candidates: Sequence[Candidate]
    given: Sequence[Case]
    kinds: Sequence[str]
    budget: float
    timeout: str
    at_once: int

    @property
    def workflow(self) -> str:
        """Name of the workflow whose runs run the cells."""
        return f"compare-{self.name}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One model with one input; `key` is the same as long as both are."""

    key: str
    candidate: int
    case: Case
    inputs: Mapping[str, Json]


@dataclass(slots=True)
class Result:
    """What became of a cell.

    Attributes:
        status: ``succeeded``, ``failed``, or ``open`` while nobody knows.
        seconds: From the creation of the prediction to its end.
        cost_usd: An estimate; None when no price is known.
    """

    status: str
    run: str = ""
    error_type: str = ""
    error: str = ""
    text: str | None = None
    files: list[dict[str, Json]] = field(default_factory=list)
    output: Json = None
    model: str = ""
    seconds: float | None = None
    cost_usd: float | None = None

    @property
    def is_settled(self) -> bool:
        """Whether running the cell again would tell nothing new."""
        return self.status == "succeeded" or (self.status == "failed" and self.error_type not in _AGAIN)


_AGAIN = frozenset(
    {"insufficient_credit", "authentication", "rate_limited", "unavailable", "canceled", "internal"}
)
"""Errors that say nothing about the model: the budget was spent, the token wrong, the service away."""


def read_comparison(path: Path, catalogue: Catalogue) -> Comparison:
    """The comparison of a file.

    Raises:
        CliError: It cannot be read, or is none (exit code 3).
    """
    from hookline.core.document import join_pointer
    from hookline.core.units import UnitError, parse_money
    from hookline.engine.workflows import read_workflow

    from .findings import print_findings

    file = read_workflow(path)
    if file.document is None:
        print_findings([file])
        raise CliError(f"{shown_path(path)} cannot be read", exit_code=INVALID)
    value = file.document.value
    validator = Draft202012Validator(_SCHEMA, registry=referencing.Registry())
    error = next(
        iter(sorted(validator.iter_errors(value), key=lambda e: [str(part) for part in e.path])), None
    )
    while error is not None and error.context:
        # Of the forms that a model can have, the one that is meant is an object.
        error = max(error.context, key=lambda each: each.validator != "type")
    if error is not None:
        pointer = join_pointer(error.absolute_path)
        line, column = file.document.position(pointer)
        message = f"{shown_path(path)}:{line}:{column}: {error.message[:300]} (at {pointer or '/'})"
        raise CliError(message, exit_code=INVALID, hint="docs/how-to/choose-a-model.md has an example")
    try:
        money = parse_money(value["budget"])
    except UnitError as wrong:
        raise CliError(f"{shown_path(path)}: budget: {wrong}", exit_code=INVALID) from wrong
    if money.currency != "usd":
        raise CliError(f'{shown_path(path)}: budget: write US dollars, "2 usd"', exit_code=INVALID)
    uses = value.get("uses", "replicate.run")
    candidates = [_candidate(given, uses, value.get("expect"), catalogue, path) for given in value["models"]]
    labels = [candidate.label for candidate in candidates]
    if len(set(labels)) < len(labels):
        raise CliError(f"{shown_path(path)}: two models have the same label", exit_code=INVALID)
    kinds = value.get("generate", [])
    return Comparison(
        path=path,
        name=value["name"],
        question=value["question"],
        candidates=candidates,
        given=[Case(GIVEN, case["name"], case["input"]) for case in value["inputs"]],
        kinds=KINDS if kinds == "all" else kinds,
        budget=float(money.amount),
        timeout=value.get("timeout", "30m"),
        at_once=value.get("at_once", 4),
    )


def _candidate(given: Json, uses: str, expect: Json, catalogue: Catalogue, path: Path) -> Candidate:
    from hookline.core.catalogue import runner_of

    value: dict[str, Json] = {"model": given} if isinstance(given, str) else given
    model = value.get("model")
    value = {"uses": uses, "label": model, **value}
    runner = runner_of(value, catalogue)
    if runner is None or "input" not in runner.action.input_schema["properties"]:
        message = f"{shown_path(path)}: {value['uses']} is no action that runs a model"
        raise CliError(message, exit_code=INVALID, hint='"uses": "replicate.run" or "cog.run"')
    action = runner.action
    parameters = {**({} if model is None else {"model": model}), **value.get("with", {})}
    if expect is not None and "expect" in action.input_schema["properties"]:
        parameters.setdefault("expect", expect)
    if "webhook" in action.input_schema["properties"]:
        # Somebody sits and waits; and there may be no server that a webhook could reach.
        parameters.setdefault("webhook", "never")
    return Candidate(
        label=value["label"],
        uses=action.name,
        connection=runner.connection or "",
        parameters=parameters,
        fixed=value.get("input", {}),
        rename=value.get("rename", {}),
    )


async def cells_of(
    comparison: Comparison, registry: Registry, asker: Asker | None, engine: Engine
) -> list[Cell]:
    """Every cell; the models are asked for their schemas when inputs are to be generated.

    Raises:
        CliError: There are too many, or a file of an input cannot be read.
    """
    given = [
        Case(case.kind, case.name, _with_files(case.inputs, comparison, engine)) for case in comparison.given
    ]
    cases = list(given)
    schemas: list[ModelSchema | None] = [None] * len(comparison.candidates)
    if comparison.kinds and asker is not None:
        schemas = [await _schema(candidate, registry, asker) for candidate in comparison.candidates]
        cases += generated(given[0], schemas, comparison.kinds)
    cells = []
    for case in cases:
        for place, candidate in enumerate(comparison.candidates):
            if not concerns(case, given[0], schemas[place]):
                continue
            inputs = candidate.inputs(case)
            cells.append(Cell(_key(candidate, inputs), place, case, inputs))
    if len(cells) > MAX_CELLS:
        raise CliError(f"{len(cells)} predictions are too many; {MAX_CELLS} is the most")
    return cells


def _key(candidate: Candidate, inputs: Mapping[str, Json]) -> str:
    from hookline.core.canonical import canonical_json

    told = [candidate.uses, candidate.connection, candidate.parameters, inputs]
    return hashlib.sha256(canonical_json(told).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _with_files(value: Json, comparison: Comparison, engine: Engine) -> Json:
    """The value with ``{"path": …}`` replaced by references to copies in the artifact store."""
    if isinstance(value, Mapping):
        if set(value) == {"path"} and isinstance(value["path"], str):
            return _kept(value["path"], comparison, engine)
        return {name: _with_files(item, comparison, engine) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_files(item, comparison, engine) for item in value]
    return value


def _kept(name: str, comparison: Comparison, engine: Engine) -> Json:
    import mimetypes

    from hookline.engine.files import stored_file

    path = comparison.path.parent / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CliError(f"{shown_path(path)}: {error.strerror}", exit_code=INVALID) from error
    if len(content) > LARGEST_FILE:
        raise CliError(f"{shown_path(path)} is larger than {LARGEST_FILE:,} bytes", exit_code=INVALID)
    stored = engine.artifacts.save(content)
    mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return stored_file(stored.sha256, stored.size, path.name, mime).to_json()


async def _schema(candidate: Candidate, registry: Registry, asker: Asker) -> ModelSchema | None:
    """What a candidate takes, by the comparison's own names; None when it cannot be asked."""
    from hookline.sdk import ActionError
    from hookline.sdk.model_files import ModelSchema

    try:
        document = await _document(candidate, registry, asker)
    except ActionError:
        return None
    if not isinstance(document, Mapping):
        return None
    return ModelSchema(_renamed(document, {own: common for common, own in candidate.rename.items()}))


async def _document(candidate: Candidate, registry: Registry, asker: Asker) -> Json:
    """A candidate's own schema: of the version that a parameter names, or of the one model that there is.

    Which it is, and which action tells, the action's parameters say: ``"x-model": "<connector>"`` (see
    `model_pins`), or ``"x-model-schema": "<action>"``.
    """
    declared = registry.actions[candidate.uses].input_schema["properties"]
    one_model = declared.get("input", {}).get("x-model-schema")
    if one_model is not None:
        return (await asker.ask(one_model, connection=candidate.connection)).get("openapi_schema")
    connector, text = declared.get("model", {}).get("x-model"), candidate.parameters.get("model")
    found = re.fullmatch(r"([\w.-]+/[\w.-]+)(?::([0-9a-f]{64}|latest))?", str(text))
    if connector is None or found is None:
        return None
    name, version = found.groups()
    if version in (None, "latest"):
        # Official models show no versions, and what they take only here.
        answer = await asker.ask(f"{connector}.get_model", connection=candidate.connection, model=name)
    else:
        answer = await asker.ask(
            f"{connector}.get_version", connection=candidate.connection, model=name, version=version
        )
    return answer.get("openapi_schema")


def _renamed(document: Mapping[str, Json], names: Mapping[str, str]) -> Mapping[str, Json]:
    schemas = dict((document.get("components") or {}).get("schemas") or {})
    given = dict(schemas.get("Input") or {})
    properties = given.get("properties")
    if isinstance(properties, Mapping):
        given["properties"] = {names.get(name, name): part for name, part in properties.items()}
        given["required"] = [names.get(name, name) for name in given.get("required") or ()]
    return {"components": {"schemas": {**schemas, "Input": given}}}


def workflow(comparison: Comparison, budget: float) -> dict[str, Json]:
    """The workflow that runs the cells it is given as ``inputs.cells``, a list for each model."""
    steps = []
    for place, candidate in enumerate(comparison.candidates):
        step: dict[str, Json] = {
            "uses": candidate.uses,
            "timeout": comparison.timeout,
            "with": {**candidate.parameters, "input": "{{ cell.input }}"},
        }
        if candidate.connection:
            step["connection"] = candidate.connection
        steps.append(
            {
                "name": candidate.label,
                "for_each": f"{{{{ inputs.cells[{place}] }}}}",
                "as": "cell",
                "max_parallel": comparison.at_once,
                "on_item_error": "collect",
                "do": [step],
            }
        )
    return {
        "name": comparison.workflow,
        "description": comparison.question,
        "trigger": {"uses": "manual"},
        "inputs": {
            "type": "object",
            "properties": {"cells": {"type": "array", "items": {"type": "array"}}},
            "required": ["cells"],
        },
        "limits": {"budget": {"run": f"{budget:.6f} usd"}},
        "steps": steps,
    }


def results(engine: Engine, run_id: str) -> dict[str, Result]:
    """What a run says of its cells, by their keys."""
    state, _ = engine.reader.state(run_id)
    cells = (state.inputs or {}).get("cells") or []
    found: dict[str, Result] = {}
    for path, record in state.records.items():
        place = re.fullmatch(r"steps\[(\d+)\]\.do\[0\]#(\d+)", path)
        if place is None:
            continue
        cell = cells[int(place[1])][int(place[2])]
        found[cell["key"]] = _result(run_id, record)
    return found


def _result(run_id: str, record: Any) -> Result:
    output = record.output if isinstance(record.output, Mapping) else {}
    cost = output.get("cost_usd")
    if cost is None and record.cost:
        cost = record.cost
    if record.status == "succeeded":
        latency = output.get("latency_ms")
        return Result(
            "succeeded",
            run_id,
            text=output.get("output_text"),
            files=list(output.get("files") or ()),
            output=output.get("output"),
            model=str(output.get("model_reference") or ""),
            seconds=None if latency is None else latency / 1000,
            cost_usd=cost,
        )
    if record.status != "failed":
        return Result("open", run_id)
    error = record.error or {}
    took = None
    if record.started_at is not None and record.finished_at is not None:
        took = record.finished_at - record.started_at
    return Result(
        "failed",
        run_id,
        error_type=str(error.get("type", "")),
        error=str(error.get("message", "")),
        seconds=took,
        cost_usd=cost,
    )
