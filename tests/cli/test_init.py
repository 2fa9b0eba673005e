"""``hookline init``, and the first minutes with what it makes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from click.testing import CliRunner

from hookline.cli.root import root

from .conftest import Cli, Process


def test_a_new_project_is_valid_and_its_workflow_runs(cli: Cli) -> None:
    assert cli("validate").exit_code == 0
    document = cli.json("run", "hello", "--json")
    assert document["schema"] == "hookline.run/1"
    assert document["status"] == "succeeded"
    assert document["output"] == {"greeting": "Hello, world!"}
    assert [step["id"] for step in document["steps"]] == ["greeting", "note"]


def test_the_documented_commands_work_as_processes(cli: Cli) -> None:
    for arguments in (["validate"], ["run", "hello", "--json"]):
        code, output, errors = Process(arguments, cli.project, {}).end()
        assert code == 0, errors
    assert json.loads(output)["status"] == "succeeded"


def test_a_folder_below_the_project_belongs_to_it(cli: Cli) -> None:
    code, output, errors = Process(["run", "hello"], cli.project / "workflows", {}).end()
    assert code == 0, errors
    assert json.loads(output) == {"greeting": "Hello, world!"}
    assert not (cli.project / "workflows" / ".hookline").exists()


def test_nothing_is_overwritten(cli: Cli) -> None:
    own = {"hookline.toml": "# mine\n", ".gitignore": "mine\n", "workflows/hello.json": "{}\n"}
    for name, text in own.items():
        (cli.project / name).write_text(text)
    result = CliRunner().invoke(root, ["init", str(cli.project)])
    assert result.exit_code == 0
    assert {name: (cli.project / name).read_text() for name in own} == own
    assert "kept     hookline.toml" in result.stderr


def test_what_is_made_can_be_read_by_those_it_is_for(cli: Cli) -> None:
    assert tomllib.loads((cli.project / "hookline.toml").read_text()) == {}
    editor = json.loads((cli.project / ".vscode" / "settings.json").read_text())
    assert editor["json.schemas"][0]["url"] == "./.hookline/workflow.schema.json"
    schema = json.loads((cli.project / ".hookline" / "workflow.schema.json").read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    ignored = (cli.project / ".gitignore").read_text().split()
    assert "/.env" in ignored
    assert "/.hookline/" in ignored


def test_the_example_environment_holds_names_and_no_values(cli: Cli) -> None:
    lines = (cli.project / ".env.example").read_text().splitlines()
    assert "#SLACK_BOT_TOKEN=" in lines
    assert "#HOOKLINE_ADMIN_TOKEN=" in lines
    assert all(line.startswith("#") for line in lines if line)
    names = [line for line in lines if line.endswith("=")]
    assert len(names) == len(set(names)), "one place to fill in"


def test_the_next_commands_are_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(root, ["init", str(tmp_path / "a shop")])
    assert "hookline run hello" in result.stderr
    assert "a shop'" in result.stderr
    assert result.stdout == ""
