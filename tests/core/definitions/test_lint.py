# ruff: noqa: E501 - one case per line reads better than one per screen
"""Every finding: one case per code, where it points, and what is not found fault with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from definition_fixtures import (
    CATALOGUE,
    DESIGN_EXAMPLE,
    EVERYTHING,
    OTHERS,
    act,
    findings,
    parameters,
    workflow,
)

from hookline.core.definition_codes import DEFINITION_CODES
from hookline.core.diagnostics import DefinitionError, Diagnostic
from hookline.core.document import read
from hookline.core.lint import MAX_DIAGNOSTICS, check, check_value

S3 = {"uses": "s3_upload", "with": {"bucket": "uploads", "prefix": "raw/"}}
HOOK = {"uses": "webhook", "with": {"path": "p", "auth": {"type": "none"}}}
HOOK_OUTPUT = {"uses": "webhook", "with": {"path": "p", "auth": {"type": "none"}, "respond": "output"}}
SAY = {"uses": "slack.post_message", "with": {"channel": "#a", "text": "b"}}
LONG = "{{ run.id }}"
ART = {"id": "art", "uses": "replicate.run", "with": {"model": "m"}}
COUNT = {"id": "count", "uses": "count"}


def say(text: str) -> dict[str, Any]:
    return {"uses": "slack.post_message", "with": {"channel": "#a", "text": text}}


def upload(to: str) -> dict[str, Any]:
    return {"uses": "files.upload", "with": {"file": "{{ trigger.file }}", "to": to}}


def signed(**auth: Any) -> dict[str, Any]:
    return {"uses": "sign", "with": {"auth": auth}}


def after(names: Any, *steps: Any) -> str:
    """A workflow that starts when another one's run has ended."""
    return workflow(*(steps or (act(),)), trigger={"uses": "workflow", "with": {"workflow": names}})


def waits(trigger: Any = HOOK, *steps: Any, limits: Any = None, **keys: Any) -> str:
    """A workflow whose events wait."""
    more = {} if limits is None else {"limits": limits}
    return workflow(*(steps or (act(),)), trigger={**trigger, **keys}, **more)


def ask(**changes: Any) -> dict[str, Any]:
    approve = {"who": ["ann"], "via": [{"connection": "slack"}], **changes}
    return {"approve": approve, "timeout": "1d", "on_timeout": "fail"}


