"""Rules that run an action's examples, as they are and with failures put in their way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hookline.engine.registry import Registry
from hookline.sdk import Action, Example, OutcomeUnknown, RateLimited, Recorded, Unavailable

from .declarations import invalid
from .harness import Ran, run_example, secrets_of
from .rule import Rule

__all__ = ["RULES"]

_WAIT_SECONDS = 7
_HARMLESS = frozenset({"read", "idempotent"})


def _examples(registry: Registry, action: Action) -> Iterator[str]:
    if not action.examples:
        yield "there is no example"
    for number, example in enumerate(action.examples):
        where = f"example {number} ({example.title})" if example.title else f"example {number}"
        found = list(invalid(action.input_schema, _plain(example.input)))
        yield from (f"{where}: {why}" for why in found)
        if found:
            continue
        ran = run_example(registry, action, example)
        if ran.error is not None:
            yield f"{where}: {type(ran.error).__name__}: {ran.error}"
            continue
        if ran.unused:
            yield f"{where}: {ran.unused} recorded answers were not asked for"
        yield from (f"{where}: output: {why}" for why in invalid(action.output_schema, ran.output))
        if example.output is not None and ran.output != example.output:
            yield f"{where}: the output is {ran.output!r}, not {example.output!r}"
        if "…" in ran.summary or not ran.summary.strip():
            yield f"{where}: the summary lacks a value: {ran.summary!r}"


def _failures(registry: Registry, action: Action) -> Iterator[str]:
    example = _with_answers(action)
    if example is None:
        return
    asks_only = example.responses[0].expect.startswith(("GET ", "HEAD ")) or action.effect in _HARMLESS
    # After a request that may have acted, only "unknown" is honest; a lost answer may also be
    # looked for at once, which ends in a timeout or in the engine's own look-up.
    lost = {"unavailable", "timeout", "unknown"} if asks_only else {"unknown", "timeout"}
    failed = {"unavailable", "unknown"} if asks_only else {"unknown"}
    secrets = _secrets(registry, action)
    refusal: Any = {"error": {"message": f"invalid credential {secrets[0]}"}}
    faults: list[tuple[str, Recorded | Exception, set[str]]] = [
        ("401", Recorded(401, json=refusal), {"authentication"}),
        ("403", Recorded(403, json=refusal), {"authentication"}),
        ("429", Recorded(429, json={}, headers={"Retry-After": str(_WAIT_SECONDS)}), {"rate_limited"}),
        ("500", Recorded(500, text="<html>Internal Server Error</html>"), failed),
        ("503", Recorded(503, text=""), failed),
        ("no connection", Unavailable("not connected"), {"unavailable"}),
        ("busy", RateLimited("busy", retry_after=_WAIT_SECONDS), {"rate_limited"}),
        ("a lost answer", OutcomeUnknown("the answer was lost"), lost),
    ]
    for what, fault, expected in faults:
        ran = run_example(registry, action, example, [fault])
        if ran.error_type not in expected:
            yield f"{what}: {_ended(ran)}, not {' or '.join(sorted(expected))}"
        elif ran.error_type == "rate_limited" and getattr(ran.error, "retry_after", None) != _WAIT_SECONDS:
            yield f"{what}: the time to wait is lost"


def _unreadable(registry: Registry, action: Action) -> Iterator[str]:
    example = _with_answers(action)
    if example is None:
        return
    for text in ("<html>not JSON</html>", "", "[1, 2", "null", "[]", '"text"', "{}", '{"a": NaN}'):
        rest = example.responses[1:]
        ran = run_example(registry, action, example, [Recorded(200, text=text), *rest])
        if ran.error_type == "fault" and "no recorded answer" not in str(ran.error):
            yield f"the answer {text!r}: {_ended(ran)}; an ActionError is expected"


def _leaks(registry: Registry, action: Action) -> Iterator[str]:
    if not action.examples:
        return
    secrets = _secrets(registry, action)
    echo: Any = {"error": f"invalid credential {secrets[0]}", "token": secrets[0]}
    example = _with_answers(action)
    runs = {"success": run_example(registry, action, action.examples[0])}
    if example is not None:
        for status in (401, 403):
            runs[str(status)] = run_example(registry, action, example, [Recorded(status, json=echo)])
        runs["a lost answer"] = run_example(registry, action, example, [OutcomeUnknown("lost")])
    for what, ran in runs.items():
        yield from (f"{what}: {place} shows a credential" for place in ran.leaks(secrets))


def _with_answers(action: Action) -> Example | None:
    return next((example for example in action.examples if example.responses), None)


def _secrets(registry: Registry, action: Action) -> list[str]:
    return secrets_of(registry.connection_types.get(action.connection or ""))


def _ended(ran: Ran) -> str:
    if ran.error is None:
        return "it succeeded"
    return f"it ended as {ran.error_type} ({type(ran.error).__name__}: {ran.error})"


def _plain(value: Any) -> Any:
    """An example's input as it stands in a file."""
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


_ACTION = frozenset({"action"})

RULES: Final[Mapping[str, Rule]] = {
    "examples": Rule(_ACTION, _examples),
    "failures": Rule(_ACTION, _failures),
    "unreadable": Rule(_ACTION, _unreadable),
    "leaks": Rule(_ACTION, _leaks),
}
