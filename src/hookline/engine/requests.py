"""What people and services ask of runs that exist: callbacks, cancel, resume.

Each is put on disk as a signal, and then the run is woken; so any process that shares the database
can ask, and an answer means that the request survives a crash.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import referencing
from jsonschema import Draft202012Validator

from hookline.core.document import strict_json
from hookline.core.plan import Node, Plan
from hookline.core.records import settlement_key
from hookline.crashpoints import crashpoint
from hookline.sdk import ActionError
from hookline.store.port import PutSignal, Store, StoreError

from .context import VerifyContext
from .errors import Busy, EngineError
from .performer import Performer
from .reading import RunReader, submit_and_wait
from .redaction import Redactor
from .registry import Registry
from .runner import Runner
from .tokens import CallbackTarget, CallbackTokens

__all__ = ["Requests", "is_same_step"]

Json = Any

VERIFY_SECONDS = 30.0
"""Longest time that checking the sender of a callback may take."""

_CALLBACK_HEADERS = frozenset(
    {"content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature"}
)
"""Headers of a callback that are kept; an action may check a signature again."""


class Requests:
    """Signals to runs.

    Args:
        newest: The deployed version of a workflow.
    """

    def __init__(
        self,
        *,
        store: Store,
        reader: RunReader,
        registry: Registry,
        performer: Performer,
        runner: Runner,
        tokens: CallbackTokens,
        redactor: Redactor,
        clock: Callable[[], float],
        newest: Callable[[str], Plan],
    ) -> None:
        self._store = store
        self._reader = reader
        self._registry = registry
        self._performer = performer
        self._runner = runner
        self._tokens = tokens
        self._redactor = redactor
        self._clock = clock
        self._newest = newest

    def signal(self, run_id: str, kind: str, path: str, key: str, body: Json) -> bool:
        """Put a signal on disk, then wake the run. False when it was there already."""
        try:
            stored: bool = submit_and_wait(
                self._store, PutSignal(run_id, kind, path, key, body, self._clock())
            )
        except StoreError as error:
            raise Busy(f"it cannot be stored: {error}", code=error.code) from error
        crashpoint("signal.committed")
        if stored:
            self._runner.deliver(lambda: self._runner.wake(run_id))
        return stored

    def check_callback_address(self, token: str) -> None:
        """Refuse an address that was not made here, without looking anything up.

        Raises:
            EngineError: It was not.
        """
        if self._tokens.read(token) is None:
            raise _no_callback()

    def receive_callback(self, token: str, headers: Mapping[str, str], body: bytes) -> bool:
        """A request to a callback address; False when it came before.

        Raises:
            EngineError: The address is not ours, the run is over, or the sender is not genuine.
            Busy: Come back later.
        """
        target = self._tokens.read(token)
        row = self._store.run(target.run_id) if target is not None else None
        if target is None or row is None:
            raise _no_callback()
        if row.finished_at is not None and not self._is_settling(target):
            raise EngineError("the run is over", code="R407", status=410)
        self._check_callback(row.version, target.path, headers, body)
        try:
            text = self._redactor.redact_known(body.decode())
        except UnicodeDecodeError as error:
            raise EngineError("the body must be UTF-8 text", code="R408", status=400) from error
        kept = {name: value for name, value in headers.items() if name in _CALLBACK_HEADERS}
        digest = hashlib.sha256(body).hexdigest()
        key = f"callback:{target.path}:{target.attempt}:{headers.get('webhook-id', '')}:{digest}"
        content = {"id": key, "attempt": target.attempt, "body": text, "headers": kept}
        return self.signal(target.run_id, "callback", target.path, key, content)

    def _is_settling(self, target: CallbackTarget) -> bool:
        """Whether what the attempt left behind is not settled, though the run is over."""
        state, _ = self._reader.state(target.run_id)
        return settlement_key(target.path, target.attempt) in state.settlements

    def _check_callback(self, version: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Let the action or the step's schema refuse a callback before it is stored."""
        try:
            node, _ = self._reader.plans.get(version).locate(path)
        except KeyError as error:
            raise _no_callback() from error
        schema = (node.options.get("callback") or {}).get("schema")
        if schema is not None:
            try:
                value = strict_json(body)
            except ValueError as error:
                raise EngineError(f"the body is not JSON: {error}", code="R408", status=400) from error
            wrong = next(
                Draft202012Validator(schema, registry=referencing.Registry()).iter_errors(value), None
            )
            if wrong is not None:
                raise EngineError(f"the body does not fit: {wrong.message[:200]}", code="R408", status=422)
        action = self._registry.actions.get(node.uses)
        if action is None or action.verify is None or self._runner.loop is None:
            return
        verify = action.verify
        kind = action.connection or ""

        async def genuine() -> bool:
            connection = self._performer.open(node.connection or kind, kind) if kind else None
            context = VerifyContext(
                connection, self._performer.outside.http, self._performer.outside.files, self._clock
            )
            return bool(await verify(context, headers, body))

        checking = asyncio.run_coroutine_threadsafe(genuine(), self._runner.loop)
        try:
            is_genuine = checking.result(timeout=VERIFY_SECONDS)
        except (ActionError, TimeoutError) as error:
            checking.cancel()
            raise Busy(f"the sender cannot be checked now: {error}", code="R409") from error
        if not is_genuine:
            raise EngineError("the signature does not fit", code="R409", status=401)

    def cancel(self, run_id: str, *, reason: str = "", by: str = "") -> bool:
        """Ask a run to stop. False when it was asked before.

        Raises:
            EngineError: There is no such run, or it is over.
        """
        row = self._store.run(run_id)
        if row is None:
            raise EngineError(f"there is no run {run_id!r}", code="R405", status=404)
        if row.finished_at is not None:
            raise EngineError(f"the run is over: {row.status}", code="R407", status=409)
        body = {"reason": reason or "canceled on request", "by": by}
        return self.signal(run_id, "cancel", "", "cancel", body)

    def resume(self, run_id: str, *, version: str = "original", by: str = "") -> None:
        """Go on with a failed or canceled run from what did not succeed.

        Args:
            version: ``original`` or ``latest``: the definition to go on with.

        Raises:
            EngineError: There is no such run, or it did not fail.
        """
        row = self._store.run(run_id)
        if row is None:
            raise EngineError(f"there is no run {run_id!r}", code="R405", status=404)
        if row.status not in ("failed", "canceled"):
            raise EngineError(
                f"the run is {row.status}; only a failed or canceled one is resumed", code="R410", status=409
            )
        latest = self._newest(row.workflow).version if version == "latest" else row.version
        if latest != row.version:
            self.check_resumable(run_id, latest)
        body = {"version": latest, "by": by}
        self.signal(run_id, "resume", "", f"resume:{row.finished_at}", body)

    def check_resumable(self, run_id: str, version: str) -> None:
        """What is done must stand where it stood: the outputs of steps are found by their place."""
        state, before = self._reader.state(run_id)
        plan = self._reader.plans.get(version)
        for path, record in state.records.items():
            if path == "" or record.status not in ("succeeded", "skipped"):
                continue
            done, _ = before.locate(path)
            now = plan.by_path.get(done.path)
            if now is None or not is_same_step(done, now):
                raise EngineError(
                    f"the step {done.label!r} is done, and is not at {done.path} in the newest version",
                    code="R303",
                    status=409,
                    hint="replay the run, or resume it under its original version",
                )


def is_same_step(before: Node, now: Node) -> bool:
    """Whether two versions of a definition mean the same step."""
    return (before.id, before.kind, before.uses) == (now.id, now.kind, now.uses)


def _no_callback() -> EngineError:
    return EngineError("there is no callback at this address", code="R406", status=404)
