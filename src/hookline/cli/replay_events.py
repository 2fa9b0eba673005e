"""``hookline events replay``: one event to its end, or many at a chosen rate."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .again import deploy_latest, handing_over, tell_accepted, to_the_end
from .errors import DONE, FAILED, INTERRUPTED, CliError, translated
from .foreground import Foreground
from .office import Local, Office, iso, office_of
from .output import emit_json, next_step, say

if TYPE_CHECKING:
    from .project import Project

__all__ = ["again_command", "pace", "parse_rate", "replay_one", "replay_several"]

Json = Any

ROOM_SECONDS = 5.0
"""Pause before an event is tried again for which there was no room."""

_FULL = "S301"


def parse_rate(text: str) -> float:
    """Seconds from one to the next: ``5/s``, ``30/m``, ``1000/h``.

    Raises:
        CliError: It is none of these.
    """
    number, _, unit = text.partition("/")
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(unit.strip().lower()[:1])
    if seconds is None or not number.strip().isdecimal() or int(number) < 1:
        raise CliError(f"{text!r} is not a rate", hint="write 5/s, 30/m or 1000/h")
    return seconds / int(number)


def pace(
    events: Sequence[str],
    spacing: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Give one after the other, `spacing` seconds apart at least; what took longer is not made up for."""
    due = clock()
    for event in events:
        if (left := due - clock()) > 0:
            sleep(left)
        due = max(due, clock()) + spacing
        yield event


def replay_one(
    project: Project,
    event_id: str,
    version: str,
    name: str | None,
    *,
    server: str | None,
    detach: bool,
    as_json: bool,
    timeout: float | None,
) -> int:
    """Replay an event; here to its end, unless it is left to a server."""
    if server is not None or detach:
        with _starting(project, server, version) as office:
            return tell_accepted(office.replay_event(event_id, version, name or ""), as_json=as_json)
    project.require_database()
    with Foreground(project) as foreground:
        with translated():
            deploy_latest(project, foreground.engine, version)
            answer = Local(foreground.engine).replay_event(event_id, version, name or "")
        if answer.get("duplicate"):
            return tell_accepted(answer, as_json=as_json)
        return to_the_end(foreground, answer["runs"][0], as_json=as_json, timeout=timeout)


def replay_several(
    project: Project,
    event_ids: Sequence[str],
    where: Mapping[str, Json],
    options: Mapping[str, Json],
    *,
    server: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Replay events one after the other, each once under the name."""
    spacing = parse_rate(options["rate"]) if options["rate"] else 0.0
    version, limit = options["version"], options["limit"]
    # What comes meanwhile does not belong to it, whenever it goes on.
    where = {**where, "until": where.get("until") or time.time()} if where else {}
    name = options["name"] or f"replay-{int(time.time())}"
    with _starting(project, server, version) as office:
        chosen: Sequence[str] = event_ids
        if where:
            found = office.select_events(where, name)
            chosen = found["events"] if limit is None else found["events"][:limit]
            _say_what(found, len(chosen))
        if dry_run or not chosen:
            if as_json:
                emit_json({"schema": "hookline.replay/1", "events": list(chosen)})
            return DONE
        if not yes:
            _confirm(len(chosen), version)
        again = again_command(event_ids, where, options, name)
        started: list[Json] = []
        failed = 0
        say(f"replaying as {name}: with the same --name nothing is started twice")
        try:
            for event_id in pace(chosen, spacing):
                try:
                    answer = _when_there_is_room(office, event_id, version, name)
                except CliError as error:
                    failed += 1
                    say(f"{event_id}: {error.message} [{error.code}]")
                    continue
                if not answer.get("duplicate"):
                    started.append({"event": event_id, "runs": answer["runs"]})
        except KeyboardInterrupt:
            say(f"stopped: {len(started)} of {len(chosen)} started; the rest is started by")
            say(f"  {again}")
            return INTERRUPTED
    if as_json:
        emit_json({"schema": "hookline.replay/1", "name": name, "started": started, "failed": failed})
    else:
        say(f"{len(started)} started{f', {failed} failed' if failed else ''}")
    next_step("hookline runs list")
    return FAILED if failed else DONE


@contextmanager
def _starting(project: Project, server: str | None, version: str) -> Iterator[Office]:
    """A server, or the project's own database with runs left to a server."""
    if server is not None:
        with office_of(project, server) as office:
            yield office
        return
    with handing_over(project) as engine, translated():
        deploy_latest(project, engine, version)
        yield Local(engine)


def _when_there_is_room(
    office: Office, event_id: str, version: str, name: str, sleep: Callable[[float], None] = time.sleep
) -> Json:
    """Replay an event; while the backlog is full, wait."""
    while True:
        try:
            return office.replay_event(event_id, version, name)
        except CliError as error:
            if error.code != _FULL:
                raise
            sleep(ROOM_SECONDS)


def _say_what(found: Mapping[str, Json], chosen: int) -> None:
    already, rest = found["already"], found["matched"] - found["already"] - len(found["events"])
    say(f"{chosen} to replay, of {found['matched']} that fit")
    if already:
        say(f"  {already} were replayed under this name")
    if rest > 0:
        say(f"  {rest} are of one run with others, or not enough of them was kept")


def _confirm(count: int, version: str) -> None:
    events = "1 event" if count == 1 else f"{count} events"
    if not sys.stdin.isatty():
        raise CliError(f"{events} would be replayed", hint="look with --dry-run, then add --yes")
    click.confirm(f"Replay {events} with the {version} version?", abort=True, err=True)


def again_command(
    event_ids: Sequence[str], where: Mapping[str, Json], options: Mapping[str, Json], name: str
) -> str:
    """The command that goes on where this one is interrupted."""
    words = ["hookline", "events", "replay", *event_ids]
    for key, value in where.items():
        words += [f"--{key.replace('_', '-')}", iso(value) if key in ("since", "until") else str(value)]
    for key in ("version", "rate"):
        if options[key]:
            words += [f"--{key}", str(options[key])]
    return shlex.join([*words, "--name", name])
