"""Claims of attempts to what there is only so much of, and who waits for them.

A claim is on disk before the attempt goes on, and ends in the same unit as the attempt: so it
outlives a crash, and never outlives the attempt (`docs/adr/0010-claims-and-the-ledger.md`). Who waits
for one is a parked run with a timer; that it is also woken as soon as the claim ends is a courtesy of
memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from hookline.sdk import InternalError
from hookline.store.port import Cap, Claim, Claimed, Fenced, Store, StoreError, StoreUnavailable

from .live import LiveRun

__all__ = ["LONGEST_LOOK", "MOST_REMEMBERED", "SHORTEST_LOOK", "Claims", "look_again"]

SHORTEST_LOOK, LONGEST_LOOK = 5.0, 120.0
"""Seconds after which somebody who waits for a claim looks for himself: it may end in another process."""


MOST_REMEMBERED = 10_000
"""Waiters of one name that are remembered, to be woken at once."""


def look_again(waited: float) -> float:
    """Seconds until the next look of somebody who has waited that long."""
    return min(max(waited, SHORTEST_LOOK), LONGEST_LOOK)


class Claims:
    """Lays claims, and knows who waits. Used on the engine's loop only.

    Attributes:
        refused: Told of a run that another worker has.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, dict[tuple[str, str], None]] = {}
        self.deliver: Callable[[Callable[[], None]], None]
        self.refused: Callable[[LiveRun, StoreError], None] = lambda run, error: None

    async def claim(
        self,
        run: LiveRun,
        path: str,
        attempt: int,
        amounts: Mapping[str, float],
        caps: Sequence[Cap] = (),
    ) -> Claimed:
        """Lay claim, for as long as the attempt lasts.

        Raises:
            CancelledError: The attempt is over, or another worker has the run.
            InternalError: R399, the store cannot write it.
        """
        record = run.state.records.get(path)
        if run.lost or record is None or record.attempt != attempt or path not in run.state.executing:
            # Its end is on the way to the store, and a claim that comes behind it would never end.
            raise asyncio.CancelledError
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(answer: Any) -> None:
            self.deliver(lambda: None if answered.done() else answered.set_result(answer))

        self._store.submit(Claim(run.id, path, attempt, run.epoch, dict(amounts), caps), done)
        answer = await answered
        if isinstance(answer, Fenced):
            # Nothing would ever come of the attempt that this process could write.
            self.refused(run, answer)
            raise asyncio.CancelledError
        if isinstance(answer, StoreUnavailable):
            # Only now that the store is closed: whoever opens it goes on with the attempt.
            raise asyncio.CancelledError
        if isinstance(answer, StoreError):
            raise InternalError(f"{', '.join(amounts)} could not be claimed: {answer}", code="R399")
        claimed: Claimed = answer
        return claimed

    def wait(self, name: str, run_id: str, path: str) -> None:
        """Remember who is to be woken when a claim of this name ends.

        To be called before the claim is laid: the one that is in the way may end while the answer is
        under way. Beyond `MOST_REMEMBERED` of a name, who waits is woken by his own looks alone.
        """
        waiting = self._waiting.setdefault(name, {})
        if len(waiting) < MOST_REMEMBERED:
            waiting[run_id, path] = None

    def leave(self, name: str, run_id: str, path: str) -> None:
        """Forget who waited: he has what he waited for, or does not want it any more."""
        waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.pop((run_id, path), None)
            if not waiting:
                del self._waiting[name]

    @property
    def is_awaited(self) -> bool:
        """Whether anybody waits for anything."""
        return bool(self._waiting)

    def next(self, name: str, *, everybody: bool = False) -> list[tuple[str, str]]:
        """Take out who has waited longest, or everybody, as (run, path)."""
        waiting = self._waiting.get(name, {})
        taken = list(waiting) if everybody else list(islice(waiting, 1))
        for run_id, path in taken:
            self.leave(name, run_id, path)
        return taken
