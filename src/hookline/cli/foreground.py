"""Runs in the foreground: an engine for one run, its progress, and how the process ends.

The run is as durable as in a server: it is in the project's database before its first step, and
whatever becomes of this process, a server or ``hookline runs resume`` goes on with it. The engine
sees its own run only (`OwnRuns`): it takes over nothing of what other processes left, and ends when
its run ends. Timers of the run, callbacks that a server receives and approvals given elsewhere
reach it, because the engine looks for them once a second. If a server goes on with the run (it
takes a waiting run whose callback it received), the command keeps watching and shows what happens.
"""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from .errors import AUTHENTICATION, DONE, FAILED, INTERRUPTED, TIMED_OUT, translated
from .logs import set_up_logging
from .output import emit_json, next_step, on_terminal, say
from .own_runs import OwnRuns
from .progress import Progress, duration_text

if TYPE_CHECKING:
    from hookline.core import events as ev
    from hookline.core.plan import Plan
    from hookline.core.records import RunState
    from hookline.engine.engine import Engine
    from hookline.engine.watching import View
    from hookline.store.port import RunRow

    from .project import Project

__all__ = ["Foreground", "exit_code_of", "opened", "run_state", "worker_name"]

LOOK_SECONDS = 0.5
"""How often the database is asked about a run that another process may be moving on."""

SHOW_SECONDS = 0.1
"""How often what steps show is written."""

GRACE_SECONDS = 10.0
"""How long steps under way may take to finish when the command is interrupted."""


def worker_name(kind: str) -> str:
    """A name for this process among those that share a database."""
    return f"{kind}-{os.getpid()}-{secrets.token_hex(6)}"


@contextmanager
def opened(project: Project, *, level: str = "warning") -> Iterator[Engine]:
    """An engine over the project's database that executes nothing: to look, and to give signals.

    Raises:
        CliError: The database cannot be opened, or this is no project.
    """
    from hookline.engine.engine import Engine, open_store

    project.require_database()
    with translated():
        store = open_store(project.settings, worker_name("cli"))
        try:
            engine = Engine(project.settings, project.registry, store)
        except BaseException:
            store.close()
            raise
        set_up_logging(project.settings, engine.redactor, default=level)
        try:
            yield engine
        finally:
            engine.stop()


class Foreground:
    """An engine for one run of this process.

    Use it as a context manager; leaving it gives the run up in order, for others to go on with.
    """

    def __init__(self, project: Project, *, quiet: bool = False) -> None:
        from hookline.engine.engine import Engine, open_store

        self._quiet = quiet
        self._changed = threading.Event()
        self._progress: Progress | None = None
        self._run_id: str | None = None
        self._handlers: dict[signal.Signals, Any] = {}
        self._is_asked = False
        self._is_following = False
        with translated():
            real = open_store(project.settings, worker_name("cli"))
            self.own, store = OwnRuns.around(real)
            try:
                self.engine = Engine(project.settings, project.registry, store)
            except BaseException:
                real.close()
                raise
        set_up_logging(project.settings, self.engine.redactor, default="warning")
        # The command ends with its run; what follows on that is for a server.
        self.engine.followers.are_left = True
        # This process listens nowhere; whether a server does is known only if its address was given.
        self.engine.performer.is_called_back = bool(project.settings["base_url"])
        self.engine.runner.on_events = self._happened

    def __enter__(self) -> Foreground:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._asked)
        self.engine.start(recover=True)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.close()
        try:
            self.engine.stop(GRACE_SECONDS)
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        """Somebody asks the command to end: in order at first, at once when asked again.

        While the run is being stored, only a note is made of it: a run that nobody was told the id
        of would be lost to them.
        """
        if self._is_asked:
            # What is on disk is enough to go on from, as after a crash.
            os._exit(INTERRUPTED)
        self._is_asked = True
        if self._is_following:
            raise KeyboardInterrupt

    @staticmethod
    def interrupted(run_id: str) -> int:
        """Say what becomes of a run that is left; gives the exit code."""
        say(f"\ninterrupted; leaving {run_id} once its step is done (Ctrl-C again: at once)")
        say_where_it_goes_on(run_id)
        return INTERRUPTED

    def _happened(self, state: RunState, events: Sequence[ev.Event]) -> None:
        if state.id != self._run_id or self._progress is None:
            return
        self._progress.update(state, [event.path for event in events])
        if state.finished is not None:
            self._changed.set()

    def follow(
        self,
        run_id: str,
        plan: Plan,
        timeout: float | None,
        *,
        before: RunState | None = None,
        resumed: bool = False,
    ) -> RunRow:
        """Show a run's progress until it is over, or `timeout` seconds have passed.

        Args:
            before: How the run stood when it was taken up; what had failed is not told again.
            resumed: It was over, and somebody asked for it to go on.

        Raises:
            KeyboardInterrupt: Somebody asked the command to end.
        """
        engine = self.engine
        address = engine.settings["base_url"]
        self._progress = Progress(
            plan, engine.registry.actions, engine.redactor, quiet=self._quiet, address=address
        )
        if before is not None:
            self._progress.leave_out_failures(before)
        self._run_id = run_id
        self._is_following = True
        try:
            if self._is_asked:
                raise KeyboardInterrupt
            row = watch(engine, run_id, self._progress, timeout, changed=self._changed, resumed=resumed)
        finally:
            self._is_following = False
        return row if row.finished_at is None else self._settled(row)

    def _settled(self, row: RunRow) -> RunRow:
        """Give what the run's steps have left behind elsewhere time to be stopped and paid for."""
        store, until = self.engine.store, time.monotonic() + GRACE_SECONDS
        # Of a run that is over nothing else has a timer.
        while store.next_timer() is not None:
            if self._is_asked or time.monotonic() >= until:
                say("What a step left behind elsewhere is not settled yet, and its money stays set aside.")
                say("A running `hookline serve` or `hookline dev` goes on with that.")
                break
            time.sleep(SHOW_SECONDS)
        return store.run(row.id) or row

    def adopt(self, row: RunRow) -> None:
        """Go on with a run that is there already, unless a living worker has it."""
        self.own.give(row.id, row.concurrency_key)


