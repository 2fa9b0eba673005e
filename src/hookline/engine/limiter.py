"""Keeping the limits of services: whose turn it is to send a request.

There is one `Limiter` for each credential, whatever the connections that hold it are called. It
takes turns from the store in small leases (`hookline.store.port.TakeTurns`), so that several
processes share a rate, a restart does not begin it anew, and most requests write nothing. What a
service asks for (``Retry-After`` and the like) is put into the store at once.

An attempt that has had no effect yet is held until its turn and begins again then
(`hookline.engine.holds`). Anything else waits where it is: a look-up, an attempt that has sent
something, a trigger. Meanwhile others may have its place among the attempts that are executed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from hookline.sdk import Limit, Slower, Unavailable
from hookline.store.port import Store, StoreError, StoreUnavailable, TakeTurns, Turns

from .holds import Hold
from .slots import rest

__all__ = ["ASKER", "Asker", "Figures", "Limiter", "Turn", "Turntable", "configured"]

HARMLESS = frozenset({"GET", "HEAD", "OPTIONS", "QUERY"})

IN_PLACE = 0.25
"""Seconds up to which a turn is waited for where the code is: shorter than it takes to hold an attempt."""

UNUSED = 10.0
"""Seconds after which a leased turn that nobody took is lost: it must not be saved up for a burst."""

LARGEST_LEASE = 50
LEASES_A_MINUTE = 40
"""A lease is this part of what a minute allows, and what a crash can cost."""

LEARNED_SECONDS = 600.0
"""How long a lower rate that a service spoke of is kept to, since it last did."""

MANY_RATES = 1000
"""Rates of one credential, from which on those that are not in use are let go: there may be many channels."""

FORGOTTEN = 300.0
"""Seconds past its turn after which somebody who was held and never came is not counted any more."""


@dataclass(slots=True)
class Asker:
    """The attempt on whose behalf requests are sent.

    Attributes:
        key: Run, path and attempt.
        task: The one that runs the action's own code; what it starts beside it cannot hold it.
        is_holdable: Whether it may begin again: it is not a look-up.
        is_repeatable: Whether its requests do no harm a second time.
        has_acted: Whether it has sent something that may have had an effect.
        used: Turns taken since it began, by rate.
    """

    key: tuple[str, str, int]
    task: asyncio.Task[Any] | None
    is_holdable: bool
    is_repeatable: bool
    has_acted: bool = False
    used: dict[str, int] = field(default_factory=dict)

    @property
    def can_be_held(self) -> bool:
        """Whether nothing is lost if it begins again."""
        is_own = asyncio.current_task() is self.task
        return self.is_holdable and is_own and (self.is_repeatable or not self.has_acted)


ASKER: ContextVar[Asker | None] = ContextVar("hookline_asker", default=None)
"""The attempt whose code runs; none for triggers and checks of signatures."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One limit as it stands in this process.

    Attributes:
        connections: Names of the connections that share it.
        per_minute: What holds now, None when nothing is known.
        waiting: Attempts that wait for their turn; `oldest` of them since so many seconds.
        blocked: Seconds for which the service wants no request.
    """

    connections: tuple[str, ...]
    limit: str
    per_minute: float | None
    waiting: int
    oldest: float
    blocked: float


@dataclass(slots=True)
class _Ticket:
    at: float
    count: int
    round: int
    since: float


class Turntable:
    """What limiters share: the store's turns, and the clock.

    Args:
        fingerprint: A name for a credential that does not give it away.
    """

    def __init__(self, store: Store, clock: Callable[[], float], fingerprint: Callable[[str], str]) -> None:
        self.clock = clock
        self.fingerprint = fingerprint
        self._store = store
        self._limiters: dict[str, Limiter] = {}
        self.deliver: Callable[[Callable[[], None]], None]

    def limiter(self, credential: str, make: Callable[[str], Limiter]) -> Limiter:
        """The limiter of a credential, made at its first use."""
        name = self.fingerprint(credential)
        if name not in self._limiters:
            self._limiters[name] = make(name)
        return self._limiters[name]

    async def take(self, unit: TakeTurns) -> Turns:
        """Take turns from the store.

        Raises:
            CancelledError: The store is closed.
            Unavailable: The store cannot write it.
        """
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(answer: Any) -> None:
            self.deliver(lambda: None if answered.done() else answered.set_result(answer))

        self._store.submit(unit, done)
        answer = await answered
        if isinstance(answer, StoreUnavailable):
            raise asyncio.CancelledError
        if isinstance(answer, StoreError):
            raise Unavailable(f"no turn could be taken: {answer}")
        turns: Turns = answer
        return turns

    def tell(self, unit: TakeTurns) -> None:
        """Let everybody know what a service asks for."""
        self._store.submit(unit, lambda answer: None)

    def blocked_until(self, name: str) -> float:
        """Until when a service wanted no request of a rate that nobody counts; 0 when it never did."""
        return self._store.next_turn(name) or 0.0

    def figures(self) -> list[Figures]:
        """Every limit that was used since the start."""
        return [figures for limiter in list(self._limiters.values()) for figures in limiter.figures()]


class Rate:
    """Turns of one limit. Its name in the store is that of the credential and the limit."""

    def __init__(self, name: str, limit: Limit, table: Turntable) -> None:
        self.name = name
        self.limit = limit
        self._table = table
        self._turns: deque[float] = deque()
        self._lock = asyncio.Lock()
        self._asking = 0
        self._learned: Slower | None = None
        self._learned_until = 0.0
        # A rate that is known is blocked by the turns that the store gives.
        self._blocked_until = table.blocked_until(name) if limit.per_minute is None else 0.0
        self._round = 0
        self._tickets: dict[tuple[str, str, int], _Ticket] = {}

    async def turn(self, asker: Asker | None, title: str) -> None:
        """Come back when it is this one's turn.

        Raises:
            Hold: It is an attempt that may as well begin again then.
        """
        at = await self._appointed(asker)
        while (wait := at - self._table.clock()) > 0:
            if asker is not None and wait > IN_PLACE and asker.can_be_held:
                count = asker.used.get(self.name, 0) + 1
                if count > 1:
                    # It will come by here again for what it has asked already.
                    at = max(at, await self._take(count - 1))
                self._forget()
                before = self._tickets.get(asker.key)
                since = before.since if before is not None else self._table.clock()
                self._tickets[asker.key] = _Ticket(at, count, self._round, since)
                raise Hold("limit", self._reason(title), at)
            current = self._round
            await (rest(wait) if wait > IN_PLACE else asyncio.sleep(wait))
            if current != self._round:
                at = await self._take(1)
        if asker is not None:
            asker.used[self.name] = asker.used.get(self.name, 0) + 1

    async def _appointed(self, asker: Asker | None) -> float:
        """When the turn is: as it was appointed before, or the next one."""
        ticket = self._tickets.get(asker.key) if asker is not None else None
        if ticket is None or ticket.round != self._round or ticket.count < 1:
            return await self._take(1)
        ticket.count -= 1
        if ticket.count == 0 and asker is not None and self._table.clock() >= ticket.at:
            del self._tickets[asker.key]
        return ticket.at

    def _forget(self) -> None:
        """Lose the tickets of those who never came: the oldest stand first, or are looked at later."""
        now = self._table.clock()
        while self._tickets:
            key, ticket = next(iter(self._tickets.items()))
            if ticket.at >= now - FORGOTTEN:
                return
            del self._tickets[key]

    async def _take(self, count: int) -> float:
        """The time of the last of the next `count` turns."""
        at = 0.0
        if self.per_minute is not None:
            self._asking += count
            try:
                async with self._lock:
                    at = await self._leased(count)
            finally:
                self._asking -= count
        return max(at, self._blocked_until)

    async def _leased(self, count: int) -> float:
        at = 0.0
        for _ in range(count):
            now = self._table.clock()
            while self._turns and self._turns[0] < now - UNUSED:
                self._turns.popleft()
            if not self._turns:
                await self._lease()
            at = self._turns.popleft()
        return at

    async def _lease(self) -> None:
        rate = self.per_minute
        assert rate is not None
        usual = min(max(int(rate / LEASES_A_MINUTE), 1), LARGEST_LEASE)
        count, now, current = max(usual, self._asking), self._table.clock(), self._round
        spacing, burst = self._spacing(rate)
        turns = await self._table.take(TakeTurns(self.name, now, count, spacing, burst))
        first = turns.first if current == self._round else max(turns.first, self._blocked_until)
        # Turns of the past are as good as now, and no older.
        self._turns.extend(max(first + place * spacing, now) for place in range(count))

    def _spacing(self, rate: float) -> tuple[float, int]:
        learned = self._current()
        burst = learned.burst if learned is not None else self.limit.burst
        if learned is None and self.limit.per_minute is None:
            burst = 1
        if burst is None:
            # What may be leased and lost counts as used, so that a minute never holds more than it may.
            burst = max(int(rate) - min(int(rate / LEASES_A_MINUTE), LARGEST_LEASE), 1)
        return 60.0 / rate, burst

    def _current(self) -> Slower | None:
        return self._learned if self._table.clock() < self._learned_until else None

    @property
    def per_minute(self) -> float | None:
        """What holds now: as configured, or lower if the service said so lately."""
        learned = self._current()
        return learned.per_minute if learned is not None else self.limit.per_minute

    def told(self, slower: Slower) -> None:
        """The service wants to be asked less often: what was appointed is appointed anew."""
        now = self._table.clock()
        if slower.per_minute is not None:
            self._learned, self._learned_until = slower, now + LEARNED_SECONDS
        if now + slower.wait <= self._blocked_until:
            return
        self._blocked_until = now + slower.wait
        self._round += 1
        self._turns.clear()
        spacing, burst = self._spacing(self.per_minute or 60.0)
        self._table.tell(TakeTurns(self.name, now, 0, spacing, burst, self._blocked_until))

    @property
    def is_in_use(self) -> bool:
        """Whether it knows more than the store does."""
        return bool(self._asking or self._turns or self._tickets or self._blocked_until > self._table.clock())

    def figures(self, connections: tuple[str, ...]) -> Figures:
        """How it stands; any thread may ask."""
        now = self._table.clock()
        tickets = list(self._tickets.values())
        waiting = [ticket.since for ticket in tickets if ticket.at >= now - FORGOTTEN]
        return Figures(
            connections,
            self.limit.name,
            self.per_minute,
            len(waiting),
            max((now - since for since in waiting), default=0.0),
            max(self._blocked_until - now, 0.0),
        )

    def _reason(self, title: str) -> str:
        if self._blocked_until > self._table.clock():
            return f"{title}, which wants to be asked less often ({self.limit.name})"
        return f"its turn at {title}: {self.limit.name} are limited to {self.per_minute:g} a minute"


@dataclass(slots=True)
class Turn:
    """A request that may be sent."""

    _rate: Rate | None
    _read: Callable[[Any], Slower | None]
    _asker: Asker | None
    _had_acted: bool

    def answered(self, response: Any) -> None:
        """Learn from an answer."""
        if response.status == 429 and self._asker is not None:
            # Nothing was done.
            self._asker.has_acted = self._had_acted
        slower = self._read(response) if self._rate is not None else None
        if self._rate is not None and slower is not None:
            self._rate.told(slower)


class Limiter:
    """The limits of one credential.

    Args:
        name: The credential's fingerprint.
        title: The service's name.
        limits: In order; a request counts for the first it fits.
        read: What an answer says of them.
    """

    def __init__(
        self,
        name: str,
        title: str,
        limits: tuple[Limit, ...],
        read: Callable[[Any], Slower | None],
        table: Turntable,
    ) -> None:
        self.name = name
        self._title = title
        self._limits = limits
        self._read = read
        self._table = table
        self._rates: dict[str, Rate] = {}
        self.connections: dict[str, None] = {}

    def _rate(self, request: str, body: Mapping[str, Any]) -> Rate | None:
        limit = next((limit for limit in self._limits if limit.is_for(request)), None)
        if limit is None:
            return None
        part = f"{limit.name} {request}" if limit.apart else limit.name
        value = body.get(limit.by) if limit.by else None
        if isinstance(value, str | int):
            part = f"{part} {value}"
        if part not in self._rates:
            if len(self._rates) >= MANY_RATES:
                self._rates = {name: rate for name, rate in self._rates.items() if rate.is_in_use}
            self._rates[part] = Rate(f"limit/{self.name}/{part}", limit, self._table)
        return self._rates[part]

    async def turn(self, method: str, path: str, body: Mapping[str, Any] = MappingProxyType({})) -> Turn:
        """Come back when a request may be sent. Its answer is to be given to what this returns.

        Args:
            body: The fields of the request's body, as far as it has any.

        Raises:
            Hold: The attempt begins again when it is its turn.
        """
        rate, asker = self._rate(f"{method} {path}", body), ASKER.get()
        if rate is not None:
            await rate.turn(asker, self._title)
        had_acted = asker is not None and asker.has_acted
        if asker is not None and method not in HARMLESS:
            asker.has_acted = True
        return Turn(rate, self._read, asker, had_acted)

    def tighten(self, limits: tuple[Limit, ...]) -> None:
        """Another connection holds the same credential: the lower of both limits is kept."""
        rates = {limit.name: limit.per_minute for limit in limits}
        for place, limit in enumerate(self._limits):
            other = rates.get(limit.name)
            if other is not None and (limit.per_minute is None or other < limit.per_minute):
                lower = replace(limit, per_minute=other, burst=None)
                self._limits = (*self._limits[:place], lower, *self._limits[place + 1 :])

    def figures(self) -> list[Figures]:
        """Every limit that was used; its parts, such as channels, are put together."""
        names = tuple(self.connections)
        found: dict[str, Figures] = {}
        for rate in list(self._rates.values()):
            figures = rate.figures(names)
            known = found.get(figures.limit)
            if known is not None:
                figures = replace(
                    figures,
                    waiting=known.waiting + figures.waiting,
                    oldest=max(known.oldest, figures.oldest),
                    blocked=max(known.blocked, figures.blocked),
                )
            found[figures.limit] = figures
        return list(found.values())


def configured(limits: tuple[Limit, ...], given: Mapping[str, Any]) -> tuple[Limit, ...]:
    """Limits as the operator wants them: a number a minute, or False for none.

    Raises:
        ValueError: There is no such limit, or the value is neither; the text says which.
    """
    known = {limit.name: limit for limit in limits}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"there is no limit {name!r}; there are {', '.join(known)}")
        if value is False:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ValueError(f"the limit {name!r} is a number of requests a minute, or false")
    changed = []
    for limit in limits:
        value = given.get(limit.name, limit.per_minute)
        rate = None if value is None or value is False else float(value)
        burst = limit.burst if rate == limit.per_minute else None
        changed.append(replace(limit, per_minute=rate, burst=burst))
    return tuple(changed)
