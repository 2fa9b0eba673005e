"""Putting runs into words for people: filters and functions of the templates.

Everything a run, an event or an author has given is text to the templates, and Jinja escapes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Flask, current_app

from hookline.core.records import LOOKED_AT
from hookline.core.units import format_usd

from .artifacts import artifact_url, thumbnail_url
from .forms import FormTokens, choice_text, field_kind

__all__ = [
    "SHOWN_CHARACTERS",
    "Shown",
    "duration",
    "files_in",
    "present",
    "pretty",
    "references",
    "run_in_words",
    "settling_in_words",
    "shown_parts",
    "step_in_words",
]

Json = Any

MAX_SCORES = 20
"""Categories of a verdict on a page, the highest scores first; the run has all of them."""

SHOWN_CHARACTERS = 20_000
"""Most characters of one value on a page; the API gives all of it."""

_SHAPES = {
    "succeeded": "✓",
    "approved": "✓",
    "done": "✓",
    "failed": "✕",
    "rejected": "✕",
    "unknown": "?",
    "running": "▸",
    "retrying": "↻",
    "waiting": "◷",
    "pending": "◷",
    "queued": "…",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of a value, for people.

    Attributes:
        label: Its name in the value; empty for a value that has no parts.
        text: What it says; empty when the links say it all.
        links: Name and download address of the files it refers to.
        pictures: Name and address of small pictures of those that are pictures.
    """

    label: str
    text: str
    links: list[tuple[str, str]]
    pictures: list[tuple[str, str]] = field(default_factory=list)


def shown_parts(value: Json, at: str = "/artifacts") -> list[Shown]:
    """A value as people read it: texts as they are, kept files as links and pictures, the rest as JSON.

    Args:
        at: Under which address files are served to whoever looks.
    """
    if value is None:
        return []
    if _is_plain_object(value):
        return [_shown(str(name), part, at) for name, part in value.items()]
    if isinstance(value, list):
        return [_shown("", part, at) for part in value]
    return [_shown("", value, at)]


def _is_plain_object(value: Json) -> bool:
    return isinstance(value, dict) and "$file" not in value and scores_in_words(value) is None


def _shown(label: str, value: Json, at: str) -> Shown:
    links, pictures = files_in(value, at=at), pictures_in(value, at)
    if isinstance(value, dict) and "$file" in value:
        text = "" if links else f"{value.get('name') or 'file'} ({value['$file']})"
        return Shown(label, text, links, pictures)
    text = scores_in_words(value) or (_cut(value) if isinstance(value, str) else pretty(value))
    return Shown(label, text, links, pictures)


def scores_in_words(value: Json) -> str | None:
    """A moderation verdict as people read it; None for anything else."""
    if not isinstance(value, dict) or value.get("schema") != "moderation.verdict/1":
        return None
    lines = [f"{value.get('action')}: {value.get('reason') or ''}".rstrip(": ")]
    found = [each for each in value.get("categories") or () if isinstance(each, dict)]
    scored = [each for each in found if isinstance(each.get("score"), int | float)]
    for each in sorted(scored, key=lambda each: -each["score"])[:MAX_SCORES]:
        lines.append(f"{each.get('name')} {each['score']:.2f} ({each.get('decision')})")
    return "\n".join(lines)


def pretty(value: Json) -> str:
    """A value as indented JSON, cut when it is long."""
    return _cut(json.dumps(value, indent=2, ensure_ascii=False))


def _cut(text: str) -> str:
    if len(text) > SHOWN_CHARACTERS:
        return f"{text[:SHOWN_CHARACTERS]}\n… {len(text) - SHOWN_CHARACTERS} more characters"
    return text


def moment(text: str | None) -> str:
    """An RFC 3339 time as people read it, in UTC."""
    return "" if text is None else f"{text[:10]} {text[11:19]} UTC"


