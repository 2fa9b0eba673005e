"""Which models the project's workflows name, what is newest of them, and pins written into the files.

A parameter names models when its schema says ``"x-model": "<connector>"``; the connector then has the
actions ``<connector>.get_model`` and ``<connector>.get_version``. Texts with expressions are left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .errors import FAILED, CliError
from .files import write_text
from .output import shown_path

if TYPE_CHECKING:
    from hookline.core.catalogue import Catalogue
    from hookline.core.document import Document
    from hookline.engine.asking import Asker
    from hookline.engine.workflows import WorkflowFile
    from hookline.sdk.model_changes import Change

__all__ = ["Finding", "Mention", "find_mentions", "look_up", "rewrite"]

Json = Any
State = Literal["current", "outdated", "floating", "unpinned", "official", "unknown"]

_REFERENCE = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::(?P<version>latest|[0-9a-f]{64}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A model that a step names.

    Attributes:
        pointer: JSON Pointer of the text in the file.
        inputs: Names of the inputs that the step gives; None when they are not written out.
    """

    file: WorkflowFile
    pointer: str
    connector: str
    connection: str
    text: str
    inputs: frozenset[str] | None

    @property
    def name(self) -> str:
        """``owner/name``, empty when the text does not name the model."""
        found = _REFERENCE.fullmatch(self.text)
        return found["name"] if found else ""

    @property
    def version(self) -> str:
        """The version as it is written, ``latest`` included; empty without one."""
        found = _REFERENCE.fullmatch(self.text)
        return (found["version"] or "") if found else ""


@dataclass(slots=True)
class Finding:
    """What is known of a mention.

    Attributes:
        newest: The newest version, empty when the model shows none.
        published: When it was made.
        changes: Differences between the pinned version and the newest.
        note: What could not be found out, and why.
    """

    mention: Mention
    state: State
    newest: str = ""
    published: str = ""
    changes: list[Change] = field(default_factory=list)
    note: str = ""

    @property
    def pinned(self) -> str:
        """What the text would be with the newest version."""
        return f"{self.mention.name}:{self.newest}"

    def concerns(self, change: Change) -> bool:
        """Whether a change is about something that the step uses, as far as is known."""
        return not change.input or self.mention.inputs is None or change.input in self.mention.inputs


def find_mentions(files: list[WorkflowFile], catalogue: Catalogue) -> list[Mention]:
    """Every model that these files name outright, in the order of the files."""
    return [
        mention
        for file in files
        if file.document is not None
        for mention in _in_value(file, file.document.value, [], catalogue)
    ]


def _in_value(
    file: WorkflowFile, value: Json, place: list[str | int], catalogue: Catalogue
) -> Iterator[Mention]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _in_value(file, item, [*place, number], catalogue)
    if not isinstance(value, dict):
        return
    from hookline.core.catalogue import runner_of

    runner = runner_of(value, catalogue)
    given = value.get("with")
    for key, member in value.items():
        # What stands in `with` is data, whatever it looks like.
        if key != "with":
            yield from _in_value(file, member, [*place, key], catalogue)
        elif runner is not None and isinstance(given, dict):
            yield from _in_step(file, value, given, runner.action.input_schema["properties"], [*place, key])


def _in_step(
    file: WorkflowFile, step: Json, given: Json, properties: Mapping[str, Json], place: list[str | int]
) -> Iterator[Mention]:
    from hookline.core.document import join_pointer

    values = given.get("input")
    names = frozenset(values) if isinstance(values, dict) else None
    for name, schema in properties.items():
        connector = schema.get("x-model")
        if connector is None or name not in given:
            continue
        listed = given[name] if isinstance(given[name], list) else None
        for number, text in enumerate(listed if listed is not None else [given[name]]):
            if isinstance(text, str) and "{{" not in text:
                where = [*place, name] if listed is None else [*place, name, number]
                yield Mention(
                    file, join_pointer(where), connector, str(step.get("connection", "")), text, names
                )


