"""`hookline demo`: what a person sees, the exit code, and that nothing is left running."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from hookline.cli import demo
from hookline.cli.demo_picture import SIZE, paint_evening
from hookline.cli.demo_screen import News, Screen
from hookline.testing.cog import cog_unavailable_reason
from hookline.testing.s3 import RcloneNotInstalledError, rclone_binary

from .installation import wait_until

PROC = Path("/proc")
ESCAPE = "\x1b["


def missing() -> str:
    try:
        rclone_binary()
        pytest.importorskip("boto3", reason="boto3 is not installed: pip install hookline[s3]")
    except RcloneNotInstalledError as error:
        return str(error)
    return cog_unavailable_reason() or ""


needs_parts = pytest.mark.skipif(bool(missing()), reason=missing())


class Terminal:
    """A demonstration in a process of its own, and everything it starts.

    Attributes:
        folder: Its folder for temporary files; every process it starts has it in its environment.
    """

    def __init__(self, folder: Path, code: str, environment: Mapping[str, str]) -> None:
        folder.mkdir()
        self.folder = folder
        self.output = folder.parent / "output.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8", **environment},
            )

    def text(self) -> str:
        return self.output.read_text("utf-8")

    def shows(self, text: str) -> None:
        """Return once the output holds `text`."""
        wait_until(lambda: text in self.text() or self.process.poll() is not None)
        assert text in self.text(), self.text()

    def code(self) -> int:
        return self.process.wait(60)

    def left_running(self) -> list[str]:
        """Command lines of processes that it started and that are still there."""
        mark = f"TMPDIR={self.folder}".encode()
        found = []
        for each in PROC.glob("[0-9]*"):
            try:
                environment = (each / "environ").read_bytes()
                command = (each / "cmdline").read_bytes()
            except OSError:
                continue
            if mark in environment and command:
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
        return found

    def left_behind(self) -> list[str]:
        """What is left of its temporary files."""
        return sorted(path.name for path in self.folder.iterdir())


Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a demonstration; one that is still running at the end of the test is stopped."""
    started: list[Terminal] = []

    def begin(arguments: str = "True, None", before: str = "", **environment: str) -> Terminal:
        code = f"import sys\nfrom hookline.cli import demo\n{before}\nsys.exit(demo.run_demo({arguments}))"
        started.append(Terminal(tmp_path / "temporary", code, environment))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.terminate()
            each.process.wait(60)


@needs_parts
def test_once_it_shows_every_step_and_leaves_nothing(start: Start) -> None:
    terminal = start(
        # None of the caller's own accounts or proxies is used.
        AWS_PROFILE="nobody",
        AWS_ENDPOINT_URL_S3="http://127.0.0.1:9",
        REPLICATE_API_TOKEN="somebody's",
        HTTP_PROXY="http://127.0.0.1:9",
        SLACK_BASE_URL="http://127.0.0.1:9",
    )
    assert terminal.code() == 0, terminal.text()
    text = terminal.text()
    for name in ("Check the file name", "Check the picture", "Restyle it", "Store the result", "Tell Slack"):
        assert re.search(rf"▸ {name} ", text), name
        assert re.search(rf"✓ {name} +\d+\.\d\d s ", text), name
    assert "waits for Replicate prediction" in text
    assert "the signed webhook has come" in text
    assert "The run has succeeded in" in text
    assert "1 prediction created, 1 signed webhook accepted" in text
    assert "evening.webp: WEBP, 1200 by 800" in text
    assert ESCAPE not in text, "a file is no terminal"
    assert terminal.left_running() == []
    assert terminal.left_behind() == []


@needs_parts
def test_it_stays_up_until_it_is_interrupted(start: Start) -> None:
    terminal = start("False, None")
    terminal.shows("Ctrl-C ends this.")
    text = terminal.text()
    page = re.search(r"Runs +(http://127\.0\.0\.1:\d+/)", text)
    inbox = re.search(r"Slack inbox +(http://127\.0\.0\.1:\d+/)\n", text)
    buckets = re.search(r"Buckets +(/.+)\n", text)
    assert page is not None
    assert inbox is not None
    assert buckets is not None
    runs = httpx.get(f"{page[1]}api/v1/runs", trust_env=False).json()["runs"]
    assert [(run["workflow"], run["status"]) for run in runs] == [("upload-restyle", "succeeded")]
    assert "evening.jpg is restyled" in httpx.get(inbox[1], trust_env=False).text
    assert (Path(buckets[1]) / "processed" / "evening.webp").is_file()

    # What a person puts there is seen as well.
    (Path(buckets[1]) / "uploads" / "raw" / "mine.jpg").write_bytes(paint_evening())
    terminal.shows("Uploaded mine.webp to s3://processed/mine.webp")

    terminal.process.send_signal(signal.SIGINT)
    assert terminal.code() == 0, terminal.text()
    assert terminal.left_running() == []
    assert "Everything is kept in" in terminal.text()


