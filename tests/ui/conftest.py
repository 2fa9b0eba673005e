"""A real browser on a real server: the pages as people meet them."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.engine import Engine, open_store
from hookline.engine.loader import load_registry
from hookline.engine.settings import load_settings
from hookline.server.access import Access
from hookline.server.serving import serve
from hookline.testing.ports import free_port

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

ASK = {
    "name": "ask",
    "inputs": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    "steps": [
        {"id": "text", "uses": "transform", "with": {"shown": "{{ inputs.text }}"}},
        {
            "id": "decision",
            "approve": {
                "who": ["operator"],
                "message": "Publish {{ steps.text.shown }}?",
                "show": {"text": "{{ inputs.text }}"},
            },
            "timeout": "1h",
            "on_timeout": "reject",
        },
    ],
    "output": "{{ steps.decision.decision }}",
}

FILL = {
    "name": "fill",
    "steps": [
        {
            "id": "decision",
            "approve": {
                "who": ["operator"],
                "message": "How many?",
                "form": {
                    "type": "object",
                    "properties": {
                        "count": {"type": "integer", "title": "Count"},
                        "size": {"enum": ["small", "large"], "title": "Size"},
                        "gift": {"type": "boolean", "title": "As a gift"},
                    },
                    "required": ["count", "size"],
                },
            },
            "timeout": "1h",
            "on_timeout": "reject",
        }
    ],
    "output": "{{ steps.decision.form }}",
}


PRIVATE = {
    "name": "private",
    "inputs": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    "steps": [
        {
            "id": "decision",
            "approve": {
                "who": ["ada"],
                "message": "Publish {{ inputs.text }}?",
                "show": {"text": "{{ inputs.text }}"},
                "via": [{"connection": "desk"}],
            },
            "timeout": "1h",
            "on_timeout": "reject",
        }
    ],
    "output": "{{ steps.decision }}",
}

DESK = """
from hookline.sdk import Connector

desk = Connector("desk", title="Desk")
links = []


@desk.connection
def connect(ctx):
    \"\"\"Open.\"\"\"
    return links


@desk.on_ask
async def ask(ctx, client, question):
    client.append(question.link)
    return {}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium for one module: an open one keeps an event loop in this thread, where others need none."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    options = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=[*options, "--disable-sync"])
        yield launched
        launched.close()


class Site:
    """``hookline dev`` on a free port, with workflows that ask a person."""

    def __init__(self, folder: Path) -> None:
        (folder / "workflows").mkdir()
        (folder / "hookline.toml").write_text('[people.ada]\nname = "Ada Lovelace"\ndesk = "ada"\n')
        (folder / "connectors" / "desk").mkdir(parents=True)
        (folder / "connectors" / "desk" / "connector.py").write_text(DESK)
        for workflow in (ASK, FILL, PRIVATE):
            (folder / "workflows" / f"{workflow['name']}.json").write_text(json.dumps(workflow))
        settings = load_settings(folder, {"HOOKLINE_LOG_LEVEL": "warning"})
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        store = open_store(settings, f"ui-{os.getpid()}")
        self.engine = Engine(settings, load_registry(folder), store, base_url=self.address)
        self.engine.start()
        self.engine.load_project()
        self.server = serve(self.engine, Access.dev(self.port), "127.0.0.1", self.port, 4)

    def ask(self, text: str) -> str:
        run = self.engine.start_run("ask", inputs={"text": text}).run_id
        assert run is not None
        return run

    def link(self, text: str) -> tuple[str, str]:
        """A run that asks Ada, and the address that she is sent."""
        run = self.engine.start_run("private", inputs={"text": text}).run_id
        assert run is not None
        links = self.engine.performer.open("desk", "desk")
        deadline = time.monotonic() + 20
        while not links:
            assert time.monotonic() < deadline, "nobody was asked"
            time.sleep(0.01)
        return run, links.pop()

    def fill(self) -> str:
        run = self.engine.start_run("fill").run_id
        assert run is not None
        return run

    def close(self) -> None:
        self.server.close()
        self.engine.stop(0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()
