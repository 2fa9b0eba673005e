"""``hookline demo``."""

from __future__ import annotations

import click

__all__ = ["demo"]


@click.command()
@click.option("--once", is_flag=True, help="Exit when the run is done; 0 only if it succeeded.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the server; any free one without it.")
def demo(once: bool, port: int | None) -> int:
    """Show an upload going through the main job, end to end.

    A photo is uploaded to a real object store; a workflow checks it, has a model restyle it,
    uploads the result and posts a message. Everything runs on this machine; nothing to sign up for.

    \b
      hookline demo --once
    """
    from .demo import run_demo

    return run_demo(once, port)