# Code, text, pointer of the finding, and a piece of its hint.
CASES: list[tuple[str, str, str, str]] = [
    ("D201", workflow(act(), descripton="x"), "/descripton", '"description"'),
    ("D201", workflow({**act(), "then": []}), "/steps/0/then", "`if`"),
    ("D201", workflow(act(), limits={"concurrency": {"maximum": 1, "max": 1}}), "/limits/concurrency/maximum", "max"),
    ("D202", '{"steps": [{"uses": "transform"}]}', "", "name"),
    ("D202", workflow({"if": True}), "/steps/0", "true"),
    ("D202", workflow({"wait": {}}), "/steps/0/wait", ""),
    ("D203", "[]", "", ""),
    ("D203", workflow(act(), description=5), "/description", ""),
    ("D203", workflow({"uses": 5}), "/steps/0/uses", ""),
    ("D203", workflow({**act(), "retry": 3}), "/steps/0/retry", '{"max_attempts": 3}'),
    ("D203", workflow({"wait": "5 minutes"}), "/steps/0/wait", '{"for": "5m"}'),
    ("D203", workflow({"wait": "2h"}), "/steps/0/wait", '{"for": "2h"}'),
    ("D203", workflow({"wait": 30}), "/steps/0/wait", '{"for": "30s"}'),
    ("D203", workflow({"wait": "until noon"}), "/steps/0/wait", '{"for": "5m"}'),
    ("D203", workflow("step"), "/steps/0", ""),
    ("D203", workflow(act(), vars=None), "/vars", "remove"),
    ("D203", workflow(act(), inputs=True), "/inputs", ""),
    ("D204", workflow({**act(), "timeout": "0s"}), "/steps/0/timeout", "at least"),
    ("D204", workflow({**act(), "retry": {"max_attempts": 0}}), "/steps/0/retry/max_attempts", "100"),
    ("D204", workflow({"while": True, "do": [act()], "max_iterations": 100001}), "/steps/0/max_iterations", "100000"),
    ("D205", workflow({**act(), "on_unknown": "retries"}), "/steps/0/on_unknown", '"retry"'),
    ("D205", workflow({"approve": {"who": ["operator"]}, "timeout": "1d", "on_timeout": "approve"}), "/steps/0/on_timeout", "reject"),
    ("D206", workflow({"use": "transform"}), "/steps/0", '"uses"'),
    ("D206", workflow({"id": "a"}), "/steps/0", "`uses`"),
    ("D207", workflow({"uses": "transform", "if": True}), "/steps/0", "two steps"),
    ("D207", workflow(act(), trigger=HOOK, triggers=[{"uses": "manual"}]), "", "keep one"),
    ("D207", workflow({"wait": {"for": "1s", "until": "x"}}), "/steps/0/wait", "keep one"),
    ("D208", json.dumps({"name": "My Flow", "steps": [act()]}), "/name", '"my-flow"'),
    ("D208", workflow(act("my-step")), "/steps/0/id", '"my_step"'),
    ("D208", workflow(act(), vars={"a b": 1}), "/vars/a b", '"a_b"'),
    ("D208", workflow({"for_each": [], "as": "trigger", "do": [act()]}), "/steps/0/as", "another"),
    ("D208", workflow({"for_each": [], "as": "in", "do": [act()]}), "/steps/0/as", "another"),
    ("D208", workflow({"parallel": {"1": [act()]}}), "/steps/0/parallel/1", '"_1"'),
    ("D209", workflow(act("a"), {"if": True, "then": [act("a")]}), "/steps/1/then/0/id", "/steps/0"),
    ("D209", workflow(act(), triggers=[{**HOOK, "id": "t"}, {"uses": "manual", "id": "t"}]), "/triggers/1/id", ""),
    ("D210", workflow(act("item1"), act("iteml")), "/steps/1/id", "tell apart"),
    ("D210", workflow(act("ｃheck")), "/steps/0/id", "a-z"),
    ("D210", workflow(act("chеck")), "/steps/0/id", "a-z"),
    ("D211", workflow({"wait": {"for": "ten minutes"}}), "/steps/0/wait/for", '"10m"'),
    ("D211", workflow({"wait": {"for": 10}}), "/steps/0/wait/for", '"10s"'),
    ("D211", workflow({**act(), "timeout": "{{ inputs.t }}"}), "/steps/0/timeout", "expression"),
    ("D212", workflow(act(), limits={"budget": {"run": "a lot"}}), "/limits/budget/run", "usd"),
    ("D212", workflow(act(), limits={"budget": {"day": "5 eur"}}), "/limits/budget/day", "usd"),
    ("D213", workflow(), "/steps", "add"),
    ("D213", workflow({"parallel": {}}), "/steps/0/parallel", "add"),
    ("D213", workflow({"approve": {"who": []}, "timeout": "1d", "on_timeout": "fail"}), "/steps/0/approve/who", ""),
    ("D214", workflow(act(), inputs={"type": "string"}), "/inputs/type", "object"),
    ("D214", workflow(act(), inputs={"properties": {"a": {"pattern": "x"}}}), "/inputs/properties/a/pattern", "enum"),
    ("D215", workflow({"if": "steps.a.x == 1", "then": []}), "/steps/0/if", "{{ steps.a.x == 1 }}"),
    ("D215", workflow(act("a"), {**act(), "when": "{{ steps.a.x }} && {{ steps.a.y }}"}), "/steps/1/when", "one pair"),
    ("D215", workflow({"for_each": "a, b", "do": [act()]}), "/steps/0/for_each", "{{ a, b }}"),
    ("D301", workflow(act(x="{{ step.a }}")), "/steps/0/with/x", '"steps"'),
    ("D301", workflow(act("a"), act(x="{{ a.x }}")), "/steps/1/with/x", "steps.a"),
    ("D301", workflow(act(x="{{ count }}"), vars={"count": 1}), "/steps/0/with/x", "vars.count"),
    ("D302", workflow(act("check"), act(x="{{ steps.chek.y }}")), "/steps/1/with/x", '"check"'),
    ("D302", workflow(act("a"), act(x="{{ steps.my-own-step.y }}")), "/steps/1/with/x", "write steps.my_own_step"),
    ("D302", workflow(act("a"), act(x="{{ steps[vars.x].y }}"), vars={"x": 1}), "/steps/1/with/x", "written out"),
    ("D303", workflow({"if": True, "then": [act("a")]}, act(x="{{ steps.a.y }}")), "/steps/1/with/x", "steps.?a"),
    ("D303", workflow({**act("a"), "when": True}, act(x="{{ steps.a }}")), "/steps/1/with/x", "steps.?a"),
    ("D303", workflow({**act(), "catch": [act("a")]}, act(x="{{ steps.a }}")), "/steps/1/with/x", "steps.?a"),
    ("D303", workflow(act("a"), on_error=[act(x="{{ steps.a }}")]), "/on_error/0/with/x", "steps.?a"),
    ("D303", workflow(act("a"), **{"finally": [act(x="{{ steps.a }}")]}), "/finally/0/with/x", "steps.?a"),
    ("D303", workflow({"if": True, "then": [act("a")], "catch": [act(x="{{ steps.a }}")]}), "/steps/0/catch/0/with/x", ""),
    ("D304", workflow(act(x="{{ steps.b.y }}"), act("b")), "/steps/0/with/x", "move it up"),
    ("D304", workflow(act("a", x="{{ steps.a.y }}")), "/steps/0/with/x", "own output"),
    ("D304", workflow({"id": "a", "if": True, "then": [act(x="{{ steps.?a }}")]}), "/steps/0/then/0/with/x", "own"),
    ("D304", workflow({"while": "{{ steps.p.x < 3 }}", "max_iterations": 2, "do": [act("p")]}), "/steps/0/while", "`vars`"),
    ("D305", workflow({"id": "l", "for_each": [1], "do": [act("a")]}, act(x="{{ steps.a }}")), "/steps/1/with/x", "steps.l"),
    ("D305", workflow({"while": True, "max_iterations": 2, "do": [act("a")]}, act(x="{{ steps.?a }}")),
     "/steps/1/with/x", "give it one"),
    ("D306", workflow({"if": True, "then": [act("a")], "else": [act(x="{{ steps.?a }}")]}), "/steps/0/else/0/with/x", "one"),
    ("D306", workflow({"parallel": {"l": [act("a")], "r": [act(x="{{ steps.a }}")]}}), "/steps/0/parallel/r/0/with/x", "behind"),
    ("D307", workflow(act(x="{{ item }}")), "/steps/0/with/x", "loop"),
    ("D307", workflow({"for_each": [1], "as": "e", "do": [act(x="{{ item }}")]}), "/steps/0/do/0/with/x", "`e`"),
    ("D307", workflow({"for_each": "{{ [index] }}", "do": [act()]}), "/steps/0/for_each", "loop"),
    ("D308", workflow(act(x="{{ error.message }}")), "/steps/0/with/x", "catch"),
    ("D308", workflow(act(), trigger={**HOOK, "when": "{{ vars.x }}"}), "/trigger/when", "`trigger`"),
    ("D308", workflow(act("a"), limits={"concurrency": {"max": 1, "key": "{{ steps.a }}"}}), "/limits/concurrency/key", "nothing"),
    ("D309", workflow({"id": "art", "uses": "replicate.run", "with": {"model": "m"}}, act(x="{{ steps.art.fiels[0] }}")),
     "/steps/1/with/x", '"files"'),
    ("D309", workflow({"id": "art", "uses": "replicate.run", "with": {"model": "m"}}, act(x="{{ steps.art.files.url }}")),
     "/steps/1/with/x", "[0]"),
    ("D309", workflow({"id": "w", "wait": {"for": "1s"}}, act(x="{{ steps.w.x }}")), "/steps/1/with/x", "null"),
    ("D309", workflow({"id": "p", "parallel": {"l": [act()]}}, act(x="{{ steps.p.r }}")), "/steps/1/with/x", "l"),
    ("D310", workflow(act(x="{{ vars.cuont }}"), vars={"count": 1}), "/steps/0/with/x", '"count"'),
    ("D310", workflow({"if": True, "then": [{"set": {"n": 1}}]}, act(x="{{ vars.n }}")), "/steps/1/with/x", "`vars`"),
    ("D311", workflow(act(x="{{ inputs.a }}")), "/steps/0/with/x", "declare"),
    ("D311", workflow(act(x="{{ inputs.b }}"), inputs={"properties": {"a": {}}}), "/steps/0/with/x", "a"),
    ("D312", workflow(act(x="{{ run.cost }}")), "/steps/0/with/x", '"cost_usd"'),
    ("D312", workflow(act("a"), act(x="{{ run.callbacks.a.url }}")), "/steps/1/with/x", "wait"),
    ("D312", workflow(act(), on_error=[act(x="{{ error.messag }}")]), "/on_error/0/with/x", '"message"'),
    ("D313", workflow(act(x="{{ trigger.kee }}"), trigger=S3), "/steps/0/with/x", '"key"'),
    ("D313", workflow(act(x="{{ trigger.nothing }}"), triggers=[S3, HOOK]), "/steps/0/with/x", ""),
    ("D314", workflow(act(x="{{ trigger.key }}")), "/steps/0/with/x", "inputs"),
    ("D401", workflow({"uses": "slack.post_mesage"}), "/steps/0/uses", '"slack.post_message"'),
    ("D401", workflow({"uses": "webhook"}), "/steps/0/uses", "trigger"),
    ("D401", workflow({"uses": "call", "with": {"x": 1}}), "/steps/0/uses", 'write "call": …'),
    ("D401", workflow({"uses": "for_each"}), "/steps/0/uses", "kind of step"),
    ("D402", workflow(act(), trigger={"uses": "s3_uplod"}), "/trigger/uses", '"s3_upload"'),
    ("D402", workflow(act(), trigger={"uses": "transform"}), "/trigger/uses", "action"),
    ("D403", workflow({**SAY, "connection": "slak"}), "/steps/0/connection", '"slack"'),
    ("D404", workflow({"uses": "drive.copy"}), "/steps/0", "[connections.drive]"),
    ("D405", workflow({**SAY, "connection": "archive"}), "/steps/0/connection", "slack"),
    ("D405", workflow({**act(), "connection": "slack"}), "/steps/0/connection", "remove"),
    ("D406", workflow({"uses": "slack.post_message", "with": {"channel": "#a"}}), "/steps/0/with", "The text."),
    ("D406", workflow({"uses": "http.request"}), "/steps/0", "The url."),
    ("D406", workflow({"call": "other"}), "/steps/0", ""),
    ("D407", workflow({**SAY, "with": {"chanel": "#a", "channel": "#a", "text": "x"}}), "/steps/0/with/chanel", '"channel"'),
    ("D408", workflow({**SAY, "with": {"channel": 5, "text": "x"}}), "/steps/0/with/channel", "The channel."),
    ("D408", workflow({"uses": "replicate.run", "with": {"model": "m", "tags": ["a", 5]}}), "/steps/0/with/tags/1", ""),
    ("D408", workflow({"uses": "replicate.run", "with": {"model": "m", "tags": f"x {LONG}"}}), "/steps/0/with/tags", ""),
    ("D408", workflow({"uses": "replicate.run", "with": {"model": "m", "size": True}}), "/steps/0/with/size", ""),
    ("D408", workflow({"call": "other", "with": {"n": "three"}}), "/steps/0/with/n", ""),
    ("D409", workflow({"uses": "moderation.check", "with": {"image": 1, "provider": "opena"}}), "/steps/0/with/provider", '"openai"'),
    ("D409", workflow({"uses": "moderation.check", "with": {"image": 1, "threshold": 2}}), "/steps/0/with/threshold", "threshold"),
    ("D409", workflow({"uses": "http.request", "with": {"url": "u", "method": "get"}}), "/steps/0/with/method", "GET"),
    ("D409", workflow({"uses": "replicate.run", "with": {"model": "m", "size": 0}}), "/steps/0/with/size", ""),
    ("D409", workflow({"uses": "replicate.run", "with": {"model": "m", "size": "huge"}}), "/steps/0/with/size", "small"),
    ("D409", workflow({"uses": "replicate.run", "with": {"model": "m", "wait": "soon"}}), "/steps/0/with/wait", ""),
    ("D409", workflow({"uses": "replicate.run", "with": {"model": "m", "limit": "25"}}), "/steps/0/with/limit", ""),
    ("D406", workflow(signed()), "/steps/0/with/auth", 'use one of "hmac", "github", "none", "bearer"'),
    ("D406", workflow(signed(type="hmac")), "/steps/0/with/auth", "The header."),
    ("D407", workflow(signed(type="bearer", heder="x")), "/steps/0/with/auth/heder", '"header"'),
    ("D409", workflow(signed(type="bearr")), "/steps/0/with/auth/type", 'did you mean "bearer"? use one of "hmac", "github"'),
    ("D409", workflow(signed(type=5)), "/steps/0/with/auth/type", 'use one of "hmac"'),
    ("D410", workflow({"uses": "http.request", "with": {"url": "u", "token": "abc"}}), "/steps/0/with/token", "connection"),
    ("D410", workflow({"uses": "replicate.run", "with": {"model": "m", "options": {"token": "t"}}}),
     "/steps/0/with/options/token", "connection"),
    ("D411", workflow(act(x="Bearer xoxb-1234567890-abcdefghij")), "/steps/0/with/x", "connection"),
    ("D411", workflow(act(x="AKIAIOSFODNN7EXAMPLE")), "/steps/0/with/x", "connection"),
    ("D412", workflow({"call": "othr"}), "/steps/0/call", '"other"'),
    ("D412", workflow({"call": "{{ vars.x }}"}, vars={"x": 1}), "/steps/0/call", "written out"),
    ("D413", workflow({"call": "w"}), "/steps/0/call", "while"),
    ("D414", workflow(act(), trigger={"uses": "webhook", "with": {"path": "taken", "auth": {}}}), "/trigger/with/path", "another"),
    ("D414", workflow(act(), triggers=[HOOK, HOOK]), "/triggers/1/with/path", "another"),
    ("D415", workflow({"respond": {"body": 1}}), "/steps/0/respond", "webhook"),
    ("D417", workflow(ART, say("{{ steps.art.files }}")), "/steps/1/with/text", "json(steps.art.files)"),
    ("D417", workflow(ART, say("{{ steps.art.files[0] }}")), "/steps/1/with/text", "json("),
    ("D417", workflow(say("{{ trigger.file }}"), trigger=S3), "/steps/0/with/text", "json("),
    ("D417", workflow(COUNT, say("{{ steps.count.n }}")), "/steps/1/with/text", "write {{ string(steps.count.n) }}"),
    ("D417", workflow(COUNT, say("{{ steps.count.done }}")), "/steps/1/with/text", "write {{ string(steps.count.done) }}"),
    ("D417", workflow(COUNT, {**COUNT, "id": "b", "with": {"least": "{{ steps.count.name }}"}}),
     "/steps/1/with/least", "write {{ int(steps.count.name) }}"),
    ("D417", workflow(COUNT, {"uses": "replicate.run", "with": {"model": "m", "options": {"fast": "{{ steps.count.name }}"}}}),
     "/steps/1/with/options/fast", "write {{ bool(steps.count.name) }}"),
    ("D501", workflow({"wait": {"callback": {}}, "on_timeout": "fail"}), "/steps/0", '"timeout"'),
    ("D501", workflow({"wait": {"callback": {}}, "timeout": "1d"}), "/steps/0", "on_timeout"),
    ("D501", workflow({"approve": {"who": ["operator"]}, "timeout": "1d"}), "/steps/0", "never a yes"),
    ("D501", workflow({"approve": {"who": ["operator"]}, "on_timeout": "fail"}), "/steps/0", "timeout"),
    ("D502", workflow({"wait": {"for": "1s"}, "on_timeout": "fail"}), "/steps/0/on_timeout", "remove"),
    ("D503", workflow({"while": True, "do": [act()]}), "/steps/0", "max_iterations"),
    ("D504", workflow({**act(), "retry": {"max_attempts": 2, "on": ["ratelimited"]}}), "/steps/0/retry/on/0", '"rate_limited"'),
    ("D505", workflow(upload("s3://uploads/raw/{{ trigger.name }}"), trigger=S3), "/steps/0/with", "another"),
    ("D505", workflow(act(), trigger=S3, on_error=[upload("s3://uploads/raw/x")]), "/on_error/0/with", "another"),
    ("D506", workflow(upload("s3://{{ trigger.bucket }}/x"), trigger=S3), "/steps/0/with", "another"),
    ("D412", after("nobody"), "/trigger/with/workflow", "project"),
    ("D412", after(["other", "othr"]), "/trigger/with/workflow/1", '"other"'),
    ("D418", after("w"), "/trigger/with/workflow", "on_error"),
    ("D418", after(["other"], {"call": "other", "with": {"n": 1}}), "/trigger/with/workflow/0", "while"),
    ("D313", after("other", act(x="{{ trigger.outputs }}")), "/steps/0/with/x", "run"),
    ("D508", workflow({"stop": "done"}, act()), "/steps/1", "when"),
    ("D207", waits(debounce={"quiet": "1s"}, batch={"within": "1s"}), "/trigger", "keep one"),
    ("D207", waits(throttle={"max": 1, "per": "1s"}, batch={"within": "1s"}), "/trigger", "keep one"),
    ("D202", waits(batch={"max": 5}), "/trigger/batch", "after the first event"),
    ("D204", waits(batch={"max": 1001, "within": "1s"}), "/trigger/batch/max", ""),
    ("D509", workflow(act(), trigger={"uses": "manual", "batch": {"within": "1s"}}), "/trigger/batch", "limits.rate"),
    ("D510", waits(HOOK_OUTPUT, batch={"within": "1s"}), "/trigger/batch", "at once"),
    ("D510", waits(HOOK_OUTPUT, debounce={"quiet": "1s"}), "/trigger/debounce", "at once"),
    ("D510", waits(HOOK_OUTPUT, throttle={"max": 1, "per": "1s"}), "/trigger/throttle", "at once"),
    ("D511", waits(debounce={"quiet": "1m", "max_wait": "59s"}), "/trigger/debounce/max_wait", "several times"),
    ("D308", waits(batch={"within": "1s", "key": "{{ vars.x }}"}), "/trigger/batch/key", "`trigger`"),
    ("D313", waits(S3, batch={"within": "1s", "key": "{{ trigger.buckt }}"}), "/trigger/batch/key", "bucket"),
    ("D313", waits(S3, act(x="{{ trigger.bucket }}"), batch={"within": "1s"}), "/steps/0/with/x", "events"),
    ("D313", waits(S3, act(x="{{ trigger.events[0].kee }}"), batch={"within": "1s"}), "/steps/0/with/x", "key"),
    ("D313", waits(S3, limits={"dedupe": {"key": "{{ trigger.events }}"}}, batch={"within": "1s"}), "/limits/dedupe/key", "key"),
    ("D417", waits(S3, say("{{ trigger.events }}"), debounce={"quiet": "1s", "events": "all"}), "/steps/0/with/text", "json"),
    ("D512", workflow(act(), limits={"budget": {"run": "1 usd", "on_over": "approve"}}), "/limits/budget", '"who"'),
    ("D512", workflow(act(), limits={"budget": {"run": "1 usd", "approve": {"who": ["ann"]}}}),
     "/limits/budget/approve", "on_over"),
    ("D520", workflow(ask(who=["an"])), "/steps/0/approve/who/0", '"ann"'),
    ("D520", workflow(ask(who=["ops"])), "/steps/0/approve/who/0", "role:ops"),
    ("D520", workflow(ask(who=["ann", "role:opps"])), "/steps/0/approve/who/1", '"ops"'),
    ("D521", workflow({"approve": {"who": ["ann"]}, "timeout": "1d", "on_timeout": "fail"}), "/steps/0/approve", "operator"),
    ("D522", workflow(ask(via=[{"connection": "s3"}])), "/steps/0/approve/via/0/connection", "slack"),
    ("D523", workflow(ask(remind="1d")), "/steps/0/approve/remind", "1d"),
]  # fmt: skip

