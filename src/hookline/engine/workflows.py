"""The project's workflows: found, checked, compiled, and kept by version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hookline.core.catalogue import ActionInfo, TriggerInfo
from hookline.core.diagnostics import DefinitionError, Diagnostic
from hookline.core.document import Document, read, split_pointer
from hookline.core.lint import check
from hookline.core.plan import Plan, TriggerPlan, compile_plan
from hookline.sdk import Trigger
from hookline.store.port import Store

from .connections import Connections
from .registry import Registry

__all__ = [
    "SUFFIXES",
    "Installed",
    "Plans",
    "WorkflowFile",
    "Workflows",
    "followed",
    "load_workflows",
    "read_workflow",
]

SUFFIXES = (".json", ".jsonc", ".yaml", ".yml")
"""Files of a ``workflows/`` folder that are workflows; ``*.test.json`` are tests of them."""


@dataclass(frozen=True, slots=True)
class Installed:
    """`hookline.core.catalogue.Catalogue` over what is installed and configured.

    Attributes:
        connection_variables: The environment variables that suffice for a connection of a type, by
            the type's name; a type that needs more than variables is not in it.
        people: The roles of each person that is declared; None when nobody knows.
        asking: Types of connections that can ask people.
    """

    actions: Mapping[str, ActionInfo]
    triggers: Mapping[str, TriggerInfo]
    connections: Mapping[str, str]
    connection_variables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    people: Mapping[str, Sequence[str]] | None = None
    asking: frozenset[str] = frozenset()

    @classmethod
    def of(cls, registry: Registry, connections: Connections) -> Installed:
        variables = {
            name: [kind.fields["properties"][each].get("x-env", "") for each in kind.missing(())]
            for name, kind in registry.connection_types.items()
        }
        sufficient = {name: needed for name, needed in variables.items() if needed and all(needed)}
        asking = frozenset(name for name, kind in registry.connection_types.items() if kind.ask is not None)
        roles = {person.id: person.roles for person in connections.people}
        return cls(registry.actions, registry.triggers, connections.types, sufficient, roles, asking)


@dataclass(slots=True)
class WorkflowFile:
    """One file: its findings, and its plan when none of them is an error."""

    path: Path
    diagnostics: list[Diagnostic]
    document: Document | None = None
    plan: Plan | None = None

    @property
    def name(self) -> str:
        value = self.document.value if self.document else None
        name = value.get("name") if isinstance(value, dict) else None
        return name if isinstance(name, str) else self.path.stem

    @property
    def has_errors(self) -> bool:
        return any(found.severity == "error" for found in self.diagnostics)


@dataclass(slots=True)
class Workflows:
    """What is deployed.

    Attributes:
        files: Every file, also those that cannot be deployed.
        plans: Deployed workflows by name.
        hooks: Webhook path to its workflow and trigger.
        followers: Name of a workflow to those that start when a run of it has ended, and their triggers.
    """

    files: list[WorkflowFile] = field(default_factory=list)
    plans: dict[str, Plan] = field(default_factory=dict)
    hooks: dict[str, tuple[Plan, TriggerPlan]] = field(default_factory=dict)
    followers: Mapping[str, Sequence[tuple[Plan, TriggerPlan]]] = field(default_factory=dict)

    def deploy(self, plan: Plan, registry: Registry) -> None:
        """Put a plan in place of an earlier version of it; there is no moment without either."""
        hooks, followers = self._without(plan.name)
        for trigger in plan.triggers:
            declared = registry.triggers.get(trigger.uses)
            path = declared.hook_path(trigger.parameters) if declared is not None else None
            if path is not None:
                hooks[path] = (plan, trigger)
            for name in followed(trigger, declared):
                followers.setdefault(name, []).append((plan, trigger))
        self.plans[plan.name] = plan
        self.hooks, self.followers = hooks, followers

    def withdraw(self, name: str) -> None:
        """Take a workflow out of force; its hooks answer 404 from now on."""
        self.plans.pop(name, None)
        self.hooks, self.followers = self._without(name)

    def _without(
        self, name: str
    ) -> tuple[dict[str, tuple[Plan, TriggerPlan]], dict[str, list[tuple[Plan, TriggerPlan]]]]:
        hooks = {path: found for path, found in self.hooks.items() if found[0].name != name}
        followers = {
            other: kept
            for other, found in self.followers.items()
            if (kept := [each for each in found if each[0].name != name])
        }
        return hooks, followers


def followed(trigger: TriggerPlan, declared: Trigger | None) -> Sequence[str]:
    """Names of the workflows whose ends start a run by this trigger."""
    if declared is None or declared.kind != "workflow":
        return ()
    names = trigger.parameters.get("workflow", ())
    return [names] if isinstance(names, str) else names


def read_workflow(path: Path) -> WorkflowFile:
    """Read one file without checking what it says."""
    try:
        source = path.read_bytes()
    except OSError as error:
        return WorkflowFile(path, [Diagnostic("D113", f"the file cannot be read: {error.strerror}")])
    try:
        document = read(source, syntax="yaml" if path.suffix in (".yaml", ".yml") else "jsonc")
    except DefinitionError as error:
        return WorkflowFile(path, list(error.diagnostics))
    return WorkflowFile(path, [], document)


def find_workflows(folder: Path) -> list[Path]:
    """The workflow files of a folder, in order of their names."""
    return sorted(
        path
        for path in folder.glob("*")
        if path.suffix in SUFFIXES and not path.stem.endswith(".test") and path.is_file()
    )


def load_workflows(paths: list[Path], catalogue: Installed, registry: Registry) -> Workflows:
    """Read, check and compile files. A file with errors is kept, with its findings, undeployed.

    Files whose workflows have the same name are all refused (D416).
    """
    files = [read_workflow(path) for path in paths]
    named: dict[str, list[WorkflowFile]] = {}
    for file in files:
        if file.document is not None:
            named.setdefault(file.name, []).append(file)
    values: dict[str, Any] = {}
    for name, same in named.items():
        values[name] = same[0].document.value if same[0].document else None
        for file in same if len(same) > 1 else ():
            # Nobody can tell which of them is meant, so none replaces what is in force.
            others = ", ".join(other.path.name for other in same if other is not file)
            message = f"another file has a workflow of the name {name!r} too: {others}"
            file.diagnostics.append(Diagnostic("D416", message, "/name", hint="rename one of them"))
    workflows = Workflows(files)
    for file in files:
        if file.document is None:
            continue
        siblings = {name: value for name, value in values.items() if name != file.name}
        file.diagnostics.extend(
            _with_cause(found, file.document, registry)
            for found in check(file.document, catalogue, others=siblings)
        )
        if not file.has_errors:
            file.plan = compile_plan(file.document.value, catalogue)
            workflows.deploy(file.plan, registry)
    return workflows


def _with_cause(found: Diagnostic, document: Document, registry: Registry) -> Diagnostic:
    """A finding about a missing component; its hint says when that component could not be loaded."""
    if found.code not in ("D401", "D402"):
        return found
    value = document.value
    for part in split_pointer(found.pointer):
        value = value[int(part)] if isinstance(value, list) else value[part]
    vendor = str(value).partition(".")[0]
    for each in registry.unavailable:
        if re.split("[/:]", each.name)[-1] == vendor:
            return replace(found, hint=f"{each.place} could not be loaded: {each.reason}; {each.hint}")
    return found


class Plans:
    """Compiled versions; runs find theirs here however long ago it was deployed."""

    def __init__(self, store: Store, catalogue: Installed) -> None:
        self._store = store
        self._catalogue = catalogue
        self._plans: dict[str, Plan] = {}

    def add(self, plan: Plan) -> None:
        """Keep a version that the store has."""
        self._plans[plan.version] = plan

    def last_versions(self) -> dict[str, str]:
        """The version of each workflow that was put into force last, by the workflow's name.

        Raises:
            StoreError: It cannot be read.
        """
        return self._store.last_versions()

    def get(self, version: str) -> Plan:
        """The plan of a version.

        Raises:
            KeyError: The store does not have it.
            DefinitionError: It cannot be compiled any more.
        """
        plan = self._plans.get(version)
        if plan is None:
            definition = self._store.definition(version)
            if definition is None:
                raise KeyError(version)
            plan = self._plans[version] = compile_plan(definition.value, self._catalogue)
        return plan
