"""Which action runs a step: the one it names, or the one that its connection's type belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jsonschema
import pytest
import referencing
from definition_fixtures import Component, FakeCatalogue

from hookline.core.catalogue import runner_of
from hookline.core.diagnostics import Diagnostic
from hookline.core.document import read
from hookline.core.lint import check
from hookline.core.plan import compile_plan
from hookline.core.schema import workflow_schema

Json = Any


@dataclass(frozen=True)
class Other:
    action: str
    hints: Mapping[str, str] = field(default_factory=dict)


def _takes(*names: str) -> Json:
    properties = {name: {"type": "string", "description": f"The {name}."} for name in names}
    return {"type": "object", "properties": properties, "required": ["text"]}


RENTED = Component(
    "rented.run",
    _takes("text", "model", "hardware"),
    {"type": "object", "properties": {"words": {"type": "string"}}},
    "rented",
    effect="check",
    elsewhere={"own": Other("own.run", {"hardware": "it is yours: remove the key"})},
)
OWN = Component(
    "own.run",
    _takes("text", "model", "price"),
    {"type": "object", "properties": {"words": {"type": "string"}, "price": {"type": "number"}}},
    "own",
)
CATALOGUE = FakeCatalogue(
    actions={"rented.run": RENTED, "own.run": OWN},
    triggers={"manual": Component("manual", {"type": "object", "properties": {}}, kind="manual")},
    connections={"rented": "rented", "second": "rented", "house": "own", "post": "mail"},
)


def step(connection: str | None = None, **given: str) -> dict[str, Json]:
    named = {} if connection is None else {"connection": connection}
    return {"id": "it", "uses": "rented.run", **named, "with": {"text": "x", **given}}


def definition(*steps: Json) -> dict[str, Json]:
    return {"name": "w", "trigger": {"uses": "manual"}, "steps": list(steps)}


def lint(value: Json, catalogue: FakeCatalogue) -> list[Diagnostic]:
    return check(read(json.dumps(value)), catalogue)


@pytest.mark.parametrize(
    ("connection", "ran_by", "named"),
    [
        (None, "rented.run", None),
        ("second", "rented.run", "second"),
        ("house", "own.run", "house"),
        ("post", "rented.run", "post"),
        ("nowhere", "rented.run", "nowhere"),
    ],
)
def test_the_type_of_the_connection_decides(connection: str | None, ran_by: str, named: str | None) -> None:
    runner = runner_of(step(connection), CATALOGUE)
    assert runner is not None
    assert (runner.action.name, runner.connection) == (ran_by, named)
    node = compile_plan(definition(step(connection)), CATALOGUE).by_id["it"]
    assert (node.uses, node.connection) == (ran_by, named)


def test_a_connection_of_the_action_s_own_name_may_be_of_the_other_type() -> None:
    moved = replace(CATALOGUE, connections={"rented": "own"})
    node = compile_plan(definition(step()), moved).by_id["it"]
    assert (node.uses, node.connection) == ("own.run", "rented")
    assert lint(definition(step()), moved) == []


def test_what_is_not_installed_runs_nothing() -> None:
    alone = replace(CATALOGUE, actions={"rented.run": RENTED})
    assert compile_plan(definition(step("house")), alone).by_id["it"].uses == "rented.run"
    (found,) = lint(definition(step("house")), alone)
    assert (found.code, found.pointer) == ("D405", "/steps/0/connection")
    assert runner_of({"uses": "nothing"}, CATALOGUE) is None
    assert compile_plan(definition({"uses": "nothing"}), CATALOGUE).by_path["steps[0]"].uses == "nothing"


def test_a_step_is_checked_as_the_action_that_runs_it() -> None:
    reads = {
        "id": "after",
        "uses": "own.run",
        "connection": "house",
        "with": {"text": "{{ steps.it.price }}"},
    }
    assert lint(definition(step("house", price="3", model="m")), CATALOGUE) == []
    found = lint(definition(step("house", hardware="large"), reads), CATALOGUE)
    assert [(each.code, each.pointer) for each in found] == [
        ("D407", "/steps/0/with/hardware"),
        ("D417", "/steps/1/with/text"),
    ]
    assert found[0].message == '`rented.run` with a connection to own has no parameter "hardware"'
    assert found[0].hint == "it is yours: remove the key"
    (refused,) = lint(definition(step("second", price="3")), CATALOGUE)
    assert (refused.code, refused.pointer) == ("D407", "/steps/0/with/price")


def test_a_wrong_connection_is_told_of_every_usable_one() -> None:
    (found,) = lint(definition(step("post")), CATALOGUE)
    assert (found.code, found.hint) == ("D405", "usable: rented, second, house")


@pytest.mark.parametrize(
    ("connections", "given", "fits"),
    [
        (CATALOGUE.connections, step("house", price="3"), True),
        (CATALOGUE.connections, step("house", hardware="large"), False),
        (CATALOGUE.connections, step("second", hardware="large"), True),
        (CATALOGUE.connections, step("second", price="3"), False),
        (CATALOGUE.connections, step(price="3"), False),
        ({"rented": "own"}, step(price="3"), True),
        ({"rented": "own"}, step(hardware="large"), False),
    ],
)
def test_editors_offer_the_same(connections: Mapping[str, str], given: Json, fits: bool) -> None:
    schema = workflow_schema(replace(CATALOGUE, connections=connections))
    validator = jsonschema.Draft7Validator(schema, registry=referencing.Registry())
    assert validator.is_valid(definition(given)) is fits
