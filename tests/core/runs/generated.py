"""Generated definitions and interleavings."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hookline.core import events as ev

from .simulator import Call, Fail, Hold, Note, Outcome, Park, Simulator, Succeed, Unknown

Json = Any

TRUTHS = ["{{ true }}", "{{ false }}", "{{ trigger.flag }}", True]
ERRORS = ["unavailable", "rate_limited", "timeout", "bad_input", "canceled", "unknown", "expression"]


def _retry() -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {"max_attempts": st.integers(1, 3)},
        optional={
            "delay": st.sampled_from(["1s", "30s", "0s"]),
            "on": st.lists(st.sampled_from(ERRORS), unique=True, max_size=3),
        },
    )


def _common(blocks: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {},
        optional={
            "when": st.sampled_from([*TRUTHS, "{{ trigger.flag }}", "{{ trigger.missing }}", "{{ 1 }}"]),
            "timeout": st.sampled_from(["1s", "2m", "2h"]),
            "retry": _retry(),
            "catch": blocks,
            "finally": blocks,
        },
    )


def _with(common: st.SearchStrategy[Json], kind: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    # Common keys are rare: a definition in which every step has all of them ends at once.
    return st.one_of(kind, kind, kind, st.tuples(common, kind).map(lambda pair: {**pair[0], **pair[1]}))


def _leaves() -> st.SearchStrategy[Json]:
    action = st.fixed_dictionaries(
        {"uses": st.sampled_from(["test.a", "test.b", "test.c"])},
        optional={
            "with": st.just({"x": "{{ trigger.flag }}"}),
            "on_unknown": st.sampled_from(["wait", "retry", "fail"]),
        },
    )
    wait = st.sampled_from(
        [
            {"wait": {"for": "5m"}},
            {"wait": {"until": "2026-11-20T09:00:00Z"}},
            {"wait": {"until": "tomorrow"}},
            {"wait": {"callback": {}}, "timeout": "10m", "on_timeout": "fail"},
            {"wait": {"callback": {}}, "timeout": "10m", "on_timeout": "continue"},
        ]
    )
    approve = st.fixed_dictionaries(
        {
            "approve": st.sampled_from(
                [
                    {"who": ["ann", "bob"]},
                    {"who": ["ann", "bob"], "quorum": 2},
                    {"who": ["ann", "bob"], "reject_quorum": 2, "remind": "10m"},
                    {"who": ["ann"], "via": [{"connection": "x"}]},
                    {
                        "who": ["ann", "bob"],
                        "quorum": 2,
                        "via": [{"connection": "x"}],
                        "remind": ["5m", "20m"],
                        "escalate": {"after": "10m", "to": ["cat"]},
                    },
                ]
            ),
            "timeout": st.just("1h"),
            "on_timeout": st.sampled_from(["reject", "fail"]),
        },
        optional={"on_reject": st.sampled_from(["fail", "continue"])},
    )
    other = st.sampled_from(
        [
            {"call": "other"},
            {"set": {"n": "{{ vars.n + 1 }}"}},
            {"respond": {"body": "{{ vars.n }}"}},
            {"respond": {"status": "{{ vars.n }}"}},
            {"stop": "enough"},
            {"stop": {"status": "failed", "reason": "no"}},
            {"stop": {"status": "canceled"}},
        ]
    )
    return st.one_of(action, action, action, wait, approve, other)


def _containers(blocks: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.one_of(
        st.fixed_dictionaries({"if": st.sampled_from(TRUTHS), "then": blocks}, optional={"else": blocks}),
        st.fixed_dictionaries(
            {"switch": st.just("{{ trigger.kind }}"), "cases": st.fixed_dictionaries({"x": blocks})},
            optional={"default": blocks},
        ),
        st.fixed_dictionaries(
            {
                "for_each": st.sampled_from(["{{ trigger.items }}", [], [1], "{{ trigger.kind }}"]),
                "do": blocks,
            },
            optional={
                "max_parallel": st.integers(1, 4),
                "on_item_error": st.sampled_from(["fail", "collect", "skip"]),
            },
        ),
        st.dictionaries(st.sampled_from(["left", "right", "up"]), blocks, min_size=1, max_size=3).map(
            lambda branches: {"parallel": branches}
        ),
        st.fixed_dictionaries(
            {
                "while": st.sampled_from(["{{ index < 2 }}", "{{ vars.n < 3 }}", "{{ true }}"]),
                "max_iterations": st.integers(1, 3),
                "do": blocks,
            }
        ),
    )


def blocks(depth: int) -> st.SearchStrategy[Json]:
    """Lists of one to three steps, nested at most this deep."""
    if depth == 0:
        return st.lists(_leaves(), min_size=1, max_size=2)
    below = blocks(depth - 1)
    step = _with(_common(blocks(0)), st.one_of(_leaves(), _containers(below), _containers(below)))
    return st.lists(step, min_size=1, max_size=3)


def definitions(depth: int = 3) -> st.SearchStrategy[Json]:
    """Workflows of all control words."""
    return st.fixed_dictionaries(
        {"name": st.just("generated"), "vars": st.just({"n": 0}), "steps": blocks(depth)},
        optional={
            "on_error": blocks(1),
            "finally": blocks(1),
            "output": st.sampled_from(["{{ vars.n }}", "{{ trigger.missing }}"]),
            "limits": st.just({"timeout": "30m"}),
        },
    )


def loops() -> st.SearchStrategy[Json]:
    """Workflows of one loop whose items wait for somebody, so that several are open at a time."""
    steps = st.lists(st.one_of(_leaves(), blocks(1).map(lambda steps: steps[0])), min_size=1, max_size=2)
    loop = st.fixed_dictionaries(
        {
            "for_each": st.integers(3, 6).map(lambda size: list(range(size))),
            "max_parallel": st.integers(1, 3),
            "on_item_error": st.sampled_from(["fail", "collect", "skip"]),
            "do": steps,
        }
    )
    return loop.map(lambda step: {"name": "generated", "vars": {"n": 0}, "steps": [step]})


FACTS = {
    "run.created",
    "run.started",
    "run.cancel_requested",
    "timer.fired",
    "callback.received",
    "approval.decided",
    "approval.noted",
    "child.finished",
    "step.noted",
    "attempt.failed",
    "attempt.unknown",
    "attempt.interrupted",
}
"""Kinds that may be delivered twice. (`StepSucceeded` of an action too: see the examples.)"""

EVENTS = st.fixed_dictionaries(
    {
        "flag": st.booleans(),
        "kind": st.sampled_from(["x", "y"]),
        "items": st.lists(st.integers(0, 3), max_size=4),
    }
)


def outcomes() -> st.SearchStrategy[Outcome]:
    """What an execution of an action may come to."""
    plain = st.one_of(
        st.builds(Succeed, st.integers(0, 3), st.sampled_from([0.0, 0.25])),
        st.builds(Succeed, st.none()),
        st.builds(
            Fail,
            st.sampled_from(ERRORS),
            st.sampled_from([None, 0.0, 5.0, -1.0, 99999999999.0]),
            st.sampled_from([(), ("unavailable", "rate_limited")]),
        ),
        st.builds(Park, st.sampled_from([None, 1.0, 600.0]), st.just({"job": 1})),
        st.builds(Hold, st.sampled_from(["limit", "identical", "approval"]), st.sampled_from([1.0, 600.0])),
        st.builds(Unknown, st.sampled_from([None, 1.0, 60.0])),
    )
    return st.one_of(plain, plain, st.builds(Note, st.just({"sent": True}), plain))


def drawn_actions(data: st.DataObject) -> dict[str, Any]:
    """Actions that decide by chance what they come to, for as long as there is patience."""
    patience = [60]

    def play(call: Call) -> Outcome:
        patience[0] -= 1
        return data.draw(outcomes(), label=call.path) if patience[0] > 0 else Succeed(1)

    return dict.fromkeys(["test.a", "test.b", "test.c"], play)


def interleave(data: st.DataObject, sim: Simulator, moves: int) -> None:
    """Things happen to a run in any order, also those that come too early, too late or twice."""
    for _ in range(moves):
        choices = ["time", "late", "twice", "noise"]
        choices += ["execute"] * 6 if sim.waiting_calls else []
        choices += ["crash"] if sim.crashes < 3 else []
        choices += ["answer"] * 4 if sim.open_steps() else []
        choices += ["resume"] * 3 if sim.state.finished is not None else ["cancel"]
        _move(data, sim, data.draw(st.sampled_from(choices), label="move"))


def _move(data: st.DataObject, sim: Simulator, move: str) -> None:
    match move:
        case "execute":
            sim.execute(data.draw(st.sampled_from(list(sim.waiting_calls))))
            if data.draw(st.booleans(), label="decide at once"):
                sim.decide()
        case "time":
            sim.now += data.draw(st.sampled_from([0.5, 30.0, 600.0, 4000.0]), label="seconds")
            for path, at in sim.timers().items():
                if at <= sim.now:
                    sim.fire(path)
        case "late":
            paths = sorted(sim.state.records)
            sim.fire(
                data.draw(st.sampled_from(paths)), sim.now + data.draw(st.sampled_from([-9e9, 0.0, 9e9]))
            )
        case "twice":
            facts = [event for event in sim.events if event.kind in FACTS and _is_fact(sim, event)]
            sim.record(data.draw(st.sampled_from(facts)))
            sim.decide()
        case "noise":
            path = data.draw(st.sampled_from(sorted(sim.plan.by_path)))
            if not sim.plan.by_path[path].loops:
                sim.callback(path, {"n": 1}, id="same", attempt=data.draw(st.integers(0, 2)))
        case "crash":
            sim.crash()
        case "cancel":
            error = {"type": "internal", "code": "R300", "message": "quarantined", "hint": "", "step": ""}
            sim.cancel("enough", data.draw(st.sampled_from([None, error])))
        case "resume":
            sim.resume()
        case "answer":
            _answer(data, sim, data.draw(st.sampled_from(sim.open_steps())))


def _is_fact(sim: Simulator, event: ev.Event) -> bool:
    """Attempts of control steps fail by decision, those of actions in fact."""
    return event.kind != "attempt.failed" or sim.plan.locate(event.path)[0].kind == "action"


def _answer(data: st.DataObject, sim: Simulator, path: str) -> None:
    """Whoever the step waits for answers."""
    waiting = sim.step(path).waiting
    match waiting.waits_for if waiting is not None else "":
        case "approval":
            by = data.draw(st.sampled_from(["ann", "bob"]))
            sim.approve(path, by, decision=data.draw(st.sampled_from(["approved", "rejected"])))
        case "run":
            sim.child(path, data.draw(st.sampled_from(["succeeded", "failed", "canceled"])), 1, 0.5)
        case "callback" | "action" | "lookup":
            sim.callback(path, {"n": 1})
        case _:
            sim.callback(path, "late", id="x")
