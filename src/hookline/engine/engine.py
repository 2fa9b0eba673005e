"""The engine: one object that takes events in, moves runs on, and answers what became of them.

Every public method may be called from any thread. The engine's own loop runs on a thread of
its own between `start` and `stop`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import unquote, urlsplit

from hookline.core import events as ev
from hookline.core.expressions import ExpressionError
from hookline.core.plan import Plan, TriggerPlan
from hookline.core.state import RunState
from hookline.core.units import parse_duration
from hookline.crashpoints import crashpoint
from hookline.sdk import (
    ActionError,
    BadInput,
    File,
    FileStore,
    HookAnswered,
    HookRefused,
    HookReply,
    HookRequest,
    Trigger,
)
from hookline.sdk.approvals import PersonAnswer
from hookline.store.port import Accept, Accepted, Health, PutDefinition, Store, StoreError
from hookline.store.sqlite import SQLiteStore

from .allocator import few_arenas
from .answering import Answering
from .answers import Answers
from .approvals import Approvals
from .artifact_stores import open_artifacts
from .budgets import Budgets
from .calls import Calls
from .claims import Claims
from .collecting import COLLECT_SECONDS, Collector, artifacts_grace, collect_quietly
from .connections import Connections
from .context import HookContextImpl
from .documents import event_document
from .errors import Busy, EngineError
from .files import EngineFiles
from .followers import Followers
from .gathering import Gatherer
from .http import GuardedClient, Policy
from .http.sdk import SdkHttp
from .ids import IdFactory
from .intake import WEBHOOK_MEMORY, Draft, Intake, trigger_scope
from .journal import REMOTE_SPILL_BYTES, SPILL_BYTES, Journal
from .limiter import Turntable
from .looking import Looking
from .pacing import Paces, Refusals
from .past import Past
from .performer import Outside, Performer
from .questions import Questions
from .reading import RunReader, submit_and_wait
from .redaction import Redactor, Secret
from .registry import Registry
from .replays import Replays
from .requests import Requests
from .retention import RETENTION_SECONDS, retain, retain_withdrawn
from .runner import SWEEP_SECONDS, Runner
from .schedules import Schedules
from .settings import Settings, SettingsError
from .spilling import Spilling
from .starts import Starts
from .tokens import CallbackTokens
from .trigger_states import trigger_states
from .watching import LiveViews
from .workflows import Installed, Plans, Workflows, find_workflows, load_workflows

__all__ = ["Busy", "Counts", "Engine", "EngineError", "HookAnswer", "open_store"]

log = logging.getLogger(__name__)

Json = Any

LARGEST_IN_MEMORY = 16 * 1024 * 1024
"""Bytes of a body that a trigger gets which does not read from a file."""

LARGEST_KEPT = 1024 * 1024
"""Bytes of a body that the inbox keeps as it came; a larger form is kept as its files and fields."""

TOLD_SECONDS = 20.0
"""Longest that a sender waits until what it tells of is looked at and on disk."""

STOP_GRACE = 10.0
"""Seconds that attempts have to finish when the engine is stopped."""


class HookAnswer:
    """What became of a request to a hook.

    Args:
        accepted: What was stored; None for a request that is no event.
        respond: ``output`` when the sender waits for the run; then at most for `deadline` seconds.
        reply: What the trigger wants the sender to be answered, in place of the usual document.
    """

    def __init__(
        self,
        accepted: Accepted | None,
        respond: str,
        reply: HookReply | None = None,
        deadline: float | None = None,
    ) -> None:
        self.deadline = deadline
        self.event_id = accepted.event_id if accepted else ""
        self.run_id = accepted.run_id if accepted else None
        self.state = accepted.state if accepted else "answered"
        self.respond = respond
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Counts:
    """What this process has done since it was started, and what it is doing.

    Attributes:
        events: Events taken in, by their state.
        runs_opened: Runs begun, those that another run called included.
        runs_finished: Runs finished, by their status.
        executing: Attempts whose code is running.
        active: Runs in memory that are not parked.
        to_come: Runs that events wait for: for their batch, for quiet, or for their turn.
        max_backlog: Runs from which on nothing new is taken in.
    """

    events: Counter[str]
    runs_opened: int
    runs_finished: Counter[str]
    executing: int
    active: int
    to_come: int
    max_backlog: int


def open_store(settings: Settings, worker: str, clock: Callable[[], float] = time.time) -> Store:
    """The store that `database_url` names.

    Raises:
        SettingsError: The address is of no known kind.
        StoreError: It cannot be opened.
    """
    url = settings["database_url"]
    if url == "memory:":
        from hookline.store.memory import MemoryStore

        return MemoryStore(worker, clock)
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise SettingsError(
            f"database_url: {parts.scheme or url!r} is not supported", "use sqlite:///file.db"
        )
    path = unquote(parts.path)
    # sqlite:///relative.db and sqlite:////absolute.db, as everywhere else.
    return SQLiteStore(settings.project / path[1:], worker, clock)


class Engine:
    """Everything that runs workflows, put together.

    Args:
        settings: Of the project.
        registry: What is installed.
        store: Where runs are kept; closed by `stop`.
        clock: Seconds since the epoch.
        random_bytes: Source of ids and secrets.
        base_url: Address of this server, used when the settings name none.
        loop_factory: Makes the engine's event loop. All delays are measured by the loop's time, so a
            loop whose time follows `clock` makes the engine stand still until the clock is moved.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = os.urandom,
        base_url: str = "http://127.0.0.1:8420",
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.clock = clock
        self._loop_factory = loop_factory
        self.redactor = Redactor()
        self.connections = Connections(settings, registry, self.redactor)
        self.installed = Installed.of(registry, self.connections)
        self.artifacts = open_artifacts(settings)
        self.collector = Collector(self.artifacts, store, artifacts_grace(settings), clock)
        mask = self.redactor.redact_known
        if settings["artifacts_url"]:
            self.journal = Journal(self.artifacts, mask, REMOTE_SPILL_BYTES, is_remote=True)
            store = Spilling.around(store, self.journal, clock)
        else:
            self.journal = Journal(self.artifacts, mask, SPILL_BYTES)
        self.store = store
        self.ids = IdFactory(clock, random_bytes)
        claims = Claims(store)
        self.budgets = Budgets(settings, store, claims, clock)
        self.intake = Intake(self.ids, self.journal, clock, store.worker, store.seen, self.budgets.over)
        self.workflows = Workflows()
        self.plans = Plans(store, self.installed)
        master_key = settings["master_key"] or store.setting("master_key", lambda: secrets.token_urlsafe(32))
        self.redactor.add(Secret("master_key", master_key))
        self.base_url = (settings["base_url"] or base_url).rstrip("/")
        self.tokens = CallbackTokens(master_key, self.base_url)
        self.views = LiveViews(
            actions=registry.actions,
            outside=lambda: self.performer.outside,
            open_connection=lambda name, type: self.performer.open(name, type),
            mask=self.redactor.redact_growing,
            clock=clock,
            deliver=lambda callback: self.runner.deliver(callback),
        )
        self.performer = Performer(
            registry=registry,
            connections=self.connections,
            tokens=self.tokens,
            clock=clock,
            mask=self.redactor.redact_known,
            kept=store.kept,
            past=Past(store, self.journal),
            views=self.views,
            claims=claims,
            budgets=self.budgets,
            max_attempts=settings.integer("max_attempts_at_once"),
            blocking_threads=settings.integer("blocking_threads"),
        )
        self.runner = Runner(
            store=store,
            performer=self.performer,
            calls=Calls(self.workflows, self.intake, clock),
            plans=self.plans,
            journal=self.journal,
            tokens=self.tokens,
            clock=clock,
        )
        claims.deliver = self.runner.deliver
        claims.refused = self.runner.refused
        self.turntable = Turntable(store, clock, _fingerprints(master_key))
        self.turntable.deliver = self.runner.deliver
        self.connections.turntable = self.turntable
        self.reader = RunReader(store, self.journal, self.plans)
        self.requests = Requests(
            store=store,
            reader=self.reader,
            registry=registry,
            performer=self.performer,
            runner=self.runner,
            tokens=self.tokens,
            redactor=self.redactor,
            clock=clock,
            newest=self.plan,
        )
        self.files = EngineFiles(self.artifacts, self._open_referred)
        self.starts = Starts(
            registry=registry,
            reader=self.reader,
            intake=self.intake,
            newest=self.plan,
            take=self._take,
            files=self.files,
            artifacts=self.artifacts,
            clock=clock,
        )
        self.replays = Replays(
            store=store,
            reader=self.reader,
            plans=self.plans,
            intake=self.intake,
            clock=clock,
            newest=self.plan,
            manual=self.starts.draft,
            take=self._take,
        )
        self.approvals = Approvals(store=store, put=self.requests.signal, people=self.connections.people)
        self.performer.questions = Questions(
            open=self.performer.open,
            type_of=self.connections.type_of,
            people=self.connections.people,
            outside=lambda: (self.performer.outside.http, self.performer.outside.files),
            clock=clock,
            mask=self.redactor.redact_known,
            base_url=lambda: self.base_url,
        )
        self.answering = Answering(
            approvals=self.approvals,
            connections=self.connections,
            performer=self.performer,
            clock=clock,
            hook_context=lambda client: HookContextImpl(
                "", client, None, self.files, self.artifacts, clock, loop=self._loop
            ),
            loop=lambda: self._loop,
        )
        self._answers = Answers(store, self.reader)
        self.intake.first_turn = self.runner.first_turn
        self.followers = Followers(self.workflows, registry, self.intake)
        self.runner.followers_of = self.followers.of
        self.runner.on_followed = self._begin_followed
        self.gatherer = Gatherer(store, self.intake, self.plans, self.runner, clock)
        self.runner.on_finished = self._run_finished
        self.runner.on_changed = self.views.changed
        self.runner.on_responded = self._answers.responded
        self.schedules = Schedules(
            store=store,
            intake=self.intake,
            registry=registry,
            plans=lambda: self.workflows.plans,
            plan=self.plan,
            take=self._take,
            clock=clock,
        )
        self.looking = Looking(
            workflows=self.workflows,
            registry=registry,
            store=store,
            intake=self.intake,
            performer=self.performer,
            files=self.files,
            clock=clock,
            has_room=self._has_room,
            begin=self._begin,
            count=self._count,
            deliver=self.runner.deliver,
        )
        self._paces = Paces(clock)
        self._refusals = Refusals(clock)
        self._max_backlog = settings.integer("max_backlog")
        self._events_taken: Counter[str] = Counter()
        self._runs_finished: Counter[str] = Counter()
        self._counts_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._recover = False
        self._looks = False

    # Life --------------------------------------------------------------------------------------

    def start(self, *, recover: bool = True, triggers: bool = False) -> None:
        """Start the loop.

        Args:
            recover: Go on with runs that dead workers left, and with whatever becomes due.
            triggers: Look for events of polling triggers.

        Raises:
            StoreError: What is to be gone on with cannot be read.
        """
        few_arenas(self.settings.environment)
        started: Future[None] = Future()
        self._recover = recover
        self._thread = threading.Thread(
            target=self._run_loop, args=(started,), name="hookline-engine", daemon=True
        )
        self._thread.start()
        started.result()
        self._looks = triggers
        if triggers:
            self._call(self.looking.start)
        if recover:
            self._call(self.gatherer.start)
            self._call(lambda: self.runner.keep(self._retain_forever()))
            self._call(lambda: self.runner.keep(self._collect_forever()))

    def _run_loop(self, started: Future[None]) -> None:
        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                self._loop = runner.get_loop()
                runner.run(self._main(started))
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _main(self, started: Future[None]) -> None:
        self._stopped = asyncio.Event()
        policy = Policy(allow_origins=tuple(self.settings.list("allow_origins")))
        client = GuardedClient(policy, wall=self.clock, redactor=self.redactor)
        self.performer.outside = Outside(client, SdkHttp(client, files=self.files), self.files)
        try:
            self.runner.start(recover=self._recover)
            started.set_result(None)
            await self._stopped.wait()
            self.looking.stop_all()
            self.views.stop()
            # The loop's end waits for its threads.
            self.collector.stop()
            await self.runner.stop(self._grace)
        finally:
            await client.aclose()

    _grace = STOP_GRACE

    def stop(self, grace: float = STOP_GRACE) -> None:
        """Stop taking in, let attempts finish for `grace` seconds, write everything, close."""
        if self._thread is not None and self._loop is not None:
            self._grace = grace
            if self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()
            self._thread = None
        self.store.close()

    def _call(self, function: Callable[[], Any]) -> Any:
        """Run something on the loop and wait for what it gives."""
        done: Future[Any] = Future()

        def call() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self.runner.deliver(call)
        return done.result()

    # Workflows ---------------------------------------------------------------------------------

    def load_project(self) -> Workflows:
        """Read, check and deploy the files of the project's ``workflows`` folder."""
        return self.load_files(find_workflows(self.settings.project / "workflows"))

    def load_files(self, paths: Sequence[Path]) -> Workflows:
        """Read, check and deploy these files; what cannot be deployed is in the answer's files."""
        loaded = load_workflows(list(paths), self.installed, self.registry)
        for plan in loaded.plans.values():
            self.deploy(plan)
        self.workflows.files = loaded.files
        return loaded

    def deploy(self, plan: Plan) -> None:
        """Put a version into force. Runs under way keep theirs.

        Raises:
            StoreError: It cannot be stored.
        """
        submit_and_wait(self.store, PutDefinition(plan.version, plan.name, plan.value, self.clock()))
        self.plans.add(plan)
        self.workflows.deploy(plan, self.registry)
        if self._looks:
            self._call(lambda: self.looking.restart(plan))

    def withdraw(self, name: str) -> None:
        """Take a workflow out of force: nothing starts it any more. Runs under way go on."""
        self.workflows.withdraw(name)
        if self._looks:
            self._call(lambda: self.looking.stop(name))

    def plan(self, name: str) -> Plan:
        """A deployed workflow.

        Raises:
            EngineError: There is none of this name, or its file has errors.
        """
        plan = self.workflows.plans.get(name)
        if plan is None:
            broken = next((file for file in self.workflows.files if file.name == name), None)
            if broken is not None:
                first = next(found for found in broken.diagnostics if found.severity == "error")
                raise EngineError(
                    f"the workflow {name!r} has errors: {first.message}",
                    code=first.code,
                    status=409,
                    hint="run hookline validate",
                )
            raise EngineError(f"there is no workflow {name!r}", code="R401", status=404)
        return plan

    # Taking in ---------------------------------------------------------------------------------

    def _take(self, draft: Draft) -> Accepted:
        """Store an event and its run; the run goes on as soon as it is on disk.

        Raises:
            Busy: The backlog is full, or the store cannot be written.
        """
        starts = draft.run is not None or draft.incoming.hold is not None
        if starts and not self._has_room():
            raise Busy(f"{self._max_backlog} runs are waiting to be executed", code="S301")
        answers: SimpleQueue[Any] = SimpleQueue()

        def answered(answer: Any) -> None:
            if not isinstance(answer, StoreError):
                self._count(answer)
                run = draft.run
                if run is not None and answer[0].run_id == run.id:
                    self.runner.deliver(lambda: self.runner.begin(run))
            answers.put(answer)

        self.store.submit(Accept([draft.incoming], baseline=draft.remembered), answered)
        crashpoint("accept.submitted")
        answer = answers.get()
        if isinstance(answer, StoreError):
            raise Busy(f"the event cannot be stored: {answer}", code=answer.code)
        crashpoint("accept.committed")
        accepted: Accepted = answer[0]
        return accepted

    def _has_room(self) -> bool:
        return self.runner.backlog + self.gatherer.waiting < self._max_backlog

    def receive_hook(self, request: HookRequest) -> HookAnswer:
        """A request to ``/hooks/<path>``.

        Raises:
            HookRefused: It is refused, and recorded with its reason.
            EngineError: No workflow has this path.
            Busy: Come back later; nothing was taken.
        """
        found = self.workflows.hooks.get(request.path.strip("/"))
        if found is None:
            code, reason = "R402", "there is no hook at this address"
            self.refuse_request(request.path, f"{reason}: {request.path[:200]!r}", request.headers)
            raise EngineError(reason, code=code, status=404)
        plan, trigger = found
        declared = self.registry.triggers[trigger.uses]
        parameters = trigger.parameters
        data: Json = None
        try:
            if request.method in ("GET", "HEAD") and not declared.answers_get:
                raise HookRefused(405, f"{request.method[:20]} in place of POST", code="S405")
            if not declared.streams:
                if request.size > LARGEST_IN_MEMORY:
                    raise HookRefused(413, f"at most {LARGEST_IN_MEMORY} bytes are taken", code="S612")
                request = request.in_memory()
            if declared.request is not None:
                return self._receive_told(plan, trigger, declared, request)
            connection = None
            if declared.needs_connection(parameters):
                assert declared.connection is not None
                connection = self.performer.open(
                    trigger.connection or declared.connection, declared.connection
                )
            context = self._hook_context(plan, trigger, connection)
            event = declared.run(context, request, **declared.bind(parameters))
            if isinstance(event, HookAnswered):
                return HookAnswer(None, "at_once", event.answer)
            if isinstance(event, PersonAnswer):
                # One address of an app takes clicks of every kind; this one is for an approval.
                assert declared.connection is not None
                kind = self.registry.connection_types[declared.connection]
                name = trigger.connection or declared.connection
                return HookAnswer(None, "at_once", self.answering.take(name, kind, event))
            data = dict(event.data)
            draft = self.intake.event(
                plan,
                trigger,
                data,
                key=event.key,
                also=event.also,
                skip=event.skip,
                headers=self.redactor.redact_headers(request.headers),
                body=request.in_memory().body if request.size <= LARGEST_KEPT else None,
                memory=WEBHOOK_MEMORY,
            )
        except HookRefused as refused:
            self.refuse_request(request.path, refused.reason, request.headers)
            raise
        except ExpressionError as error:
            # The sender is who it says; the workflow is at fault. So the event is kept for a replay.
            self.refuse_request(request.path, error.message, request.headers, data)
            raise HookRefused(422, error.message, code=error.code) from error
        except BadInput as error:
            self.refuse_request(request.path, error.message, request.headers)
            raise EngineError(error.message, code=error.code, status=503, hint=error.hint) from error
        except ActionError as error:
            # What is needed to judge the request cannot be had now; a sender comes again.
            raise Busy(f"the request cannot be judged now: {error.message}", code="R417") from error
        respond, deadline = _respond(parameters.get("respond"))
        return HookAnswer(self._take(draft), respond, event.answer, deadline)

    def _hook_context(self, plan: Plan, trigger: TriggerPlan, connection: Any) -> HookContextImpl:
        return HookContextImpl(
            plan.name,
            connection,
            self.performer.outside.http,
            self.files,
            self.artifacts,
            self.clock,
            self._paces,
            trigger_scope(plan, trigger),
            self._loop,
        )

    def _receive_told(
        self, plan: Plan, trigger: TriggerPlan, declared: Trigger, request: HookRequest
    ) -> HookAnswer:
        """A request to a polling trigger: it tells what a look would find."""
        if not self._has_room():
            raise Busy(f"{self._max_backlog} runs are waiting to be executed", code="S301")
        assert self._loop is not None
        # Without a poller of its own (another process looks) what is told is taken in all the same.
        poller = self.looking.poller(plan, trigger, declared)
        taking = asyncio.run_coroutine_threadsafe(poller.receive(request), self._loop)
        try:
            told = taking.result(TOLD_SECONDS)
        except FutureTimeout as error:
            taking.cancel()
            raise Busy("what the request tells of cannot be looked at in time", code="R417") from error
        except StoreError as error:
            raise Busy(f"the event cannot be stored: {error}", code=error.code) from error
        if isinstance(told, HookAnswered):
            return HookAnswer(None, "at_once", told.answer)
        ids = {
            "events": [each.event_id for each in told],
            "runs": [each.run_id for each in told if each.run_id is not None],
        }
        reply = HookReply(202, json.dumps(ids).encode(), "application/json")
        return HookAnswer(told[0] if told else None, "at_once", reply)

    def refuse_request(self, path: str, reason: str, headers: Mapping[str, str], data: Json = None) -> None:
        """Record a request to ``/hooks/<path>`` that was refused, without its body.

        Of a flood only a few are recorded; see `Refusals`.

        Args:
            headers: By their names in lower case.
            data: The event, of a request in order that the workflow could not take.
        """
        plan, trigger = self.workflows.hooks.get(path.strip("/"), (None, None))
        name = trigger_scope(plan, trigger) if plan is not None and trigger is not None else ""
        noted = self._refusals.noted(name, reason)
        if noted is None:
            with self._counts_lock:
                self._events_taken["rejected"] += 1
            return
        kept = self.redactor.redact_headers(headers)
        incoming = self.intake.rejected(plan, trigger.uses if trigger else "webhook", noted, kept, data)
        # Whoever sends what is refused does not get to wait for the disk, or to learn of it.
        self.store.submit(Accept([incoming]), self._count)

    def _count(self, answer: Sequence[Accepted] | StoreError) -> None:
        if not isinstance(answer, StoreError):
            with self._counts_lock:
                for accepted in answer:
                    self._events_taken[accepted.state] += 1
                    if accepted.due_at is not None:
                        self.gatherer.expect(accepted.due_at)

    def start_run(
        self,
        name: str,
        data: Json = None,
        inputs: Mapping[str, Json] | None = None,
        *,
        source: str = "manual",
    ) -> Accepted:
        """Start a workflow by hand; see `Starts.by_hand`."""
        return self.starts.by_hand(name, data, inputs, source=source)

    def replay_run(
        self,
        run_id: str,
        *,
        version: str = "original",
        first_step: str | None = None,
        data: Json = None,
        inputs: Mapping[str, Json] | None = None,
    ) -> Accepted:
        """Run again with the same event, as a new run; see `Starts.again`."""
        return self.starts.again(run_id, version=version, first_step=first_step, data=data, inputs=inputs)

    # Asking something of a run ------------------------------------------------------------------

    def check_callback_address(self, token: str) -> None:
        """Refuse an address that was not made here; see `Requests.check_callback_address`."""
        self.requests.check_callback_address(token)

    def receive_callback(self, token: str, headers: Mapping[str, str], body: bytes) -> bool:
        """A request to a callback address; see `Requests.receive_callback`."""
        return self.requests.receive_callback(token, headers, body)

    def cancel(self, run_id: str, *, reason: str = "", by: str = "") -> bool:
        """Ask a run to stop; see `Requests.cancel`."""
        return self.requests.cancel(run_id, reason=reason, by=by)

    def resume(self, run_id: str, *, version: str = "original", by: str = "") -> None:
        """Go on with a failed or canceled run; see `Requests.resume`."""
        self.requests.resume(run_id, version=version, by=by)

    def decide(
        self,
        approval_id: str,
        decision: str,
        *,
        by: str,
        comment: str = "",
        form: Json = None,
        seen: str | None = None,
    ) -> bool:
        """The operator decides on an approval; see `Approvals.decide_as_operator`."""
        return self.approvals.decide_as_operator(
            approval_id, decision, name=by, comment=comment, form=form, seen=seen
        )

    def receive_answer(self, connection: str, request: HookRequest) -> HookReply:
        """A request to ``/answers/<connection>``; see `Answering.receive`."""
        return self.answering.receive(connection, request)

    def outcome(self, run_id: str) -> Future[Json]:
        """A future of the run's answer: its ``respond`` step's, or None when the run has ended."""
        return self._answers.outcome(run_id)

    def _run_finished(self, state: RunState) -> None:
        self._runs_finished[state.status] += 1
        self._answers.finished(state)

    # Reading -----------------------------------------------------------------------------------

    def health(self) -> Health:
        return self.store.health()

    def counts(self) -> Counts:
        """Figures of this process, out of memory."""
        with self._counts_lock:
            events = Counter(self._events_taken)
        return Counts(
            events,
            self.runner.begun,
            Counter(self._runs_finished),
            self.runner.executing,
            self.runner.open_runs,
            self.gatherer.waiting,
            self._max_backlog,
        )

    def run_document(self, run_id: str) -> dict[str, Json]:
        """A run with its steps.

        Raises:
            EngineError: There is no such run.
        """
        return self.reader.document(run_id)

    def event_document(self, event_id: str) -> dict[str, Json]:
        """An event of the inbox with headers, body and data, without the secrets its sender may have put in.

        Raises:
            EngineError: There is no such event.
        """
        row = self.store.event(event_id)
        if row is None:
            raise EngineError(
                f"there is no event {event_id!r}", code="R414", status=404, hint="see `hookline events list`"
            )
        if row.data is None and row.run_id is not None:
            # A run keeps its event; the inbox does not keep it a second time.
            created = self.reader.entries(row.run_id)[0].event
            row = replace(row, data=created.trigger if isinstance(created, ev.RunCreated) else None)
        shown = self.redactor.redact_known(json.dumps(event_document(row, full=True)))
        document: dict[str, Json] = json.loads(shown)
        return document

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """A run's history.

        Raises:
            EngineError: There is no such run.
        """
        return self.reader.history(run_id)

    # Triggers ----------------------------------------------------------------------------------

    def _begin_followed(self, draft: Draft) -> None:
        """What followed on the end of a run is on disk: go on with it, as far as it has become true."""
        try:
            row = self.store.event(draft.incoming.id)
        except StoreError as error:
            # Its run is ours, so nobody else would ever begin it.
            log.warning("%s: what followed on a run is looked at again: %s", error.code, error)
            if self._loop is not None:
                self._loop.call_later(SWEEP_SECONDS, self._begin_followed, draft)
            return
        if row is None:
            return
        state: Any = row.state
        self._count([Accepted(row.id, row.run_id, state, row.due_at)])
        if draft.run is not None and row.run_id == draft.run.id:
            self.runner.begin(draft.run)

    def trigger_states(self) -> list[dict[str, Json]]:
        """What starts the deployed workflows: what is watched, the last look, and what is wrong."""
        return trigger_states(self.workflows, self.registry, self.store, self.looking.pollers)

    def _begin(self, draft: Draft) -> None:
        assert draft.run is not None
        self.runner.begin(draft.run)

    async def _open_referred(self, file: File) -> FileStore:
        return self.performer.open_store(file)

    async def _retain_forever(self) -> None:
        while True:
            self._retain_all()
            await asyncio.sleep(RETENTION_SECONDS)

    def _retain_all(self) -> None:
        deployed = dict(self.workflows.plans)
        for plan in deployed.values():
            self.retain(plan)
        self.retain(None)
        try:
            retain_withdrawn(self.plans, deployed, self._retain)
        except StoreError as error:
            log.warning("%s: what withdrawn workflows have left is looked at again: %s", error.code, error)

    async def _collect_forever(self) -> None:
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            await asyncio.to_thread(collect_quietly, self.collector)

    def retain(self, plan: Plan | None) -> None:
        """Forget the runs and events that this workflow does not want to keep; None: those of no workflow."""
        self._retain("" if plan is None else plan.name, plan)

    def _retain(self, name: str, plan: Plan | None) -> None:
        retain(name, plan, self.settings, self.store, self.clock)


def _respond(given: Json) -> tuple[str, float | None]:
    """A webhook's ``respond``: its kind, and how long a sender waits for an output."""
    if not isinstance(given, Mapping):
        return str(given or "at_once"), None
    deadline = given.get("deadline")
    return str(given.get("type")), parse_duration(deadline) if deadline is not None else None


def _fingerprints(master_key: str) -> Callable[[str], str]:
    """Names for credentials; without the key nobody can try out which credential has which name."""

    def fingerprint(credential: str) -> str:
        return hmac.new(master_key.encode(), credential.encode(), hashlib.sha256).hexdigest()[:24]

    return fingerprint
