"""A Hookline with some of the starter workflows, between stand-ins and real servers on loopback."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from hookline.engine.engine import Engine, open_store
from hookline.engine.intake import trigger_scope
from hookline.engine.loader import load_registry
from hookline.engine.settings import load_settings
from hookline.server.access import Access
from hookline.server.serving import serve
from hookline.testing.ports import LOOPBACK, free_port
from hookline.testing.slack import SlackStandIn

ROOT = Path(__file__).resolve().parents[2]
STARTERS = ROOT / "workflows"
SECRET = "a secret that the sender shares"
PATIENCE = 60.0
"""Seconds after which a condition that must come true has not."""


def wait_until(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What `condition` gives, once it is true."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so after {patience} s"
        time.sleep(0.01)
    return found


@dataclass(slots=True)
class Installation:
    """A started engine with its server.

    Attributes:
        folder: The project's folder.
        url: Address of the server.
    """

    engine: Engine
    folder: Path
    url: str

    def post(self, path: str, **request: Any) -> httpx.Response:
        """A request to a hook."""
        return httpx.post(f"{self.url}/hooks/{path}", timeout=30, trust_env=False, **request)

    def post_as_app(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """A request to a hook whose sender shows the secret as a bearer token."""
        return self.post(path, json=body, headers={"Authorization": f"Bearer {SECRET}", **headers})

    def runs(self, workflow: str) -> list[dict[str, Any]]:
        """The documents of a workflow's runs, oldest first."""
        answer = httpx.get(f"{self.url}/api/v1/runs", params={"workflow": workflow}, trust_env=False)
        answer.raise_for_status()
        return [self.engine.run_document(run["id"]) for run in reversed(answer.json()["runs"])]

    def finished(self, workflow: str) -> dict[str, Any]:
        """The one run of a workflow, once it is over."""

        def over() -> list[dict[str, Any]]:
            return [run for run in self.runs(workflow) if run["finished_at"] is not None]

        (run,) = wait_until(over)
        return run

    def succeeded(self, workflow: str) -> dict[str, Any]:
        """The one run of a workflow, once it has succeeded."""
        run = self.finished(workflow)
        assert run["status"] == "succeeded", (run["error"], run["steps"])
        return run

    def until_waiting(self, run: str) -> None:
        """Wait until a run waits for something."""
        wait_until(lambda: self.engine.run_document(run)["status"] == "waiting")

    def approval(self) -> Any:
        """The approval that is waited for."""
        (found,) = wait_until(lambda: self.engine.store.approvals("pending", 10, None).rows)
        return found

    def await_first_look(self, workflow: str) -> None:
        """What a polling trigger finds at its first look starts nothing; return once it is done."""
        plan = self.engine.plan(workflow)
        scope = trigger_scope(plan, plan.triggers[0])
        wait_until(lambda: self.engine.store.cursor(scope) is not None)


@contextmanager
def install(
    folder: Path,
    *names: str,
    environment: Mapping[str, str],
    origins: tuple[str, ...] = (),
    definitions: Sequence[Mapping[str, Any]] = (),
    settings: str = "",
    change: Callable[[str], str] = lambda text: text,
    clock: Callable[[], float] = time.time,
    triggers: bool = False,
    reachable: bool = False,
) -> Iterator[Installation]:
    """A project of these starters with the repository's own ``hookline.toml``.

    Args:
        origins: Addresses on this machine that workflows may reach.
        definitions: Further workflows, by which the project is more than starters.
        settings: What is added to ``hookline.toml``.
        change: Applied to the text of every workflow.
        reachable: Services are told of the server's address as of one that they reach.
    """
    (folder / "workflows").mkdir(parents=True, exist_ok=True)
    for name in names:
        text = (STARTERS / f"{name}.json").read_text("utf-8")
        (folder / "workflows" / f"{name}.json").write_text(change(text), "utf-8")
    for definition in definitions:
        (folder / "workflows" / f"{definition['name']}.json").write_text(json.dumps(definition), "utf-8")
    shutil.copy(ROOT / "hookline.toml", folder)
    with (folder / "hookline.toml").open("a") as table:
        table.write(settings)
    port = free_port()
    variables = {
        "HOOKLINE_WEBHOOK_SECRET": SECRET,
        "HOOKLINE_PROJECT_DIR": str(folder),
        "HOOKLINE_ALLOW_ORIGINS": ",".join(origins),
        **({"HOOKLINE_BASE_URL": f"http://{LOOPBACK}:{port}"} if reachable else {}),
        **environment,
    }
    loaded_settings = load_settings(folder, variables)
    engine = Engine(
        loaded_settings,
        load_registry(),
        open_store(loaded_settings, f"test-{port}", clock),
        clock=clock,
        base_url=f"http://{LOOPBACK}:{port}",
    )
    try:
        loaded = engine.load_project()
        expected = sorted([*names, *(definition["name"] for definition in definitions)])
        assert sorted(loaded.plans) == expected, [file.diagnostics for file in loaded.files]
        engine.start(triggers=triggers)
        server = serve(engine, Access.dev(port), LOOPBACK, port, 4)
        try:
            yield Installation(engine, folder, engine.base_url)
        finally:
            server.close()
    finally:
        engine.stop(1.0)


def texts(slack: SlackStandIn, channel: str) -> list[str]:
    """What was posted to a channel, oldest first."""
    return [message.text for message in slack.messages if message.channel.name == channel]
