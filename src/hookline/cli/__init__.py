"""The command line: ``hookline``. Modules are imported by the commands that need them, not before."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    from .root import root

    root.main(prog_name="hookline")
