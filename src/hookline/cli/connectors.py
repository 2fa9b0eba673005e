"""``hookline connectors``."""

from __future__ import annotations

import json
from typing import Any

import click

from .errors import DONE, INVALID, CliError, did_you_mean
from .field_types import alternatives, type_text
from .output import emit_json, next_step, say, table
from .project import Project, pass_project
from .root import Group

__all__ = ["connectors"]

Json = Any


@click.group(cls=Group)
def connectors() -> None:
    """Look at what is installed, and check it.

    \b
      hookline connectors list
      hookline connectors show replicate.run
      hookline connectors check
    """


@connectors.command("list")
@click.option("--kind", type=click.Choice(["action", "trigger", "connection"]), help="Only of this kind.")
@click.option("--json", "as_json", is_flag=True, help="Print the catalogue with every schema.")
@pass_project
def list_(project: Project, kind: str | None, as_json: bool) -> None:
    """List actions, triggers and connections."""
    from hookline.engine.catalogue import catalogue_document

    catalogue = catalogue_document(project.registry)
    if as_json:
        emit_json(catalogue)
        return
    rows = [
        (each["name"], name, each["title"])
        for name, part in (("trigger", "triggers"), ("action", "actions"), ("connection", "connections"))
        for each in catalogue[part]
        if kind in (None, name)
    ]
    table(("NAME", "KIND", "TITLE"), rows)
    for missing in catalogue["unavailable"]:
        say(f"not available: {missing['name']}: {missing['reason']} ({missing['hint']})")
    next_step("hookline connectors show NAME")


@connectors.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print its schemas.")
@pass_project
def show(project: Project, name: str, as_json: bool) -> None:
    """Show an action, a trigger or a connection: its fields, and an example."""
    from hookline.engine.catalogue import catalogue_document

    catalogue = catalogue_document(project.registry)
    parts = (("action", "actions"), ("trigger", "triggers"), ("connection", "connections"))
    found = [(kind, each) for kind, part in parts for each in catalogue[part] if each["name"] == name]
    if not found:
        names = [each["name"] for _, part in parts for each in catalogue[part]]
        known = "see `hookline connectors list`"
        raise CliError(f"nothing of the name {name!r} is installed", hint=did_you_mean(name, names, known))
    if as_json:
        emit_json({"schema": "hookline.component/1", **dict(found)})
        return
    for kind, each in found:
        _show(kind, each)


def _show(kind: str, part: Json) -> None:
    click.echo(f"{click.style(part['name'], bold=True)}  ({kind})  {part['title']}")
    description = part.get("description", "").partition("Raises:")[0].strip()
    if description:
        click.echo(f"\n{description}")
    click.echo()
    for label in ("docs", "connection", "effect"):
        if part.get(label):
            click.echo(f"{label}: {part[label]}")
    schema = part["fields"] if kind == "connection" else part["input"]
    required = schema.get("required", [])
    rows = [
        (name, type_text(field, schema), "required" if name in required else "", _about(field))
        for name, field in schema.get("properties", {}).items()
    ]
    if rows:
        click.echo("fields:")
        table(("FIELD", "TYPE", "", "MEANING"), [(f"  {row[0]}", *row[1:]) for row in rows])
    example = _example(kind, part)
    if example is not None:
        click.echo("\nexample:")
        click.echo(json.dumps(example, indent=2, ensure_ascii=False))


def _about(field: Json) -> str:
    text = " ".join(filter(None, (str(field.get("description", "")), alternatives(field))))
    if "default" in field:
        text += f" Default: {json.dumps(field['default'], ensure_ascii=False)}."
    return f"{text} Taken from {field['x-env']}." if "x-env" in field else text


def _example(kind: str, part: Json) -> Json:
    if kind == "action" and part["examples"]:
        return {"uses": part["name"], "with": part["examples"][0]["input"]}
    return {"event": part["sample"]} if kind == "trigger" else None


@connectors.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Also what comes with Hookline.")
@pass_project
def check(project: Project, names: tuple[str, ...], everything: bool) -> int:
    """Check components against the rules that every one must keep.

    NAME is an action, a trigger or a connection; without any, the project's own are checked. Each
    example is executed against its recorded answers; nothing leaves this machine.
    """
    from hookline.testing.conformance import cases, import_problems, problems, room_files

    registry = project.registry
    known = {component.partition(" ")[2] for _, component in cases(registry)}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, "see `hookline connectors list`")
            raise CliError(f"nothing of the name {name!r} is installed", hint=hint)
    own = {name for name, origin in registry.origins.items() if origin.startswith("project:")}
    wanted = set(names) or (known if everything else own & known)
    found = 0
    for missing in registry.unavailable:
        if missing.is_own:
            found += 1
            click.echo(f"{missing.name}: {missing.reason} ({missing.hint})")
    for rule, component in cases(registry):
        if component.partition(" ")[2] in wanted:
            for message in problems(registry, rule, component):
                found += 1
                click.echo(f"{component}: {rule}: {message}")
    for file in [] if names else room_files(project.path):
        for message in import_problems(file):
            found += 1
            click.echo(f"{file.relative_to(project.path)}: imports: {message}")
    say(f"{len(wanted)} checked, {found} problem{'' if found == 1 else 's'}")
    if not wanted and not names:
        say("the project has no components of its own; --all checks what comes with Hookline")
    return INVALID if found else DONE
