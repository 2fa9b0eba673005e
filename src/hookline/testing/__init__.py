"""What helps to test components and workflows: fakes, pytest fixtures, the conformance suite.

Everything is imported when it is used, because the pytest plugin is loaded in every test run of
every environment in which Hookline is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fakes import (
        FakeClock,
        FakeConnectionContext,
        FakeContext,
        FakeFiles,
        FakeHookContext,
        FakeHttp,
        FakeImap,
        FakeObjectStore,
        FakeResponse,
        FakeTriggerContext,
        SentRequest,
        open_connection,
        run_action,
        run_trigger,
    )

__all__ = [
    "FakeClock",
    "FakeConnectionContext",
    "FakeContext",
    "FakeFiles",
    "FakeHookContext",
    "FakeHttp",
    "FakeImap",
    "FakeObjectStore",
    "FakeResponse",
    "FakeTriggerContext",
    "SentRequest",
    "open_connection",
    "run_action",
    "run_trigger",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import fakes

        return getattr(fakes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