# Codes of reading have their cases in test_document. D200 and D416 are given by who compiles and who reads
# the files of a project, D299 closes a long list.
ELSEWHERE = {"D200", "D299", "D416"}


SIGNERS = [
    parameters(["type", "header"], type={"enum": ["hmac"]}, header="string"),
    parameters(["type"], type={"oneOf": [{"const": "github"}, {"const": "none"}]}),
    parameters(["type"], type={"const": "bearer"}, header="string"),
]


class WithDrive:
    """The catalogue, an action whose connection nobody has configured, and one with outputs of all types."""

    def __init__(self) -> None:
        drive = next(iter(CATALOGUE.actions.values()))
        self.actions = {
            **CATALOGUE.actions,
            "drive.copy": type(drive)("drive.copy", {"type": "object"}, connection="drive"),
            "sign": type(drive)("sign", parameters(["auth"], auth={"anyOf": SIGNERS})),
            "count": type(drive)(
                "count",
                parameters(least="integer", most="number", text={"type": ["string", "integer"]}),
                parameters(
                    n="integer",
                    mean="number",
                    done="boolean",
                    name="string",
                    any={},
                    x={"type": ["integer", "null"]},
                ),
            ),
        }
        self.triggers = CATALOGUE.triggers
        self.connections = CATALOGUE.connections
        self.people = CATALOGUE.people
        self.asking = CATALOGUE.asking


