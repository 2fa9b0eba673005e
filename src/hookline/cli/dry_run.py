"""``hookline run --dry-run``: what a run would do, decided by the engine's own pure functions.

Nothing is sent and nothing is stored. Actions without IO are executed; for every other one the
rendered input is shown with the action's effect class, and its result is taken from the step's
``sample``, else from the action's first example with an output, else made up from its output
schema. Waiting takes no time: timers fire at once on a clock of our own, callbacks and approvals
come as the step's ``sample`` says, and a called workflow is decided in the same way.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .errors import DONE, FAILED, CliError, translated
from .invented import result_of
from .output import emit_json, say, status_text

if TYPE_CHECKING:
    from hookline.core import events as ev
    from hookline.core.plan import Node, Plan
    from hookline.core.records import RunState
    from hookline.engine.registry import Registry
    from hookline.engine.workflows import Workflows
    from hookline.sdk import Action

    from .project import Project

__all__ = ["DRY_RUN_SCHEMA", "Rehearsal", "Rehearsed", "dry_run_command"]

Json = Any

DRY_RUN_SCHEMA = "hookline.dry-run/1"
MAX_EVENTS = 200_000
"""Commands after which a rehearsal is given up: its samples never let it end."""
CONTROL = "control"
"""In place of an effect: the engine itself waits or calls, nothing is sent."""
MAX_DEPTH = 16
"""Calls of workflows within each other."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A step whose effect was not performed.

    Attributes:
        source: Where its result comes from: ``executed`` (done here: it has no effects outside),
            ``sample``, ``example``, ``schema``, ``nothing``, ``called`` (another workflow), ``timer``
            (its time counts as over), ``unanswered`` (nobody calls back) or ``skipped``.
    """

    path: str
    id: str | None
    uses: str
    effect: str
    source: str
    input: Json
    output: Json

    @property
    def is_invented(self) -> bool:
        """Whether a real result may be another one, and a ``sample`` would say which."""
        return self.source in ("example", "schema") or (self.source == "nothing" and self.effect != CONTROL)

    @property
    def label(self) -> str:
        """Its id, or its path, and in loops the numbers of its items: ``send#0``."""
        _, _, own = self.path.rpartition(" > ")
        items = "".join(f"#{item}" for item in _ITEM.findall(own))
        return f"{self.id}{items}" if self.id else self.path

    def document(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "path": self.path,
            "id": self.id,
            "uses": self.uses,
            "effect": self.effect,
            "source": self.source,
            "input": self.input,
            "output": self.output,
        }