async def look_up(asker: Asker, mentions: list[Mention]) -> list[Finding]:
    """What is newest of each; each model and version is asked for once."""
    known: dict[tuple[str, str, str], Json] = {}
    return [await _look_up(asker, mention, known) for mention in mentions]


async def _look_up(asker: Asker, mention: Mention, known: dict[tuple[str, str, str], Json]) -> Finding:
    from hookline.sdk import ActionError, NotFound
    from hookline.sdk.model_changes import schema_changes

    async def ask(action: str, version: str = "") -> Json:
        key = (f"{mention.connector}.{action}", mention.connection, f"{mention.name}:{version}")
        if key not in known:
            values = {"version": version} if version else {}
            known[key] = await asker.ask(key[0], connection=mention.connection, model=mention.name, **values)
        return known[key]

    if not mention.name:
        note = "the text does not say which model it is" if re.fullmatch("[0-9a-f]{64}", mention.text) else ""
        return Finding(mention, "unknown", note=note or "this is no owner/name or owner/name:version")
    try:
        model = await ask("get_model")
    except ActionError as error:
        return Finding(mention, "unknown", note=error.message)
    newest = (model.get("latest_version") or "").rpartition(":")[2]
    if not mention.version:
        if model.get("is_official"):
            return Finding(mention, "official", newest)
        state: State = "unpinned" if newest else "unknown"
        return Finding(mention, state, newest, note="" if newest else "the model shows no version")
    if not newest:
        return Finding(mention, "unknown", note="the model shows no version")
    if mention.version == newest:
        return Finding(mention, "current", newest)
    found = Finding(mention, "floating" if mention.version == "latest" else "outdated", newest)
    try:
        after = await ask("get_version", newest)
        found.published = after.get("created_at") or ""
        if found.state == "outdated":
            before = await ask("get_version", mention.version)
            if before.get("openapi_schema") and after.get("openapi_schema"):
                found.changes = schema_changes(before["openapi_schema"], after["openapi_schema"])
            else:
                found.note = "one of the versions publishes no schema: what has changed is not known"
    except NotFound:
        found.note = "one of the versions is not to be found any more: what has changed is not known"
    except ActionError as error:
        found.note = error.message
    return found


def rewrite(path: Path, document: Document, texts: Mapping[str, str]) -> None:
    """Replace texts of a file, by their pointers; everything else stays as it is, to the byte.

    Raises:
        CliError: The file is spelt in a way that does not allow it, has changed, or cannot be written.
    """
    from hookline.core.document import read

    raw = path.read_bytes()
    mark = "\ufeff" if raw.startswith(b"\xef\xbb\xbf") else ""
    if raw.decode().removeprefix("\ufeff") != document.text:
        raise CliError(f"{shown_path(path)} has changed meanwhile", hint="run the command again")
    text = document.text
    nodes = sorted(
        ((document.node(pointer), new) for pointer, new in texts.items()), key=lambda n: -n[0].start
    )
    for node, new in nodes:
        spelt = text[node.start : node.end]
        quote = spelt[:1] if spelt[:1] in ("'", '"') else ""
        if spelt != f"{quote}{node.value}{quote}" and spelt != json.dumps(node.value):
            raise CliError(
                f"{shown_path(path)}: the text {node.value!r} is spelt in a way that cannot be replaced",
                hint="write it on one line, without escapes",
            )
        text = f"{text[: node.start]}{quote}{new}{quote}{text[node.end :]}"
    changed = read(text, syntax=document.syntax)
    if any(changed.node(pointer).value != new for pointer, new in texts.items()):
        raise CliError(f"{shown_path(path)}: the pins could not be written", exit_code=FAILED)
    try:
        write_text(path, mark + text)
    except OSError as error:
        raise CliError(f"{shown_path(path)}: {error.strerror}", exit_code=FAILED) from error
