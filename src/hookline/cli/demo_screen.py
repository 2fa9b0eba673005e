"""What the demonstration shows: its own progress, and every step of every run as it happens."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO

from hookline.core import events as ev
from hookline.core.state import RunState
from hookline.engine.engine import Engine

__all__ = ["News", "Screen", "read_news"]

Kind = Literal["started", "waiting", "succeeded", "failed", "retrying", "unknown", "finished"]

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_SYMBOLS = {"done": "✓", "bad": "✗", "begin": "▸", "wait": "…"}
_PLAIN = {"done": "ok", "bad": "!!", "begin": "->", "wait": ".."}


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened in a run, as a person is told it.

    Attributes:
        label: The step's name or id; of the run itself the workflow's name.
        text: What it did, waits for, or failed with.
        seconds: How long it took; None while it is under way.
        status: Of the kind ``finished``: the run's.
    """

    run: str
    kind: Kind
    label: str
    text: str
    seconds: float | None = None
    status: str = ""


def read_news(engine: Engine, state: RunState, events: Sequence[ev.Event]) -> list[News]:
    """What these events, just stored, mean for people. Control steps speak through what they run."""
    now = engine.clock()
    found = []
    for event in events:
        if isinstance(event, ev.RunFinished):
            error = event.error or {}
            text = _plain(f"{error.get('code', '')} {error.get('message', '')}".strip() or event.reason)
            seconds = now - (state.started_at or state.created_at)
            found.append(News(state.id, "finished", state.workflow, text, seconds, event.status))
        elif event.path:
            found += _read_step(engine, state, event, now)
    return found


def _read_step(engine: Engine, state: RunState, event: ev.Event, now: float) -> list[News]:
    node, _ = engine.plans.get(state.version).locate(event.path)
    record = state.records.get(event.path)
    if not node.uses or record is None:
        return []
    label = _plain(node.name or node.id or node.uses)
    seconds = now - (record.started_at or now)
    match event:
        case ev.StepStarted():
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return [News(state.id, "started", label, f"{node.uses}{again}")]
        case ev.StepWaiting():
            return [
                News(state.id, "waiting", label, f"waits for {_plain(event.reason)}; holds nothing meanwhile")
            ]
        case ev.StepWoken(wake="callback"):
            return [News(state.id, "waiting", label, "the signed webhook has come")]
        case ev.StepSucceeded():
            action = engine.registry.actions.get(node.uses)
            text = action.summarize(record.input or {}, event.output) if action is not None else ""
            return [News(state.id, "succeeded", label, _plain(text), seconds)]
        case ev.AttemptUnknown():
            return [News(state.id, "unknown", label, _plain(event.error.get("message", "")), seconds)]
        case ev.AttemptFailed():
            return [News(state.id, "failed", label, _plain(event.error.get("message", "")), seconds)]
        case ev.StepRetrying():
            return [News(state.id, "retrying", label, f"again in {max(event.at - now, 0.0):.1f} s")]
    return []


def _plain(text: Any) -> str:
    """One line without control characters: names of files and answers of services reach the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text))


@dataclass(slots=True)
class Screen:
    """Writes to a terminal, in colours if it is one, or in plain lines."""

    stream: TextIO
    colours: bool
    symbols: dict[str, str]
    _seen: set[str] = field(default_factory=set)

    @classmethod
    def on(cls, stream: TextIO) -> Screen:
        """A screen on this stream; ``NO_COLOR`` and ``TERM=dumb`` turn the colours off."""
        is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        unicode = (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")
        if not unicode and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        return cls(stream, is_terminal and not os.environ.get("NO_COLOR"), _SYMBOLS if unicode else _PLAIN)

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._line("")
        self._line(self._paint(text, "bold"))

    def text(self, text: str) -> None:
        """A line of its own."""
        self._line(text)

    def pair(self, name: str, value: str) -> None:
        """A name and its value."""
        self._line(f"  {name:<22} {self._paint(value, 'cyan')}")

    def done(self, label: str, text: str, seconds: float | None = None) -> None:
        """Something was done."""
        self._entry("done", "green", label, text, seconds)

    def failed(self, label: str, text: str, seconds: float | None = None) -> None:
        """Something went wrong."""
        self._entry("bad", "red", label, text, seconds)

    def show(self, news: News) -> None:
        """A piece of news of a run."""
        if news.run not in self._seen:
            self._seen.add(news.run)
            self.heading(f"Run {news.run}")
        match news.kind:
            case "started":
                self._entry("begin", "dim", news.label, news.text, None)
            case "succeeded":
                self.done(news.label, news.text, news.seconds)
            case "failed" | "unknown":
                self.failed(news.label, news.text, news.seconds)
            case "finished":
                colour = "green" if news.status == "succeeded" else "red"
                took = f" in {news.seconds:.2f} s" if news.seconds is not None else ""
                reason = f": {news.text}" if news.text else ""
                self._line(self._paint(f"  The run has {news.status}{took}{reason}", colour))
            case _:
                self._entry("wait", "yellow", news.label, news.text, None)

    def _entry(self, symbol: str, colour: str, label: str, text: str, seconds: float | None) -> None:
        time: str = "" if seconds is None else f"{seconds:.2f} s"
        line = f"{label:<26} {time:>8}  {text}".rstrip()
        if colour == "dim":
            line = self._paint(line, "dim")
        self._line(f"  {self._paint(self.symbols[symbol], colour)} {line}")

    def _paint(self, text: Any, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.colours else str(text)

    def _line(self, text: str) -> None:
        self.stream.write(f"{text}\n")
        self.stream.flush()
