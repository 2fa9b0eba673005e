"""``hookline doctor``."""

from __future__ import annotations

import importlib.util
import os
import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import click

from hookline.sdk import ConnectionType

from .errors import DONE, FAILED, CliError
from .foreground import opened
from .office import MAX_PAGE
from .output import emit_json, say, shown_path
from .project import Project, pass_project
from .serve import DEFAULT_PORT

if TYPE_CHECKING:
    from hookline.engine.engine import Engine

__all__ = ["Check", "doctor"]

Verdict = Literal["ok", "note", "problem"]
_COLORS = {"ok": "green", "note": "yellow", "problem": "red"}
OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; a ``problem`` makes the exit code 1, a ``note`` does not."""

    name: str
    verdict: Verdict
    message: str
    hint: str = ""


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_project
def doctor(project: Project, port: int, as_json: bool) -> int:
    """Check the installation and its settings.

    Every setting is shown with where it comes from; secrets only as set or not. The exit code is
    1 when something has to be put right.
    """
    checks = list(_checks(project, port))
    settings = _settings(project)
    if as_json:
        document = {
            "schema": "hookline.doctor/1",
            "ok": all(check.verdict != "problem" for check in checks),
            "project": str(project.path),
            "settings": [
                {"name": name, "value": value, "origin": origin} for name, value, origin in settings
            ],
            "checks": [asdict(check) for check in checks],
        }
        emit_json(document)
    else:
        for check in checks:
            verdict = click.style(check.verdict.ljust(8), fg=_COLORS[check.verdict])
            click.echo(f"{verdict} {check.name}: {check.message}")
            if check.hint:
                click.echo(f"         hint: {check.hint}")
        click.echo()
        width = max((len(name) for name, _, _ in settings), default=0)
        for name, value, origin in settings:
            click.echo(f"{name.ljust(width)}  {value or '(empty)'}  [{origin}]")
    found = sum(check.verdict == "problem" for check in checks)
    say(f"{len(checks)} checks, {found} problem{'' if found == 1 else 's'}")
    return FAILED if found else DONE


def _settings(project: Project) -> list[tuple[str, str, str]]:
    from hookline.engine.settings import FIELDS

    try:
        settings = project.settings
    except CliError:
        return []
    return [
        (
            setting.name,
            ("(set)" if settings[setting.name] else "") if setting.secret else settings[setting.name],
            settings.origins[setting.name],
        )
        for setting in FIELDS
    ]


def _checks(project: Project, port: int) -> Iterator[Check]:
    version = platform.python_version()
    if sys.version_info >= OLDEST_PYTHON:
        yield Check("python", "ok", f"{version} ({platform.machine()})")
    else:
        yield Check("python", "problem", f"{version} is too old", "install Python 3.11 or newer")
    if project.exists:
        yield Check("project", "ok", shown_path(project.path))
    else:
        yield Check("project", "note", f"{shown_path(project.path)} has no hookline.toml", "hookline init")
    try:
        _ = project.settings
    except CliError as error:
        yield Check("settings", "problem", error.message, error.hint)
        return
    yield Check("settings", "ok", "readable")
    yield from _components(project)
    if project.exists:
        # Looking would create it.
        yield from _database(project)
    yield _artifacts(project)
    yield from _workflows(project)
    yield _port(port)


def _components(project: Project) -> Iterator[Check]:
    from hookline.engine.loader import EXTRAS

    try:
        registry = project.registry
    except CliError as error:
        yield Check("components", "problem", error.message, error.hint)
        return
    yield Check("components", "ok", f"{len(registry.actions)} actions, {len(registry.triggers)} triggers")
    for missing in registry.unavailable:
        verdict: Verdict = "problem" if missing.is_own else "note"
        yield Check("components", verdict, f"{missing.name}: {missing.reason}", missing.hint)
    for extra in sorted(set(EXTRAS.values())):
        absent = [
            module
            for module, name in EXTRAS.items()
            if name == extra and importlib.util.find_spec(module) is None
        ]
        if absent:
            message = f"the extra {extra} is not installed ({', '.join(sorted(absent))})"
            yield Check("extras", "note", message, f"pip install 'hookline[{extra}]'")
    for name, kind in registry.connection_types.items():
        yield from _connection(project, name, kind)
    for name, table in project.settings.connections.items():
        if table.get("type", name) not in registry.connection_types:
            message = f"{name}: there is no type {table.get('type', name)!r}"
            yield Check("connections", "problem", message, "see `hookline connectors list --kind connection`")


def _connection(project: Project, name: str, kind: ConnectionType) -> Iterator[Check]:
    """Each connection of this type, and the variables that it misses."""
    properties, environment = kind.fields["properties"], project.settings.environment
    known = [field for field, part in properties.items() if environment.get(part.get("x-env", ""))]
    usable = [each for each, kind in project.connections.types.items() if kind == name]
    for each in usable:
        table = project.settings.connections.get(each, {})
        absent = kind.missing({*table, *known})
        if absent:
            variables = [properties[field].get("x-env", field) for field in absent]
            yield Check("connections", "note", f"{each}: not set: {', '.join(variables)}", "set it in .env")
        else:
            yield Check("connections", "ok", f"{each} ({name})")
    if not usable:
        variables = [properties[field].get("x-env", field) for field in kind.missing(known)]
        yield Check("connections", "note", f"{name}: not set: {', '.join(variables)}")


def _database(project: Project) -> Iterator[Check]:
    url = project.settings["database_url"]
    try:
        with opened(project) as engine:
            health = engine.health()
            waiting = _count_waiting(engine)
            count = engine.store.open_runs() + waiting
            abandoned = len(engine.store.abandoned_runs(1000))
    except CliError as error:
        yield Check("database", "problem", f"{error.code}: {error.message}", error.hint)
        return
    if health.ok:
        yield Check("database", "ok", f"{url.partition('@')[2] or url}: {_open_runs(count, waiting)}")
    else:
        yield Check("database", "problem", health.reason, "check the disk")
    if abandoned:
        message = f"{abandoned} runs were left open and nobody executes them"
        yield Check("runs", "note", message, "start `hookline serve`, or `hookline runs resume RUN`")


def _count_waiting(engine: Engine) -> int:
    """How many runs wait for something; the store's own count of open runs leaves them out."""
    from hookline.store.port import RunFilter

    count, cursor = 0, None
    while True:
        page = engine.store.runs(RunFilter(status="waiting"), MAX_PAGE, cursor)
        count, cursor = count + len(page.rows), page.next
        if cursor is None:
            return count


