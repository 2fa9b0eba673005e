"""A run on a terminal: one line for each step that ends or waits, as it happens."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

from .output import on_terminal, say, status_text

if TYPE_CHECKING:
    from hookline.core.plan import Node, Plan
    from hookline.core.records import RunState, StepRecord
    from hookline.engine.redaction import Redactor
    from hookline.engine.watching import LiveText
    from hookline.sdk import Action

__all__ = ["Progress", "duration_text", "may_operator_decide", "printable", "say_how_to_decide"]

_BLOCKS = frozenset({"if", "switch", "for_each", "parallel", "while"})
_SHOWN = frozenset(
    {"succeeded", "failed", "skipped", "canceled", "waiting", "retrying", "unknown", "running"}
)


class Progress:
    """Writes lines to standard error; may be told from several threads.

    Args:
        plan: The run's workflow.
        quiet: Write nothing.
        address: Of the server whose pages show the run, where it is known.
    """

    def __init__(
        self,
        plan: Plan,
        actions: Mapping[str, Action],
        redactor: Redactor,
        *,
        quiet: bool = False,
        address: str = "",
    ) -> None:
        self.plan = plan
        self._actions = actions
        self._redactor = redactor
        self._quiet = quiet
        self._address = address
        self._lock = threading.Lock()
        self._told: dict[str, tuple[str, int]] = {}
        self._waits: dict[str, str] = {}
        self._ended: dict[str, float | None] = {}
        self._seq = -1
        self._is_open = False
        self._telling = ""

    def leave_out_failures(self, state: RunState) -> None:
        """Tell nothing of steps that had failed by then: the run goes on with them."""
        self._ended = {
            path: record.finished_at for path, record in state.records.items() if record.status == "failed"
        }

    def update(self, state: RunState, paths: Iterable[str] | None = None) -> None:
        """Tell what is new at these paths, or anywhere.

        A state that is older than what has been told already is ignored.
        """
        if self._quiet:
            return
        with self._lock:
            if state.seq < self._seq:
                return
            self._seq = state.seq
            for path in dict.fromkeys(state.records if paths is None else paths):
                record = state.records.get(path)
                if path and record is not None:
                    self._tell(state.id, record)

    def show(self, texts: Iterable[LiveText]) -> None:
        """Write what steps show while they are at work, on a terminal only; nothing waits for it."""
        if self._quiet or not on_terminal():
            return
        with self._lock:
            for text in texts:
                self._erase()
                if self._telling != text.path or not text.appended:
                    self._end_telling()
                    self._telling = text.path
                click.echo(click.style(printable(text.text), dim=True), err=True, nl=False)

    def close(self) -> None:
        """Take back the line about what is running."""
        with self._lock:
            self._erase()
            self._end_telling()

    def _end_telling(self) -> None:
        if self._telling:
            click.echo(err=True)
            self._telling = ""

    def _tell(self, run_id: str, record: StepRecord) -> None:
        try:
            node, items = self.plan.locate(record.path)
        except KeyError:
            return
        mark = (record.status, record.attempt)
        if record.status == "failed" and self._ended.get(record.path, 0.0) == record.finished_at:
            return
        if node.kind in _BLOCKS or record.status not in _SHOWN or self._told.get(record.path) == mark:
            return
        self._told[record.path] = mark
        if record.path == self._telling and record.status in ("running", "waiting"):
            # It only looked whether it is over; its words go on.
            return
        label = node.id or node.name or node.uses or node.kind
        if items:
            label += "#" + "#".join(map(str, items))
        self._erase()
        self._end_telling()
        if record.status == "running":
            if on_terminal():
                click.echo(f"{status_text('running', 10)} {label} …", err=True, nl=False)
                self._is_open = True
            return
        text = f"{status_text(record.status, 10)} {label:<20} {_took(record):>8}  {self._about(node, record)}"
        if record.status == "waiting":
            # A step that looks at a service, and goes on waiting for the same, says so once.
            if self._waits.get(record.path) == text:
                return
            self._waits[record.path] = text
        click.echo(text.rstrip(), err=True)
        if record.waiting is not None and record.waiting.waits_for == "approval":
            from hookline.engine.live import approval_id

            id_ = approval_id(run_id, record.path, record.attempt)
            say_how_to_decide(id_, self._address, is_operators=may_operator_decide(record))

    def _about(self, node: Node, record: StepRecord) -> str:
        match record.status:
            case "succeeded":
                action = self._actions.get(node.uses)
                text = action.summarize(record.input or {}, record.output) if action else node.kind
            case "waiting" | "unknown" if record.waiting is not None:
                text = f"for {record.waiting.reason}"
            case "retrying" if record.waiting is not None and record.waiting.until is not None:
                text = f"attempt {record.attempt + 1} follows"
            case "failed" | "unknown" if record.error is not None:
                text = f"{record.error.get('code', '')}: {record.error.get('message', '')}"
            case _:
                text = ""
        return self._redactor.redact_known(text)

    def _erase(self) -> None:
        if self._is_open:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._is_open = False


def printable(text: str) -> str:
    """A text of somebody else's without what would command the terminal."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())


def may_operator_decide(record: StepRecord) -> bool:
    """Whether an open approval lets the operator decide, and so whoever reads this."""
    from hookline.core.approvals import OPERATOR

    # A question about a budget is no `approve` step: whoever it names, the operator decides.
    return record.asking is None or OPERATOR in record.asking.who


def say_how_to_decide(approval: str, address: str = "", *, is_operators: bool = True) -> None:
    """Say with what a person decides on an open approval.

    Args:
        address: Of the server whose pages show it, where it is known.
        is_operators: Whether the operator may decide.
    """
    if is_operators:
        say(f"  decide: hookline approvals approve {approval}  (or reject)")
    else:
        say(f"  decided by those who are asked; see hookline approvals show {approval}")
    if address:
        say(f"  or at {address.rstrip('/')}/approvals/{approval}")


def _took(record: StepRecord) -> str:
    if record.started_at is None or record.finished_at is None:
        return ""
    return duration_text(record.finished_at - record.started_at)


def duration_text(seconds: float) -> str:
    """A time span for a person: ``12 ms``, ``3.4 s``, ``5 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
