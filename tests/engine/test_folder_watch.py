"""The folder trigger under a real engine: told of changes, and files that go once their run has succeeded."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Fail, Lab, LabMaker, flow, job

from hookline.sdk import BadInput


def watching(labs: LabMaker, **options: Any) -> Lab:
    folder = labs.folder / "in"
    folder.mkdir(exist_ok=True)
    trigger = {"uses": "folder", "with": {"path": str(folder), **options}}
    lab = labs(started=False, environment={"HOOKLINE_WATCH_DIRS": str(folder)})
    lab.deploy(flow(job("a"), trigger=trigger))
    lab.start(triggers=True)
    lab.until(lambda: lab.engine.store.cursor("flow/0") is not None)
    return lab


def test_a_file_goes_once_its_run_has_succeeded(labs: LabMaker) -> None:
    labs.outside.script("a", Fail(BadInput("no")))
    lab = watching(labs, after="move", interval="5s")
    file = labs.folder / "in" / "a.txt"
    file.write_text("content")
    lab.until(lambda: labs.clock.advance(5) or lab.runs())
    lab.until_idle()
    (run,) = lab.runs()
    for _ in range(3):
        labs.clock.advance(5)
        lab.until_idle()
    assert file.exists()
    lab.engine.resume(run.id)
    lab.until(lambda: labs.clock.advance(5) or (labs.folder / "in" / "done" / "a.txt").exists())
    assert not file.exists()
    assert len(lab.runs()) == 1


def test_changes_are_told_of_without_waiting_for_the_interval(labs: LabMaker) -> None:
    pytest.importorskip("watchfiles", reason="watchfiles is not installed: pip install hookline[watch]")
    lab = watching(labs, interval="10d")
    (labs.folder / "in" / "a.txt").write_text("content")

    hidden = labs.folder / "in" / ".hidden"

    def told() -> Any:
        # Whatever was written before the watch had begun is not told of; this is.
        hidden.touch()
        labs.clock.advance(0.2)
        return lab.runs()

    lab.until(told)
    lab.until_idle()
    assert [row.status for row in lab.runs()] == ["succeeded"]
