"""``hookline artifacts``, and real kills in the middle of writing."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookline.cli import artifacts
from hookline.store.artifacts import ArtifactStore

from .conftest import Cli, Process


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "PAUSE_SECONDS", 0.0)


def grow_old(project: Path) -> None:
    then = time.time() - 3 * 86_400
    for path in (project / ".hookline/artifacts").glob("??/*"):
        os.utime(path, (then, then))


def test_what_a_run_refers_to_stays_and_the_rest_goes(cli: Cli) -> None:
    step = {"id": "note", "uses": "files.write_text", "with": {"text": "{{ trigger.text }}", "name": "a.txt"}}
    cli.write("keep", steps=[step], output={"file": "{{ steps.note.file }}"})
    document = cli.json("run", "keep", "--json", "--input", '{"text": "kept by a run"}')
    store = ArtifactStore(cli.project / ".hookline/artifacts")
    store.save(b"kept by nobody")
    found = cli.json("artifacts", "show", "--json")
    assert found["schema"] == "hookline.artifacts/1"
    assert (found["referred"]["count"], found["too_young"]["count"]) == (1, 1)
    grow_old(cli.project)
    shown = cli.ok("artifacts", "show").output
    assert "unused     1 file, 14 bytes" in shown
    cleaned = cli.json("artifacts", "clean", "--json")
    assert cleaned["removed"] == {"count": 1, "bytes": 14}
    sha256 = document["output"]["file"]["sha256"]
    assert store.read(sha256) == b"kept by a run"
    assert cli.json("artifacts", "show", "--json")["kept"]["count"] == 1
    assert "removed 0 files" in cli.ok("artifacts", "clean").output


def test_the_artifacts_of_another_database_are_left_alone(cli: Cli) -> None:
    cli.write("keep", steps=[{"uses": "log", "with": {"message": "x"}}])
    cli.ok("run", "keep")
    store = ArtifactStore(cli.project / ".hookline/artifacts")
    store.save(b"theirs")
    assert store.owner("somebody else") == "somebody else"
    grow_old(cli.project)
    refused = cli("artifacts", "clean")
    assert refused.exit_code == 1
    assert "another database" in refused.output
    assert cli.json("artifacts", "show", "--json")["kept"]["count"] == 1


@pytest.mark.faults
def test_a_kill_after_writing_does_not_fail_at_its_own_file(
    cli: Cli, processes: Callable[..., Process]
) -> None:
    """The file is there and the step's end is not on disk; another process goes on with the run."""
    (cli.project / "files").mkdir(exist_ok=True)
    given: dict[str, Any] = {"text": "once", "to": "file:out/a.txt", "if_exists": "fail"}
    cli.write("write", steps=[{"id": "w", "uses": "files.write_text", "with": given}])
    dying = processes("run", "write", HOOKLINE_CRASH_AT="attempt.returned")
    assert dying.end()[0] == -9
    assert (cli.project / "files/out/a.txt").read_text() == "once"
    (run,) = cli.json("runs", "list", "--json")["runs"]
    server = processes("serve", "--port", "0", HOOKLINE_ADMIN_TOKEN="t" * 20)
    server.wait_for("http://")
    deadline = time.monotonic() + 30
    while (document := cli.json("runs", "show", run["id"], "--json"))["status"] == "running":
        assert time.monotonic() < deadline
    assert document["status"] == "succeeded"
    (step,) = document["steps"]
    assert (step["output"]["url"], step["output"]["skipped"]) == ("file:out/a.txt", False)
    assert os.listdir(cli.project / "files/out") == ["a.txt"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is writable"),
        ("ftp://x", "artifacts_url"),
        ("s3://no-such-bucket/x", "cannot be reached|answered|EndpointConnectionError"),
    ],
)
def test_the_doctor_looks_at_the_store(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("HOOKLINE_ARTIFACTS_URL", url)
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    document = json.loads(cli("doctor", "--json").stdout)
    (check,) = [each for each in document["checks"] if each["name"] == "artifacts"]
    assert check["verdict"] == ("problem" if url else "ok")
    assert re.search(said, check["message"])
