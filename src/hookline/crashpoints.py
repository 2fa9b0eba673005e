"""Named places at which the process can be made to die, for tests of recovery.

``HOOKLINE_CRASH_AT=advance.committed:3`` kills the process with SIGKILL when it passes that place
for the third time. Every boundary between two commits, and between a commit and an effect, has
a name; `POINTS` lists them, and a test walks them all.
"""

from __future__ import annotations

import os
import signal

__all__ = ["POINTS", "crashpoint"]

POINTS: dict[str, str] = {
    "accept.submitted": "an event is queued for the store, it may be on disk or not",
    "accept.committed": "event and run are on disk, the sender has no answer yet",
    "group.written": "a group of units is written in a transaction that is not committed",
    "group.committed": "a group is on disk, nobody knows yet",
    "advance.submitted": "a run's next chunk is queued for the store, it may be on disk or not",
    "advance.committed": "a run's next chunk is on disk, its effects have not begun",
    "attempt.begins": "an attempt is on disk as started, its code (first, resumed or looking up) has not run",
    "attempt.returned": "an attempt's code has run, its result is not on disk",
    "note.committed": "a note of an attempt is on disk, the attempt does not know yet",
    "settlement.begins": "an attempt is over, what it left behind is about to be stopped or looked at",
    "settlement.looked": "what an attempt left behind was stopped or looked at, that is not on disk",
    "signal.committed": "a callback or decision is on disk, the run does not know yet",
    "asking.begins": "an approval is on disk as asked for, or as decided, and nobody has been told",
    "asking.sent": "a message of an approval was sent or brought up to date, that is not on disk",
    "release.submitted": "the run of events that waited is queued for the store, it may be on disk or not",
    "release.committed": "events that waited are in their run on disk, its effects have not begun",
    "poll.returned": "a trigger has looked, what it found is not on disk",
    "poll.committed": "what a trigger has found is on disk, its source has not been told",
    "poll.acknowledged": "a trigger's source has been told that it may forget, nobody here knows yet",
    "artifact.written": "a file's bytes are on disk under a temporary name",
    "artifact.renamed": "a file is in the artifact store, nothing refers to it yet",
}
"""Every crash point and what is true when it is passed."""


def _plan() -> tuple[str, int]:
    text = os.environ.get("HOOKLINE_CRASH_AT", "")
    name, _, count = text.partition(":")
    if name and name not in POINTS:
        raise SystemExit(f"HOOKLINE_CRASH_AT: there is no crash point {name!r}")
    return name, int(count or 1)


_name, _left = _plan()


def crashpoint(name: str) -> None:
    """Die here if this is the place and the time."""
    global _left
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
