"""The files of a new project."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookline.engine.registry import Registry
    from hookline.engine.settings import Setting

__all__ = ["FOLDERS", "SCHEMA_FILE", "starter_files"]

FOLDERS = ("connectors", "triggers", "actions", "workflows")
"""The folders that are read, each made with a file that says what belongs there."""

SCHEMA_FILE = ".hookline/workflow.schema.json"
"""Where the generated schema of workflows stands, relative to the project."""

_FOLDER_NOTES = {
    "connectors": (
        "One folder for each outside service: `connectors/<vendor>/connector.json`, or `connector.py`\n"
        "when JSON cannot say it. What comes with Hookline: `hookline connectors list`.\n"
    ),
    "triggers": (
        "Ways to start a workflow that belong to no service, one Python file each:\n\n"
        "```python\nfrom hookline.sdk import Poll, TriggerContext, trigger\n```\n"
    ),
    "actions": (
        "Actions that belong to no service, one Python file each:\n\n"
        "```python\nfrom hookline.sdk import Context, action\n```\n"
    ),
}

_HELLO = """\
{
  "$schema": "../.hookline/workflow.schema.json",
  "name": "hello",
  "description": "Greet somebody: the smallest workflow that takes an input and gives an output.",
  "trigger": { "uses": "manual" },
  "inputs": {
    "type": "object",
    "properties": { "name": { "type": "string", "description": "Whom to greet.", "default": "world" } }
  },
  "steps": [
    { "id": "greeting", "uses": "transform", "with": { "text": "Hello, {{ inputs.name }}!" } },
    { "id": "note", "uses": "log", "with": { "message": "{{ steps.greeting.text }}" } }
  ],
  "output": { "greeting": "{{ steps.greeting.text }}" }
}
"""

_GITIGNORE = """\
# The database, the files of runs, the generated schema.
/.hookline/
# Secrets.
/.env
__pycache__/
"""

_VSCODE = {
    "json.schemas": [
        {"fileMatch": ["/workflows/*.json", "/workflows/*.jsonc"], "url": f"./{SCHEMA_FILE}"},
    ],
    "files.associations": {"**/workflows/*.json": "jsonc"},
}


def starter_files(fields: Iterable[Setting], registry: Registry) -> Mapping[str, str]:
    """Every file of a new project, by its path.

    Args:
        fields: The settings there are.
        registry: What is installed; its connections' variables are listed in ``.env.example``.
    """
    settings = list(fields)
    notes = {f"{folder}/README.md": text for folder, text in _FOLDER_NOTES.items()}
    return {
        "hookline.toml": _toml(settings),
        ".env.example": _environment(settings, registry),
        ".gitignore": _GITIGNORE,
        ".vscode/settings.json": json.dumps(_VSCODE, indent=2) + "\n",
        "workflows/hello.json": _HELLO,
        **notes,
    }


def _toml(settings: Iterable[Setting]) -> str:
    lines = [
        "# Settings of this project. A setting can also be given in the environment or in .env,",
        "# as HOOKLINE_<NAME>; secrets belong there. What holds, and why: hookline doctor",
        "",
    ]
    for setting in settings:
        if not setting.secret:
            value = setting.default if setting.default.isdigit() else json.dumps(setting.default)
            lines += [f"# {setting.description}", f"# {setting.name} = {value}", ""]
    lines += [
        "# A connection under a name of your own; ${NAME} is taken from the environment:",
        "# [connections.team_slack]",
        '# type = "slack"',
        '# token = "${TEAM_SLACK_TOKEN}"',
        "",
    ]
    return "\n".join(lines)


def _environment(settings: Iterable[Setting], registry: Registry) -> str:
    lines = [
        "# Copy this file to .env and fill in what you need. The real environment wins over it.",
        "",
    ]
    for setting in settings:
        if setting.secret:
            lines += [f"# {setting.description}", f"#{setting.variable}=", ""]
    for name, kind in registry.connection_types.items():
        fields = [part for part in kind.fields["properties"].values() if part.get("x-env")]
        if fields:
            lines.append(f"# {kind.title} (connection {name!r})")
            lines += [f"#{part['x-env']}=" for part in fields]
            lines.append("")
    return "\n".join(lines)
