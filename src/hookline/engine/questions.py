"""Asking people: who they are, a secret for each message, and sending through connections.

Sending is an effect like any other: what is about to be sent is on disk before it is sent, and what
became of it afterwards. After a crash, messages whose end is not known are sent again, with a new
secret; both copies lead to the same approval, so the second one does no harm. A place that cannot be
reached is noted and shown; the approval stays open for everybody else.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from hookline.core import events as ev
from hookline.core.approvals import OPERATOR, tally
from hookline.core.records import Asking, StepRecord
from hookline.crashpoints import crashpoint
from hookline.sdk import ActionError, ConnectionType, Files, Http, OutcomeUnknown, RateLimited, Unavailable
from hookline.sdk.approvals import Question, QuestionEnded

from .approvals import token_hash
from .live import LiveRun, approval_id
from .people import ROLE, People, Person

__all__ = ["AskContextImpl", "Questions"]

log = logging.getLogger(__name__)

Json = Any

SEND_SECONDS = 30.0
"""Longest time that one message may take."""

TRIES = 3
"""How often a message is tried that certainly was not sent."""

MAX_WAIT = 60.0
"""Longest pause between two tries, whatever the service asks for; a reminder comes later anyway."""

AT_ONCE = 5
"""Messages of one approval on their way at the same time."""

Note = Callable[[ev.Event], Awaitable[None]]
Open = Callable[[str, str], Any]


@dataclass(slots=True)
class AskContextImpl:
    """`hookline.sdk.approvals.AskContext`."""

    key: str
    http: Http
    files: Files
    clock: Callable[[], float]

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


@dataclass(frozen=True, slots=True)
class _Message:
    """One message of a round: to a person, or to a place that several people read."""

    key: str
    connection: str
    to: str
    person: Person | None


class Questions:
    """Sends what an approval has to say.

    Args:
        open: The client of a connection, by name and type.
        type_of: The type of a connection, None when there is no such connection.
        people: Those who are declared.
        outside: What a connection reaches the world through, and where it keeps files.
        mask: Replaces known secrets in a text.
        base_url: Public address of this installation, without a trailing slash.
    """

    def __init__(
        self,
        *,
        open: Open,
        type_of: Callable[[str], ConnectionType | None],
        people: People,
        outside: Callable[[], tuple[Http, Files]],
        clock: Callable[[], float],
        mask: Callable[[str], str],
        base_url: Callable[[], str],
    ) -> None:
        self._open = open
        self._type_of = type_of
        self._people = people
        self._outside = outside
        self._clock = clock
        self._mask = mask
        self._base_url = base_url

    async def serve(self, run: LiveRun, path: str, note: Note) -> ev.Event | None:
        """Send what is to be sent, until nothing is; the fact that ends it.

        Args:
            note: Puts a fact on disk before it returns.
        """
        record = run.state.records[path]
        attempt, asking = record.attempt, record.asking
        if asking is None:
            return None
        problems: list[str] = []
        is_on_disk = bool(asking.outcome)
        while not asking.outcome:
            number = asking.round
            people, problems, is_sure = await self._find(asking.who, _requester(record))
            count = len(people) + (OPERATOR in asking.who)
            if count < _quorum(record) and is_sure and not _escalates_later(record, asking):
                return _too_few(path, attempt, count, _quorum(record), problems)
            await self._ask(run, record, asking, people, note)
            if asking.round == number:
                break
        if asking.outcome:
            if not is_on_disk:
                # It was settled while messages were sent, maybe a moment ago. What a run notes is written
                # in order, so behind this nobody can be told what a crash would take back.
                await note(ev.ApprovalNoted(path, attempt))
            await self.tell_end(run, record, asking.outcome, note)
        return ev.ApprovalNoted(path, attempt, problems=[self._mask(each) for each in problems], done=True)

    # Who ---------------------------------------------------------------------------------------------

    async def _find(self, who: Sequence[str], requester: str) -> tuple[dict[str, Person], list[str], bool]:
        """Those who may decide, by id; what stands in the way of finding others; whether that is all."""
        known = self._people
        found: dict[str, Person] = {}
        problems: list[str] = []
        is_sure = True
        for entry in who:
            if entry == OPERATOR:
                continue
            start, colon, group = entry.partition(":")
            if colon and start != ROLE:
                try:
                    people = await self._members(start, group, known)
                except (ActionError, TimeoutError) as error:
                    problems.append(f"{entry} could not be looked up: {_reason(error)}")
                    is_sure = False
                    continue
            else:
                people = known.named(entry)
            if not people:
                problems.append(f"{entry} means nobody")
            found.update((person.id, person) for person in people if not person.is_called(requester))
        return found, problems, is_sure

    async def _members(self, connection: str, group: str, known: People) -> list[Person]:
        kind = self._type_of(connection)
        if kind is None or kind.members is None:
            return []
        context = self._context(f"members/{connection}/{group}")
        client = self._open(connection, kind.name)
        look = kind.members
        members = await _tried(lambda: look(context, client, group), lambda: False)
        return [
            known.at(kind.name, each.address)
            or Person(
                f"{connection}:{each.address}", each.name or each.address, (), {kind.name: each.address}
            )
            for each in members
        ]

    # Asking ------------------------------------------------------------------------------------------

    async def _ask(
        self, run: LiveRun, record: StepRecord, asking: Asking, people: dict[str, Person], note: Note
    ) -> None:
        """Send one round: everything that has not been sent in it yet."""
        messages = [
            message
            for message in self._messages(record, asking, people)
            if asking.told.get(message.key, {}).get("status") not in ("sent", "failed", "unknown")
        ]
        named = {
            person.id: {"name": person.name, "addresses": sorted(person.addresses)}
            for person in people.values()
        }
        given = {message.key: secrets.token_urlsafe(32) for message in messages}
        tokens = {
            token_hash(given[message.key]): {
                "person": message.person.id if message.person else None,
                "connection": message.connection,
            }
            for message in messages
        }
        sending = {message.key: _told(message, asking, "sending") for message in messages}
        await note(ev.ApprovalNoted(record.path, record.attempt, named, tokens, sending))
        slots = asyncio.Semaphore(AT_ONCE)

        async def send(message: _Message) -> None:
            async with slots:
                told = _told(message, asking, "not needed")
                if not asking.outcome:
                    told = await self._send(run, record, asking, message, given[message.key])
                await note(ev.ApprovalNoted(record.path, record.attempt, told={message.key: told}))

        await asyncio.gather(*map(send, messages))

    def _messages(self, record: StepRecord, asking: Asking, people: Mapping[str, Person]) -> list[_Message]:
        """Whom to tell in this round: whoever has not decided yet, each through every way there is."""
        decided = {each.decider for each in record.decisions}
        found: list[_Message] = []
        for way in _data(record).get("via", ()):
            connection, place = str(way["connection"]), way.get("to")
            if place:
                key = f"{asking.round}/{connection}/{place}"
                found.append(_Message(key, connection, str(place), None))
                continue
            kind = self._type_of(connection)
            for person in people.values():
                address = person.addresses.get(kind.name) if kind is not None else None
                if address and person.id not in decided:
                    key = f"{asking.round}/{connection}/{person.id}"
                    found.append(_Message(key, connection, address, person))
        return found

    async def _send(
        self, run: LiveRun, record: StepRecord, asking: Asking, message: _Message, secret: str
    ) -> Json:
        """What became of one message."""
        id_ = approval_id(run.id, record.path, record.attempt)
        kind = self._type_of(message.connection)
        if kind is None or kind.ask is None:
            reason = f"the connection {message.connection!r} cannot ask people"
            return _told(message, asking, "failed", error=reason)
        question = self._question(run, record, asking, message, f"{id_}.{secret}")
        context = self._context(f"{id_}/{message.key}")
        ask, status = kind.ask, "failed"
        try:
            client = self._open(message.connection, kind.name)
            details = await _tried(lambda: ask(context, client, question), lambda: bool(asking.outcome))
            crashpoint("asking.sent")
            return _told(message, asking, "sent", details=dict(details))
        except (OutcomeUnknown, TimeoutError) as error:
            status, reason = "unknown", _reason(error)
        except ActionError as error:
            reason = error.message
        except Exception as error:
            log.exception("R301: asking through %s", message.connection)
            reason = f"{kind.title} failed with {type(error).__name__}"
        log.warning("R445: %s was not told through %s: %s", message.to, message.connection, reason)
        return _told(message, asking, status, error=self._mask(reason))

    def _question(
        self, run: LiveRun, record: StepRecord, asking: Asking, message: _Message, token: str
    ) -> Question:
        data = _data(record)
        reason: Any = asking.reason
        return Question(
            approval=token.partition(".")[0],
            workflow=run.plan.name,
            title=str(data.get("message") or "A decision is needed"),
            show=data.get("show"),
            to=message.to,
            is_private=message.person is not None,
            reason=reason,
            link=self.link(token) if message.person is not None else "",
            token=token,
            has_form=data.get("form") is not None,
            quorum=_quorum(record),
            cost_usd=data.get("cost_usd", 0.0),
            due_at=None if record.deadline is None else datetime.fromtimestamp(record.deadline, UTC),
            previous=_first(asking, message),
        )

    # The end -----------------------------------------------------------------------------------------

    async def tell_end(self, run: LiveRun, record: StepRecord, outcome: str, note: Note | None) -> None:
        """Bring every message up to date that can be; one that cannot be reached is left as it is.

        Args:
            note: None when nothing can be noted any more: the step is over.
        """
        asking = record.asking
        assert asking is not None
        told = [(key, each) for key, each in asking.told.items() if each.get("status") == "sent"]
        last = tally(record.decisions, _quorum(record), _data(record).get("reject_quorum", 1)).by
        by = ((last.name if last.person != OPERATOR else "") or last.by) if last else ""
        slots = asyncio.Semaphore(AT_ONCE)

        async def update(key: str, entry: Mapping[str, Json]) -> tuple[str, Json] | None:
            kind = self._type_of(str(entry["connection"]))
            if kind is None or kind.ask_end is None or entry.get("ended"):
                return None
            ended = QuestionEnded(
                approval=approval_id(run.id, record.path, record.attempt),
                title=str(_data(record).get("message") or "A decision"),
                to=str(entry["to"]),
                details=entry.get("details") or {},
                outcome=_outcome(outcome),
                by=by,
                comment=last.comment if last else "",
                at=datetime.fromtimestamp(last.at if last else self._clock(), UTC),
            )
            try:
                async with slots, asyncio.timeout(SEND_SECONDS):
                    client = self._open(str(entry["connection"]), kind.name)
                    await kind.ask_end(self._context(f"{ended.approval}/{key}/end"), client, ended)
            except (ActionError, TimeoutError) as error:
                reason = _reason(error)
                log.warning("R445: a message to %s keeps its question: %s", entry["to"], reason)
                return key, {**entry, "error": self._mask(f"not brought up to date: {reason}")}
            except Exception:
                log.exception("R301: updating a message through %s", entry["connection"])
                return None
            crashpoint("asking.sent")
            return key, {**entry, "ended": outcome}

        ended = await asyncio.gather(*(update(key, entry) for key, entry in told))
        changed = dict(each for each in ended if each is not None)
        for key, entry in asking.told.items():
            if entry.get("status") == "sending":
                # It was cut off by a crash, and need not be sent any more.
                reason = "it may have been sent before the process died; nobody can bring it up to date"
                changed[key] = {**entry, "status": "unknown", "error": reason}
        if changed and note is not None:
            await note(ev.ApprovalNoted(record.path, record.attempt, told=changed))

    def link(self, token: str) -> str:
        """The address of a person's own page."""
        return f"{self._base_url()}/decide/{token}"

    def _context(self, key: str) -> AskContextImpl:
        http, files = self._outside()
        return AskContextImpl(key, http, files, self._clock)


