"""Live views of runs: what steps show while they are at work (`Context.progress`, `Action.on_watch`).

None of it is history: it is not stored, nothing waits for it, and losing it changes nothing. Work that
is parked holds nothing, so what it makes is fetched only while somebody looks: a `View` tells which
steps wait, and for each of them the action's own `watch` runs on the engine's loop, in at most
`PLACES` places. When the last view of a run is closed, so are its watches.

What is shown is kept as one text per step, of which each view takes the difference when it has time
to: a slow view costs no memory, and a fast model costs a view no more than a few looks a second.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from hookline.core.plan import Plan
from hookline.core.records import TERMINAL, RunState
from hookline.sdk import Action, ActionError, Http

__all__ = ["LONGEST_TEXT", "PLACES", "LiveText", "LiveViews", "View"]

log = logging.getLogger(__name__)

Json = Any
OpenConnection = Callable[[str, str], Any]

PLACES = 32
"""Watches at work at the same time; further ones wait for a place."""

LONGEST_TEXT = 64 * 1024
"""Characters of one step's text that are kept; of a longer one the end."""

KEPT_TEXTS = 256
"""Steps whose text is kept, those that showed something last."""


class Outside(Protocol):
    """The part of `hookline.engine.performer.Outside` that a watch needs."""

    http: Http


@dataclass(frozen=True, slots=True)
class LiveText:
    """What is new to show of one step.

    Attributes:
        appended: Whether it follows what was shown of the step before, or takes its place.
    """

    path: str
    attempt: int
    text: str
    appended: bool


@dataclass(slots=True)
class _Text:
    attempt: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Work:
    """A step's parked work that can be watched."""

    path: str
    attempt: int
    subject: str
    uses: str
    connection: str | None


@dataclass(slots=True)
class _WatchContext:
    """`hookline.sdk.WatchContext`."""

    run_id: str
    step: str
    attempt: int
    connection: Any
    http: Http
    clock: Callable[[], float]
    show: Callable[[str, bool], None]

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def progress(self, text: str, *, replace: bool = False) -> None:
        self.show(text, replace)


class View:
    """One look at a run, from one thread. Made by `LiveViews.open`; close it."""

    def __init__(self, views: LiveViews, run_id: str) -> None:
        self.run_id = run_id
        self._views = views
        self._changed = threading.Event()
        self._moved = True
        self._sent: dict[str, tuple[int, str]] = {}

    @property
    def is_closing(self) -> bool:
        """Whether the engine stops: there will be nothing more."""
        return self._views.is_closed

    def wait(self, seconds: float) -> bool:
        """Wait until something has happened, at most so long; False when nothing has."""
        happened = self._changed.wait(seconds)
        self._changed.clear()
        return happened

    def wake(self, *, moved: bool) -> None:
        """Something has become of the run (`moved`) or of its texts; any thread."""
        if moved:
            self._moved = True
        self._changed.set()

    def has_moved(self) -> bool:
        """Whether this process moved the run on since the last call."""
        moved, self._moved = self._moved, False
        return moved

    def look(self, state: RunState, plan: Plan) -> None:
        """Tell how the run stands now, so that what its steps wait for is watched."""
        self._views.arrange(self.run_id, state, plan)

    def texts(self) -> list[LiveText]:
        """What has come since the last call."""
        found = []
        for path, attempt, text in self._views.shown(self.run_id):
            before, sent = self._sent.get(path, (attempt, ""))
            if (before, sent) == (attempt, text):
                continue
            self._sent[path] = (attempt, text)
            appended = before == attempt and text.startswith(sent)
            found.append(LiveText(path, attempt, text[len(sent) :] if appended else text, appended))
        return found

    def close(self) -> None:
        """Look away. Safe to call more than once, from any thread."""
        self._views.leave(self)


