"""Exit codes, and errors on their way to a person."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import click

__all__ = [
    "AUTHENTICATION",
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "INVALID",
    "TIMED_OUT",
    "USAGE",
    "CliError",
    "did_you_mean",
    "translated",
]

DONE = 0
FAILED = 1
"""It ran and failed."""
USAGE = 2
INVALID = 3
"""A definition is invalid."""
AUTHENTICATION = 4
"""A service, a server or the database refused us or cannot be reached."""
TIMED_OUT = 5
"""Timed out, or still waiting."""
INTERRUPTED = 130


class CliError(click.ClickException):
    """Something went wrong; shown as message, code and hint, and the process exits with `status`."""

    def __init__(self, message: str, *, code: str = "", hint: str = "", exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.status = exit_code

    def format_message(self) -> str:
        """The message with its code before it and the hint below."""
        text = f"{self.code}: {self.message}" if self.code else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text

    def show(self, file: object = None) -> None:
        """Write the error to standard error."""
        head = click.style("error", fg="red", bold=True)
        click.echo(f"{head}: {self.format_message()}", err=True)


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names what is spelled most like `name`, or `otherwise`."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else otherwise


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what the engine and the store raise into errors of the command line."""
    try:
        yield
    except Exception as error:
        shown = _shown(error)
        if shown is None:
            raise
        raise shown from error


def _shown(error: Exception) -> CliError | None:
    # Imported only now: most commands never get here, and not all need the engine.
    from hookline.engine.engine import Busy, EngineError
    from hookline.engine.registry import RegistryError
    from hookline.engine.settings import SettingsError
    from hookline.store.port import StoreError

    match error:
        case Busy():
            return CliError(error.message, code=error.code, hint=error.hint, exit_code=AUTHENTICATION)
        case EngineError():
            exit_code = USAGE if error.code.startswith(("R", "S")) else INVALID
            return CliError(error.message, code=error.code, hint=error.hint, exit_code=exit_code)
        case StoreError():
            hint = "check database_url and the disk; `hookline doctor` shows both"
            return CliError(str(error), code=error.code, hint=hint, exit_code=AUTHENTICATION)
        case RegistryError():
            return CliError(error.message, code=error.code, hint=error.hint, exit_code=INVALID)
        case SettingsError():
            return CliError(error.message, code=error.code, hint=error.hint)
    return None