def lint(text: str, others: Mapping[str, object] = OTHERS) -> list[Diagnostic]:
    return check(read(text), WithDrive(), others=others)  # type: ignore[arg-type]


def test_a_while_condition_may_read_the_index() -> None:
    loop = {"while": "{{ index < 3 }}", "max_iterations": 5, "do": [act()]}
    assert [finding.code for finding in lint(workflow(loop))] == []


@pytest.mark.parametrize(
    ("code", "text", "pointer", "hint"), CASES, ids=[f"{c[0]}-{n}" for n, c in enumerate(CASES)]
)
def test_each_mistake_gives_one_finding(code: str, text: str, pointer: str, hint: str) -> None:
    found = lint(text)
    assert [(finding.code, finding.pointer) for finding in found] == [(code, pointer)], found
    (finding,) = found
    assert hint in finding.hint
    assert finding.line >= 1
    assert finding.column >= 1
    assert finding.severity == ("warning" if code in ("D411", "D506", "D508") else "error")


def test_every_code_has_a_case() -> None:
    tried = {case[0] for case in CASES} | ELSEWHERE
    declared = {code.code for code in DEFINITION_CODES if not code.code.startswith("D1")}
    assert declared == tried


@pytest.mark.parametrize("text", [DESIGN_EXAMPLE, EVERYTHING], ids=["design", "everything"])
def test_correct_workflows_have_no_findings(text: str) -> None:
    assert findings(text) == []
    assert check_value(read(text).value, CATALOGUE, others=OTHERS) == []


