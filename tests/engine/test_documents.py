"""The documents that other programs read, held to a schema written from the design."""

from __future__ import annotations

from typing import Any

import pytest
import referencing
from engine_lab import Fail, Give, Hang, Lab, Wait, flow, job
from jsonschema import Draft202012Validator

from hookline.engine import documents
from hookline.sdk import BadInput, OutcomeUnknown, Unavailable

TIME = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
ERROR = {
    "type": ["object", "null"],
    "required": ["type", "code", "message", "hint", "step"],
    "properties": {
        "type": {"type": "string"},
        "code": {"type": "string", "pattern": "^[A-Z][0-9]{3}$"},
        "message": {"type": "string", "minLength": 1},
        "hint": {"type": "string"},
        "step": {"type": "string"},
        "run": {"type": "string"},
    },
    "additionalProperties": False,
}
STEP: dict[str, Any] = {
    "type": "object",
    "required": [
        *("path", "id", "uses", "status", "attempts", "interruptions", "input", "output", "error"),
        *("started_at", "finished_at", "waiting_for"),
    ],
    "properties": {
        "path": {"type": "string", "minLength": 1},
        "id": {"type": ["string", "null"]},
        "name": {"type": ["string", "null"]},
        "uses": {"type": ["string", "null"]},
        "status": {
            "enum": [
                *("pending", "running", "retrying", "waiting", "succeeded"),
                *("failed", "skipped", "canceled", "unknown"),
            ]
        },
        "attempts": {"type": "integer", "minimum": 0},
        "interruptions": {"type": "integer", "minimum": 0},
        "input": True,
        "output": True,
        "error": ERROR,
        "cost_usd": {"type": "number", "minimum": 0},
        "started_at": TIME,
        "finished_at": TIME,
        "waiting_for": {
            "type": ["object", "null"],
            "required": ["kind", "reason", "until", "approval"],
            "properties": {
                "kind": {"type": "string"},
                "reason": {"type": "string"},
                "until": TIME,
                "approval": {"type": ["string", "null"], "pattern": "^apr_"},
            },
            "additionalProperties": False,
        },
        "settling": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["attempt", "reason", "until"],
                "properties": {
                    "attempt": {"type": "integer", "minimum": 1},
                    "reason": {"type": "string"},
                    "until": TIME,
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
RUN: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": [
        *("schema", "id", "workflow", "version", "status", "event", "output", "error", "cost_usd"),
        *("created_at", "started_at", "finished_at", "steps"),
    ],
    "properties": {
        "schema": {"const": "hookline.run/1"},
        "id": {"type": "string", "pattern": "^run_[0-9a-f]{26,}$"},
        "workflow": {"type": "string"},
        "version": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "status": {"enum": ["queued", "running", "waiting", "succeeded", "failed", "canceled"]},
        "event": {"type": ["string", "null"], "pattern": "^evt_"},
        "output": True,
        "error": ERROR,
        "cost_usd": {"type": "number", "minimum": 0},
        "created_at": {**TIME, "type": "string"},
        "started_at": TIME,
        "finished_at": TIME,
        "waiting_for": {"type": ["string", "null"]},
        "replay_of": {"type": ["string", "null"]},
        "parent": {
            "type": ["object", "null"],
            "required": ["run", "step"],
            "properties": {"run": {"type": "string"}, "step": {"type": "string"}},
            "additionalProperties": False,
        },
        "steps": {"type": "array", "items": STEP},
    },
    "allOf": [
        {
            "if": {"properties": {"status": {"enum": ["succeeded", "failed", "canceled"]}}},
            "then": {"properties": {"finished_at": {"type": "string"}, "waiting_for": {"type": "null"}}},
            "else": {"properties": {"finished_at": {"type": "null"}, "output": {"type": "null"}}},
        },
        {
            "if": {"properties": {"status": {"const": "failed"}}},
            "then": {"properties": {"error": {"type": "object"}}},
        },
        {
            "if": {"properties": {"status": {"const": "succeeded"}}},
            "then": {"properties": {"error": {"type": "null"}}},
        },
    ],
    "additionalProperties": False,
}


def _read_at_rest(lab: Lab, run: str) -> tuple[Any, dict[str, Any]] | None:
    """Row and document of one moment; None when the run went on in between."""
    before = lab.engine.store.run(run)
    document = lab.document(run)
    return (before, document) if before == lab.engine.store.run(run) else None


def check(lab: Lab, run: str) -> dict[str, Any]:
    row, document = lab.until(lambda: _read_at_rest(lab, run))
    validator = Draft202012Validator(
        RUN, registry=referencing.Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    errors = [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(document)]
    assert not errors, errors
    summary = documents.run_summary(row)
    assert summary == {key: value for key, value in document.items() if key != "steps"}
    return document


EVERYTHING = flow(
    {"set": {"n": 1}},
    {**job("skipped"), "when": "{{ vars.n == 2 }}"},
    {"if": "{{ vars.n == 1 }}", "then": [job("then")], "else": [job("else")]},
    {"switch": "{{ vars.n }}", "cases": {"1": [job("one")]}},
    {"for_each": [1, 2], "max_parallel": 2, "do": [job("item"), {"for_each": [1], "do": [job("inner")]}]},
    {"parallel": {"l": [job("left")], "r": [{"wait": {"for": "1m"}}]}},
    {"while": "{{ index < 2 }}", "max_iterations": 5, "do": [job("turn")]},
    {**job("caught"), "catch": [job("catch")], "finally": [job("finally")]},
    {"id": "w", "wait": {"callback": {}}, "timeout": "1h", "on_timeout": "continue"},
    {"approve": {"who": ["operator"], "message": "?"}, "timeout": "1h", "on_timeout": "fail"},
    {"call": "child", "name": "Call it"},
    {"respond": {"status": 200, "body": {"ok": True}}},
    job("parked", timeout="2h"),
    {"stop": {"status": "succeeded", "reason": "enough"}},
    name="everything",
)


def test_every_control_word_in_every_state(lab: Lab) -> None:
    lab.deploy(flow(job("called"), name="child"))
    lab.outside.script("caught", Fail(BadInput("no")))
    lab.outside.script("parked", Wait(60, {"n": 1}))
    lab.outside.script("one", Hang())
    run = lab.go(EVERYTHING)
    lab.until(lambda: lab.outside.hanging("one"))
    assert check(lab, run)["status"] == "running"
    lab.outside.release("one")
    seen = set()
    for _ in range(12):
        lab.until_idle()
        document = check(lab, run)
        seen.add((document["status"], document["waiting_for"] is not None))
        for approval in lab.engine.store.approvals("pending", 10, None).rows:
            assert documents.approval_document(approval)["schema"] == "hookline.approval/1"
            lab.engine.decide(approval.id, "approved", by="ada")
        lab.clock.advance(1900)
    lab.until(lambda: lab.status(run) != "waiting")
    assert lab.end(run) == "succeeded", lab.document(run)["error"]
    document = check(lab, run)
    assert ("waiting", True) in seen
    steps = {step["path"]: step for step in document["steps"]}
    assert steps["steps[4].do[1]#1.do[0]#0"]["id"] == "inner"
    assert steps["steps[10]"]["name"] == "Call it"
    assert steps["steps[1]"]["status"] == "skipped"
    assert check(lab, lab.children(run)[0].id)["parent"] == {"run": run, "step": "steps[10]"}


@pytest.mark.parametrize("how", ["failed", "canceled", "queued", "unknown", "retrying"])
def test_the_other_ends(lab: Lab, how: str) -> None:
    errors = {"failed": BadInput("no"), "unknown": OutcomeUnknown("?"), "retrying": Unavailable("down")}
    lab.outside.script("a", Fail(errors[how]) if how in errors else Hang())
    limits = {"limits": {"concurrency": {"max": 1}}} if how == "queued" else {}
    run = lab.go(flow(job("a", "check" if how == "unknown" else "once"), **limits))
    if how == "queued":
        lab.until(lambda: lab.outside.hanging("a"))
        run = lab.begin("flow")
        assert check(lab, run)["steps"] == []
        assert check(lab, run)["started_at"] is None
    elif how == "canceled":
        lab.until(lambda: lab.outside.hanging("a"))
        lab.engine.cancel(run)
        lab.end(run)
    elif how in ("unknown", "retrying"):
        lab.until_status(run, "waiting")
        assert check(lab, run)["steps"][0]["status"] == how
    elif how == "failed":
        lab.end(run)
    assert check(lab, run)["status"] == (how if how in ("failed", "canceled", "queued") else "waiting")


def test_events_say_what_became_of_them(lab: Lab) -> None:
    lab.outside.script("a", Hang(), Give({}))
    lab.deploy(flow(job("a"), trigger={"uses": "knock", "with": {"path": "in"}}))
    answer = lab.hook("in", b"hello", id="x")
    lab.until(lambda: lab.outside.hanging("a"))

    def document(full: bool = False) -> dict[str, Any]:
        row = lab.engine.store.event(answer.event_id)
        assert row is not None
        return documents.event_document(row, full=full)

    assert document()["state"] == "running"
    lab.outside.release("a")
    lab.end(answer.run_id)
    assert (document()["state"], document()["runs"]) == ("done", [answer.run_id])
    assert document(full=True)["body"] == "hello"
    lab.hook("in", b"hello", id="x")
    states = [row.state for row in lab.engine.store.events(None, "flow", 10, None).rows]
    assert states == ["duplicate", "received"]


def test_a_history_can_be_read_back(lab: Lab) -> None:
    run = lab.go(flow(job("a")))
    lab.end(run)
    history = lab.history(run)
    assert [entry["seq"] for entry in history] == list(range(len(history)))
    assert history[0]["kind"] == "run.created"
    assert history[-1]["kind"] == "run.finished"
    assert all(set(entry) == {"seq", "at", "kind", "path", "data"} for entry in history)


def test_the_figures_count_what_happened(lab: Lab) -> None:
    lab.deploy(flow(job("a"), trigger={"uses": "knock", "with": {"path": "in"}}))
    first = lab.hook("in", id="x")
    lab.hook("in", id="x")
    lab.end(first.run_id)
    lab.until_idle()
    counts = lab.engine.counts()
    assert counts.events == {"received": 1, "duplicate": 1}
    assert (counts.runs_opened, counts.runs_finished) == (1, {"succeeded": 1})
    assert (counts.executing, counts.active) == (0, 0)
