"""Artifacts that nothing refers to are removed; what anything refers to never is."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_lab import LabMaker, flow, job
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hookline.engine.collecting import CLOCKS_APART, COLLECT_SECONDS, Collector
from hookline.store.artifacts import ArtifactMissing, ArtifactStore
from hookline.store.port import Mentions, StoreUnavailable

DAY = 86_400.0
NOW = time.time()


class Book:
    """What a database would hold: texts, and whether something is being executed."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.running_since: float | None = None
        self.settings: dict[str, str] = {}

    def mentions(self) -> Mentions:
        from hookline.store.mentions import mentioned_in

        digests, spilled = mentioned_in(self.texts.values())
        return Mentions(frozenset(digests), frozenset(spilled), self.running_since)

    def setting(self, name: str, make: Callable[[], str]) -> str:
        return self.settings.setdefault(name, make())


class Site:
    """A store of artifacts, a book, and a collector with a clock of its own."""

    def __init__(self, folder: Path, grace: float | None = DAY) -> None:
        self.now = NOW
        self.artifacts = ArtifactStore(folder)
        self.book: Any = Book()
        self.collector = Collector(self.artifacts, self.book, grace, lambda: self.now)

    def save(self, content: bytes, age: float = 0.0) -> str:
        sha256 = self.artifacts.save(content).sha256
        at = self.now - age
        os.utime(self.artifacts.path(sha256), (at, at))
        return sha256

    def has(self, sha256: str) -> bool:
        try:
            self.artifacts.size(sha256)
        except ArtifactMissing:
            return False
        return True


def reference(sha256: str) -> str:
    return json.dumps(
        [["step.succeeded", "steps[0]", {"output": {"$file": f"artifact:{sha256}", "name": "a"}}]]
    )


def test_what_nothing_refers_to_goes_at_the_second_look(tmp_path: Path) -> None:
    site = Site(tmp_path)
    used, unused, young = site.save(b"used", 2 * DAY), site.save(b"unused", 2 * DAY), site.save(b"young")
    site.book.texts[1] = reference(used)
    look = site.collector.look()
    assert (look.kept, look.referred, look.waiting) == ((3, 15), (1, 4), (1, 5))
    assert [each.sha256 for each in look.unused] == [unused]
    assert site.collector.collect()[1:] == (0, 0)
    assert site.has(unused)
    assert site.collector.collect()[1:] == (1, 6)
    assert (site.has(used), site.has(unused), site.has(young)) == (True, False, True)
    site.now += 2 * DAY
    site.collector.collect()
    site.collector.collect()
    assert (site.has(used), site.has(young)) == (True, False)


def test_what_is_referred_to_again_between_the_looks_stays(tmp_path: Path) -> None:
    site = Site(tmp_path)
    sha256 = site.save(b"a", 2 * DAY)
    site.collector.collect()
    site.book.texts[1] = reference(sha256)
    site.collector.collect()
    del site.book.texts[1]
    assert site.collector.collect()[1] == 0, "it was in use a look ago"
    assert site.collector.collect()[1] == 1


def test_what_is_kept_again_between_the_looks_stays(tmp_path: Path) -> None:
    site = Site(tmp_path)
    sha256 = site.save(b"a", 2 * DAY)
    site.collector.collect()
    site.save(b"a")
    site.collector.collect()
    site.collector.collect()
    assert site.has(sha256)


def test_what_was_kept_since_something_is_executed_stays(tmp_path: Path) -> None:
    """An attempt may hold a file for days before its output is recorded."""
    site = Site(tmp_path)
    before, since = site.save(b"before", 9 * DAY), site.save(b"since", 2 * DAY)
    site.book.running_since = NOW - 3 * DAY
    for _ in range(3):
        site.collector.collect()
    assert (site.has(before), site.has(since)) == (False, True)
    site.book.running_since = None
    for _ in range(2):
        site.collector.collect()
    assert not site.has(since)
    assert CLOCKS_APART < DAY


