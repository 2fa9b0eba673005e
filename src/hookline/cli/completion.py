"""``hookline completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a shell's completion script.

    Commands, options and the names of the project's workflows are completed.

    \b
      hookline completion bash > ~/.local/share/bash-completion/completions/hookline
      hookline completion zsh > "${fpath[1]}/_hookline"
      hookline completion fish > ~/.config/fish/completions/hookline.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "hookline", "_HOOKLINE_COMPLETE").source())
