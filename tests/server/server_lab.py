"""A started engine over a database of its own, workflows of every kind, and a client of the application."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hookline.engine.engine import Engine
from hookline.engine.loader import load_registry
from hookline.engine.registry import Registry
from hookline.engine.settings import load_settings
from hookline.server.access import Access
from hookline.server.app import create_app
from hookline.store.port import Done, Health, StoreUnavailable, Unit
from hookline.store.sqlite import SQLiteStore

Json = Any

TOKEN = "canary-admin-token-6f1c09"
SECRET = "canary-webhook-secret-b7d2"
DEV_PORT = 8420
BOUND = 15.0
"""Seconds after which a test that waits for something is given up."""

EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"

HOOK: Json = {"uses": "webhook", "with": {"path": "open", "auth": {"type": "none"}}}


def hook(path: str, **parameters: Json) -> Json:
    return {"uses": "webhook", "with": {"path": path, "auth": {"type": "none"}, **parameters}}


ECHO: Json = {"id": "echo", "uses": "transform", "with": {"value": "{{ trigger.body }}"}}

WORKFLOWS: tuple[Json, ...] = (
    {
        "name": "plain",
        "description": EVIL,
        "trigger": hook("plain"),
        "steps": [ECHO],
        "output": "{{ steps.echo.value }}",
    },
    {
        "name": "signed",
        "trigger": {
            "uses": "webhook",
            "with": {"path": "signed", "auth": {"type": "hmac", "header": "X-Signature"}},
        },
        "steps": [ECHO],
    },
    {"name": "once", "trigger": hook("once", dedupe="body.id"), "steps": [ECHO]},
    {
        "name": "strict",
        "trigger": hook("strict", schema={"type": "object", "required": ["n"]}),
        "steps": [ECHO],
    },
    {
        "name": "output",
        "trigger": hook("output", respond="output"),
        "steps": [{"id": "x", "uses": "transform", "with": {"value": "{{ trigger.body.x * 2 }}"}}],
        "output": {"doubled": "{{ steps.x.value }}"},
    },
    {
        "name": "answers",
        "trigger": hook("answers", respond="output"),
        "steps": [
            {
                "id": "say",
                "respond": {
                    "status": 418,
                    "headers": {"X-Kind": "tea", "Set-Cookie": "a=b", "Content-Type": "text/html"},
                    "body": "<h1>{{ trigger.body.word }}</h1>",
                },
            }
        ],
    },
    {
        "name": "slow",
        "trigger": hook("slow", respond="output"),
        "steps": [{"id": "long", "wait": {"for": "1h"}}],
    },
    {
        "name": "callback",
        "trigger": hook("callback"),
        "steps": [
            {
                "id": "called",
                "wait": {"callback": {"schema": {"type": "object", "required": ["ok"]}}},
                "timeout": "1h",
                "on_timeout": "fail",
            }
        ],
        "output": "{{ steps.called }}",
    },
    {
        "name": "asks",
        "trigger": hook("asks"),
        "steps": [
            {
                "id": "decision",
                "approve": {
                    "who": ["operator"],
                    "message": "{{ trigger.body.question }}",
                    "show": "{{ trigger.body }}",
                    "form": {
                        "type": "object",
                        "properties": {
                            "reason": {"type": "string"},
                            "amount": {"type": "integer"},
                            "urgent": {"type": "boolean"},
                        },
                    },
                },
                "timeout": "1h",
                "on_timeout": "reject",
            }
        ],
        "output": "{{ steps.decision }}",
    },
    {
        "name": "fills",
        "trigger": hook("fills"),
        "steps": [
            {
                "id": "decision",
                "approve": {
                    "who": ["operator"],
                    "message": "Publish?",
                    "form": {
                        "type": "object",
                        "properties": {
                            "reason": {"type": "string", "title": "Why", "maxLength": 20},
                            "share": {"type": "number", "minimum": 0, "maximum": 1},
                            "level": {"enum": ["low", 2, None]},
                            "urgent": {"type": "boolean", "default": True},
                            "tags": {"type": "array", "items": {"type": "string"}},
                        },
                        "required": ["reason", "level"],
                    },
                },
                "timeout": "1h",
                "on_timeout": "reject",
            }
        ],
        "output": "{{ steps.decision.form }}",
    },
    {
        "name": "fails",
        "trigger": hook("fails"),
        "steps": [{"stop": {"status": "failed", "reason": "{{ trigger.body.why }}"}}],
    },
)


class BreakableStore(SQLiteStore):
    """A store whose disk a test can fill."""

    reason = ""

    def interrupt(self, reason: str) -> None:
        self.reason = reason

    def resume(self) -> None:
        self.reason = ""

    def submit(self, unit: Unit, done: Done) -> None:
        if self.reason and unit.is_intake:
            done(StoreUnavailable(self.reason))
        else:
            super().submit(unit, done)

    def health(self) -> Health:
        return Health(False, self.reason) if self.reason else super().health()


@dataclass
class Lab:
    """An engine and what reaches it."""

    engine: Engine
    store: BreakableStore
    project: Path
    app: Flask
    client: FlaskClient
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers={**self.headers, **_named(headers)})

    def post(self, path: str, body: Json = None, **headers: str) -> TestResponse:
        data = json.dumps(body).encode() if body is not None else b""
        given = {"Content-Type": "application/json", **self.headers, **_named(headers)}
        return self.client.post(path, data=data, headers=given)

    def form(self, path: str, values: Mapping[str, str], **headers: str) -> TestResponse:
        return self.client.post(path, data=dict(values), headers={**self.headers, **_named(headers)})

    def start(self, path: str, body: Json) -> str:
        """Send an event; the run it started."""
        answer = self.post(f"/hooks/{path}", body)
        assert answer.status_code == 202, answer.text
        run: str = answer.get_json()["runs"][0]
        return run

    def finished(self, run: str) -> Json:
        """The run's document once it has ended."""
        wait([self.engine.outcome(run)], timeout=BOUND)
        return self.settled(run, lambda document: document["status"] in ("succeeded", "failed", "canceled"))

    def settled(self, run: str, is_so: Callable[[Json], bool]) -> Json:
        """The run's document once it is as asked for."""
        for _ in _until_bound():
            document = self.get(f"/api/v1/runs/{run}").get_json()
            if is_so(document):
                return document
        raise AssertionError(f"the run stayed {document['status']}")

    def approval_of(self, run: str) -> str:
        """The open approval of a run that asks at once."""
        rows = self.get("/api/v1/approvals?status=pending").get_json()["approvals"]
        return str(next(row["id"] for row in rows if row["run"] == run))

    def form_token(self, page: str, action: str) -> str:
        """The token in a page's form."""
        text = self.get(page).text
        form = text[text.index(f'action="{action}"') :]
        return form.partition('name="form_token" value="')[2].partition('"')[0]


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _until_bound() -> Any:
    begin = time.monotonic()
    return itertools.takewhile(lambda _: time.monotonic() < begin + BOUND, itertools.count())


