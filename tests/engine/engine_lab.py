"""An engine whose clock is moved by hand, and an outside service that does what a test tells it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab_clock import Clock
from lab_components import registry_of
from lab_outside import (
    BOUND,
    Call,
    Fail,
    Give,
    Hang,
    Log,
    Note,
    Outside,
    Recall,
    Reserve,
    Spend,
    Wait,
)

from hookline.core.plan import Plan, compile_plan
from hookline.core.state import RunState
from hookline.engine.engine import Engine, open_store
from hookline.engine.settings import load_settings
from hookline.sdk import (
    ActionError,
    HookRequest,
)
from hookline.store.port import Accepted, RunFilter, StoreError, StoreUnavailable

Json = Any

_workers = itertools.count(1)


class Lab:
    """One engine on a project folder. Several labs on one folder are several processes, nearly."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        outside: Outside,
        *,
        environment: Mapping[str, str] | None = None,
        database: str = "",
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.outside = outside
        environment = {"HOOKLINE_MASTER_KEY": "the-master-key-of-the-tests", **(environment or {})}
        if database:
            environment["HOOKLINE_DATABASE_URL"] = database
        settings = load_settings(folder, environment)
        store = open_store(settings, f"lab-{next(_workers)}", clock)
        self.engine = Engine(settings, registry_of(outside), store, clock=clock, loop_factory=clock.new_loop)
        self.engine.runner.on_events = self._happened
        self.finished: list[str] = []
        self._told = self.engine.runner.on_finished
        self.engine.runner.on_finished = self._on_finished
        self._open = True

    def start(self, *, recover: bool = True, triggers: bool = False) -> Lab:
        self.engine.start(recover=recover, triggers=triggers)
        return self

    def _happened(self, state: RunState, events: Sequence[Any]) -> None:
        with self.outside.changed:
            self.outside.changed.notify_all()

    def _on_finished(self, state: RunState) -> None:
        self._told(state)
        self.finished.append(state.id)

    def stop(self, grace: float = 0.0) -> None:
        if self._open:
            self._open = False
            self.engine.stop(grace)

    def crash(self) -> None:
        """What is not on disk now never gets there; the lock of the process is gone."""
        if self._open:
            self._open = False
            store: Any = self.engine.store
            store.flush()
            store.submit = lambda unit, done: done(StoreUnavailable("the process is dead"))
            self.engine.stop(0.0)

    # Workflows and runs

    def deploy(self, *definitions: Mapping[str, Json]) -> Plan:
        plan = None
        for definition in definitions:
            plan = compile_plan(dict(definition))
            self.engine.deploy(plan)
        assert plan is not None
        return plan

    def go(self, definition: Mapping[str, Json], data: Json = None, **inputs: Json) -> str:
        """Deploy and start."""
        plan = self.deploy(definition)
        return self.begin(plan.name, data, **inputs)

    def begin(self, name: str, data: Json = None, **inputs: Json) -> str:
        accepted: Accepted = self.engine.start_run(name, data, inputs)
        assert accepted.run_id is not None
        return accepted.run_id

    def hook(self, path: str, body: bytes = b"", **query: str) -> Any:
        from datetime import UTC, datetime

        now = datetime.fromtimestamp(self.clock(), UTC)
        return self.engine.receive_hook(HookRequest("POST", path, {}, query, body, now))

    # Looking

    def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Wait until something is true; the engine works in other threads."""
        for _ in range(int(BOUND / 0.02)):
            # Not under the lock: what is asked may have to wait for the loop.
            found = condition()
            if found:
                return found
            with self.outside.changed:
                self.outside.changed.wait(0.02)
        raise AssertionError(f"waited in vain{' for ' + what if what else ''}")

    def status(self, run: str) -> str:
        row = self.engine.store.run(run)
        assert row is not None, run
        return row.status

    def until_status(self, run: str, *statuses: str) -> None:
        try:
            self.until(lambda: self.status(run) in statuses)
        except AssertionError:
            raise AssertionError(f"{run} is {self.status(run)}: {self.kinds(run)}") from None

    def end(self, run: str) -> str:
        """Wait for a run's end; its status."""
        self.until_status(run, "succeeded", "failed", "canceled")
        return self.status(run)

    def until_idle(self) -> None:
        """Wait until nothing is queued, executed or on its way to the store."""

        def idle() -> bool:
            # Once more when nobody is at work: what the last of them did must be on disk, too.
            for _ in range(3):
                self.engine.store.flush()
                for _ in range(4):
                    # Whoever was answered goes on to what it does next.
                    self.engine._call(lambda: None)
                if self.engine.runner.open_runs:
                    return False
            return True

        self.until(idle, "quiet")

    def document(self, run: str) -> dict[str, Json]:
        document: dict[str, Json] = self.engine.run_document(run)
        return document

    def step(self, run: str, path: str) -> dict[str, Json]:
        """A step of a run's document, by path or id."""
        steps: list[dict[str, Json]] = self.document(run)["steps"]
        return next(step for step in steps if path in (step["path"], step["id"]))

    def history(self, run: str) -> list[dict[str, Json]]:
        history: list[dict[str, Json]] = self.engine.history(run)
        return history

    def kinds(self, run: str) -> list[str]:
        return [f"{entry['kind']} {entry['path']}".strip() for entry in self.history(run)]

    def runs(self, workflow: str | None = None) -> list[Any]:
        return list(self.engine.store.runs(RunFilter(workflow=workflow), 1000, None).rows)

    def children(self, run: str) -> list[Any]:
        return [row for row in self.runs() if row.parent_run == run]

    def database_bytes(self) -> bytes:
        """Everything in the database's files, and in the artifact store."""
        self.engine.store.flush()
        hookline = self.folder / ".hookline"
        return b"\n".join(path.read_bytes() for path in sorted(hookline.rglob("*")) if path.is_file())


class LabMaker:
    """Makes labs on one folder, with one clock and one outside service, and stops them at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.outside = Outside()
        self.labs: list[Lab] = []

    def __call__(
        self, *, started: bool = True, triggers: bool = False, recover: bool = True, **options: Any
    ) -> Lab:
        lab = Lab(self.folder, self.clock, self.outside, **options)
        self.labs.append(lab)
        if started:
            lab.start(triggers=triggers, recover=recover)
        return lab

    def again(self, lab: Lab, *, crash: bool = False, **options: Any) -> Lab:
        """Stop or crash a lab, and start another with the same workflows deployed."""
        plans = list(lab.engine.workflows.plans.values())
        if crash:
            lab.crash()
        else:
            lab.stop()
        triggers = options.pop("triggers", False)
        following = self(started=False, **options)
        for plan in plans:
            following.engine.deploy(plan)
        return following.start(triggers=triggers)


@contextmanager
def labs_in(folder: Path) -> Iterator[LabMaker]:
    maker = LabMaker(folder)
    try:
        yield maker
    finally:
        for lab in maker.labs:
            lab.stop()


def job(name: str, effect: str = "once", **options: Any) -> dict[str, Any]:
    """A step that calls the outside service."""
    return {"id": name, "uses": f"job.{effect}", "with": {"name": name, "value": name}, **options}


def flow(*steps: Any, name: str = "flow", **options: Any) -> dict[str, Any]:
    return {"name": name, "steps": list(steps), **options}


__all__ = [
    "BOUND",
    "ActionError",
    "Call",
    "Clock",
    "Fail",
    "Give",
    "Hang",
    "Lab",
    "LabMaker",
    "Log",
    "Note",
    "Outside",
    "Recall",
    "Reserve",
    "Spend",
    "StoreError",
    "Wait",
    "flow",
    "job",
    "labs_in",
]
