"""The guide to files, as it is written."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hookline.testing.s3 import S3Server

from .installation import ROOT
from .test_guides import blocks

GUIDE = ROOT / "docs" / "how-to" / "files.md"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What ``hookline init`` makes, with the guide's workflows written into it."""
    hookline(tmp_path, "init", "shop")
    for text in blocks(GUIDE, "json"):
        name = json.loads(text)["name"]
        (tmp_path / "shop" / "workflows" / f"{name}.json").write_text(text, "utf-8")
    return tmp_path / "shop"


def hookline(folder: Path, *arguments: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "hookline.cli", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def shell(project: Path, commands: str) -> str:
    """Run commands as they stand in the guide, with this environment's hookline."""
    line = f'hookline() {{ {shlex.quote(sys.executable)} -m hookline.cli "$@"; }}\nset -e\n{commands}'
    ended = subprocess.run(["/bin/sh", "-c", line], cwd=project, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def command_with(word: str) -> str:
    (found,) = [text for text in blocks(GUIDE, "sh") if word in text]
    return found


def test_tables_are_converted_packed_and_cleared(project: Path) -> None:
    commands = command_with("tidy-inbox")
    output = shell(project, commands)
    assert json.loads(output[output.rindex("[") :]) == [{"name": "Ada", "score": "9"}]
    assert list((project / "files/inbox").iterdir()) == []
    (archive,) = (project / "files/archive").iterdir()
    with zipfile.ZipFile(archive) as packed:
        assert packed.read("scores.csv") == b"name,score\nAda,9\n"
    shell(project, commands.replace("Ada,9", "Bob,7"))
    first, second = sorted((project / "files/tables").iterdir(), key=lambda path: len(path.name))
    assert json.loads(first.read_text())[0]["name"] == "Ada"
    assert json.loads(second.read_text())[0]["name"] == "Bob"
    assert (len(second.name), second.name[:7]) == (len("scores-12345678.json"), "scores-")


def test_a_thumbnail_is_made_and_runs_keep_it_in_a_bucket(project: Path, tmp_path: Path) -> None:
    (command,) = command_with("thumbnail").splitlines()
    sink = io.BytesIO()
    Image.new("RGB", (600, 300), "red").save(sink, "PNG")
    with S3Server(tmp_path / "buckets") as server:
        for bucket in ("uploads/raw", "processed", "my-bucket"):
            (server.root / bucket).mkdir(parents=True)
        (server.root / "uploads/raw/cat.png").write_bytes(sink.getvalue())
        (setting,) = command_with("HOOKLINE_ARTIFACTS_URL").splitlines()
        name, _, value = setting.partition("=")
        variables = {**server.environment, name: value}
        (project / ".env").write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
        document: Any = json.loads(hookline(project, *shlex.split(command)[1:], "--json"))
        assert document["output"]["width"] == 256
        made = server.root / "processed/small/cat.webp"
        with Image.open(made) as picture:
            assert (picture.size, picture.format) == ((256, 256), "WEBP")
        kept = [
            path.name for path in (server.root / "my-bucket/hookline/content").rglob("*") if path.is_file()
        ]
        assert len(kept) == 2, "the fetched picture and the small one"
        shown = shell(project, command_with("artifacts show"))
        assert "kept       2 files" in shown
