"""Going on with runs, and running them again, here or on a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .errors import DONE, CliError, translated
from .foreground import Foreground, report, run_state, worker_name
from .logs import set_up_logging
from .office import Local, Office, office_of, project_office
from .output import emit_json, next_step, say
from .own_runs import HandedOver
from .runs import whoever

if TYPE_CHECKING:
    from hookline.core.records import RunState
    from hookline.engine.engine import Engine

    from .project import Project

__all__ = ["deploy_latest", "handing_over", "replay_run", "resume_run", "tell_accepted", "to_the_end"]

Json = Any


@contextmanager
def handing_over(project: Project) -> Iterator[Engine]:
    """An engine that stores new runs for a server to execute, and executes nothing itself.

    Raises:
        CliError: The database cannot be opened, or this is no project.
    """
    from hookline.engine.engine import Engine, open_store

    project.require_database()
    with translated():
        store = open_store(project.settings, worker_name("cli"))
        try:
            engine = Engine(project.settings, project.registry, HandedOver.around(store))
        except BaseException:
            store.close()
            raise
        set_up_logging(project.settings, engine.redactor, default="warning")
        # The first turn of a run is for the worker that goes on with it.
        engine.intake.first_turn = None
        try:
            yield engine
        finally:
            engine.stop()


def tell_accepted(answer: Json, *, as_json: bool) -> int:
    """Say what was started for somebody else to execute."""
    if as_json:
        emit_json({"schema": "hookline.accepted/1", **answer})
    else:
        say(f"event {answer['event']}, run {answer['runs'][0]}")
    next_step(f"hookline runs watch {answer['runs'][0]}")
    return DONE


def replay_run(
    project: Project,
    run_id: str,
    options: dict[str, Json],
    given: Json,
    *,
    server: str | None,
    detach: bool,
    as_json: bool,
    timeout: float | None,
) -> int:
    """Run again with the same event, or with `given` as its input."""
    if server is not None:
        with office_of(project, server) as office:
            return tell_accepted(
                office.replay(run_id, _with_input(office, run_id, options, given)), as_json=as_json
            )
    if detach:
        with handing_over(project) as engine, translated():
            deploy_latest(project, engine, options["version"])
            local = Local(engine)
            return tell_accepted(
                local.replay(run_id, _with_input(local, run_id, options, given)), as_json=as_json
            )
    project.require_database()
    with Foreground(project) as foreground:
        engine = foreground.engine
        local = Local(engine)
        with translated():
            deploy_latest(project, engine, options["version"])
            answer = local.replay(run_id, _with_input(local, run_id, options, given))
        return to_the_end(foreground, answer["runs"][0], as_json=as_json, timeout=timeout)


def _with_input(office: Office, run_id: str, options: Mapping[str, Json], given: Json) -> dict[str, Json]:
    """The options with another input: of a run that had inputs, these; else its event."""
    if given is None:
        return dict(options)
    created = office.history(run_id)["history"][0]["data"]
    changed = dict(options)
    if created.get("inputs"):
        if not isinstance(given, dict):
            raise CliError("the input must be a JSON object")
        changed["inputs"] = given
    if not created.get("inputs") or created.get("trigger") == created.get("inputs"):
        changed["trigger"] = given
    return changed


def resume_run(
    project: Project,
    run_id: str,
    version: str,
    *,
    server: str | None,
    detach: bool,
    as_json: bool,
    timeout: float | None,
) -> int:
    """Go on with a run that failed, was canceled, or was left open."""
    if server is not None or detach:
        # The newest version is that of the project's files, which only an engine with them knows.
        with project_office(project, server) if version == "latest" else office_of(project, server) as office:
            office.resume(run_id, version, whoever())
            say(f"{run_id}: will be resumed by the server")
            next_step(f"hookline runs watch {run_id}")
            return DONE
    project.require_database()
    with Foreground(project) as foreground:
        engine = foreground.engine
        with translated():
            row = engine.store.run(run_id)
            if row is None:
                raise CliError(f"there is no run {run_id!r}", code="R405", hint="see `hookline runs list`")
            deploy_latest(project, engine, version)
            before = run_state(engine, run_id)
            foreground.adopt(row)
            if row.finished_at is not None:
                engine.resume(run_id, version=version, by=whoever())
            elif version == "latest":
                raise CliError(
                    f"{run_id} is {row.status}; an open run keeps its version",
                    hint="cancel it first, or leave out --version",
                )
        resumed = row.finished_at is not None
        return to_the_end(
            foreground, run_id, as_json=as_json, timeout=timeout, before=before, resumed=resumed
        )


def deploy_latest(project: Project, engine: Engine, version: str) -> None:
    """Make the project's workflows known: for the newest version, and for those that are called."""
    if version == "latest" or project.workflows_folder.is_dir():
        loaded = project.load()
        for plan in loaded.plans.values():
            engine.deploy(plan)
        engine.workflows.files = loaded.files


def to_the_end(
    foreground: Foreground,
    run_id: str,
    *,
    as_json: bool,
    timeout: float | None,
    before: RunState | None = None,
    resumed: bool = False,
) -> int:
    """Execute a run here and tell how it ended."""
    engine = foreground.engine
    with translated():
        row = engine.store.run(run_id)
        assert row is not None
        plan = engine.plans.get(row.version)
    try:
        row = foreground.follow(run_id, plan, timeout, before=before, resumed=resumed)
    except KeyboardInterrupt:
        return foreground.interrupted(run_id)
    code = report(engine, row, as_json=as_json)
    newest = engine.workflows.plans.get(row.workflow)
    if row.status == "failed" and newest is not None and newest.version != row.version:
        say(f"hint: {row.workflow} has changed since, and this run keeps the version it began with; try:")
        say(f"  hookline runs resume {run_id} --version latest")
    return code
