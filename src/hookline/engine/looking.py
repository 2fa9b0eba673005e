"""The pollers of the deployed workflows: begun, replaced and stopped as workflows come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hookline.core.plan import Plan, TriggerPlan
from hookline.sdk import Files, Trigger
from hookline.store.port import Accepted, Store, StoreError

from .intake import Draft, Intake, trigger_scope
from .performer import Performer
from .pollers import Poller
from .registry import Registry
from .workflows import Workflows

__all__ = ["Looking"]


class Looking:
    """Who looks for what; used on the engine's loop.

    Args:
        has_room: Whether more runs may be started.
        begin: Goes on with a run that is on disk.
        count: Counts what became of events.

    Attributes:
        pollers: By the scope of their trigger.
    """

    def __init__(
        self,
        *,
        workflows: Workflows,
        registry: Registry,
        store: Store,
        intake: Intake,
        performer: Performer,
        files: Files,
        clock: Callable[[], float],
        has_room: Callable[[], bool],
        begin: Callable[[Draft], None],
        count: Callable[[Sequence[Accepted] | StoreError], None],
        deliver: Callable[[Callable[[], Any]], None],
    ) -> None:
        self._workflows = workflows
        self._registry = registry
        self._store = store
        self._intake = intake
        self._performer = performer
        self._files = files
        self._clock = clock
        self._has_room = has_room
        self._begin = begin
        self._count = count
        self._deliver = deliver
        self.pollers: dict[str, Poller] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin to look for every deployed workflow."""
        for plan in list(self._workflows.plans.values()):
            self.restart(plan)

    def stop(self, workflow: str) -> None:
        """Look no more for a workflow."""
        for scope in [name for name in self._tasks if name.startswith(f"{workflow}/")]:
            self._tasks.pop(scope).cancel()
            self.pollers.pop(scope, None)

    def stop_all(self) -> None:
        """Look for nothing any more."""
        for task in self._tasks.values():
            task.cancel()

    def restart(self, plan: Plan) -> None:
        """Look as this version of a workflow says."""
        self.stop(plan.name)
        for trigger in plan.triggers:
            declared = self._registry.triggers.get(trigger.uses)
            if declared is None or declared.kind != "poll":
                continue
            poller = self.poller(plan, trigger, declared)
            self.pollers[poller.scope] = poller
            self._tasks[poller.scope] = asyncio.get_running_loop().create_task(poller.run())

    def poller(self, plan: Plan, trigger: TriggerPlan, declared: Trigger) -> Poller:
        """The one that looks for this trigger; one that does not look by itself if another process does."""
        found = self.pollers.get(trigger_scope(plan, trigger))
        if found is not None:
            return found
        return Poller(
            plan,
            trigger,
            declared,
            store=self._store,
            intake=self._intake,
            open_connection=self._performer.open,
            http=self._performer.outside.http,
            files=self._files,
            pool=self._performer.pool,
            clock=self._clock,
            has_room=self._has_room,
            begin=self._begin,
            count=self._count,
            deliver=self._deliver,
        )