def eventually(is_so: Callable[[], bool]) -> bool:
    """Whether something becomes true before `BOUND` is over."""
    return any(is_so() for _ in _until_bound())


def make_engine(project: Path, registry: Registry, **settings: str) -> Engine:
    """A started engine with all `WORKFLOWS`."""
    folder = project / "workflows"
    folder.mkdir(exist_ok=True)
    for workflow in WORKFLOWS:
        (folder / f"{workflow['name']}.json").write_text(json.dumps(workflow))
    (folder / "broken.json").write_text('{"name": "broken", "steps": [{"uses": "no.such"}]}')
    environment = {"HOOKLINE_WEBHOOK_SECRET": SECRET}
    environment.update({f"HOOKLINE_{name.upper()}": value for name, value in settings.items()})
    store = BreakableStore(project / "hookline.db", "worker-1")
    engine = Engine(load_settings(project, environment), registry, store)
    loaded = engine.load_project()
    broken = {file.name: file.diagnostics for file in loaded.files if file.has_errors}
    assert list(broken) == ["broken"], broken
    engine.start()
    return engine


def make_lab(project: Path, registry: Registry, *, access: Access | None = None, **settings: str) -> Lab:
    """An engine and a client that may do everything."""
    engine = make_engine(project, registry, **settings)
    assert isinstance(engine.store, BreakableStore)
    app = create_app(engine, access or Access(TOKEN))
    headers = {"Authorization": f"Bearer {TOKEN}"} if access is None else {"Host": f"localhost:{DEV_PORT}"}
    return Lab(engine, engine.store, project, app, app.test_client(), headers)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def signature(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def load_all(project: Path) -> Registry:
    return load_registry(project)
