"""Runs, events and approvals, of the project's own database or of a server: the same documents."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import click

from .errors import AUTHENTICATION, CliError, translated
from .project import Project

if TYPE_CHECKING:
    from hookline.engine.engine import Engine
    from hookline.engine.replays import Slice

__all__ = ["Local", "Office", "at_office", "office_of", "parse_since", "project_office"]

Json = Any
P = ParamSpec("P")
T = TypeVar("T")

MAX_PAGE = 500


class Office(Protocol):
    """What can be asked of an installation. The documents are those of the HTTP API.

    Attributes:
        address: Where its pages are; empty when nobody has said so.
    """

    @property
    def address(self) -> str: ...

    def runs(self, workflow: str | None, status: str | None, since: float | None, limit: int) -> Json: ...
    def run(self, run_id: str) -> Json: ...
    def history(self, run_id: str) -> Json: ...
    def cancel(self, run_id: str, reason: str, by: str) -> Json: ...
    def replay(self, run_id: str, options: Mapping[str, Json]) -> Json: ...
    def resume(self, run_id: str, version: str, by: str) -> Json: ...
    def events(self, where: Mapping[str, Json], limit: int) -> Json: ...
    def event(self, event_id: str) -> Json: ...
    def select_events(self, where: Mapping[str, Json], name: str) -> Json: ...
    def replay_event(self, event_id: str, version: str, name: str) -> Json: ...
    def start(self, workflow: str, data: Json, inputs: Mapping[str, Json] | None) -> Json: ...
    def approvals(self, status: str | None, limit: int) -> Json: ...
    def approval(self, approval_id: str) -> Json: ...
    def decide(self, approval_id: str, decision: str, by: str, comment: str, form: Json) -> Json: ...
    def costs(self, by: str, since: float | None, until: float | None) -> Json: ...
    def connections(self) -> Json: ...
    def triggers(self) -> Json: ...
    def schedules(self) -> Json: ...
    def next_ticks(self, workflow: str, trigger: str | None, count: int) -> Json: ...
    def pause_schedule(self, workflow: str, trigger: str | None, by: str) -> Json: ...
    def resume_schedule(self, workflow: str, trigger: str | None, by: str) -> Json: ...
    def backfill(
        self, workflow: str, trigger: str | None, since: str, until: str, limit: int, dry_run: bool
    ) -> Json: ...


@dataclass(slots=True)
class Local:
    """The project's own database, through an engine that executes nothing."""

    engine: Engine

    @property
    def address(self) -> str:
        return self.engine.settings["base_url"]

    def runs(self, workflow: str | None, status: str | None, since: float | None, limit: int) -> Json:
        from hookline.engine.documents import run_summary
        from hookline.store.port import RunFilter

        page = self.engine.store.runs(RunFilter(workflow, status, since), limit, None)
        return {"runs": [run_summary(row) for row in page.rows], "next": page.next}

    def run(self, run_id: str) -> Json:
        return self.engine.run_document(run_id)

    def history(self, run_id: str) -> Json:
        return {"run": run_id, "history": self.engine.history(run_id), "next": None}

    def cancel(self, run_id: str, reason: str, by: str) -> Json:
        is_new = self.engine.cancel(run_id, reason=reason, by=by)
        return {"run": run_id, "canceling": True, "duplicate": not is_new}

    def replay(self, run_id: str, options: Mapping[str, Json]) -> Json:
        accepted = self.engine.replay_run(
            run_id,
            version=options.get("version", "original"),
            first_step=options.get("from"),
            data=options.get("trigger"),
            inputs=options.get("inputs"),
        )
        return {"event": accepted.event_id, "runs": [accepted.run_id]}

    def resume(self, run_id: str, version: str, by: str) -> Json:
        self.engine.resume(run_id, version=version, by=by)
        return {"run": run_id, "resuming": True}

    def events(self, where: Mapping[str, Json], limit: int) -> Json:
        from hookline.engine.documents import event_document

        chosen = _slice(where)
        page = self.engine.store.events(chosen.state, chosen.workflow, limit, None, chosen.where)
        return {"events": [event_document(row) for row in page.rows], "next": page.next}

    def event(self, event_id: str) -> Json:
        return self.engine.event_document(event_id)

    def select_events(self, where: Mapping[str, Json], name: str) -> Json:
        found = self.engine.replays.select(_slice(where), name=name)
        return {"events": list(found.events), "matched": found.matched, "already": found.already}

    def replay_event(self, event_id: str, version: str, name: str) -> Json:
        with translated():
            accepted = self.engine.replays.event(event_id, version=version, name=name)
        answer = {"event": accepted.event_id, "runs": [accepted.run_id]}
        return {**answer, "duplicate": True} if accepted.state == "duplicate" else answer

    def start(self, workflow: str, data: Json, inputs: Mapping[str, Json] | None) -> Json:
        accepted = self.engine.start_run(workflow, data, inputs, source="cli")
        return {"event": accepted.event_id, "runs": [accepted.run_id]}

    def approvals(self, status: str | None, limit: int) -> Json:
        from hookline.engine.documents import approval_document

        page = self.engine.store.approvals(status, limit, None)
        return {"approvals": [approval_document(row) for row in page.rows], "next": page.next}

    def approval(self, approval_id: str) -> Json:
        from hookline.engine.documents import approval_document

        row = self.engine.store.approval(approval_id)
        if row is None:
            hint = "see `hookline approvals list`"
            raise CliError(f"there is no approval {approval_id!r}", code="R411", hint=hint)
        return approval_document(row)

    def decide(self, approval_id: str, decision: str, by: str, comment: str, form: Json) -> Json:
        is_new = self.engine.decide(approval_id, decision, by=by, comment=comment, form=form)
        return {"approval": approval_id, "decided": is_new}

    def triggers(self) -> Json:
        return {"triggers": self.engine.trigger_states(), "next": None}

    def schedules(self) -> Json:
        return {"schedules": self.engine.schedules.all(), "next": None}

    def next_ticks(self, workflow: str, trigger: str | None, count: int) -> Json:
        return {"workflow": workflow, "ticks": self.engine.schedules.next(workflow, trigger, count)}

    def pause_schedule(self, workflow: str, trigger: str | None, by: str) -> Json:
        return self.engine.schedules.pause(workflow, trigger, by)

    def resume_schedule(self, workflow: str, trigger: str | None, by: str) -> Json:
        return self.engine.schedules.resume(workflow, trigger, by)

    def backfill(
        self, workflow: str, trigger: str | None, since: str, until: str, limit: int, dry_run: bool
    ) -> Json:
        done = self.engine.schedules.backfill(workflow, trigger, since, until, limit=limit, dry_run=dry_run)
        return {"workflow": workflow, **done}

    def costs(self, by: str, since: float | None, until: float | None) -> Json:
        from hookline.engine.costs import costs_document

        return costs_document(self.engine.store, by, since, until, now=self.engine.clock())

    def connections(self) -> Json:
        return {"connections": self.engine.connections.documents(), "next": None}


