"""Logging, set up once for each command: to standard error, with secrets masked."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookline.engine.redaction import Redactor
    from hookline.engine.settings import Settings

__all__ = ["set_up_logging"]


def set_up_logging(settings: Settings, redactor: Redactor, *, default: str = "info") -> None:
    """Write log lines to standard error.

    Args:
        default: Level when the setting ``log_level`` is not given by anybody.

    Raises:
        CliError: ``log_level`` is none of the levels.
    """
    from hookline.engine.redaction import install_redaction

    from .errors import CliError, did_you_mean

    name = default if settings.origins["log_level"] == "default" else settings["log_level"].lower()
    levels = ("debug", "info", "warning", "error")
    if name not in levels:
        hint = did_you_mean(name, levels, f"one of {', '.join(levels)}")
        raise CliError(f"log_level cannot be {name!r}", code="S201", hint=hint)
    logging.basicConfig(
        level=name.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    # Its line for each request says nothing that the run does not.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    install_redaction(redactor)
