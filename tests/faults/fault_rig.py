"""A server that is killed and started again, the world around it, and what must be true afterwards."""

from __future__ import annotations

import contextlib
import copy
import http.client
import itertools
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from fault_worker import FastClock

from hookline.testing.clock import Timer
from hookline.testing.replicate import ReplicateStandIn

Json = Any
HERE = Path(__file__).parent
SPEED = 20.0
"""Seconds of the servers' and the stand-in's time in one of ours."""

BOUND = 60.0
"""Seconds after which a test that waits for something is given up."""

ENDED = ("succeeded", "failed", "canceled")


class FastTimers:
    """`hookline.testing.clock.Clock` over a `FastClock`."""

    def __init__(self, clock: FastClock) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._running: set[threading.Timer] = set()

    def now(self) -> float:
        return self._clock()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self.now() + delay, next(self._numbers), callback)

        def call() -> None:
            self._running.discard(thread)
            if not timer.canceled:
                callback()

        thread = threading.Timer(max(delay, 0) / self._clock.speed, call)
        thread.daemon = True
        self._running.add(thread)
        thread.start()
        return timer

    def advance(self, seconds: float) -> None:
        raise NotImplementedError("this time passes by itself")

    def stop(self) -> None:
        for thread in list(self._running):
            thread.cancel()


