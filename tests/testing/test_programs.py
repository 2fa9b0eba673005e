"""The stand-ins as programs, driven over HTTP."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from hookline.testing.cog import cog_unavailable_reason


@contextmanager
def program(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The running program and the settings it prints."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        settings: dict[str, str] = {}
        for line in process.stdout:
            if line.startswith("#"):
                break
            name, _, value = line.strip().partition("=")
            settings[name] = value
        try:
            yield process, settings
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            assert process.stderr is not None
            errors = process.stderr.read()
            assert process.wait(30) == 0, errors


def test_replicate() -> None:
    with program("hookline.testing.replicate", "--fault", "create.throttled*1=3") as (_, settings):
        base, token = settings["REPLICATE_BASE_URL"], settings["REPLICATE_API_TOKEN"]
        assert settings["REPLICATE_WEBHOOK_SECRET"].startswith("whsec_")
        headers = {"Authorization": f"Bearer {token}"}
        body = {"version": "hookline/official-echo", "input": {"text": "hello"}}
        throttled = httpx.post(f"{base}/v1/predictions", headers=headers, json=body)
        assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "3")
        made = httpx.post(f"{base}/v1/predictions", headers={**headers, "Prefer": "wait"}, json=body).json()
        assert made["output"] == "hello"
        state = httpx.get(f"{base}/_standin/state").json()
        assert [item["prediction_id"] for item in state["creates"]] == [made["id"]]


def test_slack() -> None:
    with program("hookline.testing.slack", "--channel", "only", "--fault", "ratelimited*1") as (_, settings):
        headers = {"Authorization": f"Bearer {settings['SLACK_BOT_TOKEN']}"}
        url = settings["SLACK_BASE_URL"] + "chat.postMessage"
        assert httpx.post(url, headers=headers, json={"channel": "#only", "text": "a"}).status_code == 429
        assert httpx.post(url, headers=headers, json={"channel": "#only", "text": "a"}).json()["ok"] is True
        assert httpx.post(url, headers=headers, json={"channel": "#art", "text": "a"}).json()["ok"] is False


@pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason()))
def test_cog() -> None:
    with program("hookline.testing.cog", "shout") as (_, settings):
        answer = httpx.post(f"{settings['COG_BASE_URL']}/predictions", json={"input": {"text": "hello"}})
        assert answer.json()["status"] == "succeeded"


def test_drive() -> None:
    with program("hookline.testing.drive") as (_, settings):
        key = json.loads(settings["GOOGLE_SERVICE_ACCOUNT_KEY"].strip("'"))
        assert key["type"] == "service_account"
        base = settings["GOOGLE_DRIVE_BASE_URL"]
        made = httpx.post(f"{base}/_standin/files?name=a.txt", content=b"hello").json()
        state = httpx.get(f"{base}/_standin/state").json()
        assert made["id"] in [file["id"] for file in state["files"]]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["hookline.testing.replicate", "--fault", "create.reset"], 1, "did you mean"),
        (["hookline.testing.replicate", "--host", "0.0.0.0"], 1, "loopback only"),
        (["hookline.testing.replicate", "--model", "x"], 2, "OWNER/NAME=cog"),
        (["hookline.testing.replicate", "--cog", "http://127.0.0.1:9"], 1, "start it first"),
        (["hookline.testing.slack", "--host", "0.0.0.0"], 1, "loopback only"),
        (["hookline.testing.slack", "--fault", "nonsense"], 1, "unknown fault"),
        (["hookline.testing.drive", "--host", "0.0.0.0"], 1, "loopback only"),
        (["hookline.testing.cog", "whisper"], 1, "cannot start"),
        (["hookline.testing.drive", "--fault", "nonsense"], 1, "unknown fault"),
    ],
)
def test_what_cannot_start_says_why(arguments: list[str], code: int, text: str) -> None:
    finished = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=60)
    assert finished.returncode == code
    assert text in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    "module", ["hookline.testing.replicate", "hookline.testing.slack", "hookline.testing.drive"]
)
def test_faults_are_listed(module: str) -> None:
    finished = subprocess.run([sys.executable, "-m", module, "--list-faults"], capture_output=True, text=True)
    lines = finished.stdout.splitlines()
    assert len(lines) > 5
    assert all(re.match(r"[a-z0-9_.]+ +\S", line) for line in lines)


def test_a_second_one_on_the_same_port_says_so() -> None:
    with program("hookline.testing.slack") as (_, settings):
        port = settings["SLACK_BASE_URL"].rpartition(":")[2].partition("/")[0]
        deadline = time.monotonic() + 30
        command = [sys.executable, "-m", "hookline.testing.slack", "--port", port]
        finished = subprocess.run(
            command, capture_output=True, text=True, timeout=deadline - time.monotonic()
        )
        assert finished.returncode == 1
        assert "in use" in finished.stderr