def test_what_a_large_value_refers_to_stays(tmp_path: Path) -> None:
    site = Site(tmp_path)
    file = site.save(b"picture", 2 * DAY)
    value = site.save(json.dumps([{"$file": f"artifact:{file}", "name": "a"}] * 3).encode(), 2 * DAY)
    site.book.texts[1] = json.dumps([["step.succeeded", "steps[0]", {"output": {"$spill": value}}]])
    for _ in range(3):
        site.collector.collect()
    assert site.has(file)
    assert site.has(value)
    del site.book.texts[1]
    for _ in range(2):
        site.collector.collect()
    assert not site.has(file)
    assert not site.has(value)


def test_while_a_large_value_cannot_be_read_nothing_goes(tmp_path: Path) -> None:
    site = Site(tmp_path)
    unused = site.save(b"unused", 2 * DAY)
    site.book.texts[1] = json.dumps({"$spill": "a" * 64})
    for _ in range(3):
        look, count, _ = site.collector.collect()
    assert count == 0
    assert "cannot be read" in look.reason
    assert site.has(unused)


def test_the_artifacts_of_another_database_are_left_alone(tmp_path: Path) -> None:
    one = Site(tmp_path)
    used = one.save(b"used by one", 2 * DAY)
    one.book.texts[1] = reference(used)
    one.collector.collect()
    other = Site(tmp_path)
    for _ in range(3):
        look, count, _ = other.collector.collect()
    assert count == 0
    assert "another database" in look.reason
    assert one.has(used)