def low_port() -> int:
    """A free port that no outgoing connection is given while its server is down."""
    for port in random.sample(range(20_000, 30_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


class Rig:
    """One project, its server process, the ledger of its actions and Replicate.

    Attributes:
        acknowledged: Identity of every event that was answered 2xx, to the run it started.
        waiting: The same for events that wait for their batch, to their ids.
        sent_waiting: How many of these were sent, whatever was answered.
        crashes: How often the server was killed or killed itself.
    """

    def __init__(self, folder: Path, stand_in: ReplicateStandIn, clock: FastClock) -> None:
        self.folder = folder
        self.clock = clock
        self.stand_in = stand_in
        self.port = low_port()
        self.ledger_file = folder / "ledger.jsonl"
        self.feed_file = folder / "feed.txt"
        self.log = (folder / "server.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None
        self.acknowledged: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        self.sent_waiting = 0
        self.crashes = 0
        self.finished_before: dict[tuple[str, str], int] = {}
        shutil.copytree(HERE / "fault_project", folder / "project")
        main = folder / "project/workflows/main.json"
        main.write_text(main.read_text().replace("VERSION", stand_in.version_of("hookline/echo")))

    # The server

    def start(self, *, crash_at: str = "", wait: bool = True, **options: Json) -> None:
        environment = {
            **os.environ,
            "FAULT_LEDGER": str(self.ledger_file),
            "FAULT_FEED": str(self.feed_file),
            "HOOKLINE_MASTER_KEY": "the-master-key-of-the-fault-tests",
            "REPLICATE_API_TOKEN": self.stand_in.token,
            "REPLICATE_BASE_URL": self.stand_in.base_url,
            "HOOKLINE_CRASH_AT": crash_at,
        }
        given = {
            "project": str(self.folder / "project"),
            "port": self.port,
            "start": self.clock.start,
            "speed": self.clock.speed,
            **options,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(HERE / "fault_worker.py"), json.dumps(given)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        if wait:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            if line != b"ready\n":
                # It died before it was ready, as it may when it is told to.
                self.process.wait(BOUND)
                assert self.process.returncode == -signal.SIGKILL, self.tail()

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.buried()

    def buried(self) -> None:
        """The server is dead: note what it had finished."""
        assert self.process is not None
        self.process.wait(BOUND)
        assert self.process.returncode == -signal.SIGKILL, self.tail()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        self.crashes += 1
        ledger = Counter((entry["run"], entry["step"]) for entry in self.ledger())
        for run, path in self.succeeded_steps():
            self.finished_before.setdefault((run, path), ledger[(run, path)])

    def suspects(self) -> set[str]:
        """Runs that one more crash might put into quarantine: they made no progress since the last two."""
        found = set()
        for run, events in self.histories().items():
            crashes = 0
            for kind, _, _ in events:
                if kind == "attempt.interrupted":
                    crashes += 1
                elif kind in ("step.succeeded", "attempt.failed", "run.finished"):
                    crashes = 0
            if crashes >= 2:
                found.add(run)
        return found

    def beside(self) -> Rig:
        """Another server of the same project, with a port of its own."""
        other = copy.copy(self)
        other.port = low_port()
        other.process = None
        return other

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.process = None

    def tail(self) -> str:
        self.log.flush()
        return (self.folder / "server.log").read_text(errors="replace")[-6000:]

    # The world around it

    def request(self, method: str, path: str, body: Json = None, **headers: str) -> tuple[int, Json]:
        """One request; status 0 when the server is not there, or dies while it answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data,
            {"Content-Type": "application/json", **headers},
            method=method,
        )
        try:
            with closing(urllib.request.urlopen(request, timeout=30)) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")
        except (OSError, ValueError, http.client.HTTPException):
            return 0, None

    def send(self, identity: str, number: int) -> int:
        """Send an event; an event that is not acknowledged is the sender's to repeat."""
        status, answer = self.request("POST", "/hooks/in", {"n": number}, **{"X-Id": identity})
        if 200 <= status < 300:
            run = answer["runs"][0]
            assert self.acknowledged.setdefault(identity, run) == run, "a duplicate starts nothing"
        return status

    def send_waiting(self, identity: str, number: int) -> int:
        """Send an event that waits for its batch."""
        self.sent_waiting = max(self.sent_waiting, number + 1)
        status, answer = self.request("POST", "/hooks/many", {"n": number}, **{"X-Id": identity})
        if 200 <= status < 300:
            event = answer["event"]
            assert self.waiting.setdefault(identity, event) == event, "a duplicate is the same event"
        return status

    def approve_all(self) -> None:
        """Answer whatever lies on the desk and is open: both people, opposite decisions, each twice."""
        status, answer = self.request("GET", "/api/v1/approvals?status=pending&limit=500")
        pending = {approval["id"] for approval in answer["approvals"]} if status == 200 else set()
        for line in self.desk("asked"):
            if line["approval"] in pending:
                # Whichever is first, the run goes on.
                decision = "approved" if line["to"] == "ada" else "rejected"
                body = {"token": line["token"], "who": line["to"], "decision": decision}
                for _ in range(2):
                    self.request("POST", "/answers/desk", body)

    def desk(self, what: str) -> list[dict[str, str]]:
        """What people were told."""
        file = self.folder / "desk.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in map(json.loads, lines) if line["what"] == what]

    def until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + BOUND
        while not condition():
            assert time.monotonic() < deadline, (
                f"waited in vain for {what}\n{self.open_runs()}\n{self.tail()}"
            )
            time.sleep(0.02)

    # What is on disk

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / "project/.hookline/hookline.db"
        with closing(sqlite3.connect(path, timeout=10)) as db:
            yield db

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.database() as db:
            return db.execute(sql).fetchall()

    def open_runs(self) -> list[tuple[Any, ...]]:
        sql = "SELECT id, workflow, status, owner, waiting_for FROM runs WHERE finished_at IS NULL"
        return self.query(sql)

    def ledger(self) -> list[dict[str, str]]:
        if not self.ledger_file.exists():
            return []
        return [json.loads(line) for line in self.ledger_file.read_text().splitlines()]

    def histories(self) -> dict[str, list[tuple[str, str, Json]]]:
        """Every run's events, checked for gaps."""
        found: dict[str, list[tuple[str, str, Json]]] = {}
        for run, seq, count, body in self.query(
            "SELECT run_id, seq, count, body FROM history ORDER BY run_id, seq"
        ):
            events = found.setdefault(run, [])
            assert seq == len(events), f"{run} has a gap at {len(events)}"
            events.extend((kind, path, data) for kind, path, data in json.loads(body))
            assert len(events) == seq + count
        return found

    def succeeded_steps(self) -> set[tuple[str, str]]:
        return {
            (run, path)
            for run, events in self.histories().items()
            for kind, path, _ in events
            if kind == "step.succeeded"
        }

    def everything(self) -> list[tuple[Any, ...]]:
        """The whole database but for what changes with each start."""
        tables = (
            "runs",
            "history",
            "timers",
            "signals",
            "approvals",
            "events",
            "dedupe",
            "cursors",
            "gatherings",
        )
        return [
            row for table in tables for row in self.query(f"SELECT '{table}', * FROM {table} ORDER BY 2, 3")
        ]

    # What must be true

    def check(self) -> None:
        """The invariants, once everything has ended."""
        histories = self.histories()
        runs = {row[0]: row for row in self.query("SELECT id, status, workflow, error FROM runs")}
        wrong = [row for row in runs.values() if row[1] != "succeeded"]
        assert not wrong, f"{wrong}\n{self.tail()}"
        self._check_batches(runs)
        self._check_followers(runs)
        alone = "state = 'received' AND workflow NOT IN ('many', 'after')"
        received = {row[0] for row in self.query(f"SELECT run_id FROM events WHERE {alone}")}
        assert set(self.acknowledged.values()) <= received
        assert received <= set(runs)
        assert len(received) == len(
            {row[0] for row in self.query(f"SELECT dedupe_key FROM events WHERE {alone}")}
        )
        assert len([row for row in runs.values() if row[2] == "child"]) == len(
            [row for row in runs.values() if row[2] == "main"]
        )
        for run, events in histories.items():
            kinds = Counter((kind, path) for kind, path, _ in events)
            assert kinds[("run.finished", "")] == 1, run
            for (kind, path), count in kinds.items():
                if kind in ("step.succeeded", "step.failed", "step.skipped", "step.canceled"):
                    assert count == 1, (run, kind, path)
        self._check_effects(histories)
        self._check_money()
        self._check_approvals(histories)

    def _check_approvals(self, histories: Mapping[str, list[tuple[str, str, Json]]]) -> None:
        """Each was decided once, as the first who answered said, and whoever was asked was told so."""
        rows = self.query("SELECT id, run_id, path, status, decided_by, data FROM approvals")
        (main,) = self.query("SELECT count(*) FROM runs WHERE workflow = 'main'")
        assert bool(rows) == bool(main[0]), "these runs ask"
        for id_, run, path, status, by, data in rows:
            events = [
                data for kind, place, data in histories[run] if (kind, place) == ("approval.decided", path)
            ]
            assert (status, by) == (events[0]["decision"], events[0]["by"]), "the first one decides"
            (output,) = (
                data["output"]
                for kind, place, data in histories[run]
                if (kind, place) == ("step.succeeded", path)
            )
            assert (output["decision"], output["by"]) == (status, by)
            told = json.loads(data)["told"].values()
            ended = [line for line in self.desk("ended") if line["approval"] == id_]
            assert {line["to"] for line in ended} == {each["to"] for each in told if each["status"] == "sent"}
            assert not any(each["status"] == "sending" for each in told if "ended" not in each)
            assert {(line["outcome"], line["by"]) for line in ended} == {(status, by)}

    def _check_money(self) -> None:
        """Every prediction is in the ledger once, and nothing is set aside any more."""
        assert self.query("SELECT * FROM claims") == []
        (main,) = self.query("SELECT count(*), total(cost_usd) FROM runs WHERE workflow = 'main'")
        assert main[1] == main[0] * 0.25
        ledger = self.query(
            "SELECT model, total(usd), total(count) FROM costs WHERE called = 0 GROUP BY model"
        )
        assert ledger == ([("hookline/echo", main[1], main[0])] if main[0] else [])

    def _check_batches(self, runs: Mapping[str, tuple[Any, ...]]) -> None:
        """Every event that waited is in one run, and the run has it."""
        events = self.query("SELECT id, run_id FROM events WHERE workflow = 'many' AND state = 'received'")
        assert set(self.waiting.values()) <= {event for event, _ in events}
        assert len(events) == len(self.waiting), "a duplicate waits for nothing"
        outputs = self.query("SELECT id, output FROM runs WHERE workflow = 'many'")
        assert sorted(events) == sorted((event, run) for run, ids in outputs for event in json.loads(ids))
        assert self.query("SELECT * FROM gatherings") == []
        assert {run for run, _ in outputs} <= set(runs)

    def _check_followers(self, runs: Mapping[str, tuple[Any, ...]]) -> None:
        """Every end of a run that is followed has started one run."""
        ended = sorted(run for run, _, workflow, _ in runs.values() if workflow in ("child", "fed", "many"))
        outputs = self.query("SELECT output FROM runs WHERE workflow = 'after'")
        assert sorted(json.loads(output) for (output,) in outputs) == ended
        assert len(self.query("SELECT id FROM events WHERE workflow = 'after'")) == len(ended)

    def _check_effects(self, histories: Mapping[str, list[tuple[str, str, Json]]]) -> None:
        ledger = Counter((entry["run"], entry["step"]) for entry in self.ledger())
        keys: dict[tuple[str, str], set[str]] = {}
        for entry in self.ledger():
            place = (entry["run"], entry["step"])
            keys.setdefault(place, set()).add(entry["key"])
            if entry["kind"] == "check":
                assert ledger[place] == 1, f"{place} was done {ledger[place]} times, and could be looked up"
            interrupted = sum(kind == "attempt.interrupted" for kind, _, _ in histories[entry["run"]])
            assert ledger[place] <= 1 + interrupted, f"{place} was repeated without a crash"
        assert all(len(found) == 1 for found in keys.values()), "one key for each attempt that went through"
        for place, before in self.finished_before.items():
            assert ledger[place] == before, f"{place} had finished, and was done again"
        made = Counter(creation.body["input"]["text"] for creation in self.stand_in.creates)
        main = {row[0] for row in self.query("SELECT id FROM runs WHERE workflow = 'main'")}
        assert made == dict.fromkeys(main, 1), "one prediction for each run"
        assert not self.stand_in.failures


@contextmanager
def rig_in(folder: Path) -> Iterator[Rig]:
    clock = FastClock(time.time(), SPEED)
    timers = FastTimers(clock)
    with ReplicateStandIn(clock=timers, boot_seconds=2.0) as stand_in:
        rig = Rig(folder, stand_in, clock)
        try:
            yield rig
        finally:
            rig.stop()
            rig.log.close()
