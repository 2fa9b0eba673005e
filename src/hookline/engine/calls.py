"""Runs that call runs: starting, reporting back, and calling off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hookline.core import events as ev
from hookline.core.decide import child_run_id
from hookline.core.expressions import ExpressionError
from hookline.core.state import RunState
from hookline.store.port import NewRun, PutSignal

from .intake import Intake, WrongInputs, check_inputs
from .live import LiveRun
from .performer import node_at
from .workflows import Workflows

__all__ = ["Calls"]

Json = Any


class Calls:
    """What a ``call`` step means for other runs. Everything is stored in the unit of the caller's record."""

    def __init__(self, workflows: Workflows, intake: Intake, clock: Callable[[], float]) -> None:
        self._workflows = workflows
        self._intake = intake
        self._clock = clock

    def start(self, run: LiveRun, order: ev.StepWaiting) -> tuple[LiveRun, NewRun] | PutSignal:
        """The run that a step calls, or the signal that tells the caller why there is none."""
        name, inputs = order.data["workflow"], order.data["input"]
        child_id = child_run_id(run.id, order.path, order.attempt)
        plan = self._workflows.plans.get(name)
        if plan is None:
            error = {
                "type": "not_found",
                "code": "R305",
                "message": f"the workflow {name!r} is not deployed",
                "hint": "deploy it, then resume the run",
                "step": order.path,
            }
            return self._not_called(run, order, child_id, error)
        trigger = {"type": "call", "run": run.id, "step": order.path}
        scope = {"trigger": trigger, "inputs": inputs, "vars": {}}
        parent = {"run": run.id, "path": order.path}
        try:
            check_inputs(plan, inputs)
            return self._intake.run(
                plan,
                trigger,
                inputs,
                None,
                scope,
                run_id=child_id,
                parent=parent,
                depth=run.state.depth,
            )
        except (WrongInputs, ExpressionError) as wrong:
            kind = "bad_input" if isinstance(wrong, WrongInputs) else "expression"
            error = {
                "type": kind,
                "code": wrong.code,
                "message": f"{name} cannot be called: {wrong.message}",
                "hint": "compare the step's with to the inputs that the workflow declares",
                "step": order.path,
            }
            return self._not_called(run, order, child_id, error)

    def _not_called(self, run: LiveRun, order: ev.StepWaiting, child_id: str, error: ev.Error) -> PutSignal:
        body = {"run": child_id, "status": "failed", "error": error}
        return PutSignal(run.id, "child", order.path, f"child:{child_id}", body, self._clock())

    def call_off(self, run: LiveRun, path: str) -> list[PutSignal]:
        """A step that called a run has ended before it: nobody waits for that run any more."""
        node, record = node_at(run, path), run.state.records.get(path)
        if node is None or node.kind != "call" or record is None or record.child is not None:
            return []
        if not isinstance(record.input, dict) or "run" not in record.input:
            return []
        body = {"reason": f"the step {path} of {run.id}, which called it, has ended", "by": ""}
        return [PutSignal(record.input["run"], "cancel", "", "cancel", body, self._clock())]

    def report(self, state: RunState, finished: ev.RunFinished) -> PutSignal:
        """A called run has ended: its caller is told in the same unit."""
        assert state.parent is not None
        body = {
            "run": state.id,
            "status": finished.status,
            "output": finished.output,
            "error": finished.error,
            "cost": state.cost,
        }
        parent = state.parent
        # One that is resumed may end again before its caller has heard of the first time.
        key = f"child:{state.id}:end:{state.seq}"
        return PutSignal(parent["run"], "child", parent["path"], key, body, self._clock())

    def charge(self, state: RunState, costs: Mapping[int, float]) -> list[PutSignal]:
        """A called run has ended, and learned since that it cost more: its caller is told that too.

        Args:
            costs: What each event has cost, by its number in the history.
        """
        assert state.parent is not None
        parent, now = state.parent, self._clock()
        # By the number each is told once, whoever tells it.
        return [
            PutSignal(
                parent["run"],
                "child_cost",
                parent["path"],
                f"child:{state.id}:{place}",
                {"run": state.id, "cost": usd},
                now,
            )
            for place, usd in costs.items()
        ]