def _slice(where: Mapping[str, Json]) -> Slice:
    """The events chosen by the options of a command; times in seconds since the epoch."""
    from hookline.engine.replays import Slice
    from hookline.store.port import EventFilter

    rest = {name: value for name, value in where.items() if name not in ("state", "workflow")}
    return Slice(where.get("state"), where.get("workflow"), EventFilter(**rest))


@contextmanager
def office_of(project: Project, server: str | None) -> Iterator[Office]:
    """The server's, or the project's own.

    Raises:
        CliError: The server or the database cannot be reached.
    """
    if server is not None:
        from .remote import Remote

        token = os.environ.get("HOOKLINE_TOKEN") or project.settings.environment.get("HOOKLINE_TOKEN")
        with Remote(server, token) as remote:
            yield remote
        return
    from .foreground import opened

    with opened(project) as engine, translated():
        yield Local(engine)


@contextmanager
def project_office(project: Project, server: str | None) -> Iterator[Office]:
    """The server's; or the project's own, with its workflows in force, which executes nothing."""
    if server is not None:
        with office_of(project, server) as office:
            yield office
        return
    from .again import handing_over

    project.note_unavailable()
    with handing_over(project) as engine, translated():
        engine.load_project()
        yield Local(engine)


def at_office(function: Callable[Concatenate[Office, P], T]) -> Callable[P, T]:
    """Give a command the option ``--server`` and the office it stands for as its first argument."""

    @click.option(
        "--server",
        metavar="URL",
        envvar="HOOKLINE_SERVER",
        help="Ask this server instead of the project's database; its token is in HOOKLINE_TOKEN.",
    )
    @wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> T:
        server: Any = kwargs.pop("server")
        with office_of(click.get_current_context().obj, server) as office:
            return function(office, *args, **kwargs)

    return command


def parse_since(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """``--since``: a time with its zone, or how long ago.

    Raises:
        BadParameter: It is neither.
    """
    import time

    from hookline.core.units import parse_duration

    if value is None:
        return None
    try:
        return time.time() - parse_duration(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter('write "2h", or a time such as 2026-11-20T09:00:00Z') from None
    if moment.tzinfo is None:
        raise click.BadParameter("the time needs a zone, for example Z")
    return moment.timestamp()


def iso(seconds: float) -> str:
    """A moment as the API reads it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def refused(message: str, *, code: str = "", hint: str = "") -> CliError:
    """A server or service refused us, or cannot be reached."""
    return CliError(message, code=code, hint=hint, exit_code=AUTHENTICATION)
