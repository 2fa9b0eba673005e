# ruff: noqa: E501 - one case per line reads better than one per screen
"""A small catalogue, and a workflow that uses every part of the format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookline.core.catalogue import Effect, ElsewhereInfo
from hookline.core.diagnostics import Diagnostic
from hookline.core.document import read
from hookline.core.lint import check

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Component:
    name: str
    input_schema: Schema
    output_schema: Schema | None = None
    connection: str | None = None
    title: str = "A component"
    description: str = "What it does."
    docs: str = "https://example.com/docs"
    effect: Effect = "at_least_once"
    writes: Sequence[str] = ()
    elsewhere: Mapping[str, ElsewhereInfo] = field(default_factory=dict)
    watches: Sequence[str] = ()
    kind: str = "poll"
    sample: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FakeCatalogue:
    actions: Mapping[str, Component]
    triggers: Mapping[str, Component]
    connections: Mapping[str, str]
    people: Mapping[str, Sequence[str]] | None = None
    asking: frozenset[str] = frozenset()


def parameters(required: Sequence[str] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            name: {"description": f"The {name}.", **({"type": kind} if isinstance(kind, str) else kind)}
            for name, kind in properties.items()
        },
        "required": list(required),
        "additionalProperties": False,
    }


FILE = {
    "type": "object",
    "x-file": True,
    "properties": {"$file": {"type": "string"}, "name": {"type": "string"}},
    "required": ["$file"],
    "additionalProperties": False,
}

ACTIONS = (
    Component(
        "moderation.check",
        parameters(
            ["image"],
            image={},
            provider={
                "oneOf": [
                    {"const": "openai", "description": "OpenAI."},
                    {"const": "rekognition", "description": "AWS."},
                ]
            },
            threshold={"type": "number", "minimum": 0, "maximum": 1},
        ),
        {"type": "object", "properties": {"action": {"type": "string"}, "scores": {"type": "object"}}},
    ),
    Component(
        "slack.post_message",
        parameters(["channel", "text"], channel="string", text={"type": "string", "maxLength": 4000}),
        {"type": "object", "properties": {"ts": {"type": "string"}}},
        "slack",
    ),
    Component(
        "replicate.run",
        parameters(
            ["model"],
            model="string",
            input={"type": "object"},
            size={"anyOf": [{"type": "integer", "minimum": 1}, {"enum": ["small", "large"]}]},
            wait={"type": "string", "format": "duration"},
            limit={"type": "string", "format": "size"},
            tags={"type": "array", "items": {"type": "string"}, "maxItems": 3},
            options={
                "type": "object",
                "properties": {"fast": {"type": "boolean"}, "token": {"type": "string", "x-secret": True}},
                "additionalProperties": False,
            },
        ),
        {
            "type": "object",
            "properties": {
                "status": {"enum": ["succeeded", "failed"]},
                "files": {"type": "array", "items": FILE},
                "cost_usd": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            },
        },
        "replicate",
    ),
    Component(
        "files.upload",
        parameters(["file", "to"], file=FILE, to="string"),
        parameters(url="string"),
        "s3",
        writes=("{to}",),
    ),
    Component(
        "http.request",
        parameters(
            ["url"],
            url="string",
            method={"enum": ["GET", "POST"]},
            token={"type": "string", "x-secret": True},
        ),
        None,
    ),
    Component("transform", {"type": "object", "additionalProperties": True}, None),
)
TRIGGERS = (
    Component(
        "s3_upload",
        parameters(
            ["bucket"],
            bucket="string",
            prefix={"type": "string", "default": ""},
            suffix={"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        ),
        parameters(key="string", name="string", bucket="string", file=FILE),
        "s3",
        watches=("s3://{bucket}/{prefix}",),
    ),
    Component(
        "webhook",
        parameters(
            ["path", "auth"], path="string", auth={"type": "object"}, respond="string", dedupe="string"
        ),
        {
            "type": "object",
            "properties": {"body": {}, "headers": {"type": "object"}, "query": {"type": "object"}},
        },
        kind="webhook",
    ),
    Component("manual", parameters(), None, kind="manual"),
    Component(
        "workflow",
        parameters(
            ["workflow"],
            workflow={"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        ),
        parameters(run="string", workflow="string", error={"type": ["object", "null"]}),
        kind="workflow",
    ),
)

CATALOGUE = FakeCatalogue(
    actions={component.name: component for component in ACTIONS},
    triggers={component.name: component for component in TRIGGERS},
    connections={"slack": "slack", "s3": "s3", "replicate": "replicate", "archive": "s3"},
    people={"ann": ["ops"], "bob": []},
    asking=frozenset({"slack"}),
)

DESIGN_EXAMPLE = """{
  "$schema": "../.hookline/workflow.schema.json",
  "name": "moderate-upload",
  "description": "Check each uploaded picture, restyle the good ones, tell Slack.",
  "trigger": { "uses": "s3_upload", "connection": "s3",
               "with": { "bucket": "uploads", "prefix": "raw/", "suffix": [".png", ".jpg"] } },
  "limits": { "concurrency": { "max": 4, "key": "{{ trigger.bucket }}" }, "budget": { "run": "0.50 usd", "day": "20 usd" } },
  "steps": [
    { "id": "check", "uses": "moderation.check", "with": { "image": "{{ trigger.file }}", "provider": "openai" } },
    { "if": "{{ steps.check.action == 'block' }}",
      "then": [ { "id": "alert", "uses": "slack.post_message",
                  "with": { "channel": "#moderation", "text": "Blocked {{ trigger.key }}" } },
                { "stop": "blocked" } ] },
    { "id": "art", "uses": "replicate.run", "timeout": "10m",
      "with": { "model": "owner/name:<version>", "input": { "image": "{{ trigger.file }}" } },
      "retry": { "max_attempts": 3, "delay": "2s", "backoff": 2, "max_delay": "1m", "on": ["rate_limited", "unavailable"] } },
    { "id": "save", "uses": "files.upload",
      "with": { "file": "{{ steps.art.files[0] }}", "to": "s3://processed/{{ trigger.name }}.webp" } },
    { "id": "tell", "uses": "slack.post_message",
      "with": { "channel": "#art", "text": "{{ steps.save.url }} ({{ run.cost_usd }} USD)" } }
  ],
  "on_error": [ { "uses": "slack.post_message", "with": { "channel": "#ops", "text": "{{ run.id }}: {{ error.message }}" } } ],
  "output": { "url": "{{ steps.save.url }}" }
}
"""

EVERYTHING = """{
  // every kind of step and every key
  "name": "everything",
  "triggers": [
    { "id": "hook", "uses": "webhook", "with": { "path": "orders", "auth": { "type": "none" } },
      "when": "{{ has(trigger.body.order) }}" },
    { "id": "calm", "uses": "webhook", "with": { "path": "calm", "auth": { "type": "none" } },
      "throttle": { "max": 5, "per": "1s", "key": "{{ trigger.body.user }}", "on_excess": "drop" } },
    { "uses": "manual" },
  ],
  "inputs": { "type": "object", "properties": { "count": { "type": "integer", "default": 1 } } },
  "vars": { "total": 0, "name": "{{ inputs.count }} items" },
  "limits": {
    "concurrency": { "max": 2 }, "rate": { "max": 10, "per": "1m", "key": "{{ trigger.query }}" },
    "dedupe": { "key": "{{ trigger.body.id }}", "window": "1d" }, "timeout": "2h",
  },
  "steps": [
    { "id": "a", "name": "Shape", "uses": "transform", "with": { "list": [1, 2], "n": "{{ vars.total + 1 }}" },
      "sample": { "list": [] }, "cache": "1h" },
    { "id": "kind", "switch": "{{ trigger.body.kind }}",
      "cases": { "big": [ { "id": "big", "uses": "transform", "with": { "x": 1 } },
                          { "uses": "transform", "with": { "y": "{{ steps.big.x }}" } } ],
                 "small": [] },
      "default": [ { "set": { "total": 5 } } ] },
    { "id": "loop", "for_each": "{{ steps.a.list }}", "as": "entry", "max_parallel": 4, "on_item_error": "collect",
      "do": [ { "id": "post", "uses": "http.request", "with": { "url": "https://example.com/{{ entry }}/{{ index }}" },
                "on_unknown": "retry", "retry": { "max_attempts": 2 },
                "catch": [ { "set": { "last_error": "{{ error.message }}" } } ],
                "finally": [ { "uses": "transform", "with": { "i": "{{ index }}" } } ] },
              { "uses": "transform", "with": { "status": "{{ steps.post.status }}" } } ] },
    { "for_each": [1, 2, 3], "do": [ { "uses": "transform", "with": { "x": "{{ item }}" } } ] },
    { "id": "both", "parallel": {
        "left": [ { "id": "l", "uses": "transform", "with": { "x": 1 } } ],
        "right": [ { "id": "r", "uses": "transform", "with": { "x": 2 } } ] } },
    { "while": "{{ vars.total < 3 }}", "max_iterations": 10,
      "do": [ { "set": { "total": "{{ vars.total + index }}" } } ] },
    { "wait": { "for": "10m" } },
    { "wait": { "until": "{{ trigger.body.at }}" } },
    { "uses": "http.request", "with": { "url": "https://example.com", "method": "POST" }, "when": true },
    { "id": "reply", "wait": { "callback": { "schema": { "type": "object" } } }, "timeout": "1d", "on_timeout": "continue" },
    { "uses": "http.request", "with": { "url": "{{ run.callbacks.reply.url }}" } },
    { "id": "ok", "approve": { "who": ["ann", "role:ops", "slack:@ops", "operator", "{{ trigger.body.owner }}"], "via": [{ "connection": "slack", "to": "#{{ trigger.body.owner }}" }],
        "reject_quorum": 2, "requester": "{{ trigger.body.owner }}", "remind": ["4h", "1d"], "escalate": { "after": "2h", "to": ["bob"] }, "message": "Ship {{ steps.both.left.x }}?",
                               "show": { "l": "{{ steps.l.x }}", "r": "{{ steps.r }}" },
                               "form": { "type": "object", "properties": { "note": { "type": "string" } } }, "quorum": 2 },
      "timeout": "2d", "on_timeout": "reject", "on_reject": "continue" },
    { "id": "sub", "call": "other", "with": { "n": "{{ size(steps.loop) }}" } },
    { "respond": { "status": 201, "headers": { "x-id": "{{ run.id }}" }, "body": { "ok": "{{ steps.ok.decision }}" } } },
    { "if": "{{ has(steps.big) }}", "then": [ { "stop": { "status": "canceled", "reason": "{{ steps.?big.orValue(0) }}" } } ],
      "else": [ { "stop": "nothing more" } ] },
  ],
  "on_error": [ { "uses": "transform", "with": { "why": "{{ error.type }}", "a": "{{ steps.?a.orValue(null) }}" } } ],
  "finally": [ { "uses": "transform", "with": { "cost": "{{ run.cost_usd }}" } } ],
  "output": { "sub": "{{ steps.sub }}", "kind": "{{ steps.kind }}" },
  "retention": { "age": "30d", "count": 1000, "events_age": "7d", "events_count": 500 },
}
"""

OTHERS: Mapping[str, object] = {
    "other": {
        "name": "other",
        "inputs": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        "trigger": {"uses": "webhook", "with": {"path": "/taken/", "auth": {"type": "none"}}},
        "steps": [{"uses": "transform"}],
    }
}


def findings(text: str, *, others: Mapping[str, object] = OTHERS) -> list[Diagnostic]:
    return check(read(text), CATALOGUE, others=others)


def workflow(*steps: Any, **keys: Any) -> str:
    """A workflow with these steps, started by hand unless `keys` say otherwise."""
    return json.dumps({"name": "w", "steps": list(steps), **keys}, indent=1)


def act(identifier: str | None = None, **values: Any) -> dict[str, Any]:
    """A step that runs `transform`."""
    named = {} if identifier is None else {"id": identifier}
    return {**named, "uses": "transform", "with": values}
