"""What a terminal shows of a run while it goes on."""

from __future__ import annotations

import pytest

from hookline.cli import progress as module
from hookline.cli.progress import Progress, printable
from hookline.core.plan import compile_plan
from hookline.core.records import RunState, StepRecord, Waiting
from hookline.engine.redaction import Redactor
from hookline.engine.watching import LiveText


def state_at(status: str, seq: int) -> RunState:
    record = StepRecord("steps[0]", status, 1, input={}, output="the end")
    record.waiting = Waiting("action", "the model", None)
    state = RunState()
    state.records[record.path] = record
    state.seq = seq
    return state


def test_words_stay_on_their_line_while_the_step_is_only_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "on_terminal", lambda: True)
    plan = compile_plan({"name": "w", "steps": [{"id": "said", "uses": "x.y"}]})
    shown = Progress(plan, {}, Redactor())
    shown.update(state_at("waiting", 1))
    for seq, word in enumerate(("once ", "upon \x1b[2J", "a time"), 2):
        shown.update(state_at("running", 10 * seq))
        shown.show([LiveText("steps[0]", 1, word, True)])
        shown.update(state_at("waiting", 10 * seq + 1))
    shown.update(state_at("succeeded", 100))
    shown.close()
    lines = capsys.readouterr().err.replace("\r\x1b[K", "").splitlines()
    assert [line.split()[0] for line in lines[:1]] == ["waiting"]
    assert "once upon [2Ja time" in lines[-2]
    assert lines[-1].split()[:2] == ["succeeded", "said"]


def test_a_step_that_goes_on_waiting_for_the_same_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(compile_plan({"name": "w", "steps": [{"id": "said", "uses": "x.y"}]}), {}, Redactor())
    for seq in range(0, 6, 2):
        shown.update(state_at("waiting", seq))
        shown.update(state_at("running", seq + 1))
    other = state_at("waiting", 7)
    other.records["steps[0]"].waiting = Waiting("action", "its files", None)
    shown.update(other)
    shown.close()
    lines = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert lines == ["waiting said for the model", "waiting said for its files"]


def test_without_a_terminal_no_words_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(compile_plan({"name": "w", "steps": [{"uses": "x.y"}]}), {}, Redactor())
    shown.show([LiveText("steps[0]", 1, "once", True)])
    shown.close()
    assert capsys.readouterr().err == ""


def test_what_would_command_the_terminal_is_left_out() -> None:
    assert printable("a\x1b[31mb\x07\n\tc\u202e") == "a[31mb\n\tc"


def test_a_question_about_a_budget_is_the_operators() -> None:
    assert module.may_operator_decide(StepRecord("steps[0]", "waiting", 1))
