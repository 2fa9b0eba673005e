"""Fixtures for people who test their own workflows and connectors with pytest.

Nothing of Hookline is imported before a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hookline.engine.registry import Registry

    from .fakes import FakeClock, FakeContext, FakeFiles, FakeHookContext, FakeTriggerContext

__all__ = [
    "hookline_clock",
    "hookline_context",
    "hookline_files",
    "hookline_hook_context",
    "hookline_registry",
    "hookline_run",
    "hookline_trigger_context",
    "hookline_workflow",
]


@pytest.fixture
def hookline_clock() -> FakeClock:
    """A clock that stands still until it is advanced."""
    from .fakes import FakeClock

    return FakeClock()


@pytest.fixture
def hookline_files() -> Iterator[FakeFiles]:
    """An artifact store in memory."""
    from .fakes import FakeFiles

    files = FakeFiles()
    yield files
    files.close()


@pytest.fixture
def hookline_context(hookline_clock: FakeClock, hookline_files: FakeFiles) -> FakeContext:
    """What an action is given; add answers to ``hookline_context.exchange.answers``."""
    from .fakes import FakeContext

    return FakeContext(clock=hookline_clock, files=hookline_files)


@pytest.fixture
def hookline_trigger_context(hookline_clock: FakeClock, hookline_files: FakeFiles) -> FakeTriggerContext:
    """What a polling trigger is given."""
    from .fakes import FakeTriggerContext

    return FakeTriggerContext(clock=hookline_clock, files=hookline_files)


@pytest.fixture
def hookline_hook_context(hookline_clock: FakeClock, hookline_files: FakeFiles) -> FakeHookContext:
    """What a webhook trigger is given."""
    from .fakes import FakeHookContext

    return FakeHookContext(clock=hookline_clock, files=hookline_files)


@pytest.fixture
def hookline_run(hookline_context: FakeContext) -> Callable[..., Any]:
    """``hookline_run(action, {…input…}, *answers)``: run an action and return its output."""
    import asyncio

    from .fakes import run_action

    def run(action: Any, input: Any, *answers: Any) -> Any:
        hookline_context.exchange.answers.extend(answers)
        return asyncio.run(run_action(action, input, hookline_context))

    return run


@pytest.fixture(scope="session")
def hookline_registry(pytestconfig: pytest.Config) -> Registry:
    """Everything installed, with the components of the project that pytest was started in."""
    from hookline.engine.loader import load_registry

    return load_registry(pytestconfig.rootpath)


@pytest.fixture
def hookline_workflow(
    pytestconfig: pytest.Config, tmp_path: Path, hookline_registry: Registry
) -> Callable[..., dict[str, Any]]:
    """``hookline_workflow(name, inputs, *stand_ins)``: run a workflow of the project, and give its document.

    With a fresh database and artifact store; see `hookline.testing.workflow_runs.run_workflow`.
    """
    from functools import partial

    from .workflow_runs import run_workflow

    return partial(run_workflow, pytestconfig.rootpath, tmp_path, registry=hookline_registry)