@needs_parts
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", ["S3 server", "Model server"])
def test_interrupted_before_the_run_is_over_it_stops_everything(
    start: Start, number: signal.Signals, code: int, moment: str
) -> None:
    terminal = start("False, None")
    terminal.shows(moment)
    terminal.process.send_signal(number)
    assert terminal.code() == code, terminal.text()
    assert terminal.left_running() == []
    assert terminal.left_behind() == []


@needs_parts
def test_a_signal_while_a_server_is_being_started_leaves_no_server(start: Start) -> None:
    """The signal comes when the program runs already, and before anybody has kept hold of it."""
    sudden = """
import os, signal
from hookline.testing import processes
class Sudden(processes.ServerProcess):
    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        os.kill(os.getpid(), signal.SIGTERM)
demo.S3Server._launch.__globals__["ServerProcess"] = Sudden
"""
    terminal = start(before=sudden)
    assert terminal.code() == 143, terminal.text()
    assert "Interrupted (SIGTERM)" in terminal.text()
    assert terminal.left_running() == []
    assert terminal.left_behind() == []


@needs_parts
def test_a_run_that_fails_is_told_with_its_reason(start: Start) -> None:
    broken = """
class Broken(demo.SlackStandIn):
    def start(self):
        super().start()
        self.faults.set("error", times=None, value="account_inactive")
demo.SlackStandIn = Broken
"""
    terminal = start(before=broken)
    assert terminal.code() == 1, terminal.text()
    assert "✗ Tell Slack" in terminal.text()
    assert "The demonstration failed: the run has failed" in terminal.text()
    assert "account_inactive" in terminal.text()
    assert terminal.left_running() == []
    assert terminal.left_behind() == []


@needs_parts
def test_what_goes_wrong_in_stopping_stops_the_rest_all_the_same_and_is_no_failure_of_the_run(
    start: Start,
) -> None:
    broken = """
class Broken(demo.SlackStandIn):
    def stop(self):
        super().stop()
        raise OSError("it was gone already")
demo.SlackStandIn = Broken
"""
    terminal = start(before=broken)
    assert terminal.code() == 0, terminal.text()
    assert "while everything was stopped: it was gone already" in terminal.text()
    assert terminal.left_running() == []
    assert terminal.left_behind() == []


@needs_parts
def test_it_gives_up_at_its_deadline(start: Start) -> None:
    hanging = """
def hang(self, engine, news):
    news.get()
    demo.time.sleep(600)
demo.DEADLINE, demo.Demo._watch = 4.0, hang
"""
    terminal = start(before=hanging)
    assert terminal.code() == 1, terminal.text()
    assert "was not through after 4 s" in terminal.text()
    assert terminal.left_running() == []
    assert terminal.left_behind() == []


@needs_parts
def test_a_port_that_is_taken_is_a_wrong_use(start: Start) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        terminal = start(f"True, {port}")
        assert terminal.code() == 2, terminal.text()
    assert f"port {port} cannot be used" in terminal.text()
    assert terminal.left_running() == []


def test_what_is_not_installed_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent() -> Path:
        raise RcloneNotInstalledError("rclone is not installed")

    monkeypatch.setattr(demo, "rclone_binary", absent)
    monkeypatch.setattr(demo, "cog_unavailable_reason", lambda: "Cog has no wheel for this machine")
    assert demo.run_demo(True, None) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "rclone, which is the S3 server, is not installed" in shown.err
    assert "Cog has no wheel for this machine" in shown.err
    assert "pip install 'hookline[demo]'" in shown.err


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    terminal = Tty()
    Screen.on(terminal).done("label", "text", 0.5)
    assert (ESCAPE in terminal.getvalue()) is coloured


def test_a_stream_without_unicode_gets_plain_signs() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    screen = Screen.on(stream)
    screen.show(News("run_1", "succeeded", "label", "text", 1.25))
    screen.show(News("run_1", "finished", "label", "", 2.0, "succeeded"))
    lines = raw.getvalue().decode("ascii").splitlines()
    assert lines[1] == "Run run_1"
    assert lines[2].split() == ["ok", "label", "1.25", "s", "text"]
    assert lines[3].strip() == "The run has succeeded in 2.00 s"


def test_the_picture_is_one_and_always_the_same() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    with image.open(io.BytesIO(paint_evening())) as picture:
        assert (picture.format, picture.size) == ("JPEG", SIZE)
        assert len(picture.getcolors(1_000_000) or ()) > 1000
    assert paint_evening() == paint_evening()
