"""What the engine refuses says what to do about it."""

from __future__ import annotations

import pytest

from hookline.engine.attempts import failure
from hookline.engine.codes import ENGINE_CODES
from hookline.engine.errors import Busy, EngineError
from hookline.sdk import OutcomeUnknown, Unavailable


@pytest.mark.parametrize("code", [each.code for each in ENGINE_CODES])
def test_an_error_without_a_hint_of_its_own_has_that_of_its_code(code: str) -> None:
    assert EngineError("no", code=code).hint
    assert EngineError("no", code=code, hint="do that").hint == "do that"
    assert Busy("later", code=code, retry_after=7).hint == "try again in 7 s"


def test_a_steps_error_without_a_hint_of_its_own_has_that_of_its_code() -> None:
    assert failure(Unavailable("gone", code="C113"), "steps[0]")["hint"].startswith("Look at the service")
    assert failure(OutcomeUnknown("lost", hint="look"), "steps[0]")["hint"] == "look"
