"""The smaller commands, and what holds for all of them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hookline.cli.root import COMMANDS, root
from hookline.codes import CODES

from .conftest import Cli, Process

# Formatting ----------------------------------------------------------------------------------------

UGLY = (
    '{"steps": [{"with": {"v": 1}, "uses": "transform"}],\n // a note\n "trigger": {"uses": "manual"},'
    ' "name": "ugly"}'
)


def test_fmt_writes_the_canonical_form_once_and_keeps_comments(cli: Cli) -> None:
    path = cli.project / "workflows" / "ugly.json"
    path.write_text(UGLY)
    path.chmod(0o640)
    before = cli.json("run", "ugly", "--json")["version"]
    checked = cli("fmt", "--check")
    assert checked.exit_code == 1
    assert "ugly.json" in checked.stdout
    assert path.read_text() == UGLY
    assert cli("fmt").exit_code == 0
    text = path.read_text()
    assert text.index('"name"') < text.index('"trigger"') < text.index('"steps"')
    assert "// a note" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert cli("fmt", "--check").exit_code == 0
    assert cli.json("run", "ugly", "--json")["version"] == before


def test_fmt_never_writes_json_into_yaml(cli: Cli) -> None:
    path = cli.project / "workflows" / "y.yaml"
    text = "# why\nname: y\ntrigger: {uses: manual}\nsteps:\n  - {uses: transform, with: {v: 1}}\n"
    path.write_text(text)
    assert cli("fmt").exit_code == 0
    assert path.read_text() == text
    named = cli("fmt", str(path))
    assert named.exit_code == 2
    assert "--convert" in named.stderr
    assert cli("fmt", "--check", "--convert", str(path)).exit_code == 1
    assert path.read_text() == text
    assert cli("fmt", "--convert", str(path)).exit_code == 0
    assert not path.exists()
    assert json.loads(cli.ok("validate", "--format", "json").stdout)["ok"]
    converted = path.with_suffix(".jsonc")
    assert '"name": "y"' in converted.read_text()
    path.write_text(text)
    assert cli("fmt", "--convert", str(path)).exit_code == 2
    assert path.read_text() == text


def test_fmt_leaves_what_it_cannot_read(cli: Cli) -> None:
    path = cli.project / "workflows" / "broken.json"
    path.write_text("{")
    result = cli("fmt")
    assert result.exit_code == 3
    assert "broken.json:1:" in result.stderr
    assert path.read_text() == "{"


# Schema, codes, completion -------------------------------------------------------------------------


def test_the_schema_is_printed_and_written(cli: Cli) -> None:
    printed = cli.json("schema")
    path = cli.project / ".hookline" / "workflow.schema.json"
    path.unlink()
    cli.ok("schema", "--write")
    assert json.loads(path.read_text()) == printed
    assert "read_fifo" in path.read_text()


def test_every_code_is_explained(cli: Cli) -> None:
    listed = cli.json("explain", "--json")["codes"]
    assert [code["code"] for code in listed] == list(CODES)
    one = cli.ok("explain", "d401").stdout
    assert CODES["D401"].title in one
    assert "What to do" in one
    assert cli("explain", "D4011").exit_code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cli: Cli, shell: str) -> None:
    assert "_HOOKLINE_COMPLETE" in cli.ok("completion", shell).stdout


def test_workflow_names_are_completed(cli: Cli) -> None:
    environment = {
        **os.environ,
        "_HOOKLINE_COMPLETE": "bash_complete",
        "COMP_WORDS": "hookline run he",
        "COMP_CWORD": "2",
    }
    command = [sys.executable, "-c", "from hookline.cli import main; main()"]
    done = subprocess.run(
        command, cwd=cli.project, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split(",")[-1].strip() == "hello"


# Components ----------------------------------------------------------------------------------------


def test_connectors_are_listed_and_shown(cli: Cli) -> None:
    names = {line.split()[0] for line in cli.ok("connectors", "list").stdout.splitlines()}
    assert {"http.request", "webhook", "slack", "read_fifo"} <= names
    only = cli.ok("connectors", "list", "--kind", "connection").stdout
    assert "http.request" not in only
    assert cli.json("connectors", "list", "--json")["schema"] == "hookline.catalogue/1"
    shown = cli.ok("connectors", "show", "http.request").stdout
    assert "url" in shown
    assert "at_least_once" in shown
    wrong = cli("connectors", "show", "http.requets")
    assert wrong.exit_code == 2
    assert "http.request" in wrong.stderr


def test_check_finds_what_a_component_lacks(cli: Cli) -> None:
    result = cli("connectors", "check")
    assert result.exit_code == 3
    assert "action read_fifo: examples" in result.stdout
    assert "slack" not in result.stdout
    assert cli("connectors", "check", "transform").exit_code == 0
    assert cli("connectors", "check", "transfrom").exit_code == 2


def test_a_component_that_cannot_be_loaded_is_found(cli: Cli) -> None:
    (cli.project / "actions" / "broken.py").write_text("import nowhere_to_be_found\n")
    result = cli("connectors", "check")
    assert result.exit_code == 3
    assert "project:actions/broken" in result.stdout


def test_two_components_of_one_name_are_an_invalid_definition(cli: Cli) -> None:
    text = (cli.project / "actions" / "pipes.py").read_text()
    (cli.project / "actions" / "again.py").write_text(text)
    result = cli("validate")
    assert result.exit_code == 3
    assert "C001" in result.stderr


# Doctor --------------------------------------------------------------------------------------------


def test_doctor_shows_settings_with_their_origin_and_no_secret(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.project / "hookline.toml").write_text("max_backlog = 77\n")
    (cli.project / ".env").write_text("HOOKLINE_ADMIN_TOKEN=do-not-show-this\nSLACK_BOT_TOKEN=nor-this-one\n")
    monkeypatch.setenv("HOOKLINE_LOG_LEVEL", "error")
    result = cli("doctor", "--json")
    document = json.loads(result.stdout)
    assert document["schema"] == "hookline.doctor/1"
    settings = {each["name"]: (each["value"], each["origin"]) for each in document["settings"]}
    assert settings["max_backlog"] == ("77", "hookline.toml")
    assert settings["admin_token"] == ("(set)", ".env")
    assert settings["log_level"] == ("error", "environment")
    assert settings["files_dir"][1] == "default"
    assert "do-not-show" not in result.output
    assert "nor-this" not in result.output
    messages = {check["message"]: check["verdict"] for check in document["checks"]}
    assert messages["slack (slack)"] == "ok"
    assert messages["replicate: not set: REPLICATE_API_TOKEN"] == "note"
    assert result.exit_code == 0
    assert cli("doctor").exit_code == 0


def test_doctor_finds_what_has_to_be_put_right(cli: Cli) -> None:
    (cli.project / "workflows" / "broken.json").write_text("{}")
    (cli.project / "hookline.toml").write_text(
        'database_url = "sqlite:///not.db"\n[connections.x]\ntype = "nothing"\n'
    )
    (cli.project / "not.db").write_text("no database at all, and long enough to be looked at " * 9)
    result = cli("doctor")
    assert result.exit_code == 1
    for said in ("S102", "errors in broken", "there is no type 'nothing'"):
        assert said in result.stdout


def test_doctor_counts_runs_that_wait_as_open(cli: Cli) -> None:
    assert ": 0 open runs\n" in cli.ok("doctor").stdout
    cli.write("slow", steps=[{"wait": {"for": "1h"}}])
    assert cli("run", "slow", "--timeout", "0.1s").exit_code == 5
    assert ": 1 open run, 1 of them waiting\n" in cli.ok("doctor").stdout
    cli.ok("events", "send", "hello")
    assert ": 2 open runs, 1 of them waiting\n" in cli.ok("doctor").stdout


def test_settings_that_cannot_be_read_are_a_problem_and_a_wrong_use(cli: Cli) -> None:
    (cli.project / "hookline.toml").write_text("databse_url = 1\n")
    result = cli("doctor")
    assert result.exit_code == 1
    assert "databse_url" in result.stdout
    assert cli("validate").exit_code == 2


def test_a_project_may_override_a_component(cli: Cli) -> None:
    (cli.project / "hookline.toml").write_text('[components]\noverride = ["actions/pipes"]\n')
    assert cli("validate").exit_code == 0


# Outside of a project ------------------------------------------------------------------------------

NEED_A_PROJECT = [
    "dev",
    "serve",
    "run hello",
    "events send hello",
    "schema --write",
    "validate",
    "fmt",
    "runs list",
    "runs show run_1",
    "runs watch run_1",
    "runs cancel run_1",
    "runs resume run_1",
    "runs replay run_1",
    "runs replay run_1 --detach",
    "events list",
    "events show evt_1",
    "events replay evt_1",
    "approvals list",
    "approvals approve apr_1",
    "moderation policies",
]


@pytest.mark.parametrize("line", NEED_A_PROJECT)
def test_what_needs_a_project_says_so_and_creates_nothing(tmp_path: Path, line: str) -> None:
    result = CliRunner().invoke(root, ["--project", str(tmp_path), *line.split()])
    assert result.exit_code == 2
    assert "there is no hookline.toml" in result.stderr
    assert "hookline init" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line", ["validate FILE", "fmt --check FILE", "explain D401", "connectors list", "schema", "doctor"]
)
def test_what_needs_no_project_works_anywhere(cli: Cli, tmp_path: Path, line: str) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    file = str(cli.project / "workflows" / "hello.json")
    words = [file if word == "FILE" else word for word in line.split()]
    result = CliRunner().invoke(root, ["--project", str(empty), *words])
    assert result.exit_code == 0, result.output
    assert list(empty.iterdir()) == []


def test_a_file_runs_anywhere_and_its_run_can_be_looked_at(cli: Cli, tmp_path: Path) -> None:
    empty = Cli(tmp_path / "empty")
    empty.project.mkdir()
    run = empty.json("run", str(cli.project / "workflows" / "hello.json"), "--json")
    assert run["status"] == "succeeded"
    assert [each["id"] for each in empty.json("runs", "list", "--json")["runs"]] == [run["id"]]


def test_a_database_that_is_named_needs_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("HOOKLINE_DATABASE_URL", f"sqlite:///{tmp_path}/kept.db")
    assert Cli(tmp_path / "empty").json("runs", "list", "--json")["runs"] == []


# All of them ---------------------------------------------------------------------------------------


def every_command() -> list[tuple[str, ...]]:
    """The words of every command."""
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.list_commands(click.Context(command))]
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(root, [*words, "--help"])
    assert result.exit_code == 0
    assert result.stderr == ""
    assert f"Usage: root {' '.join(words)}" in result.stdout


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    for name, lazy in COMMANDS.items():
        command = root.get_command(click.Context(root), name)
        assert command is not None
        first = (command.help or "").partition("\n")[0]
        assert lazy.help == first


@pytest.mark.parametrize(
    ("words", "suggestion"), [(["rnu"], "run"), (["runs", "lst"], "list"), (["validte"], "validate")]
)
def test_a_wrong_name_is_answered_with_the_closest(words: list[str], suggestion: str) -> None:
    result = CliRunner().invoke(root, words)
    assert result.exit_code == 2
    assert f"did you mean '{suggestion}'?" in result.stderr


def test_the_version() -> None:
    result = CliRunner().invoke(root, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("hookline ") or result.stdout.startswith("root ")


def test_no_color_is_obeyed(cli: Cli) -> None:
    (cli.project / "workflows" / "broken.json").write_text("{}")
    arguments = ["--project", str(cli.project), "validate"]
    colored = CliRunner().invoke(root, arguments, color=True)
    plain = CliRunner(env={"NO_COLOR": "1"}).invoke(root, arguments, color=True)
    assert "\x1b[" in colored.stdout
    assert "\x1b[" not in plain.stdout


LOADED = """
import sys
from hookline.cli.root import root
try:
    root.main({arguments!r}, prog_name="hookline")
except SystemExit as ended:
    assert ended.code == 0, ended.code
print(*sorted(sys.modules), file=sys.stderr)
"""


def modules_after(arguments: list[str], folder: Path) -> set[str]:
    """What a command has imported."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(arguments=arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


def test_commands_import_only_what_they_need(cli: Cli) -> None:
    helped = modules_after(["--help"], cli.project)
    assert not {name for name in helped if name.startswith(("hookline.core", "hookline.engine", "httpx"))}
    validated = modules_after(["validate"], cli.project)
    assert not validated & {"httpx", "httpcore", "flask", "waitress", "boto3", "hookline.engine.engine"}
    ran = modules_after(["run", "hello"], cli.project)
    assert not ran & {"flask", "waitress", "boto3"}


def test_output_that_nobody_reads_any_more_is_no_fault(cli: Cli) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "hookline.cli", "schema"],
        cwd=cli.project,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_the_entry_point_exits_with_the_code(cli: Cli) -> None:
    code, _, errors = Process(["run", "nothing"], cli.project, {}).end()
    assert code == 2
    assert "there is no workflow" in errors
