"""What steps show while they are at work: to whom, how much of it, and that it can harm nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hookline.core.plan import compile_plan
from hookline.core.records import RunState, StepRecord, Waiting
from hookline.engine import watching
from hookline.engine.redaction import Redactor, Secret
from hookline.engine.watching import LiveViews
from hookline.sdk import Action, Unavailable, WatchContext, action

PLAN = compile_plan({"name": "w", "steps": [{"uses": "job.long"}, {"uses": "job.long"}]})


class Rig:
    """Views over one action that is watched, with the loop's work done when the test says so."""

    def __init__(self) -> None:
        self.calls: deque[Callable[[], None]] = deque()
        self.watched: list[tuple[str, str]] = []
        self.ended: list[str] = []
        self.fails: Exception | None = None
        self.redactor = Redactor([Secret("token", "r8_secret-token")])
        self.views = LiveViews(
            actions={"job.long": self._declare()},
            outside=lambda: SimpleNamespace(http=None),  # type: ignore[arg-type, return-value]
            open_connection=lambda name, type: None,
            mask=self.redactor.redact_growing,
            clock=lambda: 0.0,
            deliver=self.calls.append,
        )

    def _declare(self) -> Action:
        @action("job.long", effect="check", summary="Did it")
        async def run(ctx: Any) -> None:
            """Work"""

        @run.on_watch("job")
        async def watch(ctx: WatchContext, job: str) -> None:
            self.watched.append((ctx.step, job))
            if self.fails is not None:
                raise self.fails
            ctx.progress(f"{job} ")
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.append(job)

        return run

    async def settle(self) -> None:
        while self.calls:
            self.calls.popleft()()
        for _ in range(5):
            await asyncio.sleep(0)

    @staticmethod
    def state(*jobs: str | None, status: str = "waiting", attempt: int = 1) -> RunState:
        state = RunState()
        for place, job in enumerate(jobs):
            data = None if job is None else {"job": job, "polls": 3}
            record = StepRecord(f"steps[{place}]", status, attempt, data=data, input={})
            record.waiting = Waiting("action", "the job", None)
            state.records[record.path] = record
        return state


def scenario(work: Callable[[Rig], Any]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work(Rig())

    asyncio.run(bounded())


def test_nothing_is_watched_until_somebody_looks_nor_after() -> None:
    async def work(rig: Rig) -> None:
        rig.views.arrange("r", rig.state("a", "b"), PLAN)
        await rig.settle()
        assert rig.watched == []
        first, second = rig.views.open("r"), rig.views.open("r")
        first.look(rig.state("a", "b"), PLAN)
        second.look(rig.state("a", "b"), PLAN)
        await rig.settle()
        assert sorted(rig.watched) == [("steps[0]", "a"), ("steps[1]", "b")]
        shown = sorted((text.path, text.text) for text in second.texts())
        assert shown == [("steps[0]", "a "), ("steps[1]", "b ")]
        first.close()
        await rig.settle()
        assert rig.ended == []
        second.close()
        second.close()
        await rig.settle()
        assert sorted(rig.ended) == ["a", "b"]
        assert rig.views.watching == 0

    scenario(work)


def test_a_look_in_between_does_not_end_a_watch_and_another_subject_does() -> None:
    async def work(rig: Rig) -> None:
        view = rig.views.open("r")
        for status in ("waiting", "running", "waiting"):
            view.look(rig.state("a", status=status), PLAN)
            await rig.settle()
        assert rig.watched == [("steps[0]", "a")]
        view.look(rig.state("b"), PLAN)
        await rig.settle()
        assert rig.ended == ["a"]
        view.look(rig.state("b", status="succeeded"), PLAN)
        await rig.settle()
        assert rig.ended == ["a", "b"]
        assert rig.views.shown("r") == []

    scenario(work)


@pytest.mark.parametrize("error", [Unavailable("gone"), RuntimeError("a fault")])
def test_a_watch_that_fails_is_not_begun_again_and_harms_nobody(error: Exception) -> None:
    async def work(rig: Rig) -> None:
        rig.fails = error
        view = rig.views.open("r")
        for _ in range(3):
            view.look(rig.state("a"), PLAN)
            await rig.settle()
        assert rig.watched == [("steps[0]", "a")]

    scenario(work)


def test_places_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PLACES", 1)

    async def work(rig: Rig) -> None:
        view = rig.views.open("r")
        view.look(rig.state("a", "b"), PLAN)
        await rig.settle()
        assert len(rig.watched) == 1
        done = rig.watched[0][1]
        view.look(rig.state(*(None if job == done else job for job in ("a", "b"))), PLAN)
        await rig.settle()
        assert len(rig.watched) == 2

    scenario(work)


def test_each_view_gets_the_difference() -> None:
    rig = Rig()
    view = rig.views.open("r")

    def show(text: str, *, attempt: int = 1, replace: bool = False) -> None:
        rig.views.show("r", "s", attempt, text, replace=replace)

    show("one ")
    show("two ")
    assert [(text.text, text.appended) for text in view.texts()] == [("one two ", True)]
    assert view.texts() == []
    show("three")
    assert [(text.text, text.appended) for text in view.texts()] == [("three", True)]
    show("another", replace=True)
    assert [(text.text, text.appended) for text in view.texts()] == [("another", False)]
    show("again", attempt=2)
    assert [(text.text, text.appended) for text in view.texts()] == [("again", False)]
    late = rig.views.open("r")
    assert [text.text for text in late.texts()] == ["again"]
    assert rig.views.open("other").texts() == []


def test_a_secret_is_masked_and_not_shown_by_halves() -> None:
    rig = Rig()
    view = rig.views.open("r")
    told = ""
    for piece in ("my token is r8_se", "cret-", "token", ", and", " r8_s", "omething else"):
        rig.views.show("r", "s", 1, piece, replace=False)
        for text in view.texts():
            told = told + text.text if text.appended else text.text
            assert "r8_se" not in told
    assert told == "my token is [redacted:token], and r8_something else"


def test_of_a_long_text_the_end_is_kept_and_of_many_the_last() -> None:
    rig = Rig()
    view = rig.views.open("r")
    for number in range(20_000):
        rig.views.show("r", "s", 1, f"{number} ", replace=False)
    (text,) = view.texts()
    assert len(text.text) <= watching.LONGEST_TEXT
    assert text.text.endswith("19998 19999 ")
    for number in range(2 * watching.KEPT_TEXTS):
        rig.views.show(f"run {number}", "s", 1, "x", replace=False)
    assert rig.views.shown("run 0") == []
    assert rig.views.shown(f"run {2 * watching.KEPT_TEXTS - 1}") != []
