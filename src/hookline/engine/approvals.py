"""Taking decisions in: who may decide, and what becomes of a decision that comes second.

There are three ways in, and each proves who somebody is: the operator has the admin token, a person
has the secret of a link, and a connection vouches for an address (Slack signs whose click it is).
Whether that somebody may decide is looked up here and nowhere else.

A decision is put on disk as a signal. Signals are taken in by the run in the order in which they were
stored, so who was first is certain as soon as a decision is stored, before any run has seen it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import referencing
from jsonschema import Draft202012Validator

from hookline.core import events as ev
from hookline.core.approvals import OPERATOR, Tally, tally
from hookline.store.port import Approval, Signal, Store

from .errors import EngineError
from .people import People, Person
from .signals import fact_of

__all__ = ["Approvals", "Seat", "decisions_on", "split_token", "token_hash"]

Json = Any

MAX_COMMENT = 10_000
"""Most characters of a comment that are kept."""

Put = Callable[[str, str, str, str, Json], bool]
"""Stores a signal (run, kind, path, key, body) and wakes the run; False when it was there."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A person's place at an approval, found by the secret of a link.

    Attributes:
        decision: What this person has decided; ``""`` when they have not.
        may_decide: Whether a decision of theirs would be taken.
    """

    approval: Approval
    person: Person
    decision: str
    may_decide: bool


def token_hash(secret: str) -> str:
    """What is kept of a secret that was given out. It has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def split_token(token: str) -> tuple[str, str]:
    """The approval's id and the secret in ``<approval>.<secret>``."""
    approval_id, _, secret = token.partition(".")
    return approval_id, secret


class Approvals:
    """Decides who may decide.

    Args:
        put: See `Put`.
        people: Those who are declared.
    """

    def __init__(self, *, store: Store, put: Put, people: People) -> None:
        self._store = store
        self._put = put
        self._people = people

    # The three ways in -------------------------------------------------------------------------------

    def decide_as_operator(
        self,
        approval_id: str,
        decision: str,
        *,
        name: str,
        comment: str = "",
        form: Json = None,
        seen: str | None = None,
    ) -> bool:
        """The operator decides; False when the operator has decided before.

        Args:
            name: What the operator is called; kept, and not checked.
            seen: Hash of what was shown, where the caller knows it.

        Raises:
            EngineError: No such approval, operators may not decide on it, it is decided, or what is
                sent does not fit.
        """
        row = self._row(approval_id)
        # Whether it is open is asked first: of what is over, everybody may know how it ended.
        self._check_open(row)
        if OPERATOR not in row.data.get("who", ()):
            raise EngineError(
                "the operator may not decide on this: only those who were asked",
                code="R441",
                status=403,
                hint=f"write {OPERATOR!r} into the step's `who` to allow it",
            )
        label = name.strip()[:200]
        operator = Person(OPERATOR, label)
        if operator.is_called(_requester(row)):
            raise _own_request()
        by = f"{OPERATOR}:{label}" if label else OPERATOR
        return self._take(row, operator, by, OPERATOR, decision, comment, form, seen)

    def seat(self, token: str) -> Seat:
        """Whose secret this is, and for which approval.

        Raises:
            EngineError: R440: nobody's, or its person is not declared any more.
        """
        row, holder = self._holder(token)
        person = self._asked(row, str(holder.get("person") or "")) if holder.get("person") else None
        if person is None:
            raise _no_link()
        made = next((each for each in decisions_on(self._store, row) if each.decider == person.id), None)
        is_open = self._fresh(row).status == "pending" and made is None
        return Seat(row, person, made.decision if made else "", is_open and not self._is_own(row, person))

    def decide_by_link(
        self, token: str, decision: str, *, comment: str = "", form: Json = None, seen: str | None = None
    ) -> bool:
        """Whoever holds a person's secret decides as that person; False when they have before.

        Raises:
            EngineError: As `seat` and `decide_as_operator` do.
        """
        seat = self.seat(token)
        return self._decide_as(seat.approval, seat.person, "link", decision, comment, form, seen)

    def person_at(self, token: str, connection: str, kind: str, address: str) -> tuple[Approval, Person]:
        """Who answered to a message, as its connection vouches for the address.

        Args:
            token: As it stood in the message: it belongs to this approval and this connection.
            kind: The connection's type.

        Raises:
            EngineError: The message is none of ours, or this person was not asked.
        """
        row, holder = self._holder(token)
        if holder.get("connection") != connection:
            raise _no_link()
        declared = self._people.at(kind, address)
        person = self._asked(row, declared.id if declared else f"{connection}:{address}")
        if person is None or (holder.get("person") or person.id) != person.id:
            raise EngineError("you are not among those who were asked", code="R442", status=403)
        return row, person

    def decide_at(
        self, token: str, connection: str, kind: str, address: str, decision: str, comment: str = ""
    ) -> bool:
        """Somebody answered to a message; False when that person has decided before.

        Raises:
            EngineError: As `person_at` and `decide_as_operator` do.
        """
        row, person = self.person_at(token, connection, kind, address)
        return self._decide_as(row, person, connection, decision, comment, None, None)

    def give_link(self, row: Approval, person: Person) -> str:
        """A new secret for somebody who has proved who they are; the last part of their link."""
        secret = secrets.token_urlsafe(32)
        digest = token_hash(secret)
        body = {"attempt": row.data.get("attempt", 1), "tokens": {digest: {"person": person.id}}}
        self._put(row.run_id, "approval_token", row.path, f"approval_token:{digest}", body)
        return f"{row.id}.{secret}"

    # What they have in common --------------------------------------------------------------------------

    def _row(self, approval_id: str) -> Approval:
        row = self._store.approval(approval_id)
        if row is None:
            raise EngineError(f"there is no approval {approval_id!r}", code="R411", status=404)
        return row

    def _fresh(self, row: Approval) -> Approval:
        return self._store.approval(row.id) or row

    def _holder(self, token: str) -> tuple[Approval, Mapping[str, Json]]:
        """The approval of a secret, and what was noted when it was given out."""
        approval_id, secret = split_token(token)
        row = self._store.approval(approval_id) if secret else None
        if row is None:
            raise _no_link()
        digest = token_hash(secret)
        known: dict[str, Json] = dict(row.data.get("tokens", {}))
        for signal in self._store.signals(row.run_id):
            if signal.kind == "approval_token" and signal.path == row.path:
                known.update(signal.body["tokens"])
        holder = next((each for kept, each in known.items() if hmac.compare_digest(kept, digest)), None)
        if holder is None:
            raise _no_link()
        return self._fresh(row), holder

    def _asked(self, row: Approval, person_id: str) -> Person | None:
        """Somebody who was asked, and is still to be trusted; None for anybody else."""
        noted = row.data.get("people", {}).get(person_id)
        if noted is None:
            return None
        if ":" in person_id:
            # Only known as a member of a group: who that is was looked up when they were asked.
            return Person(
                person_id, str(noted.get("name") or person_id), (), {"": person_id.partition(":")[2]}
            )
        return self._people.declared.get(person_id)

    @staticmethod
    def _is_own(row: Approval, person: Person) -> bool:
        return person.is_called(_requester(row))

    def _decide_as(
        self,
        row: Approval,
        person: Person,
        via: str,
        decision: str,
        comment: str,
        form: Json,
        seen: str | None,
    ) -> bool:
        if self._is_own(row, person):
            raise _own_request()
        return self._take(row, person, person.id, via, decision, comment, form, seen)

    def _check_open(self, row: Approval) -> None:
        if row.status != "pending":
            raise _decided(row.status, row.decided_by)

    def _take(
        self,
        row: Approval,
        person: Person,
        by: str,
        via: str,
        decision: str,
        comment: str,
        form: Json,
        seen: str | None,
    ) -> bool:
        """Store a decision. The answer says whether it counts, whoever else decides at this moment."""
        if decision not in ("approved", "rejected"):
            raise EngineError("decision must be approved or rejected", code="R413", status=422)
        if any(each.decider == person.id for each in decisions_on(self._store, row)):
            return False
        self._check_open(self._fresh(row))
        shown = str(row.data.get("sha256", ""))
        if seen is not None and seen != shown:
            raise EngineError(
                "what you saw is not what is asked now",
                code="R443",
                status=409,
                hint="load the page again and look at it once more",
            )
        form = _checked_form(row.data.get("form"), form) if decision == "approved" else None
        body = {
            "approval": row.id,
            "attempt": row.data.get("attempt", 0),
            "decision": decision,
            "by": by,
            "comment": comment[:MAX_COMMENT],
            "form": form,
            "person": person.id,
            "name": person.name,
            "via": via,
            "seen": shown,
        }
        if not self._put(row.run_id, "approval", row.path, f"approval:{row.id}:{person.id}", body):
            return False
        made = decisions_on(self._store, row)
        counted = _tally(row, made)
        last = next((place for place, each in enumerate(made) if each is counted.by), len(made))
        if not any(each.decider == person.id for each in made[: last + 1]):
            # Somebody else was first, by one row in a table.
            by_first = counted.by.by if counted.by else None
            raise _decided(counted.outcome or self._fresh(row).status, by_first)
        return True


