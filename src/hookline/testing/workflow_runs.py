"""Runs the workflows of a project, for tests: a real engine, a database of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hookline.core.events import Event
from hookline.core.records import RunState
from hookline.engine.engine import Engine, open_store
from hookline.engine.loader import load_registry
from hookline.engine.registry import Registry
from hookline.engine.settings import load_settings

__all__ = ["run_workflow"]

Json = Any
STOP_SECONDS = 5.0


def run_workflow(
    project: Path,
    folder: Path,
    name: str,
    inputs: Mapping[str, Json] | None = None,
    *stand_ins: Any,
    event: Json = None,
    environment: Mapping[str, str] | None = None,
    registry: Registry | None = None,
    timeout: float = 60.0,
) -> dict[str, Json]:
    """Start a workflow of a project, and wait for its end.

    Only what is given here and in the project's files counts, not the environment of the test. No server
    listens, so nothing calls back: what Replicate or Cog makes is looked at.

    Args:
        project: The folder with ``hookline.toml``.
        folder: Where the database and the artifacts are kept, over several runs if wanted.
        inputs: Of the workflow.
        stand_ins: Services in the place of real ones; each brings the variables in its ``environment``.
        event: What ``trigger`` is, for a workflow that something else starts.
        environment: Further variables.
        registry: What is installed, if that was loaded before.
        timeout: Seconds.

    Returns:
        The document of the run, as ``hookline run --json`` prints it.

    Raises:
        ValueError: The workflow is not there, or has errors; the text says which.
        TimeoutError: The run has not ended.
        EngineError: The inputs do not fit.
    """
    variables = {
        "HOOKLINE_DATABASE_URL": f"sqlite:///{folder / 'hookline.db'}",
        "HOOKLINE_ARTIFACTS_DIR": str(folder / "artifacts"),
    }
    origins = []
    for each in stand_ins:
        origins.append(each.environment.get("HOOKLINE_ALLOW_ORIGINS", ""))
        variables |= each.environment
    variables |= {"HOOKLINE_ALLOW_ORIGINS": ",".join(filter(None, origins))} if any(origins) else {}
    settings = load_settings(project, {**variables, **(environment or {})})
    engine = Engine(settings, registry or load_registry(project), open_store(settings, "test"))
    engine.performer.is_called_back = False
    changed, ended = threading.Event(), set[str]()

    def happened(state: RunState, events: Sequence[Event]) -> None:
        if state.finished is not None:
            ended.add(state.id)
            changed.set()

    engine.runner.on_events = happened
    try:
        _check(engine, name)
        engine.start()
        run = engine.start_run(name, event, inputs).run_id
        assert run is not None
        while run not in ended:
            if not changed.wait(timeout):
                raise TimeoutError(f"{name} has not ended after {timeout:g} s: {engine.run_document(run)}")
            changed.clear()
        engine.store.flush()
        return engine.run_document(run)
    finally:
        engine.stop(STOP_SECONDS)


def _check(engine: Engine, name: str) -> None:
    loaded = engine.load_project()
    if name in loaded.plans:
        return
    errors = [
        f"{file.path.name}: {each.code} {each.message}"
        for file in loaded.files
        for each in file.diagnostics
        if each.severity == "error"
    ]
    known = ", ".join(sorted(loaded.plans)) or "none"
    raise ValueError(
        "; ".join([f"there is no workflow {name!r} without errors (there are: {known})", *errors])
    )
