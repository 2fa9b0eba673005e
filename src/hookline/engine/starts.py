"""Runs that are begun by hand, and runs that are begun again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hookline.core import events as ev
from hookline.core.expressions import ExpressionError
from hookline.core.expressions.errors import did_you_mean
from hookline.core.plan import Node, Plan
from hookline.sdk import BadInput, Files
from hookline.store.port import Accepted

from .context import HookContextImpl
from .errors import EngineError
from .intake import Draft, Intake, WrongInputs, check_inputs
from .live import replayed_from
from .reading import RunReader
from .registry import Registry
from .requests import is_same_step

__all__ = ["Starts"]

Json = Any


class Starts:
    """Starts runs that no trigger starts.

    Args:
        newest: The deployed version of a workflow.
        take: Stores an event and its run.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        reader: RunReader,
        intake: Intake,
        newest: Callable[[str], Plan],
        take: Callable[[Draft], Accepted],
        files: Files,
        artifacts: Any,
        clock: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._intake = intake
        self._newest = newest
        self._take = take
        self._files = files
        self._artifacts = artifacts
        self._clock = clock

    def by_hand(
        self,
        name: str,
        data: Json = None,
        inputs: Mapping[str, Json] | None = None,
        *,
        source: str = "manual",
    ) -> Accepted:
        """Start a workflow by hand.

        Args:
            data: The event, as ``trigger`` shows it. A ``manual`` trigger checks it and fills in
                the defaults of its form; without any it takes `inputs`.
            inputs: Values of the workflow's declared inputs.

        Raises:
            EngineError: No such workflow, the inputs do not fit, or the day's budget is spent.
            Busy: Come back later.
        """
        plan = self._newest(name)
        inputs = dict(inputs or {})
        self.check_inputs(plan, inputs)
        if refusal := self._intake.over_budget(plan):
            raise EngineError(refusal, code="R415", status=409, hint="raise it, or wait until it begins anew")
        return self._take(self.draft(plan, self._event(plan, data, inputs), inputs, source))

    def _event(self, plan: Plan, data: Json, inputs: Mapping[str, Json]) -> Json:
        """The event as the workflow's manual trigger gives it, or `data` when there is none."""
        for trigger in plan.triggers:
            declared = self._registry.triggers.get(trigger.uses)
            if declared is None or declared.kind != "manual":
                continue
            # Without a way to the outside: an engine that hands a run over has none.
            context = HookContextImpl(plan.name, None, None, self._files, self._artifacts, self._clock)
            given = inputs if data is None else data
            try:
                return dict(declared.run(context, given, **declared.bind(trigger.parameters)))
            except BadInput as error:
                raise EngineError(error.message, code="R403", status=422, hint=error.hint) from error
        return data

    def draft(
        self,
        plan: Plan,
        data: Json,
        inputs: Mapping[str, Json],
        source: str,
        replay_of: str | None = None,
        copied: Sequence[ev.Event] = (),
    ) -> Draft:
        """The event and the run of a start by hand; nothing is stored.

        Args:
            source: What the run says started it: ``manual``, ``replay``, …
            copied: Outcomes of the run that it repeats.

        Raises:
            EngineError: The limits of the workflow cannot be told from the event.
        """
        try:
            return self._intake.manual(plan, data, inputs, source=source, replay_of=replay_of, copied=copied)
        except ExpressionError as error:
            raise EngineError(
                f"limits: {error.message}", code=error.code, status=422, hint=error.hint
            ) from error

    @staticmethod
    def check_inputs(plan: Plan, inputs: Mapping[str, Json]) -> None:
        """Check values against the declared inputs.

        Raises:
            EngineError: R403, naming the first that does not fit.
        """
        try:
            check_inputs(plan, inputs)
        except WrongInputs as wrong:
            raise EngineError(wrong.message, code=wrong.code, status=422) from wrong

    def again(
        self,
        run_id: str,
        *,
        version: str = "original",
        first_step: str | None = None,
        data: Json = None,
        inputs: Mapping[str, Json] | None = None,
    ) -> Accepted:
        """Run again with the same event, as a new run.

        Args:
            version: ``original`` or ``latest``.
            first_step: Id or path of a step of the workflow's own list: earlier outputs are
                taken over from the run, from the steps of the same id (without one: of the same
                place and kind). What the run has no outcome of is executed.
            data, inputs: Other values than the run had; None keeps them.

        Raises:
            EngineError: No such run, version or step.
        """
        state, original = self._reader.state(run_id)
        plan = self._newest(state.workflow) if version == "latest" else original
        copied: list[ev.Event] = []
        if first_step is not None:
            node = plan.by_id.get(first_step) or plan.by_path.get(first_step)
            if node is None or not _is_outermost(node):
                own = [other.id for other in plan.by_path.values() if _is_outermost(other) and other.id]
                otherwise = "name a step that is not inside another one"
                raise EngineError(
                    f"{first_step!r} is not a step of the workflow's own list",
                    code="R404",
                    status=422,
                    hint=did_you_mean(first_step, own) or otherwise,
                )
            entries = self._reader.entries(run_id)
            copied = replayed_from(entries, _same_steps(original, node.siblings[: node.index]))
        if inputs is not None:
            self.check_inputs(plan, inputs)
        draft = self.draft(
            plan,
            state.trigger if data is None else data,
            state.inputs if inputs is None else inputs,
            "replay",
            run_id,
            copied,
        )
        return self._take(draft)


def _is_outermost(node: Node) -> bool:
    """Whether a step stands in the workflow's own list."""
    return node.parent is None and node.block == "steps"


def _same_steps(original: Plan, steps: Sequence[Node]) -> dict[str, str]:
    """Path in the original version of each of these steps of a version's own list, to its path."""
    found: dict[str, str] = {}
    for step in steps:
        before = original.by_id.get(step.id) if step.id else original.by_path.get(step.path)
        if before is not None and before.block == "steps" and is_same_step(before, step):
            found[before.path] = step.path
    return found