FINE = [
    # What is inside the same branch, or behind a join, has certainly run.
    workflow({"if": True, "then": [act("a"), act(x="{{ steps.a.y }}")]}),
    workflow({"parallel": {"l": [act("a")], "r": [act("b")]}}, act(x="{{ steps.a.y + steps.b.y }}")),
    workflow({**act("a"), "when": True}, act(x="{{ steps.?a.y.orValue(1) }}")),
    workflow({**act("a"), "when": True}, act(x="{{ has(steps.a) ? 1 : 2 }}")),
    workflow({"for_each": [1], "do": [act("a"), act(x="{{ steps.a.y }}")]}),
    workflow({**act("a"), "catch": [act()]}, act(x="{{ steps.a.y }}")),
    workflow({**act("a"), "finally": [act("f")]}, act(x="{{ steps.f.y }}")),
    workflow({"id": "i", "if": True, "then": [act()]}, act(x="{{ steps.i }}")),
    workflow(act("a"), {"if": True, "then": [act(x="{{ steps.a.y }}")]}),
    workflow({"parallel": {"l": [{"if": True, "then": [act("a")]}], "r": []}}, act(x="{{ steps.?a }}")),
    workflow({"if": True, "then": [act("a")], "finally": [act(x="{{ steps.?a }}")]}),
    # Nested loops keep the outer names.
    workflow({"for_each": [1], "as": "x", "do": [{"for_each": [2], "as": "y", "do": [act(a="{{ x + y + index }}")]}]}),
    workflow({"while": "{{ vars.n < 3 }}", "max_iterations": 3, "do": [{"set": {"n": "{{ vars.n + index }}"}}]}, vars={"n": 0}),
    workflow({"set": {"n": 1}}, act(x="{{ vars.n }}")),
    # Macro variables are no roots, and braces can be literal.
    workflow(act("a"), act(x="{{ steps.a.list.map(step, step.x) }}", y="{{{{ nothing }}")),
    # Expressions stand for any type; their surroundings are still checked.
    workflow({"uses": "replicate.run", "with": {"model": "m", "size": "{{ vars.s }}", "tags": ["{{ vars.s }}"],
                                               "options": {"fast": "{{ vars.s }}"}, "wait": "{{ vars.s }}"}}, vars={"s": 1}),
    workflow({"uses": "moderation.check", "with": {"image": 1, "provider": "{{ vars.s }}", "threshold": None}}, vars={"s": 1}),
    workflow({"uses": "http.request", "with": {"url": "{{ vars.s }}/x", "token": "{{ vars.s }}"}}, vars={"s": 1}),
    # Outputs without a schema, and forms of a union.
    workflow({"id": "h", "uses": "http.request", "with": {"url": "u"}}, act(x="{{ steps.h.anything[0].at_all }}")),
    workflow({"id": "art", "uses": "replicate.run", "with": {"model": "m"}},
             act(x="{{ steps.art.files[0]['$file'] }}", y="{{ steps.art.cost_usd }}")),
    # One of several triggers is enough.
    workflow(act(x="{{ trigger.?body.orValue(trigger.?key) }}"), triggers=[S3, HOOK]),
    # Another prefix, another ending, another connection of the same type.
    workflow(upload("s3://uploads/done/{{ trigger.name }}"), trigger=S3),
    workflow(upload("s3://uploads/raw/{{ trigger.name }}.webp"),
             trigger={"uses": "s3_upload", "with": {"bucket": "uploads", "prefix": "raw/", "suffix": [".png"]}}),
    workflow({**upload("s3://b/c"), "connection": "archive"}, trigger=S3),
    workflow({"respond": {"status": "{{ trigger.body.code }}"}}, trigger=HOOK),
    workflow({**SAY, "catch": [act(x="{{ error.type }}")]}),
    workflow({"stop": "{{ run.id }}", "when": True}, act()),
    *(workflow(signed(**auth), vars={"x": "none"}) for auth in (
        {"type": "none"}, {"type": "{{ vars.x }}"}, {"type": "hmac", "header": "{{ vars.x }}"}, {"type": "bearer"})),
    # A type that is not certain, fits, may be whole, or is text because of what stands around it.
    workflow(COUNT, *(say(text) for text in ("{{ steps.count.any }}", "{{ steps.count.x }}", "{{ steps.count.name }}",
                                             "{{ steps.count.n }}.", "{{ string(steps.count.n) }}"))),
    workflow(COUNT, {"uses": "count", "with": {"least": "{{ steps.count.mean }}", "most": "{{ steps.count.n }}",
                                               "text": "{{ steps.count.n }}"}}),
    workflow({**COUNT, "catch": [act()]}, say("{{ steps.count.n }}")),
    workflow(ART, {"uses": "files.upload", "with": {"file": "{{ steps.art.files[0] }}", "to": "s3://b/c"}}),
    workflow(ART, say("{{ steps.art.cost_usd }}"), say("{{ steps.art.status }}")),
    workflow(say("{{ trigger.file }}"), triggers=[S3, {"uses": "manual"}]),
]  # fmt: skip