@dataclass(slots=True)
class Rehearsal:
    """One workflow, decided to its end without effects.

    Args:
        plans: The project's valid workflows, for ``call``.
        clock: Seconds since the epoch; moved on when the run waits for a time.
    """

    plans: Mapping[str, Plan]
    registry: Registry
    clock: float
    depth: int = 0
    steps: list[Rehearsed] = field(default_factory=list)

    def play(self, plan: Plan, event: Json, inputs: Mapping[str, Json]) -> RunState:
        """Decide a run to its end.

        Raises:
            CliError: It does not come to an end.
        """
        from hookline.core import events as ev
        from hookline.core.decide import decide
        from hookline.core.state import RunState, evolve

        state = RunState()
        defaults = {
            name: schema["default"]
            for name, schema in (plan.inputs or {}).get("properties", {}).items()
            if "default" in schema
        }
        created = ev.RunCreated(
            "", "run_dry", plan.name, plan.version, event, {**defaults, **inputs}, self.clock
        )
        evolve(state, created, self.clock)
        evolve(state, ev.RunStarted("", self.clock), self.clock)
        while state.finished is None:
            commands = decide(plan, state, self.clock, _callback_url)
            if not commands and not self._go_on_waiting(plan, state):
                raise CliError(f"{plan.name} stops without an end; please report this", exit_code=FAILED)
            for command in commands:
                evolve(state, command, self.clock)
                for fact in self._answer(plan, state, command):
                    evolve(state, fact, self.clock)
            if state.seq > MAX_EVENTS:
                raise CliError(
                    f"{plan.name} does not come to an end with these samples",
                    hint='give the step its condition reads a "sample" that ends the loop',
                    exit_code=FAILED,
                )
        return state

    def _answer(self, plan: Plan, state: RunState, command: ev.Event) -> list[ev.Event]:
        """What the outside would say to a command."""
        from hookline.core import events as ev

        if isinstance(command, ev.StepStarted):
            node, _ = plan.locate(command.path)
            return [self._act(plan, node, command)]
        if isinstance(command, ev.ApprovalAsking | ev.ApprovalSettled):
            # Nobody is told anything.
            return [ev.ApprovalNoted(command.path, command.attempt, done=True)]
        if not isinstance(command, ev.StepWaiting):
            self._list(plan, command)
            return []
        node, _ = plan.locate(command.path)
        sample = _written(plan, node).get("sample", _NONE)
        match command.waits_for:
            case "callback" if sample is not _NONE:
                import json

                self._note(node, command.path, "callback", CONTROL, "sample", None, sample)
                return [ev.CallbackReceived(command.path, command.attempt, "dry", json.dumps(sample), {})]
            case "approval":
                return self._decided(node, command, sample)
            case "run":
                return [self._called(node, command)]
            case "callback":
                self._note(node, command.path, "callback", CONTROL, "unanswered", None, None)
            case _ if node.kind == "wait":
                self._note(node, command.path, "wait", CONTROL, "timer", _until(command.until), None)
        return []

    def _list(self, plan: Plan, command: ev.Event) -> None:
        """Note what the engine does by itself, so that no step of the run is missing."""
        from hookline.core import events as ev

        if not isinstance(command, ev.StepSkipped | ev.Responded | ev.VarsSet) or not command.path:
            return
        node, _ = plan.locate(command.path)
        match command:
            case ev.StepSkipped():
                self._note(node, command.path, node.uses or node.kind, CONTROL, "skipped", None, None)
            case ev.Responded():
                answer = {"status": command.status, "headers": command.headers, "body": command.body}
                self._note(node, command.path, "respond", CONTROL, "executed", None, answer)
            case ev.VarsSet():
                self._note(node, command.path, "set", CONTROL, "executed", None, command.values)

    def _go_on_waiting(self, plan: Plan, state: RunState) -> bool:
        """Nothing can be decided now: let the next timer fire. False when there is none."""
        from hookline.core import events as ev
        from hookline.core.state import evolve

        timers = [(record.timer, path) for path, record in state.records.items() if record.timer is not None]
        if not timers:
            return False
        due, path = min(timers)
        assert due is not None
        self.clock = max(self.clock, due)
        evolve(state, ev.TimerFired(path, self.clock), self.clock)
        return True

    def _act(self, plan: Plan, node: Node, command: ev.StepStarted) -> ev.Event:
        """An action: executed when it does no IO, else shown."""
        from hookline.core import events as ev

        path, attempt = command.path, command.attempt
        action = self.registry.actions[node.uses]
        if action.pure:
            result = _execute(action, node, command)
            output = result.output if isinstance(result, ev.StepSucceeded) else None
            self._note(node, path, node.uses, action.effect, "executed", command.input, output)
            return result
        error = _wrong_input(action, command.input)
        if error is not None:
            failed = {"type": "bad_input", "code": "R209", "message": error, "hint": "", "step": path}
            self._note(node, path, node.uses, action.effect, "nothing", command.input, None)
            return ev.AttemptFailed(path, path, attempt, failed)
        output, source = result_of(action, _written(plan, node), command.input)
        self._note(node, path, node.uses, action.effect, source, command.input, output)
        return ev.StepSucceeded(path, path, output)

    def _decided(self, node: Node, command: ev.StepWaiting, sample: Json) -> list[ev.Event]:
        from hookline.core import events as ev

        given = sample if isinstance(sample, dict) else {}
        decision = given.get("decision", "approved")
        quorum = node.options["quorum" if decision == "approved" else "reject_quorum"]
        by = [str(given.get("by", "somebody")), *(f"person {n}" for n in range(2, quorum + 1))]
        source = "sample" if given else "nothing"
        self._note(node, command.path, "approve", CONTROL, source, command.data, {"decision": decision})
        return [
            ev.ApprovalDecided(command.path, decision, name, self.clock, form=given.get("form"))
            for name in by
        ]

    def _called(self, node: Node, command: ev.StepWaiting) -> ev.Event:
        from hookline.core import events as ev

        name, inputs = command.data["workflow"], command.data["input"]
        plan = self.plans.get(name)
        if plan is None or self.depth >= MAX_DEPTH:
            reason = "is not there" if plan is None else "is called too deeply"
            error = {"type": "not_found", "code": "R305", "message": f"the workflow {name!r} {reason}"}
            return ev.ChildFinished(command.path, command.data["run"], "failed", None, error)
        child = Rehearsal(self.plans, self.registry, self.clock, self.depth + 1)
        trigger = {"type": "call", "run": "run_dry", "step": command.path}
        state = child.play(plan, trigger, inputs)
        assert state.finished is not None
        for step in child.steps:
            self.steps.append(
                Rehearsed(
                    f"{command.path} > {step.path}",
                    step.id,
                    step.uses,
                    step.effect,
                    step.source,
                    step.input,
                    step.output,
                )
            )
        finished = state.finished
        self._note(node, command.path, f"call {name}", CONTROL, "called", inputs, finished.output)
        return ev.ChildFinished(
            command.path, command.data["run"], finished.status, finished.output, finished.error
        )

    def _note(
        self, node: Node, path: str, uses: str, effect: str, source: str, input: Json, output: Json
    ) -> None:
        self.steps.append(Rehearsed(path, node.id, uses, effect, source, input, output))