def test_a_process_that_ends_does_not_wait_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each removal may take requests, and there may be very many."""
    site = Site(tmp_path)
    for number in range(5):
        site.save(b"%d" % number, age=2 * DAY)
    site.collector.collect()
    remove = site.artifacts.remove

    def remove_and_stop(sha256: str, kept_before: float) -> bool:
        site.collector.stop()
        return remove(sha256, kept_before)

    monkeypatch.setattr(site.artifacts, "remove", remove_and_stop)
    assert site.collector.collect()[1] == 1
    with pytest.raises(StoreUnavailable):
        site.collector.look()


def test_without_a_grace_nothing_goes(tmp_path: Path) -> None:
    site = Site(tmp_path, grace=None)
    unused = site.save(b"unused", 900 * DAY)
    for _ in range(3):
        site.collector.collect()
    assert site.has(unused)


def test_keeping_and_removing_exclude_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the time and the removal nobody gives a file its name, and the other way round."""
    store = ArtifactStore(tmp_path)
    sha256 = store.save(b"picture").sha256
    refused: list[str] = []
    rename, unlink = Path.rename, Path.unlink

    def is_locked(how: int) -> bool:
        other = os.open(store.folder, os.O_RDONLY)
        try:
            fcntl.flock(other, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(other)
        return False

    def watched_unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name == sha256 and is_locked(fcntl.LOCK_SH):
            refused.append("keeping")
        unlink(path, missing_ok=missing_ok)

    def watched_rename(path: Path, target: Path) -> Path:
        if is_locked(fcntl.LOCK_EX) and not is_locked(fcntl.LOCK_SH):
            refused.append("removing")
        return rename(path, target)

    monkeypatch.setattr(Path, "unlink", watched_unlink)
    monkeypatch.setattr(Path, "rename", watched_rename)
    assert store.remove(sha256, time.time() + DAY)
    store.save(b"picture")
    assert refused == ["keeping", "removing"]


class Machine(RuleBasedStateMachine):
    """Runs come and go, keep files, pass them on, and hold some in memory before they are recorded."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.site = Site(self.folder / f"{time.monotonic_ns()}")
        self.numbers = 0
        self.rows: dict[int, set[str]] = {}
        self.in_memory: dict[int, tuple[set[str], float]] = {}

    def _record(self, files: set[str], spill: bool) -> None:
        self.numbers += 1
        text = json.dumps([{"$file": f"artifact:{each}"} for each in sorted(files)])
        if spill and files:
            value = self.site.artifacts.save(text.encode()).sha256
            os.utime(self.site.artifacts.path(value), (self.site.now, self.site.now))
            text = json.dumps({"$spill": value})
            files = files | {value}
        self.rows[self.numbers] = files
        self.site.book.texts[self.numbers] = text

    def _running(self) -> None:
        began = [at for _, at in self.in_memory.values()]
        self.site.book.running_since = min(began, default=None)

    @rule(content=st.integers(0, 6))
    def begin_and_keep(self, content: int) -> None:
        self.numbers += 1
        began = self.site.now
        self.in_memory[self.numbers] = ({self.site.save(b"%d" % content)}, began)
        self._running()

    @precondition(lambda self: self.in_memory)
    @rule(data=st.data(), content=st.integers(0, 6))
    def keep_more(self, data: Any, content: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.in_memory)))
        self.in_memory[name][0].add(self.site.save(b"%d" % content))

    @precondition(lambda self: self.in_memory)
    @rule(data=st.data(), spill=st.booleans())
    def record(self, data: Any, spill: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.in_memory)))
        files, _ = self.in_memory[name]
        self._record(files, spill)
        del self.in_memory[name]
        self._running()

    @precondition(lambda self: self.in_memory)
    @rule(data=st.data())
    def die(self, data: Any) -> None:
        """The process dies: what was in memory is nobody's."""
        del self.in_memory[data.draw(st.sampled_from(sorted(self.in_memory)))]
        self._running()

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), spill=st.booleans())
    def pass_on(self, data: Any, spill: bool) -> None:
        """Another run takes a reference over; nothing is kept anew."""
        self._record(set(self.rows[data.draw(st.sampled_from(sorted(self.rows)))]), spill)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def prune(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.rows)))
        del self.rows[name], self.site.book.texts[name]

    @rule(hours=st.sampled_from([1, 12, 25, 100]))
    def wait(self, hours: int) -> None:
        self.site.now += hours * 3600

    @rule()
    def collect(self) -> None:
        self.site.collector.collect()

    @invariant()
    def what_is_referred_to_is_there(self) -> None:
        for files in self.rows.values():
            for each in files:
                assert self.site.has(each)
        for files, _ in self.in_memory.values():
            for each in files:
                assert self.site.has(each)

    def teardown(self) -> None:
        # Nothing is held for ever either.
        self.rows.clear()
        self.in_memory.clear()
        self.site.book.texts.clear()
        self._running()
        self.site.now += 10 * DAY
        self.site.collector.collect()
        self.site.collector.collect()
        assert list(self.site.artifacts.listed()) == []


def test_nothing_that_is_referred_to_is_ever_removed(tmp_path: Path) -> None:
    Machine.folder = tmp_path
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


def test_a_server_looks_every_hour(labs: LabMaker) -> None:
    lab = labs()
    run = lab.go(flow(job("a")), {"file": "x"})
    assert lab.end(run) == "succeeded"
    artifacts = lab.engine.artifacts
    unused = artifacts.save(b"unused").sha256
    at = labs.clock() - 2 * DAY
    os.utime(artifacts.path(unused), (at, at))

    def is_gone() -> bool:
        try:
            artifacts.size(unused)
        except ArtifactMissing:
            return True
        return False

    looks = lab.engine.collector
    seen = []
    genuine = looks.look
    looks.look = lambda: seen.append(is_gone()) or genuine()  # type: ignore[method-assign]
    labs.clock.advance(COLLECT_SECONDS + 1)
    lab.until(lambda: len(seen) == 1)
    lab.until(lambda: not looks._lock.locked())
    assert not is_gone()
    labs.clock.advance(COLLECT_SECONDS + 1)
    lab.until(is_gone)
    assert seen == [False, False]
