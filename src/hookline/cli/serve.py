"""``hookline dev``, ``hookline serve`` and ``hookline worker``."""

from __future__ import annotations

import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from .dev_lines import FailureLog, RunLines, open_runs_text, trigger_lines
from .errors import AUTHENTICATION, DONE, CliError, translated
from .findings import print_findings
from .foreground import worker_name
from .logs import set_up_logging
from .output import say, shown_path
from .project import Project, pass_project
from .schema import write_schema

if TYPE_CHECKING:
    from hookline.engine.engine import Engine
    from hookline.server.serving import Server

__all__ = ["dev", "serve", "worker"]

DEFAULT_PORT = 8420
RELOAD_SECONDS = 1.0
"""How often ``dev`` looks for changed files."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free port."
)
@pass_project
def dev(project: Project, port: int) -> int:
    """Run the project on this machine, with reload.

    Answers on 127.0.0.1 only, without login. A workflow file that changes is checked and deployed
    at once; one with errors keeps its last good version, and its findings are printed. Triggers
    run, and runs that were left open go on; a line says when a run begins, waits and ends.

    \b
      hookline dev
      hookline dev --port 0
    """
    write_schema(project)
    # Before anything is read, so that what is saved meanwhile counts as changed.
    reloader = Reloader(project)
    with _serving(project, "127.0.0.1", port, None) as (engine, server):
        say(f"http://127.0.0.1:{server.port}/  (no login, this machine only; Ctrl-C stops)")
        _say_triggers(engine, f"http://127.0.0.1:{server.port}")
        _until_stopped(lambda: reloader.look(engine))
    return DONE


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free port."
)
@pass_project
def serve(project: Project, host: str, port: int) -> int:
    """Run the project as a server.

    Every page and the API ask for the admin token (HOOKLINE_ADMIN_TOKEN, or its file in
    HOOKLINE_ADMIN_TOKEN_FILE); hooks and callbacks check their senders themselves. Put TLS in
    front of it, and say its public address in HOOKLINE_BASE_URL.

    \b
      hookline serve --host 0.0.0.0
    """
    project.require()
    token = project.settings["admin_token"]
    if not token:
        raise CliError(
            "there is no admin token; without one everybody who reaches the port could start runs",
            hint="echo HOOKLINE_ADMIN_TOKEN=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"
            " >> .env",
            exit_code=AUTHENTICATION,
        )
    with _serving(project, host, port, token) as (engine, server):
        say(f"listening on http://{host}:{server.port}/ (Ctrl-C stops)")
        say("  pages ask for a name, which may be any, and for the admin token as the password")
        if host not in _LOOPBACK and not project.settings["base_url"]:
            say("warning: base_url is not set, so callbacks are told an address of this machine only")
        _say_triggers(engine, engine.base_url)
        _until_stopped(lambda: None)
    return DONE


@click.command()
@pass_project
def worker(project: Project) -> int:
    """Run an extra worker.

    With SQLite, the default, there is nothing for it to do: `hookline serve` executes every run
    itself.
    """
    url = project.settings["database_url"]
    raise CliError(
        f"{url.partition(':')[0]} needs no worker: `hookline serve` executes every run itself",
        hint="extra workers are for a Postgres database that several machines share",
    )


@contextmanager
def _serving(project: Project, host: str, port: int, token: str | None) -> Iterator[tuple[Engine, Server]]:
    """An engine with its triggers, and the server in front of it.

    Raises:
        CliError: The database cannot be opened, or the port is taken.
    """
    from hookline.engine.engine import Engine, open_store
    from hookline.server.access import Access
    from hookline.server.serving import serve as start_server

    port = _usable_port(host, port)
    with translated():
        threads = project.settings.integer("server_threads")
        store = open_store(project.settings, worker_name("serve"))
        try:
            engine = Engine(project.settings, project.registry, store, base_url=f"http://{host}:{port}")
        except BaseException:
            store.close()
            raise
    set_up_logging(project.settings, engine.redactor)
    access = Access.dev(port) if token is None else Access(token)
    try:
        with translated():
            print_findings(engine.load_project().files)
            if (left := open_runs_text(store)) != "":
                say(left)
            if token is None:
                # Somebody watches. A server has its log, and everything else is on its pages.
                engine.runner.on_events = RunLines(engine.redactor, engine.base_url).happened
            else:
                engine.runner.on_events = FailureLog(engine.redactor).happened
            engine.start(recover=True, triggers=True)
        # What is loaded stays until the end: it is not to be looked through with every search for garbage.
        gc.freeze()
        server = start_server(engine, access, host, port, threads)
        try:
            yield engine, server
        finally:
            server.close()
    finally:
        say("stopping; steps under way may finish")
        engine.stop()


def _usable_port(host: str, port: int) -> int:
    """The port to listen on, found free before anything is started.

    Raises:
        CliError: It is taken, or there is no such address here.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        hint = "choose another with --port, or stop what listens there"
        raise CliError(f"cannot listen on {host}:{port}: {error.strerror}", hint=hint) from error


def _say_triggers(engine: Engine, address: str) -> None:
    for line in trigger_lines(engine, address, datetime.now(UTC)):
        say(f"  {line}")


def _until_stopped(look: Callable[[], None]) -> None:
    """Wait for Ctrl-C or SIGTERM, calling `look` once a second."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not stopped.wait(RELOAD_SECONDS):
            look()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Reloader:
    """Deploys workflow files that change. Runs under way keep the version they began with."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._stamps = self._read_stamps()

    def look(self, engine: Engine) -> None:
        """Check and deploy what has changed since the last look; print the findings of the rest."""
        before, self._stamps = self._stamps, self._read_stamps()
        if self._stamps == before:
            return
        changed = {path for path, stamp in self._stamps.items() if before.get(path) != stamp}
        for path in sorted(before.keys() - self._stamps.keys()):
            say(f"{shown_path(path)} is gone")
        for path in sorted(changed & set(self._settings_files())):
            say(f"{shown_path(path)} has changed; restart to use it")
        self._deploy(engine, changed)

    def _deploy(self, engine: Engine, changed: set[Path]) -> None:
        from hookline.engine.workflows import find_workflows, load_workflows

        paths = find_workflows(self._project.workflows_folder)
        loaded = load_workflows(paths, engine.installed, engine.registry)
        engine.workflows.files = loaded.files
        for file in loaded.files:
            deployed = engine.workflows.plans.get(file.name)
            if file.plan is not None and (deployed is None or deployed.version != file.plan.version):
                engine.deploy(file.plan)
                say(f"deployed {file.name} {file.plan.version}")
            if file.path in changed:
                print_findings([file])
        if all(file.document is not None for file in loaded.files):
            # While a file cannot be read, nobody knows which workflow it holds.
            for name in engine.workflows.plans.keys() - {file.name for file in loaded.files}:
                engine.withdraw(name)
                say(f"withdrew {name}")

    def _settings_files(self) -> list[Path]:
        return [self._project.path / "hookline.toml", self._project.path / ".env"]

    def _read_stamps(self) -> dict[Path, tuple[int, int]]:
        from hookline.engine.workflows import find_workflows

        stamps = {}
        for path in [*find_workflows(self._project.workflows_folder), *self._settings_files()]:
            try:
                status = path.stat()
            except OSError:
                continue
            stamps[path] = (status.st_mtime_ns, status.st_size)
        return stamps
