"""A project in a folder of its own, and the command line in this process or in one of its own."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hookline.cli.root import root

FIFO_ACTION = '''
"""Actions whose code is running exactly as long as a test wants it to."""

from pathlib import Path
from typing import Annotated, Any

from hookline.sdk import AuthenticationFailed, BadInput, Context, Field, action


@action("read_fifo", effect="read", summary="Read {path}")
def read_fifo(ctx: Context, path: Annotated[str, Field("The pipe.")]) -> dict[str, Any]:
    """Read a pipe to its end; it waits until somebody writes to it"""
    with open(path) as pipe:
        return {"text": pipe.read()}


@action("called_back", effect="read", summary="Looked")
async def called_back(ctx: Context) -> dict[str, Any]:
    """Say where this attempt could be called back"""
    return {"url": ctx.callback_url}


@action("refuse", effect="read", summary="Refused")
async def refuse(ctx: Context, kind: Annotated[str, Field("Which error.")]) -> dict[str, Any]:
    """Fail with an error of a kind"""
    if kind == "authentication":
        raise AuthenticationFailed("the token is not valid", code="C999", hint="make a new one")
    raise BadInput("this cannot be used", code="C998", hint="give something else")
'''


@pytest.fixture(autouse=True)
def clean_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable of the person's own, and logging as it was."""
    for name in list(os.environ):
        if name.startswith(("HOOKLINE_", "SLACK_", "REPLICATE_", "AWS_", "OPENAI_", "COG_")):
            monkeypatch.delenv(name)
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


class Cli:
    """The command line on one project."""

    def __init__(self, project: Path) -> None:
        self.project = project

    def __call__(self, *arguments: str, input: str | None = None) -> Result:
        """Run a command in this process."""
        return CliRunner().invoke(root, ["--project", str(self.project), *arguments], input=input)

    def ok(self, *arguments: str) -> Result:
        """Run a command that must succeed."""
        result = self(*arguments)
        assert result.exit_code == 0, result.output
        return result

    def json(self, *arguments: str) -> Any:
        """Run a command that must succeed; the document it prints."""
        return json.loads(self.ok(*arguments).stdout)

    def write(self, name: str, **definition: Any) -> Path:
        """Write a workflow into the project."""
        path = self.project / "workflows" / f"{name}.json"
        value = {"name": name, "trigger": {"uses": "manual"}, **definition}
        path.write_text(json.dumps(value), "utf-8")
        return path

    def start(self, *arguments: str, **environment: str) -> Process:
        """Run a command in a process of its own."""
        return Process([*arguments], self.project, environment)


class Process:
    """The command line in a process of its own."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "hookline.cli", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.seen = ""

    def wait_for(self, text: str) -> str:
        """Read standard error up to the first line with this text."""
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.seen += line
            if text in line:
                return line
        raise AssertionError(f"{text!r} never came: {self.seen}")

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Exit code, standard output, and all of standard error."""
        output, errors = self.popen.communicate(timeout=60)
        return self.popen.returncode, output, self.seen + errors


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A new project."""
    made = Cli(tmp_path / "shop")
    result = CliRunner().invoke(root, ["init", str(made.project)])
    assert result.exit_code == 0, result.output
    (made.project / "actions" / "pipes.py").write_text(FIFO_ACTION, "utf-8")
    return made


@pytest.fixture
def processes(cli: Cli) -> Iterator[Callable[..., Process]]:
    """Starts commands as processes; whatever still runs at the end is killed."""
    started: list[Process] = []

    def start(*arguments: str, **environment: str) -> Process:
        started.append(cli.start(*arguments, **environment))
        return started[-1]

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.wait(10)
        for stream in (process.popen.stdout, process.popen.stderr):
            if stream is not None:
                stream.close()
