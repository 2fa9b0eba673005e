"""The command group: commands are found by name and imported when they are used."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import click

from .errors import DONE, FAILED, INTERRUPTED, USAGE, CliError, did_you_mean
from .project import Project

__all__ = ["COMMANDS", "Group", "Lazy", "root"]


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is, and its line in the list of commands."""

    place: str
    help: str
    section: str


_DAILY, _FILES, _RUNS, _INSTALLED = "Everyday", "Definitions", "Runs, events and approvals", "Installation"

COMMANDS: Mapping[str, Lazy] = MappingProxyType(
    {
        "init": Lazy("init:init", "Start a new project.", _DAILY),
        "dev": Lazy("serve:dev", "Run the project on this machine, with reload.", _DAILY),
        "run": Lazy("run:run", "Run a workflow once, in the foreground.", _DAILY),
        "demo": Lazy("demo_command:demo", "Show an upload going through the main job, end to end.", _DAILY),
        "validate": Lazy("validate:validate", "Check workflows without running them.", _FILES),
        "fmt": Lazy("fmt:fmt", "Write workflows in their canonical form.", _FILES),
        "schema": Lazy("schema:schema", "Print the JSON Schema of workflows, for editors.", _FILES),
        "explain": Lazy("explain:explain", "Say what a code means and what to do.", _FILES),
        "models": Lazy(
            "models:models",
            "See which models the workflows name, pin them, and compare models with each other.",
            _FILES,
        ),
        "runs": Lazy("runs:runs", "Look at runs, cancel, replay and resume them.", _RUNS),
        "events": Lazy("events:events", "Look at what came in, send and replay events.", _RUNS),
        "triggers": Lazy(
            "triggers:triggers", "Look at what starts workflows, and set up what it needs elsewhere.", _RUNS
        ),
        "schedules": Lazy(
            "schedules:schedules", "Look at schedules, pause them, and make up for a range of time.", _RUNS
        ),
        "approvals": Lazy(
            "approvals:approvals", "Look at approvals and decide on them as the operator.", _RUNS
        ),
        "costs": Lazy("costs:costs", "Add up what was spent, by estimate.", _RUNS),
        "moderation": Lazy(
            "moderation:moderation", "Check policies, and try them on verdicts and examples.", _RUNS
        ),
        "connections": Lazy("connections:connections", "Look at connections and their limits.", _INSTALLED),
        "connectors": Lazy("connectors:connectors", "Look at what is installed, and check it.", _INSTALLED),
        "serve": Lazy("serve:serve", "Run the project as a server.", _INSTALLED),
        "worker": Lazy("serve:worker", "Run an extra worker.", _INSTALLED),
        "artifacts": Lazy("artifacts:artifacts", "Look at kept files, and remove unused ones.", _INSTALLED),
        "doctor": Lazy("doctor:doctor", "Check the installation and its settings.", _INSTALLED),
        "completion": Lazy("completion:completion", "Print a shell's completion script.", _INSTALLED),
    }
)
"""Every command, in the order in which people meet them."""


class Group(click.Group):
    """A group that suggests a name when there is no command of the name given."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a wrong name is answered with the closest one."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = did_you_mean(name, self.list_commands(ctx), f"see `{ctx.command_path} --help`")
            raise CliError(f"there is no command {f'{ctx.command_path} {name}'!r}", hint=hint)
        return super().resolve_command(ctx, args)


class _Root(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        module, _, name = lazy.place.partition(":")
        command: click.Command = getattr(importlib.import_module(f"{__package__}.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, by section; nothing is imported for it."""
        for section in dict.fromkeys(lazy.section for lazy in COMMANDS.values()):
            with formatter.section(section):
                rows = [(name, lazy.help) for name, lazy in COMMANDS.items() if lazy.section == section]
                formatter.write_dl(rows)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run, and exit with one of the codes that are documented."""
        try:
            # What ends the process politely is treated as Ctrl-C, so that nothing is left half done.
            previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
        except ValueError:  # not the main thread
            previous = None
        try:
            code = _exit_code(
                lambda: super(_Root, self).main(args, prog_name, complete_var, standalone_mode=False, **extra)
            )
        finally:
            if previous is not None:
                signal.signal(signal.SIGTERM, previous)
        sys.exit(code)


def _exit_code(run: Any) -> int:
    try:
        answer = run()
    except click.UsageError as error:
        error.show()
        return USAGE
    except CliError as error:
        error.show()
        return error.status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return answer if isinstance(answer, int) else DONE


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 ran and failed, 2 usage, 3 invalid definition, 4 authentication or "
    "connection, 5 timed out or still waiting, 130 interrupted.",
)
@click.version_option(package_name="hookline", message="%(prog)s %(version)s")
@click.option(
    "--project",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The project's folder; by default the nearest one above with a hookline.toml, else this one.",
)
@click.pass_context
def root(ctx: click.Context, folder: Path | None) -> None:
    """Events start durable runs of workflows written in JSON.

    \b
      hookline init shop && cd shop
      hookline run hello
      hookline dev
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    ctx.obj = Project.find(folder)