def _open_runs(count: int, waiting: int) -> str:
    text = f"{count} open run{'' if count == 1 else 's'}"
    return f"{text}, {waiting} of them waiting" if waiting else text


def _artifacts(project: Project) -> Check:
    from hookline.engine.artifact_stores import open_artifacts
    from hookline.engine.settings import SettingsError
    from hookline.store.port import StoreError

    folder = project.settings.path("artifacts_dir")
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Check(
            "artifacts", "problem", f"{folder} is not writable", "set artifacts_dir, or its permissions"
        )
    url = project.settings["artifacts_url"]
    if not url:
        return Check("artifacts", "ok", f"{shown_path(folder)} is writable; see `hookline artifacts show`")
    try:
        next(open_artifacts(project.settings).listed(), None)
    except (SettingsError, StoreError) as error:
        return Check("artifacts", "problem", str(error), "set artifacts_url and the AWS_* variables")
    return Check("artifacts", "ok", f"{url} can be read; see `hookline artifacts show`")


def _workflows(project: Project) -> Iterator[Check]:
    if not project.workflows_folder.is_dir():
        return
    files = project.load().files
    broken = [file.name for file in files if file.has_errors]
    if broken:
        yield Check("workflows", "problem", f"errors in {', '.join(broken)}", "hookline validate")
    else:
        yield Check("workflows", "ok", f"{len(files)} valid")


def _port(port: int) -> Check:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            message = f"{port} cannot be listened on: {error.strerror}"
            return Check("port", "note", message, "something listens there already; choose another --port")
    return Check("port", "ok", f"{port} is free")
