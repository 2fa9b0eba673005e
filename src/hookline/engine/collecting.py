"""Removing artifacts that nothing refers to any more.

What refers to an artifact is whatever the database holds: histories, events, cached outputs, approvals,
cursors; and large values of histories, which are artifacts themselves. An artifact goes when

- two looks, some time apart, both found that nothing refers to it,
- it was kept last before the grace period, and before anything began that is being executed, and
- it is not kept again in the very moment, which the store takes care of.

Why that is enough stands in docs/adr/0012-artifact-collection.md.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from hookline.core.units import UnitError, parse_duration
from hookline.store.artifacts import ArtifactMissing, Artifacts, StoredAt
from hookline.store.port import CorruptStore, Mentions, Store, StoreError, StoreUnavailable

from .settings import Settings, SettingsError

__all__ = ["COLLECT_SECONDS", "Collector", "Look", "artifacts_grace", "collect_quietly"]

log = logging.getLogger(__name__)

COLLECT_SECONDS = 3600.0
"""Between two looks of a server."""

CLOCKS_APART = 3600.0
"""Seconds by which this machine's clock and the artifact store's may differ."""

_DIGEST = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes:
        kept: Number of artifacts, and their bytes.
        referred: Those that something refers to.
        waiting: Those that nothing refers to, and that are too young to go.
        unused: Those that nothing refers to and that may go, if the next look agrees.
        cutoff: Only what was kept before this may go, in seconds since the epoch.
        reason: Why nothing may go although something is unused; ``""`` when it may.
        held_since: The cutoff, when it is a run under execution that holds it back.
    """

    kept: tuple[int, int]
    referred: tuple[int, int]
    waiting: tuple[int, int]
    unused: tuple[StoredAt, ...]
    cutoff: float
    reason: str = ""
    held_since: float | None = None

    @property
    def unused_bytes(self) -> int:
        """Bytes of what may go."""
        return sum(each.size for each in self.unused)


def artifacts_grace(settings: Settings) -> float | None:
    """Seconds for which unused artifacts are kept, None for ever.

    Raises:
        SettingsError: It is no duration.
    """
    text = settings["artifacts_grace"]
    if not text:
        return None
    try:
        return parse_duration(text)
    except UnitError as error:
        raise SettingsError(f"artifacts_grace: {error}", error.hint) from None


class Collector:
    """Looks for artifacts that nothing refers to, and removes them.

    Args:
        grace: Seconds for which they are kept, None for ever.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, artifacts: Artifacts, store: Store, grace: float | None, clock: Callable[[], float]
    ) -> None:
        self._artifacts = artifacts
        self._store = store
        self._grace = grace
        self._clock = clock
        self._suspects: frozenset[str] = frozenset()
        self._within: dict[str, frozenset[str]] = {}
        self._lock = threading.Lock()
        self._is_stopped = False

    def stop(self) -> None:
        """Have a look that is under way, on another thread, end soon; the process ends. Any thread."""
        self._is_stopped = True

    def _check_stopped(self) -> None:
        if self._is_stopped:
            raise StoreUnavailable("the process ends")

    def look(self) -> Look:
        """What is kept, and what may go. Nothing is removed.

        Raises:
            StoreError: The database or the artifact store cannot be read, or `stop` was called.
        """
        # Listed first: what is kept after the look into the database is not even a candidate.
        listed: list[StoredAt] = []
        for each in self._artifacts.listed():
            self._check_stopped()
            listed.append(each)
        now = self._clock()
        mentions = self._store.mentions()
        reason = self._reason()
        try:
            referred = self._closure(mentions)
        except (ArtifactMissing, CorruptStore) as error:
            # It may have referred to anything. Restored from a backup, it will be wanted as it was.
            referred = {each.sha256 for each in listed}
            reason = f"a large value of a run cannot be read, and what it refers to is unknown: {error}"
        cutoff = now - (self._grace or 0.0)
        if mentions.running_since is not None:
            cutoff = min(cutoff, mentions.running_since - CLOCKS_APART)
        free = [each for each in listed if each.sha256 not in referred]
        unused = tuple(each for each in free if each.at < cutoff)
        return Look(
            _sum(listed),
            _sum([each for each in listed if each.sha256 in referred]),
            _sum([each for each in free if each.at >= cutoff]),
            unused,
            cutoff,
            reason,
            None if mentions.running_since is None or cutoff == now - (self._grace or 0.0) else cutoff,
        )

    def collect(self) -> tuple[Look, int, int]:
        """Look, and remove what the look before found unused as well; the number and bytes removed.

        Raises:
            StoreError: The database or the artifact store cannot be read or written.
        """
        with self._lock:
            found = self.look()
            before, self._suspects = self._suspects, frozenset(each.sha256 for each in found.unused)
            if found.reason:
                if self._grace is not None:
                    log.warning("no artifact is removed: %s", found.reason)
                self._suspects = frozenset()
                return found, 0, 0
            count = size = 0
            for each in found.unused:
                if self._is_stopped:
                    break
                if each.sha256 in before and self._artifacts.remove(each.sha256, found.cutoff):
                    count, size = count + 1, size + each.size
            if count:
                log.info("%s artifacts that nothing referred to were removed, %s bytes", count, size)
            return found, count, size

    def _reason(self) -> str:
        if self._grace is None:
            return "artifacts_grace is empty: nothing is ever removed"
        name = self._store.setting("artifact_owner", lambda: secrets.token_hex(16))
        if self._artifacts.owner(name) != name:
            return (
                "the artifacts belong to another database, or this one was made anew: if no other "
                "uses them, delete the store's file 'owner'"
            )
        return ""

    def _closure(self, mentions: Mentions) -> set[str]:
        """Everything that is mentioned, and what mentioned large values mention."""
        referred = set(mentions.digests)
        self._within = {each: found for each, found in self._within.items() if each in mentions.spilled}
        for each in mentions.spilled:
            if each not in self._within:
                self._check_stopped()
                # A value is never changed, so it is read once.
                content = self._artifacts.read(each)
                self._within[each] = frozenset(found.decode() for found in _DIGEST.findall(content))
            referred |= self._within[each]
        return referred


def _sum(found: list[StoredAt]) -> tuple[int, int]:
    return len(found), sum(each.size for each in found)


def collect_quietly(collector: Collector) -> None:
    """Collect; what goes wrong is told in the log and tried again at the next time."""
    try:
        collector.collect()
    except StoreError as error:
        log.warning("artifacts could not be looked through: %s", error)
    except Exception:
        log.exception("R399: looking for artifacts that nothing refers to")
