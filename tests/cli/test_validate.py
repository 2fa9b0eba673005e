"""Findings: exit code 3, and where and what, in each format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Cli

STEP = {"id": "a", "uses": "transform", "with": {"v": 1}}

MISTAKES = {
    "reference": (
        [STEP, {"id": "b", "uses": "transform", "with": {"v": "{{ steps.aa.v }}"}}],
        "/steps/1/with/v",
        "a",
    ),
    "key": ([{**STEP, "retri": {}}], "/steps/0/retri", "retry"),
    "connection": (
        [{"uses": "slack.post_message", "with": {"channel": "#a", "text": "b"}}],
        "/steps/0",
        "slack",
    ),
    "action": ([{"uses": "transfrom"}], "/steps/0/uses", "transform"),
}


@pytest.mark.parametrize(("steps", "pointer", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_with_its_place_and_remedy(
    cli: Cli, steps: list[object], pointer: str, remedy: str
) -> None:
    path = cli.project / "workflows" / "wrong.json"
    path.write_text(json.dumps({"name": "wrong", "trigger": {"uses": "manual"}, "steps": steps}, indent=1))
    result = cli("validate", "--format", "json")
    assert result.exit_code == 3
    document = json.loads(result.stdout)
    assert document["schema"] == "hookline.validation/1"
    assert document["ok"] is False
    files = {Path(file["path"]).name: file for file in document["files"]}
    assert files["hello.json"]["diagnostics"] == []
    found = files["wrong.json"]["diagnostics"][0]
    assert found["pointer"] == pointer
    assert found["severity"] == "error"
    assert remedy in found["hint"]
    assert found["line"] > 1
    assert cli("explain", found["code"]).exit_code == 0

    text = cli("validate")
    assert text.exit_code == 3
    head = f"wrong.json:{found['line']}:{found['column']}: error {found['code']}: {found['message']}"
    assert head in text.stdout
    assert found["hint"] in text.stdout

    code, _, errors = cli.start("run", "wrong").end()
    assert code == 3
    assert found["code"] in errors


def test_the_line_is_the_one_of_the_mistake(cli: Cli) -> None:
    path = cli.project / "workflows" / "wrong.json"
    path.write_text('{\n  "name": "wrong",\n  "steps": [],\n\n  "stepps": []\n}\n')
    found = json.loads(cli("validate", str(path), "--format", "json").stdout)["files"][0]["diagnostics"]
    assert (5, 3) in [(each["line"], each["column"]) for each in found]


def test_a_file_that_is_not_json_is_a_finding(cli: Cli) -> None:
    (cli.project / "workflows" / "wrong.json").write_text('{"name": "wrong",, }')
    result = cli("validate")
    assert result.exit_code == 3
    assert "wrong.json:1:" in result.stdout


def test_annotations_for_a_code_host(cli: Cli) -> None:
    (cli.project / "workflows" / "a,b.json").write_text('{"name": "wrong", "stepps": []}')
    result = cli("validate", "--format", "github")
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines
    for line in lines:
        head, _, message = line.removeprefix("::").partition("::")
        assert head.startswith("error file=")
        assert "a%2Cb.json,line=1,col=" in head
        assert message


def test_only_the_files_named_are_reported(cli: Cli) -> None:
    (cli.project / "workflows" / "wrong.json").write_text("{}")
    result = cli("validate", str(cli.project / "workflows" / "hello.json"), "--format", "json")
    assert result.exit_code == 0
    assert [file["name"] for file in json.loads(result.stdout)["files"]] == ["hello"]


def test_a_file_may_call_the_projects_other_workflows(cli: Cli, tmp_path: Path) -> None:
    caller = tmp_path / "caller.json"
    caller.write_text(
        json.dumps(
            {"name": "caller", "trigger": {"uses": "manual"}, "steps": [{"call": "hello", "with": {}}]}
        )
    )
    assert cli("validate", str(caller)).exit_code == 0


def test_a_draft_elsewhere_stands_in_for_the_workflow_of_its_name(cli: Cli, tmp_path: Path) -> None:
    draft = tmp_path / "hello.json"
    draft.write_bytes((cli.project / "workflows" / "hello.json").read_bytes())
    assert cli("validate", str(draft)).exit_code == 0


def test_two_files_of_one_name_are_found_at_both(cli: Cli) -> None:
    hello = cli.project / "workflows" / "hello.json"
    copy = cli.project / "workflows" / "copy.json"
    copy.write_bytes(hello.read_bytes())
    result = cli("validate", "--format", "json")
    assert result.exit_code == 3
    found = {Path(file["path"]).name: file["diagnostics"] for file in json.loads(result.stdout)["files"]}
    assert {name: [each["code"] for each in codes] for name, codes in found.items()} == {
        "copy.json": ["D416"],
        "hello.json": ["D416"],
    }
    assert "hello.json" in found["copy.json"][0]["message"]
    assert "copy.json" in found["hello.json"][0]["message"]
    for path in (hello, copy):
        alone = cli("validate", str(path))
        assert alone.exit_code == 3
        assert "1 workflow, 1 error" in alone.stderr
    assert cli("run", "hello").exit_code == 3


BROKEN = """
from hookline.sdk import action

@action("mine.send", effect="idempotnt", summary="Sent")
async def send(ctx) -> None:
    \"\"\"Send it\"\"\"
"""


@pytest.mark.parametrize(
    "arguments",
    [["validate"], ["run", "hello"], ["run", "hello", "--dry-run"], ["schema"], ["schema", "--write"]],
    ids=" ".join,
)
def test_a_component_that_cannot_be_loaded_is_noted(cli: Cli, arguments: list[str]) -> None:
    (cli.project / "connectors" / "mine").mkdir()
    (cli.project / "connectors" / "mine" / "connector.py").write_text(BROKEN)
    result = cli.ok(*arguments)
    assert result.stderr.count("note: connectors/mine could not be loaded: C010:") == 1
    assert "there is no effect 'idempotnt'" in result.stderr
    assert "could not be loaded" not in result.stdout


@pytest.mark.parametrize(
    "definition",
    [
        {"trigger": {"uses": "manual"}, "steps": [{"uses": "mine.send"}]},
        {"trigger": {"uses": "mine.got"}, "steps": [STEP]},
    ],
    ids=["action", "trigger"],
)
def test_what_is_missing_is_put_down_to_what_could_not_be_loaded(
    cli: Cli, definition: dict[str, object]
) -> None:
    (cli.project / "connectors" / "mine").mkdir()
    (cli.project / "connectors" / "mine" / "connector.py").write_text("def broken(:\n")
    cli.write("sends", **definition)
    result = cli("validate", "--format", "json")
    (found,) = [each for file in json.loads(result.stdout)["files"] for each in file["diagnostics"]]
    assert found["code"] in ("D401", "D402")
    assert "connectors/mine could not be loaded: C010:" in found["hint"]
    assert "SyntaxError" in found["hint"]


def test_a_path_that_is_not_there_is_a_wrong_use(cli: Cli) -> None:
    result = cli("validate", "nowhere.json")
    assert result.exit_code == 2
    assert "nowhere.json" in result.stderr


def test_without_workflows_it_says_how_to_start(tmp_path: Path) -> None:
    result = Cli(tmp_path)("validate")
    assert result.exit_code == 2
    assert "hookline init" in result.stderr
