"""The conformance suite finds what it is there to find: each rule is broken once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest

from hookline.engine.registry import Found, Registry, build_registry
from hookline.sdk import (
    Action,
    BadInput,
    ConnectionContext,
    Connector,
    Context,
    Elsewhere,
    Example,
    Field,
    Http,
    Park,
    RateLimited,
    Recorded,
    action,
    raise_for_status,
    trigger,
)
from hookline.testing.conformance import RULES, Waiver, cases, check, import_problems, problems

OK = {"ok": True}
Text = Annotated[str, Field("A text.")]


def service() -> Connector:
    connector = Connector("box", title="Box", docs="https://box.example/docs")

    @connector.connection
    def connect(ctx: ConnectionContext, token: Annotated[str, Field("A token.", secret=True)]) -> Http:
        return ctx.http("https://box.example/", headers={"Authorization": token})

    return connector


def good(connector: Connector | None = None, *, effect: Any = "read", **options: Any) -> Action:
    """An action with nothing wrong; `options` break one thing."""
    connector = connector or service()
    given: dict[str, Any] = {
        "summary": "Said {text}",
        "examples": [
            Example({"text": "hi"}, [Recorded(json={"ok": True}, expect="POST /say")], {"ok": True})
        ],
        "output": {
            "type": "object",
            "properties": {"ok": {"type": "boolean"}},
            "additionalProperties": False,
        },
    }

    @connector.action("say", effect=effect, **{**given, **options})
    async def say(ctx: Context, text: Text) -> dict[str, bool]:
        """Say something"""
        response = await ctx.connection.request("POST", "say", json={"text": text})
        raise_for_status(response, effect=effect)
        body = response.json()
        if not isinstance(body, Mapping):
            raise BadInput("not an object")
        return {"ok": body.get("ok") is True}

    return say


def registry(*components: Any, connector: Connector | None = None) -> Registry:
    return build_registry(Found(each, "tests") for each in (connector or service(), *components))


def found(rule: str, component: Any, connector: Connector | None = None) -> list[str]:
    kind = "action" if isinstance(component, Action) else "trigger"
    return problems(registry(component, connector=connector), rule, f"{kind} {component.name}")


@pytest.mark.parametrize("effect", ["read", "idempotent", "at_least_once"])
def test_a_sound_action_breaks_no_rule(effect: str) -> None:
    connector = service()
    good(connector, effect=effect)
    assert list(check(registry(connector=connector))) == []


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("docs", {"docs": "http://box.example"}),
        ("summary", {"summary": "Said {nothing}"}),
        ("summary", {"summary": "Said {text.__class__}"}),
        ("summary", {"summary": "Said {text!r}"}),
        ("effect", {"effect": "check"}),
        ("connection", {"connection": "absent"}),
        ("addresses", {"writes": ["{to}"]}),
        ("elsewhere", {"elsewhere": {"box": Elsewhere("box.say")}}),
        ("elsewhere", {"elsewhere": {"crate": Elsewhere("box.say")}}),
        ("portable", {"output": {"$ref": "https://elsewhere.example/schema.json"}}),
        ("portable", {"output": {"type": "object", "unevaluatedProperties": False}}),
        ("portable", {"output": {"type": "nonsense"}}),
        ("examples", {"examples": []}),
        ("examples", {"examples": [Example({"text": 1}, [Recorded(json={})])]}),
        ("examples", {"examples": [Example({"text": "hi"}, [Recorded(json={})], {"ok": True})]}),
        ("examples", {"examples": [Example({"text": "hi"}, [Recorded(json={}, expect="GET /say")])]}),
        ("examples", {"examples": [Example({"text": "hi"}, [Recorded(json={}), Recorded(json={})])]}),
        ("examples", {"examples": [Example({"text": "hi"}, [Recorded(404)])]}),
        ("examples", {"output": {"type": "object", "required": ["id"]}}),
    ],
)
def test_a_wrong_declaration_is_found(rule: str, options: dict[str, Any]) -> None:
    assert found(rule, good(**options))
    assert not found(rule, good())


@pytest.mark.parametrize(
    ("change", "hints", "is_sound"),
    [
        ({}, {}, True),
        ({}, {"text": "it is taken"}, False),
        ({"output_schema": {"type": "object"}}, {}, False),
        ({"input_schema": {"type": "object", "properties": {}}}, {}, False),
        ({"input_schema": {"type": "object", "properties": {}}}, {"text": "leave it out"}, True),
    ],
)
def test_what_runs_a_step_elsewhere_fits(
    change: dict[str, Any], hints: dict[str, str], is_sound: bool
) -> None:
    other = dataclasses.replace(good(), name="crate.say", connection="crate", **change)
    action = good(elsewhere={"crate": Elsewhere("crate.say", hints)})
    assert (problems(registry(action, other), "elsewhere", "action box.say") == []) is is_sound


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("name", {"name": "box.Say"}),
        ("name", {"name": "box.say.twice"}),
        ("title", {"title": "say something"}),
        ("title", {"title": "Say."}),
        ("title", {"title": "x" * 61}),
        ("described", {"input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        (
            "described",
            {
                "input_schema": {
                    "type": "object",
                    "properties": {"a": {"description": "A.", "type": "object", "properties": {"b": {}}}},
                }
            },
        ),
        (
            "defaults",
            {"input_schema": {"type": "object", "properties": {"a": {"type": "string", "default": 1}}}},
        ),
        (
            "defaults",
            {"input_schema": {"type": "object", "properties": {"a": {"type": "integer", "examples": ["x"]}}}},
        ),
        ("portable", {"input_schema": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}}),
        ("portable", {"input_schema": {"type": "array"}}),
        ("secrets", {"input_schema": {"type": "object", "properties": {"key": {"x-secret": True}}}}),
    ],
)
def test_a_wrong_component_is_found(rule: str, change: dict[str, Any]) -> None:
    broken = good()
    for name, value in change.items():
        setattr(broken, name, value)
    assert found(rule, broken)


def test_a_park_needs_somebody_who_goes_on() -> None:
    @action("nap", effect="read", summary="Slept")
    async def nap(ctx: Context) -> dict[str, str] | Park:
        """Nap"""
        return Park("tired")

    assert len(found("effect", nap)) == 2
    nap.on_resume(lambda ctx, wake: {})
    nap.on_cancel(lambda ctx, data: None)
    assert not found("effect", nap)


def acting(body: Any, *, effect: Any = "at_least_once") -> tuple[Action, Connector]:
    connector = service()

    @connector.action(
        "act",
        effect=effect,
        summary="Acted",
        examples=[Example({}, [Recorded(json={"ok": True})])],
    )
    async def act(ctx: Context) -> Any:
        """Act"""
        return await body(ctx)

    return act, connector


async def ignores_status(ctx: Context) -> Any:
    return (await ctx.connection.request("POST", "act")).json()


async def retries_blindly(ctx: Context) -> Any:
    response = await ctx.connection.request("POST", "act")
    raise_for_status(response, effect="read")
    return response.json()


async def forgets_the_wait(ctx: Context) -> Any:
    response = await ctx.connection.request("POST", "act")
    if response.status == 429:
        raise RateLimited("slow down")
    raise_for_status(response, effect="at_least_once")
    return response.json()


async def trusts_the_answer(ctx: Context) -> Any:
    response = await ctx.connection.request("POST", "act")
    raise_for_status(response, effect="at_least_once")
    return {"ok": response.json()["ok"]}


async def tells_everything(ctx: Context) -> Any:
    response = await ctx.connection.request("POST", "act")
    if response.status != 200:
        raise BadInput(f"refused: {response.text}")
    return response.json()


async def logs_the_credential(ctx: Context) -> Any:
    response = await ctx.connection.request("POST", "act")
    raise_for_status(response, effect="at_least_once")
    ctx.log("asked", headers=str(ctx.connection.headers))
    return {"ok": True}


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        ("failures", ignores_status),
        ("failures", retries_blindly),
        ("failures", forgets_the_wait),
        ("unreadable", trusts_the_answer),
        ("leaks", tells_everything),
        ("leaks", logs_the_credential),
    ],
)
def test_a_careless_action_is_found(rule: str, body: Any) -> None:
    act, connector = acting(body)
    assert found(rule, act, connector)


def test_a_wrong_trigger_is_found() -> None:
    event = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}

    @trigger("look", kind="poll", sample={"a": 1}, output=event, interval=0.1, watches=["s3://{bucket}"])
    async def look(ctx: Any) -> Any:
        """Look"""

    assert len(found("sample", look)) == 2
    assert found("addresses", look)
    look.output_schema = None
    assert found("described", look)


@pytest.mark.parametrize(
    "field",
    [
        {"api_key": {"type": "string", "description": "Key."}},
        {"token": {"type": "string", "description": "Token.", "x-secret": True, "default": "hunter2"}},
        {"region": {"type": "string", "description": "Region.", "x-env": "aws_region"}},
    ],
)
def test_a_careless_connection_is_found(field: dict[str, Any]) -> None:
    connector = service()
    assert connector.connection_type is not None
    connector.connection_type.fields = {"type": "object", "properties": field, "required": []}
    assert problems(registry(connector=connector), "secrets", "connection box")


def test_waivers_are_kept_honest() -> None:
    connector = service()
    good(connector, docs="http://box.example")
    installed = registry(connector=connector)
    assert [problem.rule for problem in check(installed)] == ["docs"]

    def left(*waivers: Waiver) -> list[str]:
        return [problem.message for problem in check(installed, waivers=waivers)]

    assert left(Waiver("action box.say", "docs", "the service has no certificate")) == []
    assert "without a reason" in left(Waiver("action box.say", "docs", " "))[0]
    assert any("does not need" in message for message in left(Waiver("action box.say", "name", "because")))
    assert any("no such component" in message for message in left(Waiver("action gone", "name", "because")))


def test_every_rule_applies_to_something() -> None:
    connector = service()
    good(connector)

    @trigger("look", kind="poll", sample={}, output={"type": "object"})
    async def look(ctx: Any) -> Any:
        """Look"""

    assert {rule for rule, _ in cases(registry(look, connector=connector))} == set(RULES)


@pytest.mark.parametrize(
    ("file", "source", "sound"),
    [
        ("actions/a.py", "import json\nfrom hookline.sdk import Context", True),
        ("actions/a.py", "from hookline.sdk.moderation import Finding", True),
        ("actions/a.py", "def f():\n    import PIL.Image", True),
        ("actions/a.py", "from ._helpers import thing", True),
        ("actions/_b/a.py", "from .. import thing", True),
        ("connectors/box/deep/a.py", "from ..client import thing", True),
        ("connectors/box/a.py", "import boto3", False),
        ("connectors/box/a.py", "from ..other import thing", False),
        ("actions/a.py", "from ..connectors.box import thing", False),
        ("actions/a.py", "from hookline.engine import loader", False),
        ("actions/a.py", "import hookline", False),
        ("actions/a.py", "from hookline import sdk, engine", False),
        ("actions/a.py", "import requests", False),
        ("actions/a.py", "def f():\n    import socket", False),
        ("actions/a.py", "from urllib import request", False),
        ("actions/a.py", "from http.client import HTTPConnection", False),
    ],
)
def test_imports(tmp_path: Path, file: str, source: str, sound: bool) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert (not list(import_problems(path))) is sound


@pytest.mark.parametrize("source", [b"def broken(:\n", b"\xff\n", b"a = '\x00'\n"])
def test_a_file_that_is_not_python_is_one_problem(tmp_path: Path, source: bytes) -> None:
    path = tmp_path / "connectors" / "mine" / "connector.py"
    path.parent.mkdir(parents=True)
    path.write_bytes(source)
    (problem,) = import_problems(path)
    assert "it is not Python" in problem


def test_a_field_that_holds_an_address_is_given_one() -> None:
    connector = Connector("box", title="Box", docs="https://box.example/docs")

    @connector.connection
    def connect(ctx: ConnectionContext, base_url: Annotated[str, Field("Its address.")]) -> Http:
        return ctx.http(base_url)

    good(connector)
    assert list(check(registry(connector=connector))) == []


def test_an_unknown_effect_is_refused_where_it_is_declared() -> None:
    with pytest.raises(TypeError, match="'idempotnt'; there are read, idempotent, check, at_least_once"):
        good(effect="idempotnt")
    made = good()
    made.effect = "sometimes"  # type: ignore[assignment]
    assert found("effect", made)
