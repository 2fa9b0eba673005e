"""Start a workflow for every file that appears in a local directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Protocol

from hookline.sdk import (
    BadInput,
    Field,
    File,
    Poll,
    TriggerContext,
    TriggerEvent,
    parse_duration,
    parse_size,
    trigger,
)
from hookline.sdk.patterns import Filter

from ._folder.dispose import delete, move
from ._folder.scan import Entry, Unstable, read, scan

__all__ = ["folder"]

MAX_EVENTS = 100
"""Files taken in one look; the next one goes on at once."""
MAX_PENDING = 1000
"""Files that are watched for being complete at the same time."""
MAX_TAKEN = 10_000
"""Files whose runs are waited for at the same time, to be moved or deleted."""
SOON = 1.0
"""Seconds after which a new file is looked at once more, if that is earlier than the next look."""
NO_RUN_SECONDS = 86400.0
"""How long a file that started no run is waited for: a batch may start one later."""

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "Path below the watched folder."},
        "name": {"type": "string", "description": "The file's name: scan.pdf."},
        "stem": {"type": "string", "description": "The name without its suffix: scan."},
        "suffix": {"type": "string", "description": "The name's suffix with its dot: .pdf."},
        "bytes": {"type": "integer", "description": "Size in bytes."},
        "modified_at": {"type": "string", "format": "date-time", "description": "When it was last written."},
        "file": File.schema(),
    },
    "required": ["path", "name", "stem", "suffix", "bytes", "modified_at", "file"],
    "additionalProperties": False,
}


class _Roots(Protocol):
    """An opened `folder` connection."""

    def resolve(self, path: str) -> Path: ...


@trigger(
    "folder",
    kind="poll",
    connection="folder",
    interval=5.0,
    output=_EVENT,
    sample={
        "path": "2026/scan.pdf",
        "name": "scan.pdf",
        "stem": "scan",
        "suffix": ".pdf",
        "bytes": 183204,
        "modified_at": "2026-03-02T08:00:00Z",
        "file": {
            "$file": "artifact:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "name": "scan.pdf",
            "mime": "application/pdf",
            "bytes": 183204,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        },
    },
)
async def folder(
    ctx: TriggerContext,
    path: Annotated[
        str,
        Field(
            "The directory: relative to the project, or absolute and below one that the operator allows "
            "(HOOKLINE_WATCH_DIRS).",
            min_length=1,
            examples=["incoming", "/srv/scanner/out"],
        ),
    ],
    suffix: Annotated[
        list[str] | str | None,
        Field("Only names that end with this, in any case of letters.", examples=[[".pdf", ".png"]]),
    ] = None,
    glob: Annotated[
        str,
        Field("Only paths that match: * within a folder, ** any folders.", examples=["2026/**/*.pdf"]),
    ] = "",
    recursive: Annotated[bool, Field("Look into the folders below as well.")] = True,
    max_bytes: Annotated[int | str | None, Field("Largest size.", format="size", examples=["25MB"])] = None,
    start_from: Annotated[
        Literal["now", "all"],
        Field(
            "What becomes of files that are there already at the first look.",
            options={"now": "They are remembered and start nothing.", "all": "Each of them starts a run."},
        ),
    ] = "now",
    settle: Annotated[
        str,
        Field("How long a file must have stayed the same before it is taken.", format="duration"),
    ] = "0s",
    after: Annotated[
        Literal["keep", "move", "delete"],
        Field(
            "What becomes of a file once its run has succeeded.",
            options={
                "keep": "It stays.",
                "move": "It is moved to move_to.",
                "delete": "It is deleted; the artifact store has its bytes for as long as the run is kept.",
            },
        ),
    ] = "keep",
    move_to: Annotated[
        str,
        Field("A folder below the watched one, on the same disk; not watched itself.", examples=["done"]),
    ] = "done",
    interval: Annotated[
        str,
        Field("Time between two looks; 5s when left out.", format="duration", advanced=True),
    ] = "",
) -> Poll:
    """Folder.

    Starts a run for every new or changed file in a directory. A file is taken when two looks find it the
    same, so one that is still being written is left alone. Its bytes go to the artifact store at once:
    later steps have them even if it is moved away. Hidden files and symbolic links are passed over. Let
    no step of the workflow write into the directory. With `pip install hookline[watch]` the system tells
    of changes, and a look follows at once.
    """
    roots: _Roots = ctx.connection
    root = roots.resolve(path)
    given = [suffix] if isinstance(suffix, str) else suffix or ()
    wanted = Filter(
        [each for each in given if each],
        glob,
        max_bytes=None if max_bytes is None else parse_size(max_bytes, name="max_bytes"),
    )
    now = ctx.now().timestamp()
    quiet = parse_duration(settle, name="settle")
    settled = now - quiet
    before = _pending(ctx.cursor)
    without = move_to.strip("/") if after == "move" else ""
    found = await asyncio.to_thread(_wanted, root, wanted, recursive, without)
    taken, problem = await _disposed(ctx, root, found, after, without, now)
    if ctx.cursor is None and start_from == "now":
        return Poll(cursor={"pending": {}}, baseline=[each.identity for each in found])

    known = ctx.seen([each.identity for each in found])
    fresh = [each for each in found if each.identity not in known]
    since = {
        each.shown: before[each.shown][1] if before.get(each.shown, ("",))[0] == each.identity else now
        for each in fresh
    }
    ready = [
        each
        for each in fresh
        if before.get(each.shown, ("",))[0] == each.identity and since[each.shown] <= settled
    ]
    # Those that could not be read before come last, so that they cannot keep the others out.
    unreadable = ctx.seen([_unreadable(each) for each in ready])
    ready.sort(key=lambda each: _unreadable(each) in unreadable)
    events: list[TriggerEvent] = []
    skipped: list[tuple[TriggerEvent, str]] = []
    for each in ready[:MAX_EVENTS]:
        try:
            file = await ctx.files.save(read(root, each), name=PurePosixPath(each.shown).name)
        except Unstable:
            continue
        except OSError as error:
            # Recorded once, under a key of its own: the file itself can still be taken later.
            if _unreadable(each) not in unreadable:
                event = TriggerEvent(_unreadable(each), _data(each, File("artifact:")))
                skipped.append((event, f"it cannot be read: {error.strerror}"))
            continue
        events.append(TriggerEvent(each.identity, _data(each, file)))
        if after != "keep":
            taken[each.identity] = now

    had = {event.key for event in events}
    pending = {each.shown: [each.identity, since[each.shown]] for each in fresh if each.identity not in had}
    # Those that have waited longest stay, so that many files cannot keep each other out.
    kept = sorted(pending.items(), key=lambda item: item[1][1])[:MAX_PENDING]
    newest = sorted(taken.items(), key=lambda item: item[1])[-MAX_TAKEN:]
    return Poll(
        events=sorted(events, key=lambda event: (event.data["modified_at"], event.data["path"])),
        cursor={"pending": dict(kept), **({"taken": dict(newest)} if newest else {})},
        skipped=skipped,
        next_at=ctx.now() if len(ready) > MAX_EVENTS else _next_look(ctx, since.values(), quiet),
        problem=problem,
    )


def _next_look(ctx: TriggerContext, since: Iterable[float], quiet: float) -> datetime | None:
    """Soon, while a file is waited for that has only just been written."""
    pause = max(quiet, SOON)
    now = ctx.now().timestamp()
    if pause >= ctx.interval or not any(now - each < pause for each in since):
        return None
    return ctx.now() + timedelta(seconds=pause)


@folder.on_watch
async def watch(ctx: TriggerContext, path: str, recursive: bool = True, **_: Any) -> AsyncIterator[None]:
    """Tells when something has changed, where the system and the installation can."""
    try:
        from watchfiles import awatch
    except ImportError:
        return
    roots: _Roots = ctx.connection
    root = roots.resolve(path)
    async for _changes in awatch(root, watch_filter=None, debounce=200, step=50, recursive=recursive):
        yield None


async def _disposed(
    ctx: TriggerContext, root: Path, found: Sequence[Entry], after: str, target: str, now: float
) -> tuple[dict[str, float], str]:
    """Files whose runs are not over, after those whose runs have succeeded were taken away."""
    before = ctx.cursor.get("taken", {}) if isinstance(ctx.cursor, Mapping) else {}
    if not before or after == "keep":
        return {}, ""
    here = {each.identity: each for each in found}
    outcomes = ctx.outcomes(before)
    left: dict[str, float] = {}
    problem = ""
    for identity, since in before.items():
        entry, outcome = here.get(identity), outcomes.get(identity)
        if outcome == "succeeded":
            # One that is not seen may have been set aside by a process that died then.
            entry = entry or Entry.read(identity)
            try:
                if after == "delete":
                    await asyncio.to_thread(delete, root, entry)
                else:
                    await asyncio.to_thread(move, root, entry, target)
                continue
            except OSError as error:
                problem = f"{entry.shown[:100]} cannot be taken away: {error.strerror}"
            except BadInput as error:
                problem = error.message
        # What started no run, or a run that has been forgotten, is waited for no longer than this.
        if entry is not None and (outcome is not None or now - since < NO_RUN_SECONDS):
            left[identity] = since
    return left, problem


def _wanted(root: Path, wanted: Filter, recursive: bool, without: str) -> list[Entry]:
    entries = scan(root, recursive=recursive, without=without)
    return sorted(
        (each for each in entries if wanted.wants(each.shown, each.bytes)), key=lambda each: each.path
    )


def _unreadable(entry: Entry) -> str:
    return f"unreadable:{entry.identity}"


def _pending(cursor: Any) -> Mapping[str, tuple[str, float]]:
    """The files that were seen before and not taken: state, and since when they have it."""
    if cursor is None:
        return {}
    pending = cursor.get("pending") if isinstance(cursor, Mapping) else None
    if not isinstance(pending, Mapping):
        raise BadInput("the trigger's cursor cannot be read", hint="reset the trigger")
    return {
        name: (found, 0.0) if isinstance(found, str) else (str(found[0]), float(found[1]))
        for name, found in pending.items()
    }


def _data(entry: Entry, file: File) -> dict[str, Any]:
    path = PurePosixPath(entry.shown)
    modified = datetime.fromtimestamp(entry.mtime_ns / 1e9, UTC)
    return {
        "path": entry.shown,
        "name": path.name,
        "stem": path.stem,
        "suffix": path.suffix,
        "bytes": entry.bytes,
        "modified_at": modified.isoformat().replace("+00:00", "Z"),
        "file": file.to_json(),
    }
