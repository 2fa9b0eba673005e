"""Answers that a service brings back: a click on a button, for whose sender the service vouches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from hookline.sdk import ActionError, ConnectionType, HookAnswered, HookReply, HookRequest
from hookline.sdk.approvals import PersonAnswer

from .approvals import Approvals
from .connections import Connections
from .context import HookContextImpl
from .errors import Busy, EngineError
from .performer import Performer
from .questions import SEND_SECONDS, AskContextImpl

__all__ = ["Answering"]

log = logging.getLogger(__name__)


class Answering:
    """Takes answers in.

    Args:
        hook_context: What a request is looked at with, by the opened client.
        loop: The engine's loop, None before it runs.
    """

    def __init__(
        self,
        *,
        approvals: Approvals,
        connections: Connections,
        performer: Performer,
        clock: Callable[[], float],
        hook_context: Callable[[Any], HookContextImpl],
        loop: Callable[[], asyncio.AbstractEventLoop | None],
    ) -> None:
        self._approvals = approvals
        self._connections = connections
        self._performer = performer
        self._clock = clock
        self._hook_context = hook_context
        self._loop = loop

    def receive(self, connection: str, request: HookRequest) -> HookReply:
        """A request to ``/answers/<connection>``.

        Raises:
            HookRefused: It is not genuine, or not what it should be.
            EngineError: There is no such address.
            Busy: Come back later; nothing was taken.
        """
        kind = self._connections.type_of(connection)
        if kind is None or kind.answer is None:
            raise EngineError("there is nothing at this address", code="R402", status=404)
        try:
            client = self._performer.open(connection, kind.name)
        except ActionError as error:
            raise EngineError(error.message, code=error.code, status=503, hint=error.hint) from error
        found = kind.answer(self._hook_context(client), request)
        if isinstance(found, HookAnswered):
            return found.answer
        return self.take(connection, kind, found)

    def take(self, connection: str, kind: ConnectionType, answer: PersonAnswer) -> HookReply:
        """Let a verified answer count; whoever it is from is told what became of it.

        Raises:
            Busy: It cannot be stored now.
        """
        text = link = ""
        given = (answer.token, connection, kind.name, answer.address)
        try:
            if answer.decision == "form":
                row, person = self._approvals.person_at(*given)
                link = self._approvals.give_link(row, person)
                text = "Fill in the form to decide."
            elif not self._approvals.decide_at(*given, answer.decision):
                text = "You have decided on this before."
        except Busy:
            raise
        except EngineError as error:
            log.info("%s: an answer through %s does not count: %s", error.code, connection, error.message)
            text = error.message
        loop = self._loop()
        if text and kind.answered is not None and loop is not None:
            asyncio.run_coroutine_threadsafe(self._tell(connection, kind, answer, text, link), loop)
        return answer.reply

    async def _tell(
        self, connection: str, kind: ConnectionType, answer: PersonAnswer, text: str, link: str
    ) -> None:
        assert kind.answered is not None
        outside = self._performer.outside
        context = AskContextImpl("answered", outside.http, outside.files, self._clock)
        address = self._performer.questions.link(link) if link else ""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                client = self._performer.open(connection, kind.name)
                await kind.answered(context, client, answer, text[:1].upper() + text[1:], address)
        except (ActionError, TimeoutError) as error:
            log.warning("R445: whoever answered through %s was not told: %s", connection, error)
        except Exception:
            log.exception("R301: telling somebody through %s", connection)
