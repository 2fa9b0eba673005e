"""The examples on the reference page of the workflow format; a test checks every one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["STEP_EXAMPLES", "WORKFLOW_EXAMPLE"]

WORKFLOW_EXAMPLE = """\
{
  "$schema": "../.hookline/workflow.schema.json",
  "name": "price-with-tax",
  "description": "Answer a request with the price including tax.",
  "trigger": {
    "uses": "webhook",
    "with": { "path": "price", "auth": { "type": "none" }, "respond": "output" }
  },
  "vars": { "factor": 1.2 },
  "steps": [
    { "id": "total", "uses": "transform", "with": { "value": "{{ trigger.body.price * vars.factor }}" } },
    { "respond": { "body": { "price": "{{ steps.total.value }}" } } }
  ],
  "retention": { "age": "30d" }
}"""

STEP_EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "uses": """\
{
  "id": "page",
  "uses": "http.request",
  "with": { "url": "https://example.com/{{ trigger.body.id }}" },
  "timeout": "30s",
  "retry": { "max_attempts": 5, "delay": "2s", "on": ["rate_limited", "unavailable"] },
  "catch": [{ "uses": "log", "with": { "message": "{{ error.message }}" } }]
}""",
        "if": """\
{
  "if": "{{ trigger.body.total > 100 }}",
  "then": [{ "uses": "log", "with": { "message": "large" } }],
  "else": [{ "uses": "log", "with": { "message": "small" } }]
}""",
        "switch": """\
{
  "switch": "{{ trigger.body.kind }}",
  "cases": {
    "picture": [{ "uses": "log", "with": { "message": "a picture" } }],
    "text": [{ "uses": "log", "with": { "message": "a text" } }]
  },
  "default": [{ "stop": { "status": "failed", "reason": "unknown kind {{ trigger.body.kind }}" } }]
}""",
        "for_each": """\
{
  "id": "doubled",
  "for_each": "{{ trigger.body.numbers }}",
  "as": "number",
  "max_parallel": 4,
  "on_item_error": "collect",
  "do": [{ "uses": "transform", "with": { "value": "{{ number * 2 }}", "place": "{{ index }}" } }]
}""",
        "parallel": """\
[
  {
    "id": "both",
    "parallel": {
      "left": [{ "uses": "transform", "with": { "side": "left" } }],
      "right": [{ "uses": "transform", "with": { "side": "right" } }]
    }
  },
  { "uses": "log", "with": { "message": "{{ steps.both.left.side }} and {{ steps.both.right.side }}" } }
]""",
        "while": """\
{
  "while": "{{ vars.count < trigger.body.pages }}",
  "max_iterations": 50,
  "do": [
    { "uses": "log", "with": { "message": "page {{ vars.count }}" } },
    { "set": { "count": "{{ vars.count + 1 }}" } }
  ]
}""",
        "wait": """\
[
  { "wait": { "for": "10m" } },
  { "uses": "log", "with": { "message": "Post the result to {{ run.callbacks.result.url }}" } },
  { "id": "result", "wait": { "callback": {} }, "timeout": "1d", "on_timeout": "fail" }
]""",
        "approve": """\
[
  {
    "id": "decision",
    "approve": {
      "who": ["operator"],
      "message": "Publish {{ trigger.body.title }}?",
      "show": "{{ trigger.body }}"
    },
    "timeout": "2d",
    "on_timeout": "reject",
    "on_reject": "continue"
  },
  {
    "if": "{{ steps.decision.decision == 'approved' }}",
    "then": [{ "uses": "log", "with": { "message": "approved by {{ steps.decision.by }}" } }]
  }
]""",
        "call": """\
{ "id": "small", "call": "resize", "with": { "width": 200 } }""",
        "set": """\
{ "set": { "count": "{{ vars.count + 1 }}" } }""",
        "respond": """\
{ "respond": { "status": 201, "headers": { "X-Run": "{{ run.id }}" }, "body": { "accepted": true } } }""",
        "stop": """\
[{ "when": "{{ size(trigger.body.items) == 0 }}", "stop": "nothing to do" }]""",
    }
)
"""For each kind of step one step, or a list of steps that belong together."""