_NONE = object()
_ITEM = re.compile(r"#([0-9]+)")


def _until(due: float | None) -> Json:
    if due is None:
        return None
    return {"until": datetime.fromtimestamp(due, UTC).isoformat(timespec="seconds")}


def _callback_url(run: str, path: str, attempt: int) -> str:
    return "https://callback.invalid/not-listening"


def _execute(action: Action, node: Node, command: ev.StepStarted) -> ev.Event:
    from hookline.core import events as ev
    from hookline.engine.attempts import failure, to_json
    from hookline.engine.context import PureContext
    from hookline.sdk import ActionError

    path, attempt = command.path, command.attempt
    try:
        output = action.run(PureContext(path, attempt), **action.bind(command.input))
    except ActionError as error:
        return ev.AttemptFailed(path, path, attempt, failure(error, path))
    return ev.StepSucceeded(path, path, to_json(output))


def _wrong_input(action: Action, value: Json) -> str | None:
    """Why an action would refuse its rendered input, if the schema says so."""
    from hookline.engine.parameters import checked
    from hookline.sdk import BadInput

    try:
        checked(action, value)
    except BadInput as error:
        return f"{action.name}: {error.message}"
    return None


def _written(plan: Plan, node: Node) -> Mapping[str, Json]:
    """A step as it stands in the definition."""
    if node.parent is None:
        steps = plan.value[node.block]
    else:
        parent, name = _written(plan, node.parent), node.block_name
        if name.startswith("parallel."):
            steps = parent["parallel"][name.removeprefix("parallel.")]
        elif name.startswith("cases["):
            steps = list(parent["cases"].values())[int(name[len("cases[") : -1])]
        else:
            steps = parent[name]
    step: Mapping[str, Json] = steps[node.index]
    return step


def _by_hand(plan: Plan, registry: Registry, event: Json, inputs: Mapping[str, Json]) -> Json:
    """The event as the workflow's manual trigger gives it, with the defaults of its form."""
    from hookline.engine.context import HookContextImpl
    from hookline.sdk import BadInput

    for trigger in plan.triggers:
        declared = registry.triggers[trigger.uses]
        if declared.kind == "manual":
            nothing: Any = None
            context = HookContextImpl(plan.name, None, nothing, nothing, nothing)
            given = inputs if event is None else event
            try:
                return dict(declared.run(context, given, **declared.bind(trigger.parameters)))
            except BadInput as error:
                raise CliError(error.message, code="R403", hint=error.hint) from error
    return event


