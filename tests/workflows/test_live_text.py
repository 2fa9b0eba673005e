"""The words of a model, shown while they come to whoever looks; what the step gives is the prediction's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.sdk.sse import ServerSentEvent, SseParser
from hookline.testing.clock import ManualClock
from hookline.testing.replicate import ReplicateStandIn

from .installation import Installation, install, wait_until

PROMPT = "the quick brown fox jumps"


def definition(replicate: ReplicateStandIn) -> dict[str, Any]:
    model = f"hookline/tokens:{replicate.version_of('hookline/tokens')}"
    values = {"prompt": PROMPT, "delay": 1}
    return {
        "name": "tell",
        "trigger": {"uses": "webhook", "with": {"path": "tell", "auth": {"type": "none"}}},
        "steps": [{"id": "words", "uses": "replicate.run", "with": {"model": model, "input": values}}],
        "output": "{{ steps.words.output_text }}",
    }


@pytest.fixture
def clock() -> ManualClock:
    # The engine's own clock goes on: both must agree on the day.
    return ManualClock(time.time())


@pytest.fixture
def replicate(clock: ManualClock) -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn(clock=clock) as running:
        yield running
        assert running.failures == []
        assert [request for request in running.stream_requests if request.authorization] == []


@pytest.fixture
def hookline(tmp_path: Path, replicate: ReplicateStandIn) -> Iterator[Installation]:
    environment = {
        "REPLICATE_BASE_URL": replicate.base_url,
        "REPLICATE_API_TOKEN": replicate.token,
        "HOOKLINE_LIVE_VIEWS": "2",
    }
    with install(
        tmp_path / "project",
        environment=environment,
        origins=(replicate.cdn_url, replicate.streams_url),
        definitions=[definition(replicate)],
    ) as running:
        yield running


class Viewer:
    """Somebody who looks at a run, on a thread of its own."""

    def __init__(self, hookline: Installation, run: str, after: str = "") -> None:
        self.events: list[ServerSentEvent] = []
        self.status = 0
        self._address = f"{hookline.url}/api/v1/runs/{run}/stream"
        self._headers = {"Last-Event-ID": after} if after else {}
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        parser = SseParser()
        with httpx.stream("GET", self._address, headers=self._headers, timeout=30, trust_env=False) as answer:
            self.status = answer.status_code
            for piece in answer.iter_raw():
                self.events += parser.feed(piece)
                if self._leave.is_set():
                    return

    @property
    def text(self) -> str:
        text = ""
        for event in list(self.events):
            if event.event == "text":
                news = json.loads(event.data)
                text = text + news["text"] if news["appended"] else news["text"]
        return text

    @property
    def names(self) -> list[str]:
        return [event.event for event in list(self.events)]

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()


def started(hookline: Installation, replicate: ReplicateStandIn) -> str:
    run: str = hookline.post("tell").json()["runs"][0]
    wait_until(lambda: replicate.creates)
    return run


def test_words_come_one_by_one_and_the_end_is_told(
    hookline: Installation, replicate: ReplicateStandIn, clock: ManualClock
) -> None:
    run = started(hookline, replicate)
    assert replicate.stream_requests == []
    viewer = Viewer(hookline, run)
    words = PROMPT.split(" ")
    for number in range(1, len(words)):
        # The last word ends the prediction, and with it the live view.
        wait_until(lambda number=number: viewer.text == "".join(f"{word} " for word in words[:number]))
        clock.advance(1)
    viewer.join()
    assert viewer.names[-1] == "end"
    ids = [int(event.id) for event in viewer.events if event.event == "history"]
    assert ids == list(range(len(ids)))
    assert hookline.succeeded("tell")["output"] == PROMPT
    assert len(replicate.creates) == 1
    wait_until(lambda: hookline.engine.views.watching == 0)


def test_a_stream_is_taken_up_after_the_last_entry(
    hookline: Installation, replicate: ReplicateStandIn, clock: ManualClock
) -> None:
    run = started(hookline, replicate)
    clock.advance(10)
    hookline.succeeded("tell")
    whole = Viewer(hookline, run)
    whole.join()
    entries = [event for event in whole.events if event.event == "history"]
    rest = Viewer(hookline, run, after=entries[2].id)
    rest.join()
    assert [event for event in rest.events if event.event == "history"] == entries[3:]
    assert rest.names[-2:] == ["run", "end"]
    assert replicate.stream_requests == []


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("stream.cut", "1"),
        ("stream.unavailable", None),
        ("stream.wrong", None),
        ("stream.silent", None),
    ],
)
def test_a_bad_stream_is_opened_again_and_changes_nothing(
    hookline: Installation, replicate: ReplicateStandIn, clock: ManualClock, fault: str, value: str | None
) -> None:
    replicate.faults.set(fault, value=value)
    run = started(hookline, replicate)
    viewer = Viewer(hookline, run)
    wait_until(lambda: viewer.text == "the " and len(replicate.stream_requests) == 2)
    clock.advance(1)
    wait_until(lambda: viewer.text == "the quick ")
    clock.advance(10)
    viewer.join()
    assert hookline.succeeded("tell")["output"] == PROMPT
    assert len(replicate.creates) == 1


def test_a_stream_that_never_works_changes_nothing(
    hookline: Installation, replicate: ReplicateStandIn, clock: ManualClock
) -> None:
    replicate.faults.set("stream.unavailable", times=None)
    viewer = Viewer(hookline, started(hookline, replicate))
    wait_until(lambda: viewer.text == "the ")
    clock.advance(10)
    viewer.join()
    assert hookline.succeeded("tell")["output"] == PROMPT


def test_so_many_may_look_and_no_more(
    hookline: Installation, replicate: ReplicateStandIn, clock: ManualClock
) -> None:
    run = started(hookline, replicate)
    viewers = [Viewer(hookline, run) for _ in range(2)]
    wait_until(lambda: all(viewer.text for viewer in viewers))
    assert len({request.path for request in replicate.stream_requests}) == 1
    answer = httpx.get(f"{hookline.url}/api/v1/runs/{run}/stream", trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (503, "S608")
    assert answer.headers["retry-after"]
    assert hookline.post("tell").status_code == 202
    clock.advance(10)
    for viewer in viewers:
        viewer.join()
    late = Viewer(hookline, run)
    late.join()
    assert late.names[-1] == "end"


def test_the_server_ends_while_somebody_looks(hookline: Installation, replicate: ReplicateStandIn) -> None:
    viewer = Viewer(hookline, started(hookline, replicate))
    wait_until(lambda: viewer.text)
    hookline.engine.views.close()
    viewer.join()
    assert "end" not in viewer.names


@pytest.mark.parametrize("after", ["x", "1e3", "-", "9" * 40])
def test_a_place_that_is_none_is_refused(
    hookline: Installation, replicate: ReplicateStandIn, after: str
) -> None:
    run = started(hookline, replicate)
    answer = httpx.get(f"{hookline.url}/api/v1/runs/{run}/stream", params={"after": after}, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (422, "S607")
    missing = httpx.get(f"{hookline.url}/api/v1/runs/run_none/stream", trust_env=False)
    assert missing.status_code == 404
