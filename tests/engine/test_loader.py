"""Discovery: what is found, under which name, and what happens when something is broken."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hookline.engine.loader import PROJECT, import_room, load_registry
from hookline.engine.registry import RegistryError
from hookline.engine.rooms import ROOMS, mount, unmount

ECHO = '''
"""A service."""
from typing import Annotated
from hookline.sdk import Connector, ConnectionContext, Context, Field, Http

{name} = Connector("{name}", title="{title}", docs="https://example.com/docs")

@{name}.connection(schemes={schemes!r})
def connect(ctx: ConnectionContext, token: Annotated[str, Field("A token.", secret=True)]) -> Http:
    return ctx.http("https://example.com/")

@{name}.action("say", effect="read", summary="Said {{text}}")
async def say(ctx: Context, text: Annotated[str, Field("What to say.")]) -> dict[str, str]:
    """Say something"""
    return {{"text": text}}
'''

ACTION = '''
from typing import Annotated
from hookline.sdk import Field, Context, action

@action("{name}", effect="read", summary="Done")
def made(ctx: Context, text: Annotated[str, Field("A text.")]) -> dict[str, str]:
    """{title}"""
    return {{"text": text}}
'''


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text), "utf-8")


def echo(name: str, title: str = "Echo", schemes: tuple[str, ...] = ()) -> str:
    return ECHO.format(name=name, title=title, schemes=schemes)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    unmount(PROJECT)


def test_a_projects_components_are_found(project: Path) -> None:
    write(project, "connectors/parrot/connector.py", echo("parrot", schemes=("parrot",)))
    write(project, "actions/shout.py", ACTION.format(name="shout", title="Shout"))
    write(project, "actions/_helpers/words.py", "raise RuntimeError('never imported')")
    registry = load_registry(project)
    assert registry.actions["parrot.say"].connection == "parrot"
    assert registry.actions["shout"].title == "Shout"
    assert registry.actions["shout"].blocking
    assert registry.connection_types["parrot"].name == "parrot"
    assert registry.schemes["parrot"] == "parrot"
    assert registry.origins["shout"] == "project:actions/shout"
    assert registry.origins["parrot.say"] == "project:connectors/parrot"
    assert not [each for each in registry.unavailable if each.name.startswith("project:")]


def test_a_module_has_one_identity_and_can_import_its_siblings(project: Path) -> None:
    write(project, "connectors/parrot/words.py", "WORD = 'hello'")
    write(project, "connectors/parrot/connector.py", "from .words import WORD\n" + echo("parrot"))
    registry = load_registry(project)
    module = importlib.import_module(f"{PROJECT}.connectors.parrot.connector")
    assert module.WORD == "hello"
    assert registry.actions["parrot.say"] is module.say
    assert "connectors" not in sys.modules
    assert "words" not in sys.modules


def test_the_builtin_rooms_are_importable_under_one_name() -> None:
    parent = importlib.import_module("hookline._rooms")
    for room in ROOMS:
        module = importlib.import_module(f"hookline._rooms.{room}")
        assert list(module.__path__) == [str(parent.ROOT / room)]
    registry = load_registry()
    transform = import_room("actions.transform")
    assert registry.actions["transform"] is transform.transform


def test_the_same_rooms_are_found_as_in_a_wheel(tmp_path: Path) -> None:
    """In a wheel the rooms lie inside the package; the same module then finds them there."""
    package = importlib.import_module("hookline._rooms")
    write(tmp_path, "_rooms/__init__.py", Path(package.__file__ or "").read_text("utf-8"))
    write(tmp_path, "_rooms/connectors/parrot/connector.py", echo("parrot"))
    code = (
        "import hookline, sys; hookline.__path__.insert(0, sys.argv[1])\n"
        "from hookline.engine.loader import load_registry\n"
        "registry = load_registry()\n"
        "assert set(registry.actions) == {'parrot.say'}, registry\n"
        "from hookline._rooms.connectors.parrot.connector import say\n"
        "assert registry.actions['parrot.say'] is say\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hookline.engine.loader import load_registry; load_registry()\n"
        "heavy = {'boto3', 'botocore', 'PIL', 'numpy', 'flask', 'httpx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_repository_that_is_a_project_is_not_loaded_twice() -> None:
    root = importlib.import_module("hookline._rooms").ROOT
    assert load_registry(root).actions.keys() == load_registry().actions.keys()


def test_an_edited_file_is_read_again(project: Path) -> None:
    write(project, "actions/shout.py", ACTION.format(name="shout", title="Shout"))
    assert load_registry(project).actions["shout"].title == "Shout"
    write(project, "actions/shout.py", ACTION.format(name="shout", title="Shout much louder"))
    assert load_registry(project).actions["shout"].title == "Shout much louder"


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("import boto3_is_not_here", "boto3_is_not_here is not installed", "provides boto3_is_not_here"),
        ("from .missing import thing", "cannot be imported", "correct the import"),
        ("def broken(:", "SyntaxError", "correct it"),
        ("raise RuntimeError('no')", "RuntimeError: no", "correct it"),
        ("REQUIRES = ('surely_not_here',)", "surely_not_here is not installed", "surely_not_here"),
    ],
)
def test_what_cannot_be_imported_is_reported_and_breaks_nothing_else(
    project: Path, text: str, reason: str, hint: str
) -> None:
    write(project, "actions/bad.py", text)
    write(project, "actions/good.py", ACTION.format(name="good", title="Good"))
    registry = load_registry(project)
    [unavailable] = [each for each in registry.unavailable if each.name == "project:actions/bad"]
    assert reason in unavailable.reason
    assert hint in unavailable.hint
    assert "good" in registry.actions


def test_a_missing_extra_names_its_remedy(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)  # makes an import of it fail
    write(project, "connectors/bucket/connector.py", "import boto3\n" + echo("bucket"))
    [unavailable] = [e for e in load_registry(project).unavailable if e.name == "project:connectors/bucket"]
    assert unavailable.reason == "boto3 is not installed"
    assert unavailable.hint == "pip install hookline[s3]"


def test_a_folder_without_a_connector_is_reported(project: Path) -> None:
    write(project, "connectors/empty/notes.txt", "nothing")
    (project / "connectors/removed/__pycache__").mkdir(parents=True)
    names = [each.name for each in load_registry(project).unavailable]
    assert "project:connectors/empty" in names
    assert "project:connectors/removed" not in names


def test_the_same_name_twice_is_an_error(project: Path) -> None:
    write(project, "actions/one.py", ACTION.format(name="same", title="One"))
    write(project, "actions/two.py", ACTION.format(name="same", title="Two"))
    with pytest.raises(RegistryError) as caught:
        load_registry(project)
    assert caught.value.code == "C001"
    assert "actions/one" in caught.value.message
    assert "actions/two" in caught.value.message


def test_the_same_scheme_twice_is_an_error(project: Path) -> None:
    write(project, "connectors/one/connector.py", echo("one", schemes=("box",)))
    write(project, "connectors/two/connector.py", echo("two", schemes=("box",)))
    with pytest.raises(RegistryError) as caught:
        load_registry(project)
    assert caught.value.code == "C003"


def test_a_builtin_is_replaced_only_when_that_is_declared(project: Path) -> None:
    write(project, "actions/transform.py", ACTION.format(name="transform", title="Mine"))
    with pytest.raises(RegistryError) as caught:
        load_registry(project)
    assert caught.value.code == "C001"
    write(project, "hookline.toml", '[components]\noverride = ["actions/transform"]\n')
    assert load_registry(project).actions["transform"].title == "Mine"


@pytest.mark.parametrize(
    ("toml", "code"),
    [
        ('[components]\noverride = ["actions/absent"]', "C002"),
        ('[components]\noverride = "actions/absent"', "C004"),
        ("components = 1", "C004"),
        ("[components", "C004"),
    ],
)
def test_a_wrong_override_is_an_error(project: Path, toml: str, code: str) -> None:
    write(project, "hookline.toml", toml)
    with pytest.raises(RegistryError) as caught:
        load_registry(project)
    assert caught.value.code == code
    assert caught.value.hint


def test_installed_distributions_add_components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "parrot_for_hookline.py", echo("parrot"))
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = [
        EntryPoint("whole", "parrot_for_hookline", "hookline.components"),
        EntryPoint("one", "parrot_for_hookline:say", "hookline.components"),
        EntryPoint("no component", "parrot_for_hookline:Connector", "hookline.components"),
        EntryPoint("gone", "surely_not_here", "hookline.components"),
    ]
    registry = load_registry(plugins=plugins)
    assert registry.actions["parrot.say"].title == "Say something"
    reasons = {each.name: each.reason for each in registry.unavailable}
    assert "no action, trigger or connector" in reasons["installed:no component"]
    assert "surely_not_here is not installed" in reasons["installed:gone"]


def test_mounting_again_replaces_and_unmounting_forgets(tmp_path: Path) -> None:
    write(tmp_path, "a/actions/thing.py", "where = 'a'")
    write(tmp_path, "b/actions/thing.py", "where = 'b'")
    parent = "hookline.mounted_in_a_test"
    for folder in ("a", "b"):
        mount(parent, tmp_path / folder)
        thing = importlib.import_module(f"{parent}.actions.thing")
        assert thing.where == folder
        unmount(parent)
        assert not [name for name in sys.modules if name.startswith(parent)]