def watch(
    engine: Engine,
    run_id: str,
    progress: Progress,
    timeout: float | None,
    *,
    changed: threading.Event | None = None,
    resumed: bool = False,
) -> RunRow:
    """Look at a run until it is over or `timeout` seconds have passed; gives its row.

    Args:
        changed: Set when the run has ended in this process, so that nobody waits for the next look.
        resumed: The run was over; what it says counts once the request to go on has been taken in.
    """
    changed = changed or threading.Event()
    view = engine.views.open(run_id)
    try:
        return _watch(engine, run_id, progress, timeout, changed, view, resumed=resumed)
    finally:
        view.close()


def _watch(
    engine: Engine,
    run_id: str,
    progress: Progress,
    timeout: float | None,
    changed: threading.Event,
    view: View,
    *,
    resumed: bool,
) -> RunRow:
    until = None if timeout is None else time.monotonic() + timeout
    seen: RunRow | None = None
    pause = LOOK_SECONDS
    # Only an engine that works has somebody to ask; and only a person wants to see it.
    is_shown = on_terminal() and engine.runner.loop is not None
    while True:
        with translated():
            # Read before the row, which changes in the same transaction.
            resumed = resumed and bool(engine.store.signals(run_id))
            row = engine.store.run(run_id)
            assert row is not None
            if row != seen or row.owner not in (None, engine.store.worker):
                started = time.monotonic()
                state = run_state(engine, run_id)
                progress.update(state)
                if is_shown:
                    view.look(state, engine.plans.get(row.version))
                # A long history takes long to read; looking must not be all that is done.
                pause = max(LOOK_SECONDS, 5 * (time.monotonic() - started))
                seen = row
        if row.finished_at is not None and not resumed:
            return row
        remaining = pause if until is None else min(pause, until - time.monotonic())
        if remaining <= 0:
            return row
        if not is_shown:
            changed.wait(remaining)
        following = time.monotonic() + remaining
        while is_shown and not changed.is_set() and time.monotonic() < following:
            view.wait(SHOW_SECONDS)
            progress.show(view.texts())


def run_state(engine: Engine, run_id: str) -> RunState:
    """How a run stands by its history."""
    from hookline.core.state import replay

    return replay(engine.journal.decode(engine.store.history(run_id)))


def exit_code_of(row: RunRow) -> int:
    """The exit code that says how a run stands."""
    if row.finished_at is None:
        return TIMED_OUT
    if row.status == "succeeded":
        return DONE
    is_refused = isinstance(row.error, dict) and row.error.get("type") == "authentication"
    return AUTHENTICATION if is_refused else FAILED


def report(engine: Engine, row: RunRow, *, as_json: bool) -> int:
    """Say how a run stands: its document or its output as data, the rest for a person."""
    if as_json:
        with translated():
            emit_json(engine.run_document(row.id))
    elif row.status == "succeeded" and row.output is not None:
        emit_json(row.output)
    say(_headline(row))
    code = exit_code_of(row)
    if code == TIMED_OUT:
        say_where_it_goes_on(row.id)
    elif code == DONE:
        next_step(f"hookline runs show {row.id}")
    else:
        error: dict[str, Any] = row.error if isinstance(row.error, dict) else {}
        if error:
            step = f" (at {error['step']})" if error.get("step") else ""
            head = click.style("error", fg="red", bold=True)
            say(f"{head}: {error.get('code')}: {error.get('message')}{step}")
        if error.get("hint"):
            say(f"  hint: {error['hint']}")
        next_step(f"hookline runs show {row.id}", f"hookline runs resume {row.id}")
    return code


def _headline(row: RunRow) -> str:
    from .output import status_text, usd_text

    text = f"{row.id} {status_text(row.status)}"
    if row.finished_at is not None:
        text += f" after {duration_text(row.finished_at - row.created_at)}"
    elif row.waiting_for:
        text += f", waiting for {row.waiting_for}"
    return f"{text}, {usd_text(row.cost_usd)}" if row.cost_usd else text


def say_where_it_goes_on(run_id: str) -> None:
    """The process leaves a run that is not over."""
    say("The run is stored and stays open. A running `hookline serve` or `hookline dev` goes on with it; or:")
    say(f"  hookline runs resume {run_id}   go on here")
    say(f"  hookline runs watch {run_id}    look at it")
