"""Large values in an object store: whoever waits for it, the engine does not."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from engine_lab import Lab, LabMaker, flow, job
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_bucket import LARGE, Remote

from hookline.core import events as ev
from hookline.engine import runner
from hookline.engine.collecting import Collector
from hookline.engine.journal import Journal
from hookline.engine.spilling import PAUSE_SECONDS, Spilling, chunks_of, with_chunks
from hookline.engine.stored_runs import UNAVAILABLE_SECONDS
from hookline.store.artifacts import ArtifactStore, Stored
from hookline.store.port import Accept, Claim, Done, Incoming, NewRun, Release, StoreUnavailable, Unit
from hookline.testing.store_contract.kit import advance, chunk, incoming, new_run

LARGE_STEP = {"id": "big", "uses": "transform", "with": {"value": "{{ trigger.value }}" + LARGE}}


@pytest.fixture
def remote(labs: LabMaker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    remote = Remote(labs, monkeypatch)
    yield remote
    # Whoever still waits must not keep the engine from stopping.
    remote.bucket.open()


def chunks(lab: Lab, run: str) -> str:
    return "".join(part.body for part in lab.engine.store.history(run))


def watch(lab: Lab) -> list[Unit]:
    """Every unit in the moment in which it reaches the database; what it refers to must be kept by then."""
    inner = lab.engine.store._store  # type: ignore[attr-defined]
    submit, seen = inner.submit, []

    def watched(unit: Unit, done: Done) -> None:
        for part in chunks_of(unit):
            for digest in re.findall(r'"\$spill":"(\w+)"', part.body):
                assert lab.engine.artifacts.size(digest)
        seen.append(unit)
        submit(unit, done)

    inner.submit = watched
    return seen


def test_a_slow_bucket_holds_up_only_the_run_that_waits_for_it(remote: Remote) -> None:
    lab = remote.lab()
    seen = watch(lab)
    remote.bucket.saving.clear()
    slow = lab.go(flow(job("a"), LARGE_STEP, job("b"), name="slow"), {"value": 1})
    lab.until(lambda: remote.bucket.asked)
    assert lab.end(lab.go(flow(job("c"), name="quick"))) == "succeeded"
    assert "steps[1]" not in chunks(lab, slow), "nothing is true before its values are kept"
    assert not lab.outside.of("b")
    remote.bucket.saving.set()
    assert lab.end(slow) == "succeeded"
    assert lab.step(slow, "big")["output"]["value"] == "1" + LARGE
    assert len(chunks(lab, slow)) < len(LARGE)
    assert '"$spill"' in "".join(part.body for unit in seen for part in chunks_of(unit))


@pytest.mark.parametrize("how", ["event", "call", "follow"])
def test_large_values_of_new_runs_leave_their_chunks_too(remote: Remote, how: str) -> None:
    lab = remote.lab()
    watch(lab)
    child = flow(job("c"), name="child", inputs={"type": "object", "properties": {"v": {"type": "string"}}})
    if how == "event":
        run = lab.go(flow(job("c")), LARGE)
    elif how == "call":
        lab.deploy(child)
        value = "{{ trigger }}" + LARGE
        lab.end(lab.go(flow({"id": "x", "call": "child", "with": {"v": value}}), "1"))
        run = lab.runs("child")[0].id
    else:
        after = {"uses": "workflow", "with": {"workflow": "flow"}}
        lab.deploy(flow(job("c"), name="child", trigger=after))
        lab.end(lab.go(flow(LARGE_STEP, output="{{ steps.big.value }}"), {"value": 1}))
        run = lab.until(lambda: lab.runs("child"))[0].id
    assert lab.end(run) == "succeeded"
    body = chunks(lab, run)
    assert '"$spill"' in body
    assert len(body) < len(LARGE)


def test_what_comes_behind_a_large_value_waits_for_it(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A parked run is not kept in memory: only that a chunk of it is under way keeps others from reading it.
    monkeypatch.setattr(runner, "CACHED_RUNS", 0)
    lab = remote.lab()
    branches = {"short": [{"wait": {"for": "10s"}}, LARGE_STEP], "long": [{"wait": {"for": "20s"}}]}
    run = lab.go(flow({"id": "p", "parallel": branches}), {"value": 1})
    lab.until_status(run, "waiting")
    remote.bucket.saving.clear()
    lab.clock.advance(11)
    lab.until(lambda: remote.bucket.asked)
    lab.clock.advance(10)
    assert lab.end(lab.go(flow(job("c"), name="quick"))) == "succeeded"
    assert lab.status(run) == "waiting"
    remote.bucket.saving.set()
    lab.until(lambda: lab.clock.advance(runner.SWEEP_SECONDS) or lab.status(run) == "succeeded")
    fired = [kind for kind in lab.kinds(run) if kind.startswith("timer.fired")]
    assert len(fired) == len(set(fired)) == 2


def test_a_bucket_that_fails_leaves_values_in_the_database(remote: Remote) -> None:
    lab = remote.lab()
    remote.bucket.fails = True
    definition = flow(LARGE_STEP)
    first = lab.go(definition, {"value": 1})
    assert lab.end(first) == "succeeded"
    assert lab.end(lab.begin("flow", {"value": 2})) == "succeeded"
    assert remote.bucket.asked == 1, "it is left alone for a while"
    remote.bucket.fails = False
    lab.clock.advance(PAUSE_SECONDS + 1)
    third = lab.begin("flow", {"value": 3})
    assert lab.end(third) == "succeeded"
    assert ('"$spill"' in chunks(lab, first), '"$spill"' in chunks(lab, third)) == (False, True)
    assert lab.step(first, "big")["output"]["value"] == "1" + LARGE


def test_what_was_kept_before_a_crash_is_kept_again_by_the_run(remote: Remote, labs: LabMaker) -> None:
    lab = remote.lab()
    inner: Any = lab.engine.store._store  # type: ignore[attr-defined]
    submit, reached = inner.submit, threading.Event()

    def dies(unit: Unit, done: Done) -> None:
        if any('"$spill"' in part.body for part in chunks_of(unit)):
            # The value is kept, and the process dies before the event gets anywhere.
            reached.set()
            inner.submit = lambda unit, done: done(StoreUnavailable("the process is dead"))
            done(StoreUnavailable("the process is dead"))
        else:
            submit(unit, done)

    inner.submit = dies
    run = lab.go(flow(job("a"), LARGE_STEP, job("b")), {"value": 1})
    assert reached.wait(30)
    [kept] = list(remote.bucket.listed())
    assert kept.sha256 not in lab.engine.store.mentions().digests
    after = remote.again(lab)
    assert after.end(run) == "succeeded"
    assert [call.name for call in labs.outside.of("b")] == ["b"]
    # It is the same value this time, and now something refers to it.
    assert kept.sha256 in after.engine.store.mentions().digests


def test_what_nothing_refers_to_after_a_crash_is_collected(remote: Remote, labs: LabMaker) -> None:
    lab = remote.lab()
    stored = remote.bucket.save(b"of a unit that never got to the database")
    look = Collector(remote.bucket, lab.engine.store, 0.0, lambda: labs.clock() + 1e9).look()
    assert [each.sha256 for each in look.unused] == [stored.sha256]


def test_a_slow_bucket_holds_up_only_the_run_that_is_read_from_it(remote: Remote) -> None:
    lab = remote.lab()
    wait = {"wait": {"for": "10s"}}
    run = lab.go(flow(LARGE_STEP, wait, job("b", value="{{ size(steps.big.value) }}")), {"value": 1})
    lab.until_status(run, "waiting")
    lab = remote.again(lab)
    remote.bucket.reading.clear()
    before = remote.bucket.asked
    lab.clock.advance(11)
    lab.until(lambda: remote.bucket.asked > before)
    assert lab.end(lab.go(flow(job("c"), name="quick"))) == "succeeded"
    assert lab.status(run) == "waiting"
    remote.bucket.reading.set()
    assert lab.end(run) == "succeeded"
    assert len(lab.outside.of("b")) == 1


def test_a_timer_that_cannot_be_taken_yet_does_not_hide_those_behind_it(remote: Remote) -> None:
    lab = remote.lab()
    run = lab.go(flow(LARGE_STEP, {"wait": {"for": "10s"}}), {"value": 1})
    lab.until_status(run, "waiting")
    lab = remote.again(lab)
    remote.bucket.reading.clear()
    before = remote.bucket.asked
    lab.clock.advance(11)
    lab.until(lambda: remote.bucket.asked > before)
    other = lab.go(flow({"wait": {"for": "1500ms"}}, name="other"))
    lab.until_status(other, "waiting")
    looks: list[float] = []
    sweep = lab.engine.runner._sweep
    lab.engine.runner._sweep = lambda: looks.append(lab.clock()) or sweep()  # type: ignore[method-assign,func-returns-value]
    lab.clock.advance(1.2)
    lab.until(lambda: looks, "a look at the timers, of which the first one cannot be taken")
    lab.clock.advance(0.31)
    assert lab.end(other) == "succeeded"


def test_a_run_that_cannot_be_fetched_is_tried_again(remote: Remote) -> None:
    lab = remote.lab()
    run = lab.go(flow(LARGE_STEP, {"wait": {"for": "10s"}}), {"value": 1})
    lab.until_status(run, "waiting")
    lab = remote.again(lab)
    remote.bucket.fails = True
    before = remote.bucket.asked
    lab.clock.advance(11)
    lab.until(lambda: remote.bucket.asked > before)
    assert lab.end(lab.go(flow(job("c"), name="quick"))) == "succeeded"
    assert lab.status(run) == "waiting"
    remote.bucket.fails = False
    lab.until(lambda: lab.clock.advance(UNAVAILABLE_SECONDS) or lab.status(run) == "succeeded")


# The order of units ---------------------------------------------------------------------------------


class Noted:
    """A store that notes what it gets, and answers at once."""

    def __init__(self) -> None:
        self.units: list[Unit] = []

    def submit(self, unit: Unit, done: Done) -> None:
        self.units.append(unit)
        done(len(self.units))

    def flush(self) -> None: ...

    def close(self) -> None: ...


class Gated(ArtifactStore):
    """Keeps nothing; each keeping waits for leave, and fails if it is told to."""

    def __init__(self) -> None:
        self._leave = threading.Semaphore(0)
        self.fails: list[bool] = []

    def let(self) -> None:
        self._leave.release()

    def save(self, content: bytes) -> Stored:
        assert self._leave.acquire(timeout=60)
        if self.fails and self.fails.pop():
            raise StoreUnavailable("no")
        return Stored("0" * 64, len(content))


_BODY = json.dumps([["step.succeeded", "p", {"output": "y" * 200}]])
_step = st.sampled_from(["small", "large", "claim", "child", "let", "new", "release"])


def unit_of(kind: str, run: str, number: int) -> Unit:
    large = chunk(number, body=_BODY)
    match kind:
        case "large":
            return advance(run, None, chunk=large)
        case "child":
            return advance(run, number, children=[new_run(f"c{number}", chunk=large)])
        case "claim":
            return Claim(run, "p", number, 1, {})
        case "new":
            return Accept([incoming(f"e{number}", new_run(f"n{number}", chunk=large))])
        case "release":
            return Release(f"g{number}", 1, new_run(f"g{number}", chunk=large))
    return advance(run, number)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_step, st.sampled_from(["r1", "r2"])), max_size=30), st.lists(st.booleans()))
def test_units_of_a_run_keep_their_order_and_all_arrive(
    steps: list[tuple[str, str]], fails: list[bool]
) -> None:
    inner, gate = Noted(), Gated()
    gate.fails = fails
    store = Spilling.around(inner, Journal(gate, spill_bytes=100, is_remote=True), lambda: 0.0)  # type: ignore[arg-type]
    answered: list[Any] = []
    sent: dict[str, list[int]] = {"r1": [], "r2": []}
    lets, large = 0, 0
    for number, (kind, run) in enumerate(steps):
        if kind == "let":
            gate.let()
            lets += 1
            continue
        if kind in ("small", "large", "claim", "child"):
            sent[run].append(number)
        large += kind in ("large", "child", "new", "release")
        store.submit(unit_of(kind, run, number), answered.append)
    # What has not had leave by now stays in the database.
    store.close()
    for _ in range(large):
        gate.let()
    assert len(inner.units) == len(answered) == len(steps) - lets
    for run, numbers in sent.items():
        assert [_number(unit) for unit in inner.units if getattr(unit, "run_id", "") == run] == numbers


def _number(unit: Any) -> int:
    if isinstance(unit, Claim):
        return unit.attempt
    return int(unit.chunk.seq)


def test_every_chunk_of_a_unit_is_seen_and_replaced() -> None:
    def run(name: str) -> NewRun:
        return new_run(name, chunk=chunk(0, body=name))

    nested = new_run("a", chunk=chunk(0, body="a"), turn=advance("a", None, children=[run("b")]))
    units: list[Unit] = [
        advance("r", 1, chunk=chunk(1, body="c"), children=[nested], events=[incoming("e", run("d"))]),
        Accept([incoming("e", run("e")), incoming("f")]),
        Release("g", 1, run("g")),
        Release("g", 1, None),
        Claim("r", "p", 1, 1, {}),
    ]
    bodies = [[part.body for part in chunks_of(unit)] for unit in units]
    assert bodies == [["c", "a", "b", "d"], ["e"], ["g"], [], []]
    louder: Callable[[Any], Any] = lambda part: chunk(part.seq, body=part.body.upper())  # noqa: E731
    changed = [with_chunks(unit, louder) for unit in units]
    assert [[part.body for part in chunks_of(unit)] for unit in changed] == [
        [body.upper() for body in each] for each in bodies
    ]
    assert changed[3:] == units[3:]
    accepted = changed[1]
    assert isinstance(accepted, Accept)
    assert accepted.incoming[1] == Incoming("f", "webhook", "flow", incoming("f").received_at)


# Values as they are written ---------------------------------------------------------------------------

_value = st.recursive(
    st.none()
    | st.text(st.characters(codec=None))
    | st.sampled_from(["$spill", '"$spill"', "\ud800", "s3cret", "y" * 300])
    | st.just("0" * 64),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$spill", "value", "a", "\udc00"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("is_remote", [False, True])
@settings(max_examples=150, deadline=None)
@given(values=st.lists(_value, min_size=1, max_size=3))
def test_any_value_comes_back_as_it_was(
    is_remote: bool, values: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = ArtifactStore(tmp_path_factory.getbasetemp() / "kept")
    journal = Journal(kept, spill_bytes=200, is_remote=is_remote)
    events: list[ev.Event] = [ev.StepSucceeded(f"p{place}", "", value) for place, value in enumerate(values)]
    encoded = journal.encode(0, 1.0, events)
    if journal.is_large(encoded):
        encoded = journal.spilled(encoded)
    encoded.body.encode()
    fetched = journal.fetch(journal.to_fetch([encoded])) if is_remote else None
    assert [entry.event for entry in journal.decode([encoded], fetched)] == events
    for digest in re.findall(r'"\$spill":"(\w+)"', encoded.body):
        assert kept.size(digest), "whoever looks through the text finds references only"


def test_what_is_sent_keeps_nothing_from_being_collected(lab: Lab) -> None:
    missing = "0" * 64
    run = lab.go(flow(job("a", value="{{ trigger }}")), {"$spill": missing, "deep": [{"$spill": missing}]})
    assert lab.end(run) == "succeeded"
    assert lab.end(lab.begin("flow", {"$spill": missing})) == "succeeded"
    assert lab.engine.store.mentions().spilled == frozenset()
    assert lab.engine.collector.look().reason == ""