def dry_run_command(
    project: Project,
    workflows: Workflows,
    plan: Plan,
    event: Json,
    inputs: Mapping[str, Json],
    *,
    as_json: bool,
) -> int:
    """Play a run without effects and show it."""
    from hookline.engine.starts import Starts

    with translated():
        Starts.check_inputs(plan, inputs)
    event = _by_hand(plan, project.registry, event, inputs)
    rehearsal = Rehearsal(workflows.plans, project.registry, time.time())
    state = rehearsal.play(plan, event, inputs)
    finished = state.finished
    assert finished is not None
    if as_json:
        emit_json(
            {
                "schema": DRY_RUN_SCHEMA,
                "workflow": plan.name,
                "version": plan.version,
                "status": finished.status,
                "output": finished.output,
                "error": finished.error,
                "steps": [step.document() for step in rehearsal.steps],
            }
        )
    else:
        for step in rehearsal.steps:
            _show(step)
        if finished.output is not None:
            click.echo(click.style("output", bold=True))
            emit_json(finished.output)
    say(f"dry run of {plan.name}: {status_text(finished.status)}; nothing was sent or stored")
    if finished.error is not None:
        say(f"  {finished.error.get('code')}: {finished.error.get('message')}")
        for hint in (finished.error.get("hint"), _about_invented(plan, finished.error, rehearsal.steps)):
            if hint:
                say(f"    hint: {hint}")
    return DONE if finished.status == "succeeded" else FAILED


def _about_invented(plan: Plan, error: Mapping[str, Json], steps: list[Rehearsed]) -> str:
    """What to do when a failure may come from results that are not real; ``""`` when it cannot."""
    if error.get("type") not in ("expression", "bad_input"):
        return ""
    invented = list(dict.fromkeys(step.id or step.path for step in steps if step.is_invented))
    read = _read_by(plan, str(error.get("step", "")))
    # What an expression reads through a variable or an item cannot be told: then it may be any of them.
    meant = [name for name in invented if name in read] or invented
    if not meant:
        return ""
    names, them = ", ".join(meant[:5]), "it" if len(meant) == 1 else "them"
    return f'the result of {names} is invented; give {them} a "sample" of the real one in the definition'


def _read_by(plan: Plan, path: str) -> set[str]:
    """Ids of the steps that a step's expressions, or those of the workflow's output, read."""
    from hookline.core.expressions import ExpressionError, compile_template
    from hookline.core.lint.references import texts_of

    try:
        written = dict(_written(plan, plan.locate(path)[0])) if path else {"": plan.value.get("output")}
    except KeyError:
        return set()
    found: set[str] = set()
    for _, text in texts_of(written, ()):
        try:
            references = compile_template(text).references
        except ExpressionError:
            continue
        found.update(str(each.path[0]) for each in references if each.root == "steps" and each.path)
    return found


_SOURCES = {
    "executed": "done here, it has no effects",
    "sample": "result: the step's sample",
    "example": "result: invented, the action's example",
    "schema": "result: invented from the output's schema",
    "nothing": "result: invented",
    "called": "decided as below its caller",
    "timer": "its time counts as over",
    "unanswered": "no sample, so nobody calls back and it times out",
    "skipped": "skipped, its `when` is false",
}


def _show(step: Rehearsed) -> None:
    import json

    is_sent = step.effect != CONTROL and step.source != "executed"
    would = click.style("would send  ", fg="yellow") if is_sent else ""
    label = click.style(step.label, bold=True)
    click.echo(f"{would}{label}  {step.uses}  ({step.effect}; {_SOURCES[step.source]})")
    for name, value in (("input", step.input), ("result", step.output)):
        if value is not None:
            text = json.dumps(value, ensure_ascii=False)
            click.echo(f"    {name}: {text if len(text) <= 400 else text[:400] + '…'}")