class LiveViews:
    """The texts that steps show, who looks at them, and the watches that fetch them.

    Args:
        actions: Installed actions by name.
        outside: What components reach the world through.
        open_connection: Opens a connection by name and type, on the engine's loop.
        mask: Replaces known secrets in a text that may go on.
        deliver: Calls something on the engine's loop.
    """

    def __init__(
        self,
        *,
        actions: Mapping[str, Action],
        outside: Callable[[], Outside],
        open_connection: OpenConnection,
        mask: Callable[[str], str],
        clock: Callable[[], float],
        deliver: Callable[[Callable[[], None]], None],
    ) -> None:
        self._actions = actions
        self._outside = outside
        self._open = open_connection
        self._mask = mask
        self._clock = clock
        self._deliver = deliver
        self._lock = threading.Lock()
        self._texts: OrderedDict[tuple[str, str], _Text] = OrderedDict()
        self._views: dict[str, set[View]] = {}
        self._places = asyncio.Semaphore(PLACES)
        self._watches: dict[str, dict[_Work, asyncio.Task[None]]] = {}
        self.is_closed = False

    @property
    def watching(self) -> int:
        """Watches of all runs, those included that wait for a place and those that have ended."""
        return sum(len(found) for found in list(self._watches.values()))

    # Showing -----------------------------------------------------------------------------------

    def show(self, run_id: str, path: str, attempt: int, text: str, *, replace: bool) -> None:
        """A step shows text; any thread."""
        with self._lock:
            kept = self._texts.get((run_id, path))
            if kept is None or kept.attempt != attempt:
                kept = self._texts[run_id, path] = _Text(attempt)
            kept.text = text if replace else kept.text + text
            if len(kept.text) > LONGEST_TEXT:
                # Half of it, so that not every further word makes all views begin anew.
                kept.text = kept.text[-LONGEST_TEXT // 2 :]
            self._texts.move_to_end((run_id, path))
            while len(self._texts) > KEPT_TEXTS:
                self._texts.popitem(last=False)
        self._wake(run_id, moved=False)

    def shown(self, run_id: str) -> list[tuple[str, int, str]]:
        """Path, attempt and masked text of every step of a run that shows something."""
        with self._lock:
            found = [
                (path, kept.attempt, kept.text)
                for (run, path), kept in self._texts.items()
                if run == run_id and kept.text
            ]
        return [(path, attempt, self._mask(text)) for path, attempt, text in found]

    def changed(self, run_id: str) -> None:
        """This process has moved a run on; any thread."""
        self._wake(run_id, moved=True)

    def _wake(self, run_id: str, *, moved: bool) -> None:
        with self._lock:
            views = tuple(self._views.get(run_id, ()))
        for view in views:
            view.wake(moved=moved)

    # Looking -----------------------------------------------------------------------------------

    def open(self, run_id: str) -> View:
        """Begin to look at a run; any thread."""
        view = View(self, run_id)
        with self._lock:
            self._views.setdefault(run_id, set()).add(view)
        return view

    def leave(self, view: View) -> None:
        """End a look; with the last one of a run its watches end. Any thread."""
        with self._lock:
            views = self._views.get(view.run_id, set())
            views.discard(view)
            if views:
                return
            self._views.pop(view.run_id, None)
        self._deliver(lambda: self._set(view.run_id, frozenset()))

    def close(self) -> None:
        """The engine stops: every view is told."""
        self.is_closed = True
        with self._lock:
            views = [view for found in self._views.values() for view in found]
        for view in views:
            view.wake(moved=True)

    def stop(self) -> None:
        """End every watch; on the loop."""
        self.close()
        for watches in self._watches.values():
            for task in watches.values():
                task.cancel()
        self._watches.clear()

    def arrange(self, run_id: str, state: RunState, plan: Plan) -> None:
        """Watch what the steps of a run that is looked at wait for, and nothing else; any thread."""
        with self._lock:
            for path in [path for run, path in self._texts if run == run_id]:
                record = state.records.get(path)
                is_older = record is not None and record.attempt > self._texts[run_id, path].attempt
                if is_older or (record is not None and record.status in TERMINAL):
                    del self._texts[run_id, path]
        wanted = frozenset(self._works(state, plan))
        self._deliver(lambda: self._set(run_id, wanted))

    def _works(self, state: RunState, plan: Plan) -> list[_Work]:
        found = []
        for record in state.records.values():
            # A step that is woken for a look goes on waiting in a moment.
            if record.status not in ("waiting", "running") or not isinstance(record.data, Mapping):
                continue
            try:
                node, _ = plan.locate(record.path)
            except KeyError:
                continue
            action = self._actions.get(node.uses)
            if action is None or action.watch is None or not record.data.get(action.watched):
                continue
            subject = str(record.data[action.watched])
            connection = None
            if node.connection or action.needs_connection(record.input or {}):
                connection = node.connection or action.connection
            found.append(_Work(record.path, record.attempt, subject, node.uses, connection))
        return found

    # On the loop -------------------------------------------------------------------------------

    def _set(self, run_id: str, wanted: frozenset[_Work]) -> None:
        with self._lock:
            is_viewed = run_id in self._views
        watches = self._watches.setdefault(run_id, {})
        for work in [work for work in watches if work not in wanted or not is_viewed]:
            watches.pop(work).cancel()
        for work in wanted if is_viewed and not self.is_closed else ():
            # One that has ended stays, so that it is not begun again.
            if work not in watches:
                watches[work] = asyncio.get_running_loop().create_task(self._watch(run_id, work))
        if not watches:
            self._watches.pop(run_id, None)

    async def _watch(self, run_id: str, work: _Work) -> None:
        def show(text: str, replace: bool) -> None:
            self.show(run_id, work.path, work.attempt, text, replace=replace)

        action = self._actions[work.uses]
        assert action.watch is not None
        try:
            async with self._places:
                connection = None
                if action.connection is not None and work.connection is not None:
                    connection = self._open(work.connection, action.connection)
                http = self._outside().http
                context = _WatchContext(run_id, work.path, work.attempt, connection, http, self._clock, show)
                await action.watch(context, work.subject)
        except ActionError as error:
            log.info("%s: %s of %s cannot be watched: %s", error.code, work.path, run_id, error.message)
        except Exception:
            log.exception("R301: watching %s of %s", work.path, run_id)
