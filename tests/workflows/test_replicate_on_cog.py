"""A step written for Replicate, on a real Cog server: only its connection is another one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.core.document import read
from hookline.core.lint import check
from hookline.engine.loader import load_registry
from hookline.engine.workflows import Installed
from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason

from .installation import install, wait_until

pytestmark = [
    pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason())),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def server() -> Iterator[CogServer]:
    with CogServer(MODELS / "shout") as running:
        yield running


def definition(name: str, **given: Any) -> dict[str, Any]:
    step = {
        "id": "answer",
        "uses": "replicate.run",
        "connection": "captions",
        "timeout": "1m",
        "with": {"model": "acme/shout", "poll_interval": 1, **given},
    }
    return {
        "name": name,
        "trigger": {"uses": "webhook", "with": {"path": name, "auth": {"type": "none"}}},
        "steps": [step],
        "output": "{{ steps.answer }}",
    }


def health(server: CogServer) -> str:
    return str(httpx.get(f"{server.base_url}/health-check", trust_env=False).json()["status"])


def settings(server: CogServer) -> str:
    return f'\n[connections.captions]\ntype = "cog"\nbase_url = "{server.base_url}"\n'


def test_only_the_connection_changes(tmp_path: Path, server: CogServer) -> None:
    shout = definition("shout", input={"text": "hello"}, usd_per_second=0.001)
    fails = definition("fails", input={"text": "x", "error": "asked to fail"})
    with install(
        tmp_path / "project", environment={}, definitions=(shout, fails), settings=settings(server)
    ) as hookline:
        assert hookline.post("shout").status_code == 202
        run = hookline.succeeded("shout")
        output = run["output"]
        assert (output["provider"], output["status"], output["output_text"]) == ("cog", "succeeded", "HELLO")
        assert output["model_reference"] == "acme/shout"
        assert run["steps"][0]["uses"] == "cog.run"
        assert run["cost_usd"] == output["cost_usd"] > 0
        hookline.post("fails")
        failed = hookline.finished("fails")
        assert (failed["status"], failed["error"]["type"]) == ("failed", "bad_input")
        assert "asked to fail" in failed["error"]["message"]


def test_what_the_output_must_be_holds_there_too(tmp_path: Path, server: CogServer) -> None:
    as_json = {"type": "json", "schema": {"type": "array", "minItems": 2}}
    listed = definition("listed", input={"text": "[1, 2]"}, expect=as_json)
    alone = definition("alone", input={"text": "[1]"}, expect=as_json, usd_per_second=1)
    native = definition("native", input={"text": "hello"}, expect={"max_size": 4})
    native["steps"][0]["uses"] = "cog.run"
    with install(
        tmp_path / "project", environment={}, definitions=(listed, alone, native), settings=settings(server)
    ) as hookline:
        hookline.post("listed")
        assert hookline.succeeded("listed")["output"]["output"] == [1, 2]
        for name, told in (("alone", "/output: [1] is too short"), ("native", "has 5 bytes")):
            hookline.post(name)
            run = hookline.finished(name)
            assert (run["status"], run["error"]["type"]) == ("failed", "malformed_output")
            assert told in run["error"]["message"]
            assert "replicate.com" not in run["error"]["hint"]
            # It ran: that has a price, whatever came of it.
            assert (run["cost_usd"] > 0) == (name == "alone")


def test_a_run_that_is_canceled_is_canceled_on_the_server(tmp_path: Path, server: CogServer) -> None:
    slow = definition("slow", input={"text": "late", "seconds": 30})
    with install(
        tmp_path / "project", environment={}, definitions=(slow,), settings=settings(server)
    ) as hookline:
        run = hookline.post("slow").json()["runs"][0]
        hookline.until_waiting(run)
        wait_until(lambda: health(server) == "BUSY")
        assert hookline.engine.cancel(run)
        assert hookline.finished("slow")["status"] == "canceled"
        wait_until(lambda: health(server) == "READY", 20)


@pytest.mark.parametrize("delivery", ["callback", "connection"])
def test_a_model_that_runs_for_too_long_is_stopped(tmp_path: Path, server: CogServer, delivery: str) -> None:
    slow = definition("slow", input={"text": "late", "seconds": 30}, run_timeout="1s", delivery=delivery)
    with install(
        tmp_path / "project", environment={}, definitions=(slow,), settings=settings(server)
    ) as hookline:
        hookline.post("slow")
        failed = hookline.finished("slow")
        assert (failed["status"], failed["error"]["type"]) == ("failed", "timeout")
        assert "run_timeout" in failed["error"]["message"]
        wait_until(lambda: health(server) == "READY", 20)


@pytest.mark.parametrize(
    "expect",
    [{"kind": "text"}, {"type": "picture"}, {"min_files": -1}, {"mime": ""}, {"schema": []}, "text"],
)
def test_an_expectation_is_checked_alike_wherever_it_stands(expect: Any) -> None:
    registry = load_registry()
    installed = Installed(registry.actions, registry.triggers, {"captions": "cog", "replicate": "replicate"})
    found = []
    for uses, connection in (
        ("replicate.run", "replicate"),
        ("replicate.run", "captions"),
        ("cog.run", "captions"),
    ):
        wrong = definition("w", input={"text": "x"}, expect=expect)
        wrong["steps"][0] |= {"uses": uses, "connection": connection}
        findings = check(read(json.dumps(wrong)), installed)
        found.append([(each.code, each.pointer, each.message.partition(": ")[2]) for each in findings])
    assert found[0]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("models", ["a/b", "a/c"], "write its name as `model`"),
        ("deployment", "acme/shout", "write its name as `model`"),
        ("fallback_on", ["timeout"], "one model"),
        ("hardware", "cpu", "usd_per_second"),
        ("max_cost", "1 usd", "usd_per_second"),
        ("webhook", "never", '"delivery": "connection"'),
    ],
)
def test_what_means_nothing_there_is_refused(name: str, value: Any, hint: str) -> None:
    registry = load_registry()
    installed = Installed(registry.actions, registry.triggers, {"captions": "cog", "replicate": "replicate"})

    document = read(json.dumps(definition("w", input={"text": "x"}, **{name: value})))
    (found,) = check(document, installed)
    assert (found.code, found.pointer) == ("D407", f"/steps/0/with/{name}")
    assert hint in found.hint