def _seconds(document: dict[str, Json]) -> float | None:
    begin, end = document.get("started_at"), document.get("finished_at")
    if begin is None or end is None:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def duration(document: dict[str, Json]) -> str:
    """How long a run or step took: ``0.12 s``, ``3 min 20 s``, ``2 h 5 min``; empty while it is open."""
    seconds = _seconds(document)
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def step_in_words(step: dict[str, Json]) -> str:
    """What a step is doing, in a few words."""
    waiting = step.get("waiting_for")
    if waiting is None:
        return str(step["status"])
    word = "next look" if waiting["kind"] in LOOKED_AT else "until"
    until = f", {word} {moment(waiting['until'])}" if waiting["until"] else ""
    return f"{step['status']}: {waiting['reason'] or waiting['kind']}{until}"


def settling_in_words(step: dict[str, Json]) -> list[str]:
    """What is still to be stopped or paid of attempts that are over."""
    return [
        f"what attempt {each['attempt']} left is being settled: {each['reason']}, next look "
        f"{moment(each['until'])}"
        for each in step.get("settling", ())
    ]


def interruptions(step: dict[str, Json]) -> str:
    """That a step was interrupted and may have been repeated; empty when it was not."""
    count = step.get("interruptions", 0)
    return "" if not count else f"interrupted {'once' if count == 1 else f'{count} times'}"


def _name(step: dict[str, Json]) -> str:
    return str(step.get("name") or step.get("id") or step["path"])


def run_in_words(run: dict[str, Json]) -> str:
    """What a run is doing or how it ended, as a sentence."""
    steps = run.get("steps", [])
    match run["status"]:
        case "queued":
            return "It waits for its turn: the workflow limits how many runs go on at a time."
        case "running":
            busy = [_name(step) for step in steps if step["status"] == "running"]
            return f"It is executing {', '.join(busy[:5])}." if busy else "It is being executed."
        case "waiting":
            told = [
                f"{_name(step)} ({step_in_words(step)})"
                for step in steps
                if step["waiting_for"] is not None or step["status"] == "retrying"
            ]
            return f"It waits: {'; '.join(told[:5]) or run['waiting_for'] or 'for what comes'}."
        case "succeeded":
            return f"It succeeded in {duration(run)}."
        case "canceled":
            return f"It was canceled after {duration(run)}."
    error = run["error"] or {}
    at = error.get("step")
    failed = next((_name(step) for step in steps if step["path"] == at), at)
    where = f" at {failed}" if failed else ""
    return f"It failed{where}: {error.get('message', 'no reason was given')}"


def pictures_in(value: Json, at: str = "/artifacts", most: int = 12) -> list[tuple[str, str]]:
    """Name and address of small pictures of the files that a value refers to."""
    found: dict[str, str] = {}
    for reference in references(value):
        url = thumbnail_url(reference, at)
        if url is not None and len(found) < most:
            found.setdefault(url, str(reference.get("name") or "file"))
    return [(name, url) for url, name in found.items()]


def files_in(value: Json, most: int = 50, at: str = "/artifacts") -> list[tuple[str, str]]:
    """Name and download address of the files that a value refers to."""
    found: list[tuple[str, str]] = []
    for reference in references(value):
        url = artifact_url(reference, at)
        if url is not None and (each := (str(reference.get("name") or "file"), url)) not in found:
            found.append(each)
            if len(found) == most:
                break
    return found


def references(value: Json) -> Iterator[dict[str, Json]]:
    """The file references in a value, in its order."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if "$file" in each:
                yield each
            waiting.extend(reversed(list(each.values())))
        elif isinstance(each, list):
            waiting.extend(reversed(each))


def _form_token(action: str) -> str:
    tokens: FormTokens = current_app.extensions["hookline.forms"]
    return tokens.token(action)


def present(app: Flask) -> None:
    """Give the templates their filters and functions."""
    environment = app.jinja_env
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters.update(
        pretty=pretty,
        moment=moment,
        duration=duration,
        in_words=step_in_words,
        interruptions=interruptions,
        settling_in_words=settling_in_words,
        files=files_in,
        usd=format_usd,
        shown_parts=shown_parts,
        field_kind=field_kind,
        choice_text=choice_text,
        shape=lambda status: _SHAPES.get(status, "–"),
    )
    environment.globals.update(form_token=_form_token)