@pytest.mark.parametrize("text", FINE, ids=range(len(FINE)))
def test_what_is_right_is_not_found_fault_with(text: str) -> None:
    assert lint(text) == []


def test_messages_name_what_is_meant() -> None:
    (missing,) = lint(workflow({"wait": {}}))
    assert missing.message == "`wait` needs one of `for`, `until`, `callback`"
    (item,) = lint(workflow({"uses": "replicate.run", "with": {"model": "m", "tags": ["a", 5]}}))
    assert item.message == "item 1 of `tags` must be text, this is a number"
    (key,) = lint(
        workflow({"approve": {"who": ["operator"], "then": []}, "timeout": "1d", "on_timeout": "fail"})
    )
    assert key.message == '`approve` has no key "then"'


def test_expression_mistakes_point_into_the_string() -> None:
    text = '{"name": "w",\n "steps": [{"uses": "transform",\n   "with": {"x": "a \\"b\\" {{ nothing }}"}}]}'
    (finding,) = lint(text)
    line = text.splitlines()[finding.line - 1]
    assert line[finding.column - 1 :].startswith("nothing")


def test_syntax_errors_in_expressions_are_findings() -> None:
    (finding,) = lint(workflow(act(x="{{ 1 + }}")))
    assert finding.code.startswith("X1")
    assert finding.pointer == "/steps/0/with/x"


