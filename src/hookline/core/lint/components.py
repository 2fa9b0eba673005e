"""Do the components, connections and workflows named exist, and do their parameters fit?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookline.core.catalogue import ActionInfo, Catalogue, ComponentInfo, Runner, runner_of
from hookline.core.grammar import STEP_KINDS
from hookline.core.lint.author_schemas import schema_problems
from hookline.core.lint.parameters import ParameterChecker
from hookline.core.lint.report import Path, Report, show
from hookline.core.lint.tree import Tree, build_tree

__all__ = ["check_calls", "check_components", "check_webhooks"]

_WEBHOOK = "webhook"


def check_components(tree: Tree, catalogue: Catalogue, report: Report) -> None:
    """Check triggers and actions."""
    parameters = ParameterChecker(report)
    for path, trigger in tree.triggers:
        name = trigger.get("uses")
        if isinstance(name, str):
            found = catalogue.triggers.get(name)
            if found is None:
                hint = report.suggest(name, catalogue.triggers, "see `hookline connectors list`")
                if name in catalogue.actions:
                    hint = "it is an action: put it into `steps`"
                report.add("D402", f"there is no trigger {show(name)}", (*path, "uses"), hint=hint)
            else:
                given = trigger.get("with", {})
                if isinstance(given, dict):
                    place = (*path, "with") if "with" in trigger else path
                    parameters.check(given, found.input_schema, place, f"`{name}`")
                    _connection(found, trigger.get("connection"), given, path, catalogue, report)
    for step in tree.of_kind("uses"):
        if report.is_full:
            return
        name = step.value["uses"]
        if isinstance(name, str) and name:
            runner = runner_of(step.value, catalogue)
            if runner is None:
                hint = report.suggest(name, catalogue.actions, "see `hookline connectors list`")
                if name in catalogue.triggers:
                    hint = "it is a trigger: name it in `trigger`"
                elif name in STEP_KINDS and name != "uses":
                    hint = f'`{name}` is a kind of step: write "{name}": … in place of `uses`'
                report.add("D401", f"there is no action {show(name)}", (*step.path, "uses"), hint=hint)
            else:
                _action(runner, step.value, step.path, catalogue, parameters, report)


def _action(
    runner: Runner,
    value: Mapping[str, Any],
    path: Path,
    catalogue: Catalogue,
    parameters: ParameterChecker,
    report: Report,
) -> None:
    given, info = value.get("with", {}), runner.action
    if isinstance(given, dict):
        place = (*path, "with") if "with" in value else path
        owner = f"`{info.name}`"
        if info.name != value["uses"]:
            owner = f"`{value['uses']}` with a connection to {info.connection}"
        parameters.check(given, info.input_schema, place, owner, runner.hints)
        named = value.get("connection") if runner.connection is None else runner.connection
        _connection(info, named, given, path, catalogue, report)
        _opened(info, given, place, catalogue, report)


def _opened(
    info: ActionInfo, given: Mapping[str, Any], place: Path, catalogue: Catalogue, report: Report
) -> None:
    """Connections that are named by the parameters rather than by the step."""
    ask = getattr(info, "opens", None)
    if not callable(ask):
        return
    try:
        opened = list(ask(given))
    except Exception:
        # The parameters are faulty, which is told of them, or are expressions.
        return
    for kind, name in dict.fromkeys(opened):
        if "{{" in kind or "{{" in name or catalogue.connections.get(name) == kind:
            continue
        if name in catalogue.connections:
            message = f"{show(name)} is a connection to {catalogue.connections[name]}, not to {kind}"
            report.add("D405", message, place, hint=f"name a connection to {kind}")
        elif name == kind:
            message = f"`{info.name}` needs a connection to {kind} here"
            report.add("D404", message, place, hint=how_to_configure(kind, catalogue))
        else:
            usable = sorted(other for other, type_ in catalogue.connections.items() if type_ == kind)
            hint = report.suggest(name, usable, how_to_configure(kind, catalogue))
            report.add("D403", f"there is no connection {show(name)}", place, hint=hint)


def _connection(
    info: ComponentInfo,
    name: object,
    given: Mapping[str, Any],
    path: Path,
    catalogue: Catalogue,
    report: Report,
) -> None:
    kind = info.connection
    kinds = (kind, *getattr(info, "elsewhere", ()))
    found = [(kinds.index(type_), other) for other, type_ in catalogue.connections.items() if type_ in kinds]
    usable = [other for _, other in sorted(found)]
    configure = how_to_configure(kind, catalogue) if kind else ""
    if name is None:
        if kind is None or catalogue.connections.get(kind) == kind or not _is_needed(info, given):
            return
        hint = f'write "connection": "{usable[0]}"' if usable else configure
        report.add("D404", f"`{info.name}` needs a connection to {kind}", path, hint=hint)
    elif isinstance(name, str):
        place = (*path, "connection")
        if kind is None:
            report.add("D405", f"`{info.name}` takes no connection", place, hint="remove the key")
        elif name not in catalogue.connections:
            hint = report.suggest(name, usable, f"usable: {', '.join(usable)}" if usable else configure)
            report.add("D403", f"there is no connection {show(name)}", place, hint=hint)
        elif catalogue.connections[name] != kind:
            other = catalogue.connections[name]
            hint = f"usable: {', '.join(usable)}" if usable else configure
            message = f"{show(name)} is a connection to {other}, `{info.name}` needs {kind}"
            report.add("D405", message, place, hint=hint)


def how_to_configure(kind: str, catalogue: Catalogue) -> str:
    """How a connection of a type comes to be; the variables are the shorter way, where they suffice."""
    table = f"add [connections.{kind}] to hookline.toml; hookline connectors show {kind} lists its fields"
    known: Mapping[str, Sequence[str]] = getattr(catalogue, "connection_variables", {})
    variables = known.get(kind, ())
    return f"set {' and '.join(variables)} in .env or the environment, or {table}" if variables else table


def _is_needed(info: ComponentInfo, given: Mapping[str, Any]) -> bool:
    """Whether the component needs its connection for these parameters; most always do."""
    ask = getattr(info, "needs_connection", None)
    if not callable(ask):
        return True
    try:
        return bool(ask(given))
    except Exception:
        # The parameters may be faulty or still be expressions; then the connection is asked for.
        return True


def check_calls(tree: Tree, catalogue: Catalogue, others: Mapping[str, object], report: Report) -> None:
    """Check the workflows called or followed: that they exist, take the input, and lead to no circle."""
    name = tree.value.get("name")
    known = {**others, name: tree.value} if isinstance(name, str) else dict(others)
    parameters = ParameterChecker(report)
    targets: dict[str, frozenset[str]] = {}
    _check_followed(tree, known, catalogue, report)
    for step in tree.of_kind("call"):
        target = step.value["call"]
        if not isinstance(target, str) or not target:
            continue
        place = (*step.path, "call")
        if target not in known:
            hint = "the name must be written out" if "{{" in target else "call a workflow of this project"
            hint = report.suggest(target, known, hint)
            report.add("D412", f"there is no workflow {show(target)}", place, hint=hint)
            continue
        called = known[target]
        given = step.value.get("with", {})
        inputs = called.get("inputs") if isinstance(called, dict) else None
        if isinstance(inputs, dict) and isinstance(given, dict) and not schema_problems(inputs):
            where = (*step.path, "with") if "with" in step.value else step.path
            parameters.check(given, inputs, where, f"the workflow {show(target)}")
        if isinstance(name, str) and (circle := _circle(target, name, known, targets)):
            shown = " → ".join([name, *circle])
            report.add(
                "D413",
                f"the workflows call each other in a circle: {shown}",
                place,
                hint="use `while` to repeat",
            )


def _check_followed(tree: Tree, known: Mapping[str, object], catalogue: Catalogue, report: Report) -> None:
    """Check the workflows whose ends start this one."""
    name = tree.value.get("name")
    started: dict[str, frozenset[str]] | None = None
    for place, written in _followed(tree, catalogue):
        for index, followed in written:
            path = (*place, *index)
            if followed not in known:
                hint = report.suggest(followed, known, "name a workflow of this project")
                report.add("D412", f"there is no workflow {show(followed)}", path, hint=hint)
                continue
            if started is None:
                started = _started(known, catalogue)
            if isinstance(name, str) and (circle := _circle(name, followed, known, started)):
                shown = " → ".join([*circle, name])
                message = f"the workflows start each other in a circle: {shown}"
                hint = "use `while` to repeat, or let `on_error` do what is to follow on a failure"
                report.add("D418", message, path, hint=hint)


def _followed(
    tree: Tree, catalogue: Catalogue
) -> Iterator[tuple[Path, list[tuple[tuple[str | int, ...], str]]]]:
    """Where each trigger stands that starts when another workflow has ended, and which ones it names."""
    for place, trigger in tree.triggers:
        uses, given = trigger.get("uses"), trigger.get("with")
        info = catalogue.triggers.get(uses) if isinstance(uses, str) else None
        if getattr(info, "kind", "") != "workflow" or not isinstance(given, dict):
            continue
        names = given.get("workflow")
        if isinstance(names, str):
            yield place, [(("with", "workflow"), names)]
        elif isinstance(names, list):
            listed = enumerate(names)
            yield place, [(("with", "workflow", at), each) for at, each in listed if isinstance(each, str)]


def _started(known: Mapping[str, object], catalogue: Catalogue) -> dict[str, frozenset[str]]:
    """For each workflow those that a run of it starts: by a call, or by its end."""
    found: dict[str, set[str]] = {name: set(_called_by(value)) for name, value in known.items()}
    for name, value in known.items():
        if isinstance(value, dict):
            for _, written in _followed(build_tree(value), catalogue):
                for _, followed in written:
                    found.setdefault(followed, set()).add(name)
    return {name: frozenset(started) for name, started in found.items()}


def _circle(
    start: str, goal: str, known: Mapping[str, object], targets: dict[str, frozenset[str]]
) -> list[str] | None:
    """A way along calls from one workflow to another."""
    came_from: dict[str, str] = {start: ""}
    waiting = [start]
    while waiting:
        current = waiting.pop()
        if current == goal:
            way = [current]
            while came_from[way[-1]]:
                way.append(came_from[way[-1]])
            return way[::-1]
        if current not in targets:
            targets[current] = _called_by(known.get(current))
        for following in sorted(targets[current]):
            if following not in came_from:
                came_from[following] = current
                waiting.append(following)
    return None


def _called_by(value: object) -> frozenset[str]:
    if not isinstance(value, dict):
        return frozenset()
    called = (step.value["call"] for step in build_tree(value).of_kind("call"))
    return frozenset(name for name in called if isinstance(name, str))


def check_webhooks(tree: Tree, catalogue: Catalogue, others: Mapping[str, object], report: Report) -> None:
    """Check that webhook paths are unique, and that an answer has someone to go to."""
    taken: dict[str, str] = {}
    own = tree.value.get("name")
    for name, value in others.items():
        if name != own and isinstance(value, dict):
            for _, path in _hook_paths(build_tree(value), catalogue):
                taken.setdefault(path, f"the workflow {show(name)}")
    for place, path in _hook_paths(tree, catalogue):
        if path in taken:
            message = f"the webhook path {show(path)} is already used by {taken[path]}"
            report.add("D414", message, place, hint="choose another path")
        taken.setdefault(path, "another trigger")
    if not any(_is_webhook(trigger, catalogue) for _, trigger in tree.triggers):
        for step in tree.of_kind("respond"):
            hint = "add a `webhook` trigger, or use `output` for the result of a call"
            report.add("D415", "no webhook is waiting for an answer", (*step.path, "respond"), hint=hint)


def _is_webhook(trigger: Mapping[str, Any], catalogue: Catalogue) -> bool:
    """Whether requests start the trigger; components may say so by their kind."""
    uses = trigger.get("uses")
    if not isinstance(uses, str):
        return False
    return uses == _WEBHOOK or getattr(catalogue.triggers.get(uses), "kind", "") == _WEBHOOK


def _hook_paths(tree: Tree, catalogue: Catalogue) -> list[tuple[Path, str]]:
    """The paths under which requests reach the triggers, and where they stand."""
    found: list[tuple[Path, str]] = []
    for place, trigger in tree.triggers:
        value: Any = trigger.get("with")
        keys = _hook_keys(trigger, catalogue)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if keys and isinstance(value, str):
            found.append(((*place, "with", *keys), value.strip("/")))
    return found


def _hook_keys(trigger: Mapping[str, Any], catalogue: Catalogue) -> tuple[str, ...]:
    """Where in ``with`` the path stands, as the component says; a webhook's is ``path``."""
    uses = trigger.get("uses")
    info = catalogue.triggers.get(uses) if isinstance(uses, str) else None
    keys = tuple(getattr(info, "hook", ()))
    return keys or (("path",) if _is_webhook(trigger, catalogue) else ())