def decisions_on(store: Store, row: Approval) -> list[ev.ApprovalDecided]:
    """Every decision on an approval, in the order in which they count, also those not yet taken in."""
    # Signals first: what is gone from them meanwhile is in the row.
    waiting: list[Signal] = [
        signal
        for signal in store.signals(row.run_id)
        if signal.kind == "approval" and signal.path == row.path
    ]
    row = store.approval(row.id) or row
    taken = [
        ev.ApprovalDecided(
            row.path,
            each["decision"],
            each["by"],
            each["at"],
            each.get("comment", ""),
            person=each["person"],
            name=each["name"],
        )
        for each in row.data.get("decisions", ())
    ]
    if row.status != "pending":
        return taken
    for signal in waiting:
        fact = fact_of(signal)
        assert isinstance(fact, ev.ApprovalDecided)
        is_ours = signal.body.get("approval", row.id) == row.id
        if is_ours and not any(fact.decider == each.decider for each in taken):
            taken.append(fact)
    return taken


def _tally(row: Approval, made: list[ev.ApprovalDecided]) -> Tally:
    return tally(made, row.data.get("quorum", 1), row.data.get("reject_quorum", 1))


def _requester(row: Approval) -> str:
    found = row.data.get("requester")
    return "" if found is None else str(found)


def _checked_form(schema: Json, form: Json) -> Json:
    if schema is None:
        return form
    form = {} if form is None else form
    wrong = next(Draft202012Validator(schema, registry=referencing.Registry()).iter_errors(form), None)
    if wrong is not None:
        where = "/".join(["form", *map(str, wrong.absolute_path)])
        raise EngineError(f"{where}: {wrong.message[:200]}", code="R416", status=422)
    return form


def _decided(status: str, by: str | None) -> EngineError:
    whom = f" by {by}" if by else ""
    return EngineError(f"this is decided: {status}{whom}", code="R412", status=409)


def _own_request() -> EngineError:
    return EngineError("whoever asked for something does not decide on it", code="R444", status=403)


def _no_link() -> EngineError:
    return EngineError(
        "this link is not valid", code="R440", status=404, hint="use the newest link that you were sent"
    )
