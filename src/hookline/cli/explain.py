"""``hookline explain``."""

from __future__ import annotations

import click

from .errors import CliError, did_you_mean
from .output import emit_json, table

__all__ = ["explain"]


@click.command()
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(code: str | None, as_json: bool) -> None:
    """Say what a code means and what to do.

    Every error and warning has a code: D definition, X expression, R run and engine, C connectors
    and actions, S server and store. Without CODE, all are listed.

    \b
      hookline explain D401
    """
    from hookline.codes import CODES

    if code is None:
        if as_json:
            emit_json({"schema": "hookline.codes/1", "codes": [_document(name) for name in CODES]})
        else:
            table(("CODE", "MEANING"), [(found.code, found.title) for found in CODES.values()])
        return
    found = CODES.get(code.upper())
    if found is None:
        raise CliError(
            f"there is no code {code!r}", hint=did_you_mean(code.upper(), CODES, "see `hookline explain`")
        )
    if as_json:
        emit_json({"schema": "hookline.code/1", **_document(found.code)})
        return
    click.echo(click.style(f"{found.code}: {found.title}", bold=True))
    click.echo()
    click.echo(click.wrap_text(found.explanation, 88))
    click.echo()
    click.echo(click.wrap_text(f"What to do: {found.remedy}", 88))


def _document(name: str) -> dict[str, str]:
    from hookline.codes import CODES

    code = CODES[name]
    return {
        "code": code.code,
        "title": code.title,
        "explanation": code.explanation,
        "remedy": code.remedy,
    }
