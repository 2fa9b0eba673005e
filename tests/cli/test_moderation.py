"""``hookline moderation``: policies, verdicts judged again, and how good a policy is."""

from __future__ import annotations

import csv
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Cli

LENIENT = {"id": "lenient", "version": 2, "categories": {"profanity": {"review": 1, "block": None}}}
STRICT = {"id": "strict", "version": 1, "required": ["violence"], "on_unsupported": "block"}


def put_policy(cli: Cli, policy: dict[str, Any], name: str = "") -> None:
    folder = cli.project / "policies"
    folder.mkdir(exist_ok=True)
    (folder / f"{name or policy['id']}.json").write_text(json.dumps(policy))


def put_workflow(cli: Cli) -> None:
    check = {"provider": "wordlist", "text": "{{ trigger.text }}"}
    cli.write(
        "comments",
        steps=[
            {"id": "check", "uses": "moderation.check", "with": check},
            {"id": "again", "uses": "transform", "with": {"action": "{{ steps.check.action }}"}},
        ],
        output={"verdict": "{{ steps.check }}"},
    )


def run(cli: Cli, text: str) -> None:
    cli.ok("run", "comments", "--input", json.dumps({"text": text}))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("something was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_stored_verdicts_are_judged_again_without_asking_anybody(cli: Cli) -> None:
    put_workflow(cli)
    put_policy(cli, LENIENT)
    put_policy(cli, STRICT)
    for text in ("hello", "well, shit", "kill yourself"):
        run(cli, text)

    found = cli.json("moderation", "rejudge", "--policy", "lenient", "--json")
    assert (found["verdicts"], found["changed"]) == (3, 1)
    [change] = found["changes"]
    assert (change["before"], change["after"], change["step"]) == ("block", "review", "steps[0]")
    assert (change["policy"], found["policy"]["version"]) == ("default/1", 2)
    assert found["counts"] == [
        {"before": "allow", "after": "allow", "verdicts": 1},
        {"before": "block", "after": "block", "verdicts": 1},
        {"before": "block", "after": "review", "verdicts": 1},
    ]
    assert "shit" not in json.dumps(found)

    strict = cli.json("moderation", "rejudge", "--policy", "strict", "--json", "--all")
    assert [each["after"] for each in strict["changes"]] == ["block"] * 3
    # Nothing of it was written: the verdicts are what they were.
    assert cli.json("moderation", "rejudge", "--policy", "lenient", "--json") == found


def test_only_the_runs_that_are_asked_for_are_judged_again(cli: Cli) -> None:
    put_workflow(cli)
    put_policy(cli, LENIENT)
    run(cli, "shit")
    for narrowed, number in (
        (["--since", "1h"], 1),
        (["--since", "2999-01-01T00:00:00Z"], 0),
        (["--workflow", "other"], 0),
        (["--workflow", "comments"], 1),
    ):
        found = cli.json("moderation", "rejudge", "--policy", "lenient", "--json", *narrowed)
        assert found["verdicts"] == number
    shown = cli.ok("moderation", "rejudge", "--policy", str(cli.project / "policies" / "lenient.json"))
    assert "block to review: 1" in shown.stderr


def test_policies_are_listed_and_checked(cli: Cli) -> None:
    assert "there are no policies" in cli.ok("moderation", "policies").stderr
    put_policy(cli, LENIENT)
    assert "lenient" in cli.ok("moderation", "policies").stdout
    put_policy(cli, {**LENIENT, "version": "2"}, "broken")
    result = cli("moderation", "policies", "--json")
    assert result.exit_code == 3
    [broken, lenient] = json.loads(result.stdout)["policies"]
    assert broken["error"]["code"] == "C035"
    assert (lenient["name"], lenient["version"]) == ("lenient", 2)


def test_a_policy_that_is_not_there_is_told(cli: Cli) -> None:
    for name in ("gone", "gone.json", "../x"):
        result = cli("moderation", "rejudge", "--policy", name)
        assert result.exit_code in (2, 3)
        assert "C035" in result.stderr


def test_a_run_reads_the_policy_of_its_project(cli: Cli) -> None:
    check = {"provider": ["wordlist", "rules"], "rules": {"max_links": 0}, "text": "{{ trigger.text }}"}
    cli.write(
        "named",
        steps=[{"id": "check", "uses": "moderation.check", "with": {**check, "policy": "lenient"}}],
        output={"verdict": "{{ steps.check }}"},
    )
    cli.ok("validate")
    listed = cli("moderation", "policies")
    assert listed.exit_code == 3
    assert "named names it, and there is no policies/lenient.json" in listed.stdout
    missing = cli("run", "named", "--input", '{"text": "x"}', "--json")
    assert missing.exit_code == 1
    assert json.loads(missing.stdout)["error"]["code"] == "C035"

    put_policy(cli, LENIENT)
    cli.ok("moderation", "policies")
    shown = cli.json("run", "named", "--input", '{"text": "shit"}', "--json")
    verdict = shown["output"]["verdict"]
    assert (verdict["action"], verdict["policy"]["id"], verdict["policy"]["version"]) == (
        "review",
        "lenient",
        2,
    )
    assert [part["action"] for part in verdict["parts"]] == ["review", "allow"]

    (cli.project / "policies" / "lenient.json").unlink()
    (cli.project / "policies" / "lenient.json").symlink_to(cli.project / "hookline.toml")
    assert cli("run", "named", "--input", '{"text": "x"}').exit_code == 1


def test_only_what_a_verdict_allows_leaves_the_project(cli: Cli) -> None:
    (cli.project / "files").mkdir()
    (cli.project / "files" / "a.txt").write_text("hello")
    (cli.project / "files" / "b.txt").write_text("other")
    (cli.project / "hookline.toml").write_text(
        f'[connections.local_files]\ntype = "local_files"\ndirectory = "{cli.project}/files"\n'
    )
    seen = {
        "provider": "cog",
        "classifier": "nsfw",
        "prediction": {"status": "succeeded", "output": "normal"},
        "image": "{{ steps.a.file }}",
    }
    published = {"file": "{{ trigger.which == 'a' ? steps.a.file : steps.b.file }}", "to": "file:out/x.txt"}
    cli.write(
        "publish",
        steps=[
            {"id": "a", "uses": "files.download", "with": {"url": "file:a.txt"}},
            {"id": "b", "uses": "files.download", "with": {"url": "file:b.txt"}},
            {"id": "check", "uses": "moderation.check", "with": seen},
            {"uses": "files.upload", "with": {**published, "require_verdict": "{{ steps.check }}"}},
        ],
    )
    exchanged = cli("run", "publish", "--input", '{"which": "b"}', "--json")
    assert json.loads(exchanged.stdout)["error"]["code"] == "C036"
    assert not (cli.project / "files" / "out" / "x.txt").exists()
    cli.ok("run", "publish", "--input", '{"which": "a"}')
    assert (cli.project / "files" / "out" / "x.txt").read_text() == "hello"


EXAMPLES = [
    {"expect": "allow", "scores": {"violence": 0.1}},
    {"expect": "allow", "scores": {"violence": 0.45}},
    {"expect": "review", "scores": {"violence": 0.5, "hate": 0.2}},
    {"expect": "block", "scores": {"violence": 0.95}},
    {"expect": "block", "scores": {"hate": 0.3}},
    {"expect": "block", "text": "well, shit"},
    {"expect": "allow", "text": "Scunthorpe"},
]


def write_examples(folder: Path, examples: list[Any]) -> str:
    file = folder / "examples.jsonl"
    file.write_text("\n".join(json.dumps(each) for each in examples) + "\n\n")
    return str(file)


def test_examples_give_a_confusion_matrix_and_a_curve(cli: Cli, tmp_path: Path) -> None:
    file = write_examples(tmp_path, EXAMPLES)
    found = cli.json("moderation", "evaluate", file, "--json")
    matrix = {(each["expected"], each["action"]): each["examples"] for each in found["confusion"]}
    assert matrix == {
        ("allow", "allow"): 2,
        ("allow", "review"): 1,
        ("allow", "block"): 0,
        ("review", "allow"): 0,
        ("review", "review"): 1,
        ("review", "block"): 0,
        ("block", "allow"): 1,
        ("block", "review"): 0,
        ("block", "block"): 2,
    }
    for point in found["curve"]:
        assert point["true_positive"] + point["false_negative"] == 4
        assert point["false_positive"] + point["true_negative"] == 3
    recalls = [point["recall"] for point in found["curve"]]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[0] == 1
    half = next(point for point in found["curve"] if point["threshold"] == 0.5)
    assert (half["precision"], half["recall"], half["false_positive_rate"]) == (1.0, 0.75, 0.0)
    hate = cli.json("moderation", "evaluate", file, "--json", "--category", "hate")
    assert next(point for point in hate["curve"] if point["threshold"] == 0.25)["true_positive"] == 1

    shown = cli.ok("moderation", "evaluate", file).stdout
    assert "7 examples, 5 decided as expected (71.4%), 1 wrongly allowed" in shown
    target = tmp_path / "curve.csv"
    cli.ok("moderation", "evaluate", file, "--csv", str(target))
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert [float(row["threshold"]) for row in rows] == [point["threshold"] for point in found["curve"]]


def test_a_policy_is_tried_on_examples_and_on_stored_verdicts(cli: Cli, tmp_path: Path) -> None:
    put_policy(cli, LENIENT)
    put_workflow(cli)
    run(cli, "well, shit")
    [listed] = cli.json("runs", "list", "--json")["runs"]
    verdict = cli.json("runs", "show", listed["id"], "--json")["output"]["verdict"]
    file = write_examples(tmp_path, [{"expect": "review", "verdict": verdict}, EXAMPLES[5]])
    found = cli.json("moderation", "evaluate", file, "--policy", "lenient", "--json")
    counted = [each for each in found["confusion"] if each["examples"]]
    assert [(each["expected"], each["action"]) for each in counted] == [
        ("review", "review"),
        ("block", "review"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"scores": {}}',
        '{"expect": "maybe", "scores": {}}',
        '{"expect": "allow"}',
        '{"expect": "allow", "scores": {}, "text": "x"}',
        '{"expect": "allow", "scores": {"hate": 2}}',
        '{"expect": "allow", "scores": {"hate": true}}',
        '{"expect": "allow", "scores": {"nudity": 0.5}}',
        '{"expect": "allow", "verdict": {}}',
        '{"expect": "allow", "text": 1}',
    ],
)
def test_a_line_that_cannot_be_read_is_named(cli: Cli, tmp_path: Path, line: str) -> None:
    file = tmp_path / "examples.jsonl"
    file.write_text(f"{json.dumps(EXAMPLES[0])}\n{line}\n")
    result = cli("moderation", "evaluate", str(file))
    assert result.exit_code == 3
    assert "C037" in result.stderr
    assert "examples.jsonl:2:" in result.stderr


def test_a_plot_without_matplotlib_is_refused_with_the_remedy(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    file = write_examples(tmp_path, EXAMPLES)
    result = cli("moderation", "evaluate", file, "--plot", str(tmp_path / "curve.png"))
    assert result.exit_code == 3
    assert "pip install matplotlib" in result.stderr