def test_findings_come_in_document_order() -> None:
    text = workflow(act(x="{{ nothing }}"), {"uses": "nope"}, {"bad": 1}, act(x="{{ steps.z }}"), oops=1)
    found = lint(text)
    assert len(found) == 5
    assert [(f.line, f.column) for f in found] == sorted((f.line, f.column) for f in found)
    without_text = check_value(json.loads(text), CATALOGUE)
    assert [(f.code, f.pointer, f.message) for f in without_text] == [
        (f.code, f.pointer, f.message) for f in found
    ]
    assert {(f.line, f.column) for f in without_text} == {(0, 0)}


def test_secrets_are_not_repeated_in_messages() -> None:
    secret = "r8_" + "a1B2" * 10
    text = workflow(
        {"uses": "http.request", "with": {"url": "u", "method": secret, "token": secret}}, name=secret
    )
    for finding in lint(text):
        assert secret not in finding.message + finding.hint


def test_findings_are_capped_with_a_note() -> None:
    found = lint(
        workflow(*[{"uses": "nope", "with": {}} for _ in range(1500)], act(x="xoxb-1234567890-abcdefghij"))
    )
    assert len(found) == MAX_DIAGNOSTICS + 1
    assert found[-1].code == "D299"
    assert found[-1].severity == "warning"
    assert {finding.code for finding in found[:-1]} == {"D401"}


