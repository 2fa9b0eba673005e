"""What actions give: secrets never kept, large values kept elsewhere, and what is no JSON."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from engine_lab import Fail, Give, Lab, LabMaker, Log, Note, Wait, flow, job

from hookline.engine.journal import SPILL_BYTES
from hookline.engine.redaction import RedactingFilter
from hookline.sdk import BadInput

CANARY = 'c4nary-"s3cret"-\\-val€ue'
"""With characters that JSON escapes."""


@pytest.fixture
def vault(labs: LabMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Lab:
    """An engine with a connection whose token is the canary."""
    (tmp_path / "hookline.toml").write_text('[connections.vault]\ntype = "vault"\ntoken = "${CANARY}"\n')
    lab = labs(environment={"CANARY": CANARY})
    caplog.set_level(logging.DEBUG, logger="hookline")
    caplog.handler.addFilter(RedactingFilter(lab.engine.redactor))
    return lab


def forms() -> list[bytes]:
    return [
        CANARY.encode(),
        json.dumps(CANARY)[1:-1].encode(),
        json.dumps(CANARY, ensure_ascii=False)[1:-1].encode(),
    ]


def assert_gone(lab: Lab, runs: list[str], caplog: pytest.LogCaptureFixture) -> None:
    places = {
        "files": lab.database_bytes(),
        "documents": json.dumps([lab.document(run) for run in runs], ensure_ascii=False).encode(),
        "histories": json.dumps([lab.history(run) for run in runs], ensure_ascii=False).encode(),
        "log": caplog.text.encode(),
    }
    for name, content in places.items():
        assert content or name == "log"
        for form in forms():
            assert form not in content, name


@pytest.mark.parametrize(
    "does",
    [
        Give({"echo": CANARY, "in": [f"Bearer {CANARY}"], CANARY: 1}),
        Give({"large": [CANARY] * 3000}),
        Fail(BadInput(f"the service does not like {CANARY}", hint=f"not {CANARY}", detail=CANARY)),
        Fail(RuntimeError(f"it blew up over {CANARY}")),
        Log(f"sent {CANARY}", {"token": CANARY}, Give({})),
        Note({"token": CANARY}, Give({})),
        Wait(60, {"token": CANARY}),
    ],
    ids=["output", "large output", "error", "crash", "log", "note", "park"],
)
def test_a_secret_that_an_action_repeats_is_nowhere(
    vault: Lab, does: Any, caplog: pytest.LogCaptureFixture
) -> None:
    vault.outside.script("a", does)
    call = {"id": "c", "call": "child", "catch": []}
    child = flow(job("a", "vault"), name="child", output="{{ steps.a }}")
    vault.deploy(child)
    parent = flow(call, {"respond": {"body": "{{ steps.c }}"}}, name="parent", output="{{ steps.c }}")
    run = vault.go(parent)
    vault.until_idle()
    vault.clock.advance(61)
    vault.end(run)
    vault.until_idle()
    runs = [run, *(row.id for row in vault.children(run))]
    assert len(vault.outside.of("a", "run")) == 1
    assert len(runs) == 2
    assert_gone(vault, runs, caplog)


def test_a_run_sees_the_same_before_and_after_a_restart(labs: LabMaker, vault: Lab) -> None:
    """What is masked in the record is masked for the next step too, or a restart would change it."""
    vault.outside.script("a", Give({"echo": CANARY}))
    step = {"id": "t", "uses": "transform", "with": {"seen": "{{ steps.a.echo }}"}}
    run = vault.go(flow(job("a", "vault"), step, output="{{ steps.t.seen }}"))
    assert vault.end(run) == "succeeded"
    assert vault.document(run)["output"] == "[redacted:vault.token]"


def test_a_callback_that_repeats_a_secret(vault: Lab, caplog: pytest.LogCaptureFixture) -> None:
    run = vault.go(flow({"wait": {"callback": {}}, "timeout": "1h", "on_timeout": "fail"}))
    vault.until_status(run, "waiting")
    token = vault.engine.tokens.token(run, "steps[0]", 0)
    vault.engine.receive_callback(token, {}, json.dumps({"you sent": CANARY}).encode())
    assert vault.end(run) == "succeeded"
    assert_gone(vault, [run], caplog)


# Large and wrong outputs -------------------------------------------------------------------------------


def test_a_large_output_is_kept_beside_the_database(labs: LabMaker) -> None:
    lab = labs()
    large = {"text": "x" * (5 * SPILL_BYTES), "list": list(range(20_000))}
    lab.outside.script("a", Give(large))
    check = {"id": "t", "uses": "transform", "with": {"n": "{{ size(steps.a.list) }}"}}
    run = lab.go(flow(job("a"), {"wait": {"for": "1m"}}, check))
    lab.until_status(run, "waiting")
    lab = labs.again(lab, crash=True)
    labs.clock.advance(61)
    assert lab.end(run) == "succeeded"
    assert lab.step(run, "a")["output"] == large
    assert lab.step(run, "t")["output"] == {"n": 20_000}
    bodies = [chunk.body for chunk in lab.engine.store.history(run)]
    assert max(map(len, bodies)) < SPILL_BYTES


class Odd:
    pass


LOOP: list[Any] = []
LOOP.append(LOOP)
DEEP: Any = 0
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "output",
    [{1, 2}, math.nan, {"x": [math.inf]}, b"bytes", Odd(), {"x": Odd()}, LOOP, DEEP, {(1, 2): 3}, "\ud800"],
    ids=["set", "nan", "infinity", "bytes", "object", "inside", "loop", "deep", "key", "surrogate"],
)
@pytest.mark.parametrize("how", ["once", "pure", "blocking"])
def test_an_output_that_is_no_json_fails_the_attempt(lab: Lab, output: Any, how: str) -> None:
    if how == "blocking":
        output_step = {**job("a", "blocking")}
        lab.outside.script("a", Fail(ValueError("not json either")))
    else:
        output_step = job("a", how)
        lab.outside.script("a", Give(output))
    run = lab.go(flow(output_step, on_error=[job("tell")]))
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["code"] in ("R302", "R301")
    assert len(lab.outside.of("tell")) == 1


@pytest.mark.parametrize("does", [Note({"x": {1}}), Wait(5, {"x": Odd()}), Note({"x": math.nan})])
def test_a_note_or_park_that_is_no_json_fails_the_attempt(lab: Lab, does: Any) -> None:
    lab.outside.script("a", does)
    run = lab.go(flow(job("a")))
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["type"] in ("internal", "malformed_output")
    assert [entry["seq"] for entry in lab.history(run)] == list(range(len(lab.history(run))))


@pytest.mark.parametrize("values", [{"x": {1}}, {"x": Odd()}, {"x": math.nan}, {"x": "\ud800"}])
def test_a_log_line_of_anything_does_no_harm(lab: Lab, values: dict[str, Any]) -> None:
    lab.outside.script("a", Log("look", values, Give({"ok": True})))
    run = lab.go(flow(job("a")))
    assert lab.end(run) == "succeeded"
    (line,) = [entry for entry in lab.history(run) if entry["kind"] == "step.logged"]
    assert "look" in line["data"]["message"]


def test_a_cost_that_is_no_number_fails_the_attempt(lab: Lab) -> None:
    lab.outside.script("a", Give({}, cost=math.nan))
    run = lab.go(flow(job("a")))
    assert lab.end(run) == "failed"
    assert lab.document(run)["cost_usd"] == 0


def test_an_action_that_is_not_installed(labs: LabMaker) -> None:
    lab = labs()
    run = lab.go(flow({"wait": {"for": "1m"}}, job("a"), {"uses": "gone.away", "catch": [job("b")]}))
    lab.until_status(run, "waiting")
    labs.clock.advance(61)
    assert lab.end(run) == "succeeded"
    (error,) = [step["error"] for step in lab.document(run)["steps"] if step["path"] == "steps[2]"]
    assert error["code"] == "R304"


@pytest.mark.parametrize(
    "step",
    [
        {"uses": "transform", "with": {"x": "{{ trigger.nothing }}"}},
        {"if": "{{ trigger.nothing }}", "then": []},
        {"if": "{{ 'text' }}", "then": []},
        {"for_each": "{{ 5 }}", "do": [{"set": {"x": 1}}]},
        {"set": {"x": "{{ 1 / 0 }}"}},
        {"wait": {"until": "{{ 'soon' }}"}},
        {**job("a"), "when": "{{ 1 }}"},
        {"respond": {"status": "{{ 'teapot' }}"}},
    ],
)
def test_an_expression_that_fails_is_the_steps_error(lab: Lab, step: Any) -> None:
    run = lab.go(flow(step), {})
    assert lab.end(run) == "failed"
    error = lab.document(run)["error"]
    assert error["type"] in ("expression", "bad_input")
    assert error["step"] == "steps[0]"
