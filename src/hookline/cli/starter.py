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

_CONNECTORS_NOTE = """\
One folder for each outside service: `connectors/<vendor>/connector.json`, or `connector.py`
when JSON cannot say it. What comes with Hookline: `hookline connectors list`.

This is `connectors/tracker/connector.json`. All of it is needed but `headers`, `json`, `output`,
`x-secret` and `x-env`:

```json
{
  "id": "tracker", "title": "Tracker", "docs": "https://tracker.example.com/docs",
  "connection": {
    "fields": {
      "token": { "type": "string", "description": "Its token.", "x-secret": true, "x-env": "TRACKER_TOKEN" }
    },
    "request": {
      "base_url": "https://tracker.example.com/api",
      "headers": { "Authorization": "Bearer {{ connection.token }}" }
    }
  },
  "actions": {
    "create_task": {
      "title": "Create a task",
      "effect": "at_least_once",
      "input": { "text": { "type": "string", "description": "What is to be done." } },
      "request": { "method": "POST", "path": "/tasks", "json": { "text": "{{ input.text }}" } },
      "output": { "id": { "type": "integer", "description": "Identifier of the task." } },
      "summary": "Created the task {text}",
      "examples": [
        {
          "input": { "text": "Water the plants" },
          "response": { "expect": "POST /api/tasks", "json": { "id": 7 } }
        }
      ]
    }
  }
}
```

`effect` says what happens when it is done again after a crash: `read` (nothing), `idempotent`
(nothing more, with the same key) or `at_least_once` (it may happen twice). Then:

```sh
hookline connectors check
hookline schema --write
```
"""

_TRIGGERS_NOTE = """\
Ways to start a workflow that belong to no service, one Python file each. All that this one
declares is needed: `kind`, `sample` (an event for `--sample` and for the editor), `output` (the
event's schema), a docstring, whose first line is the title, and a description of every parameter.

This is `triggers/countdown.py`, used as `{ "uses": "countdown", "with": { "count": 3 } }`:

```python
from typing import Annotated

from hookline.sdk import Field, Poll, TriggerContext, TriggerEvent, trigger


EVENT = {
    "type": "object",
    "properties": {"left": {"type": "integer", "description": "How many come after this one."}},
    "required": ["left"],
}


@trigger("countdown", kind="poll", interval=10, sample={"left": 2}, output=EVENT)
async def countdown(
    ctx: TriggerContext,
    count: Annotated[int, Field("How many runs to start.", minimum=1)],
) -> Poll:
    \"\"\"Countdown

    Starts a run at every look, until none are left.
    \"\"\"
    left = count if ctx.cursor is None else int(ctx.cursor)
    if left == 0:
        return Poll(cursor=0)
    # The key makes an event count once, also when a crash makes this look happen again.
    return Poll(events=[TriggerEvent(key=str(left), data={"left": left - 1})], cursor=left - 1)
```
"""

_ACTIONS_NOTE = """\
Actions that belong to no service, one Python file each. All that this one declares is needed:
`effect` (what happens when it is done again after a crash: `read`, `idempotent`, `check` or
`at_least_once`), `summary` (one line for people), an example, which `hookline connectors check`
runs, a docstring, whose first line is the title, and a description of every parameter.

This is `actions/shout.py`, used as `{ "uses": "shout", "with": { "text": "Hello" } }`:

```python
from typing import Annotated, TypedDict

from hookline.sdk import Context, Example, Field, action


class Shouted(TypedDict):
    \"\"\"A loud text.\"\"\"

    text: Annotated[str, Field("The text in capitals.")]


@action(
    "shout",
    effect="read",
    summary="Shouted {text}",
    examples=[Example(input={"text": "Hello"}, output={"text": "HELLO!"})],
)
async def shout(ctx: Context, text: Annotated[str, Field("What to say.")]) -> Shouted:
    \"\"\"Shout\"\"\"
    return {"text": f"{text.upper()}!"}
```
"""

_FOLDER_NOTES = {
    "connectors": _CONNECTORS_NOTE,
    "triggers": _TRIGGERS_NOTE,
    "actions": _ACTIONS_NOTE,
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
    told: set[str] = set()
    for name, kind in registry.connection_types.items():
        properties = kind.fields["properties"].values()
        variables = [part["x-env"] for part in properties if part.get("x-env")]
        # Connections to AWS share variables; a second place to fill in would be one too many.
        above = [each for each in variables if each in told]
        if variables:
            lines.append(f"# {kind.title} (connection {name!r})")
            if above:
                lines.append(f"# {', '.join(above)}: see above")
            lines += [f"#{each}=" for each in variables if each not in told]
            lines.append("")
            told.update(variables)
    return "\n".join(lines)