def test_triggers_of_the_webhook_kind_count_as_webhooks() -> None:
    class Kind:
        kind = "webhook"

        def __getattr__(self, name: str) -> Any:
            return getattr(CATALOGUE.triggers["webhook"], name)

    catalogue: Any = WithDrive()
    catalogue.triggers = {**CATALOGUE.triggers, "github.push": Kind()}
    trigger = {"uses": "github.push", "with": {"path": "/taken", "auth": {}}}
    found = check(read(workflow({"respond": {}}, trigger=trigger)), catalogue, others=OTHERS)
    assert [finding.code for finding in found] == ["D414"]


def test_circles_of_calls_are_shown() -> None:
    others = {
        "b": {"name": "b", "steps": [{"if": True, "then": [{"call": "c"}]}]},
        "c": {"name": "c", "steps": [{"call": "w"}, {"call": "c"}]},
        "broken": {"name": "broken", "steps": [{"call": 5}, 7]},
    }
    (finding,) = lint(workflow({"call": "b"}), others)
    assert finding.code == "D413"
    assert "w → b → c → w" in finding.message
    # A circle that this workflow is not part of is another file's finding.
    assert lint(json.dumps({"name": "x", "steps": [{"call": "c"}]}), {**others, "w": {"steps": []}}) == []


def test_a_connection_that_is_not_always_needed() -> None:
    class Sometimes:
        def __init__(self, component: Any) -> None:
            self._component = component

        def __getattr__(self, name: str) -> Any:
            return getattr(self._component, name)

        def needs_connection(self, given: Mapping[str, Any]) -> bool:
            return bool(given["remote"])

    catalogue: Any = WithDrive()
    catalogue.actions["drive.copy"] = Sometimes(catalogue.actions["drive.copy"])

    def codes(given: dict[str, Any]) -> list[str]:
        text = workflow({"uses": "drive.copy", "with": given})
        return [finding.code for finding in check(read(text), catalogue)]

    assert codes({"remote": False}) == []
    assert codes({"remote": True}) == ["D404"]
    assert codes({}) == ["D404"]


def test_a_missing_connection_names_the_variables_that_suffice() -> None:
    catalogue: Any = WithDrive()
    catalogue.connection_variables = {"drive": ["DRIVE_KEY", "DRIVE_SECRET"], "slack": ["SLACK_BOT_TOKEN"]}
    (finding,) = check(read(workflow({"uses": "drive.copy"})), catalogue)
    assert finding.hint.startswith("set DRIVE_KEY and DRIVE_SECRET in .env or the environment, or add")


def test_reading_errors_and_findings_share_one_form() -> None:
    with pytest.raises(DefinitionError) as refused:
        read('{"name": }')
    assert isinstance(refused.value.diagnostics[0], Diagnostic)


def test_findings_in_yaml_have_positions() -> None:
    text = "name: w\nsteps:\n  - id: a\n    uses: transform\n    with:\n      x: 'is {{ nothing }}'\n"
    (finding,) = check(read(text, syntax="yaml"), CATALOGUE)
    assert (finding.code, finding.line, finding.column) == ("D301", 6, 17)


@pytest.mark.parametrize(
    "text",
    [
        waits(S3, act(x="{{ trigger.key }}"), debounce={"quiet": "1s", "key": "{{ trigger.key }}"}),
        waits(S3, act(x="{{ trigger.key }}"), throttle={"max": 1, "per": "1s"}),
        waits(
            S3, act(x="{{ trigger.events.map(e, e.key) }}", y="{{ trigger.ids[0] }}"), batch={"within": "1s"}
        ),
        waits(
            S3,
            act(x="{{ trigger.count + 1 }}"),
            limits={"rate": {"max": 1, "per": "1s", "key": "{{ trigger.key }}"}},
            batch={"within": "1s"},
        ),
        waits(HOOK_OUTPUT, throttle={"max": 1, "per": "1s", "on_excess": "drop"}),
        waits(debounce={"quiet": "1m", "max_wait": "1m"}),
    ],
)
def test_events_may_wait(text: str) -> None:
    assert findings(text) == []


def test_circles_of_workflows_that_follow_each_other() -> None:
    def following(name: str, *others: str, calls: str = "") -> dict[str, Any]:
        steps = [{"call": calls}] if calls else [act()]
        return {
            "name": name,
            "trigger": {"uses": "workflow", "with": {"workflow": [*others]}},
            "steps": steps,
        }

    def codes(value: dict[str, Any], *others: dict[str, Any]) -> list[tuple[str, str]]:
        found = check_value(value, CATALOGUE, others={other["name"]: other for other in others})
        return [(finding.code, finding.message.partition(": ")[2]) for finding in found]

    start = {"name": "start", "steps": [act()]}
    assert codes(following("b", "start"), start) == []
    assert codes(following("c", "b", "start"), following("b", "start"), start) == []
    # a starts b, b starts c, c starts a.
    a, b, c = following("a", "c"), following("b", "a"), following("c", "b")
    assert codes(a, b, c) == [("D418", "a → b → c → a")]
    # The end of b starts a, and a calls b.
    assert codes(following("a", "b", calls="b"), {"name": "b", "steps": [act()]}) == [("D418", "a → b → a")]
    # A circle that others are in is theirs to correct.
    assert codes(following("d", "a"), a, b, c) == []