async def _tried(call: Callable[[], Awaitable[Any]], is_over: Callable[[], bool]) -> Any:
    """Call something, again when it certainly did nothing, unless it is of no use any more."""
    number = 1
    while True:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await call()
        except (RateLimited, Unavailable) as error:
            if number == TRIES or is_over():
                raise
            await asyncio.sleep(min(error.retry_after or 2.0**number, MAX_WAIT))
        number += 1


def _reason(error: BaseException) -> str:
    return error.message if isinstance(error, ActionError) else f"no answer within {SEND_SECONDS:g} s"


def _data(record: StepRecord) -> Mapping[str, Json]:
    return record.input if isinstance(record.input, dict) else {}


def _requester(record: StepRecord) -> str:
    found = _data(record).get("requester")
    return "" if found is None else str(found)


def _quorum(record: StepRecord) -> int:
    return int(_data(record).get("quorum", 1))


def _escalates_later(record: StepRecord, asking: Asking) -> bool:
    return bool(_data(record).get("escalate_to")) and not asking.is_escalated


def _outcome(outcome: str) -> Literal["approved", "rejected", "expired", "canceled"]:
    match outcome:
        case "approved" | "rejected" | "expired":
            return outcome
    return "canceled"


def _told(message: _Message, asking: Asking, status: str, *, details: Json = None, error: str = "") -> Json:
    told = {
        "connection": message.connection,
        "to": message.to,
        "person": message.person.id if message.person else None,
        "round": asking.round,
        "reason": asking.reason,
        "status": status,
    }
    if details:
        told["details"] = details
    if error:
        told["error"] = error
    return told


def _first(asking: Asking, message: _Message) -> Mapping[str, Json] | None:
    """What identifies the first message to the same place."""
    for entry in asking.told.values():
        is_same = (entry["connection"], entry["to"]) == (message.connection, message.to)
        if is_same and entry["status"] == "sent" and entry["round"] < asking.round:
            found: Mapping[str, Json] = entry.get("details") or {}
            return found
    return None


def _too_few(path: str, attempt: int, count: int, quorum: int, problems: Sequence[str]) -> ev.Event:
    message = f"{count or 'no'} {'person' if count == 1 else 'people'} may decide, and {quorum} must approve"
    error = {
        "type": "bad_input",
        "code": "R216",
        "message": "; ".join([message, *problems]),
        "hint": "look at the step's `who` and `requester`, and at [people] in hookline.toml",
        "step": path,
    }
    return ev.AttemptFailed(path, path, attempt, error)
